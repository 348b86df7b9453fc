"""Raw BSON documents: taken out of a server's reply, walked through, checked. Nothing is decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator

SMALLEST = 5
LARGEST = 16 * 1024 * 1024 + 16 * 1024  # what the server itself stores at the most

_LENGTH = struct.Struct("<i")
_read_length = _LENGTH.unpack_from


class DocumentError(Exception):
    """Bytes that are no documents; `offset` is where, from the beginning of what was looked at."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def split(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Beginning and end of each document in a run of them. Raises DocumentError; looks at lengths and ends only."""
    offset, end = 0, len(data)
    while offset < end:
        if end - offset < SMALLEST:
            raise DocumentError("a document is cut", offset)
        (size,) = _read_length(data, offset)
        if not SMALLEST <= size <= LARGEST:
            raise DocumentError(f"a document claims {size} bytes", offset)
        if offset + size > end or data[offset + size - 1] != 0:
            raise DocumentError("a document is cut or damaged", offset)
        yield offset, offset + size
        offset += size


def count(data: bytes | memoryview) -> int:
    """How many documents a run holds. Raises DocumentError."""
    return sum(1 for _ in split(data))
