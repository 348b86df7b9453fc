"""File locks that the kernel drops when their holder dies, however it dies (`flock`; POSIX only)."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from wayra_db.errors import ServerError

_POLL_SECONDS = 0.005


class FileLock:
    """An open lock file and what is held on it. Closing it, or dying, lets go.

    The file is created with mode 0600 and never deleted by us: a lock belongs to the file's inode, so a deleted lock
    file would let two holders in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def fileno(self) -> int:
        """The open file's descriptor. A child that inherits it holds the lock until it ends."""
        return self._descriptor

    def acquire(self, *, shared: bool = False, timeout_seconds: float = 0.0) -> bool:
        """Take the lock, shared or alone, waiting up to `timeout_seconds`; False when others kept it.

        On a lock that is held already this changes its kind; when that fails, nothing is held any more.
        """
        deadline = time.monotonic() + timeout_seconds
        while not _try_lock(self._descriptor, shared=shared):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def is_held_alone_elsewhere(self) -> bool:
        """Whether another open file holds this lock alone. Only for a lock that is not held through this object."""
        if not _try_lock(self._descriptor, shared=True):
            return True
        _unlock(self._descriptor)
        return False

    def touch(self) -> None:
        """Set the file's modification time to now: when the lock was last used."""
        os.utime(self._descriptor)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor < 0

    def close(self) -> None:
        """Let go of the lock. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def is_held(path: Path) -> bool:
    """Whether anyone holds the lock file at `path` alone. Writes nothing; a file that is not there is not held."""
    return not _probe(path, shared=True)


def is_in_use(path: Path) -> bool:
    """Whether anyone holds the lock file at `path` in any way. Writes nothing."""
    return not _probe(path, shared=False)


def _probe(path: Path, *, shared: bool) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _try_lock(descriptor, shared=shared)
    finally:
        os.close(descriptor)


if sys.platform == "win32":  # the package must import there; only the embedded server is missing

    def require_file_locks() -> None:
        """Raise ServerError where the operating system has no `flock`."""
        raise ServerError(
            "the embedded server runs on Linux and macOS only",
            hint="Set MONGODB_URI to your own server, or run `docker compose up -d` with the shipped compose.yaml.",
        )

    def _try_lock(descriptor: int, *, shared: bool) -> bool:
        require_file_locks()
        return False

    def _unlock(descriptor: int) -> None:
        require_file_locks()

else:
    import fcntl

    def require_file_locks() -> None:
        """Raise ServerError where the operating system has no `flock`."""

    def _try_lock(descriptor: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
