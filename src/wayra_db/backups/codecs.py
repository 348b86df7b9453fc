"""Frames of documents, compressed each on its own, so that they can be packed and unpacked side by side.

The packages are loaded when a codec is first used. All of them work without Python's lock while they work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from wayra_db.backups.manifest import Codec

# What a damaged frame may claim to unpack to is not believed beyond this.
LARGEST_FRAME = 64 * 1024 * 1024


class FrameError(Exception):
    """A frame cannot be unpacked: it is damaged, cut, or holds more than a frame may."""


@dataclass(frozen=True, slots=True)
class FrameCodec:
    """How one codec packs and unpacks a frame; `ending` follows `.bson`."""

    name: Codec
    ending: str
    levels: range
    default_level: int | None
    pack: Callable[[bytes | memoryview, int | None], bytes | memoryview]
    unpack: Callable[[bytes | memoryview], bytes]


def _zstd() -> ModuleType | Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _pack_zstd(data: bytes | memoryview, level: int | None) -> bytes:
    zstd = _zstd()
    parameter = zstd.CompressionParameter
    packed: bytes = zstd.compress(data, options={parameter.compression_level: level, parameter.checksum_flag: 1})
    return packed


def _unpack_zstd(frame: bytes | memoryview) -> bytes:
    zstd = _zstd()
    unpacker = zstd.ZstdDecompressor()
    try:
        data: bytes = unpacker.decompress(frame, LARGEST_FRAME)
    except zstd.ZstdError as error:
        raise FrameError(str(error)) from error
    if not unpacker.eof or unpacker.unused_data:
        raise FrameError("the frame is cut, or something follows it")
    return data


def _pack_gzip(data: bytes | memoryview, level: int | None) -> bytes:
    from isal import igzip

    packed: bytes = igzip.compress(data, level if level is not None else 1, mtime=0)
    return packed


def _unpack_gzip(frame: bytes | memoryview) -> bytes:
    import zlib

    from isal import isal_zlib

    unpacker = isal_zlib.decompressobj(wbits=16 + isal_zlib.MAX_WBITS)
    try:
        data: bytes = unpacker.decompress(frame, LARGEST_FRAME)
    except (isal_zlib.error, zlib.error) as error:  # type: ignore[misc]  # the stub hides that it is an Exception
        raise FrameError(str(error)) from error
    if not unpacker.eof or unpacker.unused_data:
        raise FrameError("the member is cut, or something follows it")
    return data


def checksum(data: bytes | memoryview) -> str:
    """The CRC-32 of the documents of a frame, as eight hexadecimal digits.

    It says where a file is damaged. That a file is what was written is what its SHA-256 in the manifest tells, and a
    second one of every frame would take longer than reading it.
    """
    from isal import isal_zlib

    return f"{isal_zlib.crc32(data):08x}"


CODECS: Mapping[Codec, FrameCodec] = {
    "zstd": FrameCodec("zstd", ".zst", range(1, 20), 3, _pack_zstd, _unpack_zstd),
    "gzip": FrameCodec("gzip", ".gz", range(4), 1, _pack_gzip, _unpack_gzip),
    "none": FrameCodec("none", "", range(0), None, lambda data, level: data, bytes),
}
