"""The folder of one backup on the disk: written beside its place and put there whole, read without following links.

Folders have mode 0700 and files 0600. Nothing here knows what a backup consists of.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wayra_db.backups.manifest import FileEntry, safe_path
from wayra_db.backups.names import require_backup_name
from wayra_db.errors import BackupError

PARTIAL = re.compile(r"\.[A-Za-z0-9_][A-Za-z0-9._-]*\.partial-[0-9a-f]{16}")
BLOCK = 1 << 20
WRITE_BACK_BYTES = 16 << 20


class HashedFile:
    """A new file that knows its size and SHA-256. Written from one thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: IO[bytes] = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        self._hash = hashlib.sha256()
        self._on_its_way = 0
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Append; all of it, or OSError."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._hash.update(data)
        self.size += len(data)
        if self.size - self._on_its_way >= WRITE_BACK_BYTES:
            self._send_to_disk()
        return len(data)

    def _send_to_disk(self) -> None:
        """Have the system write what it has taken so far, so that little is left for the flush at the end, and the
        backup does not push everything else out of the cache.
        """
        if sys.platform == "linux":
            with suppress(OSError):
                os.posix_fadvise(
                    self._file.fileno(), self._on_its_way, self.size - self._on_its_way, os.POSIX_FADV_DONTNEED
                )
        self._on_its_way = self.size

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> FileEntry:
        """Flush it to the disk and close it."""
        os.fsync(self._file.fileno())
        self._file.close()
        return FileEntry(self.size, self._hash.hexdigest())

    def abandon(self) -> None:
        """Close it as it is."""
        self._file.close()


class NewFolder:
    """The backup `name` that is being written; `files` fills as files are finished. Safe to use from several threads, a
    file each.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.files: dict[str, FileEntry] = {}

    def create(self, name: str) -> HashedFile:
        """A new file by its path in the backup; hand the result of its `close` to `finished`."""
        return HashedFile(self.path / safe_path(name))

    def finished(self, name: str, entry: FileEntry) -> None:
        """Note a file that is whole."""
        self.files[name] = entry

    def write(self, name: str, data: bytes) -> None:
        """A whole small file."""
        file = self.create(name)
        file.write(data)
        self.finished(name, file.close())


@contextmanager
def new_folder(parent: Path, name: str, *, numbered: bool = False) -> Iterator[NewFolder]:
    """Write a backup within the block; when it ends well, the folder is flushed and put in its place in one step.

    Otherwise nothing is left of it. A process that is killed leaves a hidden folder, which `remove_partials` removes.
    Raises BackupError when the name is taken, also by one that is being written; with `numbered` the name gets a
    number then.
    """
    require_backup_name(name)
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial, claim, target = _claimed_folder(parent, name, numbered=numbered)
    try:
        yield NewFolder(partial, target.name)
        flush_folders(partial)
        require_free(target)
        partial.rename(target)  # onto a folder with something in it, the system refuses
        flush(parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if claim is not None:
            os.close(claim)


def remove_partials(parent: Path, *, older_than_seconds: float, now: float) -> tuple[str, ...]:
    """Remove what killed runs have left, once nothing in it has been written for so long; returns the names.

    What a living process of this machine writes is never removed. Where the system cannot tell (Windows, some network
    file systems), an hour must have passed.
    """
    removed = []
    for path in sorted(parent.iterdir()) if parent.is_dir() else ():
        if not PARTIAL.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            continue
        newest = max((entry.lstat().st_mtime for entry in (path, *path.rglob("*"))), default=0.0)
        claim = _claim(path)
        if claim.held or now - newest < (older_than_seconds if claim.known else max(older_than_seconds, 3600.0)):
            claim.close()
            continue
        shutil.rmtree(path)
        claim.close()
        removed.append(path.name)
    return tuple(removed)


@dataclass(frozen=True, slots=True)
class _Claim:
    """Whether a living process writes a folder: `held` by another, or taken by this one as `descriptor`."""

    known: bool
    held: bool = False
    descriptor: int | None = None

    def close(self) -> None:
        """Give it up."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def _claim(folder: Path) -> _Claim:
    """Take the lock of a folder, which ends with the process however that ends."""
    if sys.platform == "win32":
        return _Claim(known=False)
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return _Claim(known=True, held=True)
    except OSError:
        os.close(descriptor)
        return _Claim(known=False)
    return _Claim(known=True, descriptor=descriptor)


