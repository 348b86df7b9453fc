"""The age format (https://age-encryption.org/v1), as streams: a file of any size passes through little memory.

The package `pyrage` speaks it, from one file to another in one call. That call runs in a thread of its own, and a pipe
joins it to whoever writes or reads piece by piece.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Protocol, cast

from wayra_db.errors import BackupError, ConfigError

PIPE_BUFFER = 256 * 1024
ENCRYPTED, DECRYPTED = "encrypted", "decrypted"


class Writable(Protocol):
    """Where the encrypted bytes go."""

    def write(self, data: bytes | memoryview) -> int:
        """All of it."""


class Readable(Protocol):
    """Where the encrypted bytes come from."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def require_recipients(recipients: Sequence[str]) -> tuple[str, ...]:
    """The recipients, in order and once each: `age1...` and SSH public keys. Raises ConfigError for what is none.

    An entry may be the path of a file with one recipient a line, `#` before comments.
    """
    found: list[str] = []
    for given in recipients:
        text = given.strip()
        if text.startswith(("age1", "ssh-")):
            found.append(text)
            continue
        try:
            lines = Path(text).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{_shown(text)} is neither a recipient nor a file with recipients",
                key="backups.recipients",
                hint="A recipient looks like age1...; `age-keygen` makes one and the identity that opens its files.",
            ) from error
        found += [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    for text in found:
        _recipient(text)
    if recipients and not found:
        raise ConfigError("the file of recipients names none", key="backups.recipients")
    return tuple(dict.fromkeys(found))


@contextmanager
def encrypting(file: Writable, recipients: Sequence[str]) -> Iterator[IO[bytes]]:
    """What is written within the block goes encrypted to `file`; whole when the block has ended well.

    When it ends otherwise, what has reached `file` is of no use. Raises BackupError, and the errors of `file`.
    """
    keys = [_recipient(one) for one in recipients]
    pyrage = _pyrage()
    reading, writing = os.pipe()
    source = os.fdopen(reading, "rb", buffering=PIPE_BUFFER)
    target = os.fdopen(writing, "wb", buffering=0)
    encrypted = _Target(file)
    worker = _Worker(lambda: pyrage.encrypt_io(source, encrypted, keys), source.close, encrypted, ENCRYPTED)
    given_up = True
    try:
        yield cast(IO[bytes], _WholeWrites(target, worker))
        given_up = False
    finally:
        target.close()
        worker.join()
        if not given_up:
            worker.raise_failure()


def decrypting(file: Readable, identities: Sequence[str] | Path) -> IO[bytes]:
    """The content of an encrypted file, as a file to read; close it. `identities` are `AGE-SECRET-KEY-...`, or a file
    with one a line.

    Reading raises BackupError when no identity fits, or the file is cut or was changed: after the last good piece.
    """
    keys = _identities(identities)
    pyrage = _pyrage()
    reading, writing = os.pipe()
    source = os.fdopen(reading, "rb", buffering=0)
    target = os.fdopen(writing, "wb", buffering=0)
    encrypted = _Source(file)
    worker = _Worker(lambda: pyrage.decrypt_io(encrypted, _Target(target), keys), target.close, encrypted, DECRYPTED)
    return io.BufferedReader(_Decrypted(source, worker), PIPE_BUFFER)


class _Worker:
    """The thread of one call; `after` closes its end of the pipe, so that the other end sees it end.

    `file` is the one that is not a pipe. The package reports its errors as text, so they are taken from it.
    """

    def __init__(self, call: Callable[[], None], after: Callable[[], None], file: _Target | _Source, done: str) -> None:
        self._file = file
        self._done = done
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(call, after), name="wayra-age", daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], None], after: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            self._failure = error
        finally:
            with suppress(OSError):
                after()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()

    def raise_failure(self) -> None:
        """Raise what the call has raised, in our words; nothing when it ended well."""
        if self._failure is None:
            return
        if self._file.failure is not None:
            raise self._file.failure
        raise BackupError(
            f"the file cannot be {self._done}: {self._failure}",
            hint="Give the identity that belongs to one of the manifest's recipients; a file that was changed or cut "
            "does not open with any."
            if self._done == DECRYPTED
            else "",
        ) from self._failure


class _Target:
    """What the package writes to, with the whole of each piece taken."""

    def __init__(self, file: Writable | IO[bytes]) -> None:
        self._file = file
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except BaseException as error:
            self.failure = error
            raise
        return len(data)

    def flush(self) -> None:
        """The owner of the file flushes it."""


class _Source:
    """What the package reads from."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except BaseException as error:
            self.failure = error
            raise


class _WholeWrites(io.RawIOBase):
    """The writing end of the pipe; when the other end is gone, the reason is raised instead of a broken pipe."""

    def __init__(self, target: IO[bytes], worker: _Worker) -> None:
        self._target = target
        self._worker = worker

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        size = len(view)
        try:
            while view:
                view = view[self._target.write(view) :]
        except BrokenPipeError:
            self._worker.join()
            self._worker.raise_failure()
            raise
        return size


class _Decrypted(io.RawIOBase):
    def __init__(self, source: IO[bytes], worker: _Worker) -> None:
        self._source = source
        self._worker = worker

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        if not data:
            self._worker.join()
            self._worker.raise_failure()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._source.close()  # the thread's next write fails, and it ends
            self._worker.join()
        super().close()


def _recipient(text: str) -> Any:
    pyrage = _pyrage()
    try:
        return (
            pyrage.ssh.Recipient.from_str(text) if text.startswith("ssh-") else pyrage.x25519.Recipient.from_str(text)
        )
    except (pyrage.RecipientError, ValueError) as error:
        raise ConfigError(
            f"{_shown(text)} is no recipient: {error}",
            key="backups.recipients",
            hint="A recipient looks like age1...; `age-keygen` makes one and the identity that opens its files.",
        ) from error


def _shown(text: str) -> str:
    """What was given, for a message; a secret key, given by a mix-up, is repeated nowhere."""
    return "a secret key" if "SECRET" in text.upper() or "PRIVATE" in text.upper() else repr(text)


def _identities(given: Sequence[str] | Path) -> list[Any]:
    pyrage = _pyrage()
    if isinstance(given, Path):
        try:
            text = given.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the identity file {given} cannot be read: {type(error).__name__}", key="identity"
            ) from error
        if "PRIVATE KEY-----" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        given = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        keys = [pyrage.x25519.Identity.from_str(one) for one in given]
    except (pyrage.IdentityError, ValueError):
        # What was given may be a secret with a slip in it, so it is not repeated, and no cause is kept.
        raise ConfigError(
            "the identity is not one of age", key="identity", hint="An identity begins with AGE-SECRET-KEY-1."
        ) from None
    if not keys:
        raise ConfigError("no identity was given", key="identity", hint="Name the file with --identity.")
    return keys


def _pyrage() -> ModuleType:
    try:
        import pyrage  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError(
            "encryption needs the package pyrage", hint="pip install 'wayra-db[encryption]'", key="encryption"
        ) from error
    module: ModuleType = pyrage
    return module
