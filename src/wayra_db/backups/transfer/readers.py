"""Documents out of files, one by one: each as BSON with its place, or what is wrong with it.

Pure over a `read(size)`. A document that cannot be read is a Rejected and the file is read on, where the format says
where the next one begins; where it does not, reading ends with BrokenFileError. Memory holds one document and a block.
"""

from __future__ import annotations

import csv
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from wayra_db.backups.documents import SMALLEST
from wayra_db.backups.transfer import extjson
from wayra_db.backups.transfer.extjson import Fields, TextError
from wayra_db.backups.transfer.files import Format
from wayra_db.backups.transfer.split import (
    BLOCK,
    LARGEST_TEXT,
    UTF8_MARK,
    BrokenFileError,
    Piece,
    Place,
    pieces,
)
from wayra_db.backups.transfer.table import CellError, Column, columns_of, document_of

LARGEST_DOCUMENT = 16 * 1024 * 1024

Read = Callable[[int], bytes]

_length = struct.Struct("<i")
_ID_ELEMENT = b"\x07_id\x00"


@dataclass(frozen=True, slots=True)
class Document:
    """A document with its _id, which it got here if it had none."""

    raw: bytes
    fields: Fields
    place: Place


@dataclass(frozen=True, slots=True)
class Rejected:
    """What is no document, and why; `place` is where the mistake is, as far as that is known."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How a CSV file is read: whether its header names types, and types known besides."""

    typed_header: bool = False
    types: Sequence[Column] = ()


def read_documents(read: Read, format: Format, table: TableOptions | None = None) -> Iterator[Document | Rejected]:
    """The documents of a file. Raises BrokenFileError, and what `read` raises."""
    match format:
        case "json":
            return (_from_text(piece) for piece in pieces(read))
        case "jsonl":
            return (_from_text(piece) for piece in _lines(read))
        case "csv":
            return _rows(read, table or TableOptions())
        case "bson":
            return _binary(read)


def _document(fields: Fields, place: Place, raw: bytes | None = None) -> Document | Rejected:
    if raw is None and "_id" not in fields:
        fields = {"_id": ObjectId(), **fields}
    try:
        encoded = extjson.encode(fields) if raw is None else raw
    except TextError as error:
        return Rejected(place, error.reason)
    if raw is not None and "_id" not in fields:
        key = ObjectId()
        fields = {"_id": key, **fields}
        body = _ID_ELEMENT + key.binary + encoded[4:]
        encoded = _length.pack(len(body) + 4) + body
    if len(encoded) > LARGEST_DOCUMENT:
        return Rejected(place, f"it is {len(encoded):,} bytes as BSON, and a document has {LARGEST_DOCUMENT:,} at most")
    return Document(encoded, fields, place)


# --- text ----------------------------------------------------------------------------------------------------------


def _from_text(piece: Piece) -> Document | Rejected:
    try:
        fields = extjson.parse(piece.text)
    except TextError as error:
        return Rejected(_within(piece.place, error), error.reason)
    return _document(fields, piece.place)


def _within(place: Place, error: TextError) -> Place:
    """Where in the file the mistake within a document is."""
    if not error.line:
        return place
    column = error.column + (place.column - 1 if error.line == 1 else 0)
    return Place(place.record, place.line + error.line - 1, column, place.offset)


def _lines(read: Read) -> Iterator[Piece]:
    record = 0
    for number, offset, line in _raw_lines(read):
        text = line.strip(b" \t\r\n")
        if text:
            record += 1
            column = len(line) - len(line.lstrip(b" \t\r\n")) + 1
            yield Piece(text, Place(record, number, column, offset))


