"""CRC-64 as archives of mongodump carry it (ECMA polynomial, reflected: the check of the xz format).

Python's own `lzma` checks it at the speed of C: the bytes are handed to it as an xz stream of stored pieces that ends
with the stated check. A Python built without `lzma` gets a table, which is slow and right.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Any, Protocol

MASK = (1 << 64) - 1
_POLYNOMIAL = 0xC96C5795D7870F42
_PIECE = 1 << 16  # the largest stored piece of LZMA2


class Checker(Protocol):
    """Takes bytes piece by piece and compares in the end."""

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes."""

    def matches(self, stated: int) -> bool:
        """Whether all bytes together have this check; nothing can be added afterwards. Negative numbers are taken as
        the archive writes them, signed.
        """


def checker() -> Checker:
    """The fastest that this Python has."""
    try:
        import lzma
    except ImportError:
        return TableChecker()
    return StreamChecker(lzma)


class StreamChecker:
    """By way of an xz stream (the .xz file format, 1.1: stream header, block header, LZMA2, padding, check)."""

    def __init__(self, lzma: Any) -> None:
        self._lzma = lzma
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        flags = b"\x00\x04"  # the check is CRC-64
        block = b"\x02\x00\x21\x01\x00\x00\x00\x00"  # 12 bytes with its sum, one filter: LZMA2, the smallest dictionary
        self._feed(b"\xfd7zXZ\x00" + flags + _sum(flags) + block + _sum(block))
        self._packed = 0

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            control = 2 if self._packed else 1  # the first piece resets the dictionary
            self._feed(struct.pack(">BH", control, len(piece) - 1))
            self._feed(piece)
            self._packed += 3 + len(piece)

    def matches(self, stated: int) -> bool:
        """Whether all bytes together have this check."""
        padding = bytes(-(self._packed + 1) % 4)
        try:
            self._feed(b"\x00" + padding + struct.pack("<Q", stated & MASK))
        except self._lzma.LZMAError:
            return False
        return True

    def _feed(self, data: bytes | memoryview) -> None:
        self._decoder.decompress(data)


class TableChecker:
    """By a table of 256 numbers."""

    def __init__(self) -> None:
        self._value = MASK

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        table, value = _table(), self._value
        for byte in bytes(data):
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        self._value = value

    def matches(self, stated: int) -> bool:
        """Whether all bytes together have this check."""
        return self._value ^ MASK == stated & MASK


@cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _sum(data: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(data))