def _claimed_folder(parent: Path, name: str, *, numbered: bool) -> tuple[Path, int | None, Path]:
    """The folder to write into, the lock on it, and its place afterwards.

    The hidden folder's name follows from the backup's, so that making it claims that name: the system lets one only.
    """
    number, candidate = 1, name
    while True:
        target = parent / candidate
        try:
            require_free(target)
            partial = _make_partial(parent, candidate, shared=not numbered)
        except BackupError:
            if not numbered:
                raise
            number += 1
            candidate = f"{name}_{number}"
            continue
        with suppress(FileNotFoundError):  # another run took it for a leftover, between these two lines
            claim = _claim(partial)
            if not claim.held and partial.exists():
                if not _is_taken(target):  # by one that was put there since it was looked at
                    return partial, claim.descriptor, target
                partial.rmdir()
            claim.close()


def _make_partial(parent: Path, name: str, *, shared: bool) -> Path:
    """Make the hidden folder of a name, and so claim it. Raises BackupError when another run has; with `shared` only
    when that run is known to live.
    """
    partial = parent / f".{name}.partial-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    while True:
        try:
            partial.mkdir(mode=0o700)
            return partial
        except FileExistsError:
            pass
        with suppress(FileNotFoundError):  # it is gone again
            claim = _claim(partial)
            claim.close()
            break
    if claim.held or not shared:
        raise BackupError(
            f"a backup named {name} is being written; nothing else was written",
            hint="Choose another --name, or wait for that one.",
        )
    # A killed run has left it; where nobody can tell that it was killed, it is not removed for an hour.
    partial = parent / f".{name}.partial-{secrets.token_hex(8)}"
    partial.mkdir(mode=0o700)
    return partial


def open_file(folder: Path, name: str) -> IO[bytes]:
    """A file of a backup for reading. Follows no link within the backup. Raises BackupError, FileNotFoundError."""
    path = folder
    for part in Path(safe_path(name)).parts[:-1]:
        path = path / part
        if path.is_symlink():
            raise BackupError(f"{path} is a link, and none is followed", hint="Copy the real folder in its place.")
    path = folder / name
    try:
        # Without waiting: a pipe in a file's place would keep the reader for ever.
        flags = ("O_NOFOLLOW", "O_BINARY", "O_NONBLOCK")
        descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))
    except OSError as error:
        if path.is_symlink():
            raise BackupError(
                f"{path} is a link, and none is followed", hint="Copy the real file in its place."
            ) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BackupError(f"{path} is no regular file", hint="Take it out of the backup's folder.")
    return os.fdopen(descriptor, "rb")


def list_files(folder: Path) -> Iterator[str]:
    """Every file and link below a backup's folder, as paths in the backup, and every empty folder, with a `/` behind
    it. Follows no link.
    """
    for current, folders, files in os.walk(folder, followlinks=False):
        here = Path(current)
        if not folders and not files and here != folder:
            yield f"{here.relative_to(folder).as_posix()}/"
        for name in sorted([*files, *(one for one in folders if (here / one).is_symlink())]):
            yield (here / name).relative_to(folder).as_posix()


def hash_file(folder: Path, name: str) -> FileEntry:
    """The size and SHA-256 of a file that is there."""
    digest, size = hashlib.sha256(), 0
    with open_file(folder, name) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return FileEntry(size, digest.hexdigest())


def require_free(target: Path) -> None:
    """Raise BackupError when a backup of this name is there."""
    if _is_taken(target):
        raise BackupError(
            f"there is a backup named {target.name} already; nothing was written",
            hint=f"Choose another --name, or delete that one: wayra-db backup delete {target.name}.",
        )


def _is_taken(target: Path) -> bool:
    return target.exists() or target.is_symlink()


def flush_folders(folder: Path) -> None:
    """Flush a folder and all in it to the disk."""
    for current, _, _ in os.walk(folder):
        flush(Path(current))


def flush(folder: Path) -> None:
    """A file's name is on the disk once its folder is; not every system lets a folder be opened."""
    with suppress(OSError, PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
