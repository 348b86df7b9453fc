"""The index of a data file's frames, and the reading of them in the order of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wayra_db.backups import shape
from wayra_db.backups.codecs import LARGEST_FRAME
from wayra_db.backups.manifest import FORMAT

_ROW = 5


class FramesError(ValueError):
    """An index of frames that cannot be one."""


class Readable(Protocol):
    """Where packed frames come from."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a frame lies in its (decrypted) file, the bytes and documents in it, and the CRC-32 of those bytes."""

    offset: int
    size: int
    bytes: int
    documents: int
    crc32: str


def parse_frames(content: bytes) -> tuple[Frame, ...]:
    """The frames of an index, which leave no gap. Raises FramesError."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FramesError("it is no JSON") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FramesError(f"its format is not {FORMAT}")
    rows = document.get("frames")
    if not isinstance(rows, list):
        raise FramesError("it lists no frames")
    return tuple(_frames(rows))


def _frames(rows: list[object]) -> Iterator[Frame]:
    end = 0
    for number, row in enumerate(rows):
        if (
            not isinstance(row, list)
            or len(row) != _ROW
            or any(shape.number(one, "") for one in row[:4])
            or not isinstance(row[4], str)
        ):
            raise FramesError(f"frame {number} is not [offset, size, bytes, documents, crc32]")
        frame = Frame(*row)
        if frame.offset != end:
            raise FramesError(f"frame {number} begins at {frame.offset} and the one before it ends at {end}")
        if frame.bytes > LARGEST_FRAME or frame.size > LARGEST_FRAME:
            raise FramesError(f"frame {number} is larger than a frame may be")
        yield frame
        end += frame.size


def read_exactly(file: Readable, size: int) -> bytes:
    """So many bytes, or fewer at the end of the file."""
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
