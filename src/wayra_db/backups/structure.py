"""The structure of BSON documents, walked through to the last nested value. Pure.

The driver's decoder in C does the walking, a run of documents at a time, and what it builds is thrown away. Only a run
that it refuses is walked through again here, in Python: to say where it is damaged, and because the decoder also
refuses what the server stores without a word, such as a `$ref` that is no reference.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, Any

from wayra_db.backups.documents import SMALLEST, DocumentError, split

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

# The server refuses what is nested deeper than 180 or 200.
DEEPEST = 500
# Frames are of about 1 MiB, so what is larger is mostly one large document.
LARGE = 4 * 1024 * 1024

_INT = struct.Struct("<i")
_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_TEXTS = frozenset({0x02, 0x0D, 0x0E})
_OLD_BINARY = 0x02


def check(data: bytes | memoryview) -> int:
    """Walk through a run of documents; returns how many there are. Raises DocumentError with the offset."""
    documents = sum(1 for _ in split(data))
    # What a large document decodes to may take many times its size.
    if len(data) > LARGE or not _decodes(data, documents):
        for beginning, end in split(data):
            walk(data, beginning, end)
    return documents


def _decodes(data: bytes | memoryview, documents: int) -> bool:
    import bson

    try:
        return len(bson.decode_all(data, lenient_options())) == documents
    except Exception:  # whatever it is: the walk tells what is wrong, if anything is
        return False


@cache
def lenient_options() -> CodecOptions[dict[str, Any]]:
    """How to decode whatever a server has stored."""
    from bson.codec_options import CodecOptions, DatetimeConversion

    # The server stores text that is not UTF-8, and times outside Python's years.
    return CodecOptions(unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_CLAMP)


def walk(data: bytes | memoryview, beginning: int, end: int, depth: int = 0) -> None:
    """Walk through one document, which lies between two offsets. Raises DocumentError with the offset."""
    open_documents = [_open(data, beginning, end)]
    position = beginning + 4
    while open_documents:
        stop = open_documents[-1]
        kind = data[position]
        if kind == 0:
            if position != stop - 1:
                raise DocumentError("a document ends before its length says so", position)
            open_documents.pop()
            position += 1
            continue
        value = _after_text(data, position + 1, stop)
        if kind in (0x03, 0x04):
            open_documents.append(_open(data, value, stop - 1))
            _require_shallow(depth + len(open_documents), value)
            position = value + 4
        elif kind == 0x0F:
            position = _code_with_scope(data, value, stop, depth + len(open_documents))
        else:
            position = _skip(data, kind, value, stop)
        if position >= stop and kind not in (0x03, 0x04):
            raise DocumentError("a value is longer than its document", value)


def _open(data: bytes | memoryview, position: int, limit: int) -> int:
    """The end of a document that begins here and must end by `limit`."""
    size = _length(data, position, limit)
    if size < SMALLEST or position + size > limit or data[position + size - 1] != 0:
        raise DocumentError(f"a document of {size} bytes does not fit where it stands", position)
    return position + size


def _length(data: bytes | memoryview, position: int, limit: int) -> int:
    if position + 4 > limit:
        raise DocumentError("a length is cut", position)
    length: int = _INT.unpack_from(data, position)[0]
    return length


def _after_text(data: bytes | memoryview, position: int, limit: int) -> int:
    """The offset behind a text that ends with its first zero byte."""
    if isinstance(data, bytes):
        found = data.find(0, position, limit - 1)
        if found >= 0:
            return found + 1
    else:
        for offset in range(position, limit - 1):
            if data[offset] == 0:
                return offset + 1
    raise DocumentError("a name has no end", position)


def _skip(data: bytes | memoryview, kind: int, position: int, limit: int) -> int:
    """The offset behind a value that holds no document."""
    if kind == 0x08:
        if position >= limit or data[position] > 1:
            raise DocumentError("a boolean is neither true nor false", position)
        return position + 1
    if kind in _FIXED:
        return position + _FIXED[kind]
    if kind in _TEXTS:
        return _text(data, position, limit)
    if kind == 0x05:
        return _binary(data, position, limit)
    if kind == 0x0B:
        return _after_text(data, _after_text(data, position, limit), limit)
    if kind == 0x0C:
        return _text(data, position, limit) + 12
    raise DocumentError(f"there is no type {kind:#04x}", position)


def _text(data: bytes | memoryview, position: int, limit: int) -> int:
    length = _length(data, position, limit)
    end = position + 4 + length
    if length < 1 or end >= limit or data[end - 1] != 0:
        raise DocumentError(f"a text of {length} bytes does not fit where it stands", position)
    return end


def _binary(data: bytes | memoryview, position: int, limit: int) -> int:
    length = _length(data, position, limit)
    end = position + 5 + length
    if length < 0 or end >= limit:
        raise DocumentError(f"binary data of {length} bytes does not fit where it stands", position)
    if data[position + 4] == _OLD_BINARY and (length < 4 or _length(data, position + 5, end) != length - 4):
        raise DocumentError("old binary data has two lengths", position)
    return end


def _require_shallow(depth: int, position: int) -> None:
    if depth > DEEPEST:
        raise DocumentError("documents are nested too deep", position)


def _code_with_scope(data: bytes | memoryview, position: int, limit: int, depth: int) -> int:
    length = _length(data, position, limit)
    end = position + length
    if length < 14 or end >= limit:
        raise DocumentError(f"code of {length} bytes does not fit where it stands", position)
    scope = _text(data, position + 4, end)
    if _open(data, scope, end) != end:
        raise DocumentError("code and its scope have another length than they say", position)
    _require_shallow(depth + 1, position)
    walk(data, scope, end, depth + 1)
    return end
