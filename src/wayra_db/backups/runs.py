"""Documents that come out of a file one after the other, cut into runs of whole ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

from wayra_db.backups.documents import LARGEST, SMALLEST
from wayra_db.backups.source import Chunk
from wayra_db.errors import BackupCorruptError

RUN = 1 << 20
AGAIN = "Take another copy of the backup, or an older one. Nothing was restored."

_read_length = struct.Struct("<i").unpack_from


class Readable(Protocol):
    """What gives bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def corrupt(file: str, offset: int, reason: str) -> BackupCorruptError:
    """The error for a file that is damaged; `offset` in bytes, in the unpacked file where it is compressed."""
    return BackupCorruptError(f"{file} is damaged at byte {offset:,}: {reason}", file=file, offset=offset, hint=AGAIN)


@contextmanager
def unpacking(file: str) -> Iterator[None]:
    """Within the block, what the gzip readers raise on damaged data becomes a BackupCorruptError."""
    import gzip

    from isal import isal_zlib

    # isal's error is an Exception, whatever its stub says.
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, isal_zlib.error) as error:  # type: ignore[misc]
        raise corrupt(file, 0, f"it cannot be unpacked: {error}") from error


def open_gzip(raw: IO[bytes]) -> IO[bytes]:
    """A gzip file of any number of members, unpacked while it is read."""
    from isal import igzip

    unpacked: Any = igzip.IGzipFile(fileobj=raw, mode="rb")  # type: ignore[no-untyped-call]
    file: IO[bytes] = unpacked
    return file


def whole_documents(data: bytes, file: str, base: int) -> tuple[int, int]:
    """How many whole documents `data` begins with, and where they end. Raises BackupCorruptError for what is none."""
    offset, end, count = 0, len(data), 0
    while end - offset >= SMALLEST:
        (size,) = _read_length(data, offset)
        if not SMALLEST <= size <= LARGEST:
            raise corrupt(file, base + offset, f"a document claims {size} bytes")
        if offset + size > end:
            break
        if data[offset + size - 1]:
            raise corrupt(file, base + offset, "a document does not end where it says")
        offset += size
        count += 1
    return count, offset


def runs(source: Readable, file: str) -> Iterator[Chunk]:
    """All documents of a file in runs of about 1 MiB. Raises BackupCorruptError, also for a file that is cut."""
    rest, base = b"", 0
    while block := source.read(RUN):
        data = rest + block
        count, end = whole_documents(data, file, base)
        if count:
            yield Chunk(data if end == len(data) else data[:end], count, file, base)
        rest, base = data[end:], base + end
    if rest:
        raise corrupt(file, base, "it is cut within a document")