def _raw_lines(read: Read) -> Iterator[tuple[int, int, bytes]]:
    """Number, offset and bytes of each line, without a byte order mark at the beginning of the file."""
    rest, offset, number = b"", 0, 1
    while True:
        block = read(max(BLOCK, len(rest)))
        if not offset and number == 1 and (rest + block)[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BrokenFileError("the file is UTF-16: convert it with `iconv -f utf-16 -t utf-8`", Place(1, 1, 1, 0))
        *whole, rest = (rest + block).split(b"\n")
        for line in whole if block else [*whole, rest]:
            text = line.removeprefix(UTF8_MARK) if number == 1 else line
            yield number, offset + len(line) - len(text), text
            offset += len(line) + 1
            number += 1
        if not block:
            return
        if len(rest) > LARGEST_TEXT:
            raise BrokenFileError(
                f"a line of more than {LARGEST_TEXT >> 20} MiB begins here", Place(number, number, 1, offset)
            )


# --- tables --------------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a table for the csv module, which remembers where the row that it reads began."""

    def __init__(self, read: Read) -> None:
        self._lines = _raw_lines(read)
        self.number = self.offset = 0
        self.undecodable: TextError | None = None

    def __iter__(self) -> Iterator[str]:
        for number, offset, line in self._lines:
            if not self.number:
                self.number, self.offset = number, offset
            try:
                yield line.decode("utf-8") + "\n"
            except UnicodeDecodeError as error:
                self.undecodable = TextError(
                    "it is not UTF-8: convert the file with `iconv -t utf-8`", number, error.start + 1
                )
                yield line.decode("utf-8", "replace") + "\n"

    def next_row(self) -> None:
        """The row that was read has been dealt with."""
        self.number, self.undecodable = 0, None


def _rows(read: Read, options: TableOptions) -> Iterator[Document | Rejected]:
    # The limit is the module's own and for all; it stands against a quote that is never closed.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_DOCUMENT))
    lines = _Lines(read)
    rows = csv.reader(iter(lines), strict=True)
    columns: list[Column] | None = None
    record = 0
    while True:
        lines.next_row()
        try:
            cells = next(rows, None)
        except csv.Error as error:
            place = Place(record + 1, lines.number, 1, lines.offset)
            raise BrokenFileError(f"the row that begins here is no CSV: {error}", place) from error
        if cells is None:
            if columns is None:
                raise BrokenFileError("the file has no header", Place(0, 1, 1, 0))
            return
        if not cells or cells == [""]:
            continue
        place = Place(record + 1, lines.number, 1, lines.offset)
        if columns is None:
            try:
                columns = columns_of(cells, typed=options.typed_header, types=options.types)
            except ValueError as error:
                raise BrokenFileError(str(error), Place(0, *_at(place))) from error
            continue
        record += 1
        yield _row(columns, cells, place, lines.undecodable)


def _at(place: Place) -> tuple[int, int, int]:
    return place.line, place.column, place.offset


def _row(columns: Sequence[Column], cells: Sequence[str], place: Place, wrong: TextError | None) -> Document | Rejected:
    if wrong is not None:
        return Rejected(Place(place.record, wrong.line, wrong.column, place.offset), wrong.reason)
    if len(cells) != len(columns):
        return Rejected(place, f"the row has {len(cells)} cells, and the header {len(columns)}")
    try:
        return _document(document_of(columns, cells), place)
    except CellError as error:
        return Rejected(place, str(error))


# --- BSON ----------------------------------------------------------------------------------------------------------


def _binary(read: Read) -> Iterator[Document | Rejected]:
    window, position, offset, record = b"", 0, 0, 0
    while True:
        size = _length.unpack_from(window, position)[0] if len(window) - position >= _length.size else SMALLEST
        place = Place(record + 1, 0, 0, offset + position)
        if not SMALLEST <= size <= LARGEST_TEXT:
            raise BrokenFileError(f"a document claims {size:,} bytes: this is no BSON, or it is damaged", place)
        if len(window) - position < size:
            offset += position
            block = read(max(BLOCK, size))
            window, position = window[position:] + block, 0
            if not block:
                if window:
                    raise BrokenFileError("the file ends within a document: it is cut", place)
                return
            continue
        raw = window[position : position + size]
        position += size
        record += 1
        try:
            fields = extjson.decode(raw)
        except TextError as error:
            yield Rejected(place, error.reason)
            continue
        yield _document(fields, place, raw)
