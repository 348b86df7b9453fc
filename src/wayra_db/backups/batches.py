"""The documents in the server's reply to find, aggregate and getMore, cut out without being decoded. Pure.

A batch is a BSON array: each document stands behind one byte for its type and its index as a string. The widths of
those are known, so the documents are found by their own lengths alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from wayra_db.backups.documents import DocumentError

FRAME_BYTES = 1 << 20
MOST_DOCUMENTS = 100_000
_LOOK = 64

_read_length = struct.Struct("<i").unpack_from
_read_long = struct.Struct("<q").unpack_from
_read_timestamp = struct.Struct("<II").unpack_from

_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _BINARY, _CODE, _SYMBOL, _SCOPED = 1, 2, 3, 4, 5, 13, 14, 15
_REGEX, _POINTER, _INT, _TIMESTAMP, _LONG = 11, 12, 16, 17, 18
_FIXED = {1: 8, 6: 0, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 127: 0, 255: 0}


@dataclass(frozen=True, slots=True)
class Run:
    """Whole documents as raw BSON, one after the other."""

    data: bytes | memoryview
    documents: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What stands in a reply's `cursor`: its id (0 at the end), where the batch lies, and the moment that was read."""

    cursor_id: int
    begin: int
    end: int
    at: tuple[int, int] | None


def value_size(data: bytes | memoryview, kind: int, offset: int) -> int:
    """The bytes that a BSON value of this kind takes. Raises DocumentError."""
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed
    if kind in (_STRING, _CODE, _SYMBOL):
        return 4 + int(_read_length(data, offset)[0])
    if kind in (_DOCUMENT, _ARRAY, _SCOPED):
        return int(_read_length(data, offset)[0])
    if kind == _BINARY:
        return 5 + int(_read_length(data, offset)[0])
    if kind == _POINTER:
        return 16 + int(_read_length(data, offset)[0])
    if kind == _REGEX:
        return _zero(data, _zero(data, offset) + 1) + 1 - offset
    raise DocumentError(f"a value is of no known type ({kind})", offset)


def _zero(data: bytes | memoryview, offset: int) -> int:
    """Where the next zero byte is: the driver hands large replies out as views, which cannot be searched."""
    while offset < len(data):
        found = bytes(data[offset : offset + _LOOK]).find(0)
        if found >= 0:
            return offset + found
        offset += _LOOK
    raise DocumentError("a name has no end", offset)


def elements(document: bytes | memoryview, offset: int = 0) -> Iterator[tuple[bytes, int, int, int]]:
    """Name, type, beginning and end of each value of the document that begins at `offset`. Raises DocumentError."""
    position = offset + 4
    try:
        end = offset + int(_read_length(document, offset)[0]) - 1
        if end >= len(document):
            raise DocumentError("a document is cut", offset)
        while position < end:
            kind = document[position]
            name_end = _zero(document, position + 1)
            begin = name_end + 1
            following = begin + value_size(document, kind, begin)
            if not begin <= following <= end:
                raise DocumentError("a value reaches beyond its document", position)
            yield bytes(document[position + 1 : name_end]), kind, begin, following
            position = following
    except (struct.error, IndexError) as error:
        raise DocumentError("a document is cut", position) from error


def read_reply(cursor: bytes | memoryview) -> Reply:
    """The `cursor` document of a reply. Raises DocumentError."""
    cursor_id, batch, at = 0, (0, 0), None
    for name, kind, begin, end in elements(cursor):
        if name in (b"firstBatch", b"nextBatch"):
            batch = (begin, end)
        elif name == b"id" and kind == _LONG:
            (cursor_id,) = _read_long(cursor, begin)
        elif name == b"atClusterTime" and kind == _TIMESTAMP:
            increment, seconds = _read_timestamp(cursor, begin)
            at = (seconds, increment)
    return Reply(cursor_id, *batch, at)


def documents_of(cursor: bytes | memoryview, reply: Reply) -> Iterator[memoryview]:
    """Each document of a reply's batch. Raises DocumentError when the widths do not come out even."""
    if reply.end == reply.begin:
        return
    view = memoryview(cursor)
    position, end = reply.begin + 4, reply.end - 1
    width, left = 3, 10  # the type, one digit, a zero byte; ten indexes have one digit
    while position < end:
        if not left:
            width, left = width + 1, 9 * 10 ** (width - 2)
        left -= 1
        position += width
        following = position + _read_length(cursor, position)[0]
        if not position < following <= end:
            break
        yield view[position:following]
        position = following
    if position != end:
        raise DocumentError("the server's reply is not laid out as expected", position)


def runs(documents: Iterator[memoryview] | Iterator[bytes], size: int = FRAME_BYTES) -> Iterator[Run]:
    """Documents gathered into runs of about `size` bytes; a document is never cut."""
    pieces: list[memoryview | bytes] = []
    gathered = 0
    for document in documents:
        length = len(document)
        # Half as much again is let pass: a batch that came out a little large makes no tiny run at its end.
        if gathered >= size * 3 // 2 or (pieces and gathered + length > 2 * size):
            yield _run(pieces)
            pieces, gathered = [], 0
        pieces.append(document)
        gathered += length
    if pieces:
        yield _run(pieces)


def _run(pieces: list[memoryview | bytes]) -> Run:
    # One large document is handed on as it lies in the reply, which holds little else.
    return Run(pieces[0] if len(pieces) == 1 else b"".join(pieces), len(pieces))


def next_batch_size(documents: int, size: int) -> int:
    """How many documents to ask for next, so that they come to about a frame, from those that came last."""
    if not documents:
        return 1000
    return max(1, min(MOST_DOCUMENTS, round(FRAME_BYTES * documents / max(size, 1))))
