"""Files of documents: which format they have, unpacked while read, written beside their place and put there whole."""

from __future__ import annotations

import io
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args

from wayra_db.backups.codecs import _zstd
from wayra_db.errors import BackupError, ConfigError

Format = Literal["json", "jsonl", "csv", "bson"]
Compression = Literal["", ".gz", ".zst"]

FORMATS: tuple[Format, ...] = get_args(Format)
_ENDINGS: dict[str, Format] = {"json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv", "bson": "bson"}
_MAGIC: tuple[tuple[bytes, Compression], ...] = ((b"\x1f\x8b", ".gz"), (b"\x28\xb5\x2f\xfd", ".zst"))
_STALE_SECONDS = 3600.0


class DamagedError(Exception):
    """A packed file cannot be unpacked."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """What stands in a file, and how it is packed."""

    format: Format
    compression: Compression = ""


def kind_of(name: str, format: str | None = None) -> FileKind:
    """What a file's name says: `users.csv.gz`. `format` wins over the ending. Raises ConfigError."""
    stem = name
    compression: Compression = ""
    for _, ending in _MAGIC:
        if name.lower().endswith(ending):
            stem, compression = name[: -len(ending)], ending
    found = _ENDINGS.get((format or stem.rpartition(".")[2]).lower())
    if found is None:
        what = f"{format!r} is no format" if format else f"the ending of {name} says no format"
        raise ConfigError(what, key="format", hint=f"Give --format: one of {', '.join(FORMATS)}.")
    return FileKind(found, compression)


def collection_of(name: str) -> str:
    """The collection that a file's name means: `users_export.json.gz` is of `users`."""
    stem = name
    for ending in (".gz", ".zst", *(f".{one}" for one in _ENDINGS)):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
    return stem.removesuffix("_export")


class Input:
    """A file or stream that is read once, unpacked where its first bytes say that it is packed."""

    def __init__(self, raw: IO[bytes]) -> None:
        first = raw.read(4)
        unpacked = _Pushed(first, raw)
        packed = next((ending for magic, ending in _MAGIC if first.startswith(magic)), "")
        self._file: Any = unpacked
        if packed == ".gz":
            self._file = _gzip(unpacked, "rb")
        elif packed == ".zst":
            self._file = _zstd().ZstdFile(unpacked, "rb")

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end. Raises DamagedError."""
        try:
            data: bytes = self._file.read(size)
        except (EOFError, ValueError, ArithmeticError) as error:
            raise DamagedError("the packed file is cut") from error
        except OSError as error:
            if error.errno is None:  # what the gzip reader raises for bytes that are no gzip
                raise DamagedError("the packed file is damaged") from error
            raise
        except Exception as error:  # zlib.error and ZstdError have no common base
            if type(error).__name__ not in ("error", "IsalError", "ZstdError"):
                raise
            raise DamagedError("the packed file is damaged") from error
        return data


def _gzip(file: Any, mode: str) -> Any:
    from isal import igzip

    opened: Any = igzip.IGzipFile  # typed as taking nothing
    return opened(filename="", fileobj=file, mode=mode, compresslevel=2, mtime=0)


class _Pushed(io.RawIOBase):
    """A readable whose first bytes were read already and are given once more."""

    def __init__(self, first: bytes, raw: IO[bytes]) -> None:
        self._first = first
        self._raw = raw

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As a file's."""
        data = self._first[: len(buffer)] or self._raw.read(len(buffer))
        self._first = self._first[len(data) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def opened(path: Path) -> Iterator[Input]:
    """A file for reading. Raises BackupError when it cannot be read."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise BackupError(
            f"{path} cannot be read: {error.strerror}", hint="Give the path of a file that is there."
        ) from error
    with raw:
        if path.is_dir():
            raise BackupError(f"{path} is a folder", hint="Give the file in it.")
        yield Input(raw)


class Output:
    """Where an export goes; `size` counts the bytes before they are packed."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self.size += len(data)


@contextmanager
def packed(raw: IO[bytes], compression: Compression) -> Iterator[Output]:
    """Write to `raw`, packed; `raw` stays open."""
    if compression == ".gz":
        with _gzip(raw, "wb") as file:
            yield Output(file)
    elif compression == ".zst":
        parameter = _zstd().CompressionParameter
        options = {parameter.compression_level: 3, parameter.checksum_flag: 1}
        with _zstd().ZstdFile(raw, "wb", options=options) as file:
            yield Output(file)
    else:
        yield Output(raw)


@contextmanager
def new_file(path: Path, compression: Compression, *, force: bool) -> Iterator[Output]:
    """Write a file of mode 0600 within the block: beside its place, flushed to the disk, then put there in one step.

    When the block fails nothing is left. Raises BackupError when there is such a file and not `force`, also when it
    came meanwhile, and when the disk is full or the folder cannot be written.
    """
    if not force:
        _require_free(path)
    partial = path.parent / f".{path.name}.partial-{secrets.token_hex(8)}"
    with _readable_errors(path), ExitStack() as cleanup:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_stale(path)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        cleanup.callback(partial.unlink, missing_ok=True)
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as raw:
            with packed(raw, compression) as output:
                yield output
            raw.flush()
            os.fsync(raw.fileno())
        _put(partial, path, force=force)


def _put(partial: Path, path: Path, *, force: bool) -> None:
    if force:
        partial.replace(path)
        return
    try:
        # A link, unlike a rename, never replaces what came there meanwhile.
        os.link(partial, path, follow_symlinks=False)
    except FileExistsError:
        _require_free(path)
        raise
    except OSError:  # a file system without links
        _require_free(path)
        partial.rename(path)


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise BackupError(
            f"{path} is there already; nothing was written",
            hint="Choose another --output, or replace it with --force.",
        )


def _remove_stale(path: Path) -> None:
    """What killed exports to the same place have left, once nobody has written to it for an hour."""
    for found in path.parent.glob(f".{path.name}.partial-*"):
        with suppress(OSError):
            if not found.is_symlink() and time.time() - found.stat().st_mtime > _STALE_SECONDS:
                found.unlink()


@contextmanager
def _readable_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(
            f"{path} cannot be written: {error.strerror or error}; nothing is left of it",
            hint="Give the folder room and the right to write, or choose another --output.",
        ) from error
