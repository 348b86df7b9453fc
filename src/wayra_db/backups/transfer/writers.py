"""Documents into files, in the formats that `readers` reads. Each takes raw BSON; only text decodes it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Protocol

from wayra_db.backups.transfer.extjson import Fields, decode_for_text, writer
from wayra_db.backups.transfer.files import Format, Output
from wayra_db.backups.transfer.table import Column, cell_of, flat, lookup, type_of, typed
from wayra_db.errors import ConfigError

MOST_COLUMNS = 2000
_IN_MEMORY = 8 * 1024 * 1024


class Writer(Protocol):
    """Takes documents in their order. `inexact` counts those that the format cannot hold as they are."""

    inexact: int

    def write(self, documents: Sequence[bytes]) -> None:
        """Append raw BSON documents."""

    def finish(self) -> None:
        """Write what comes at the end."""


class RawWriter:
    """BSON as it came."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.inexact = 0

    def write(self, documents: Sequence[bytes]) -> None:
        """As Writer."""
        self._output.write(b"".join(documents))

    def finish(self) -> None:
        """Nothing is left to do."""


class TextWriter:
    """Extended JSON: a line each, or an array with a document a line."""

    def __init__(self, output: Output, *, array: bool, canonical: bool, pretty: bool) -> None:
        self._output = output
        self._array = array
        self._pretty = pretty
        self._text = writer(canonical=canonical, pretty=pretty)
        self._first = True
        self.inexact = 0

    def write(self, documents: Sequence[bytes]) -> None:
        """As Writer."""
        texts = []
        for raw in documents:
            fields, exact = decode_for_text(raw)
            self.inexact += not exact
            texts.append(self._text(fields))
        if not texts:
            return
        if not self._array:
            self._output.write("".join(f"{text}\n" for text in texts).encode())
            return
        self._output.write((("[\n" if self._first else ",\n") + ",\n".join(texts)).encode())
        self._first = False

    def finish(self) -> None:
        """Close the array."""
        if self._array:
            self._output.write(b"[]\n" if self._first else b"\n]\n")


class TableWriter:
    """CSV. With `fields` known the rows go straight out; else they wait in a temporary file until all columns are seen.

    `typed_header` needs to have seen all values too. A waiting file lies in memory up to some megabytes, then on the
    disk in `folder`, without a name.
    """

    def __init__(
        self, output: Output, fields: Sequence[str], *, typed_header: bool = False, folder: str | None = None
    ) -> None:
        self._output = output
        self._fields = tuple(fields)
        self._typed = typed_header
        self._types: dict[str, set[str]] = {}
        self._waiting: IO[bytes] | None = None
        self.inexact = 0
        if typed_header or not fields:
            self._waiting = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=folder)  # noqa: SIM115
        else:
            self._rows([self._fields])

    def write(self, documents: Sequence[bytes]) -> None:
        """As Writer."""
        decoded = [decode_for_text(raw) for raw in documents]
        self.inexact += sum(not exact for _, exact in decoded)
        if self._waiting is None:
            self._rows([cell_of(lookup(fields, path)) for path in self._fields] for fields, _ in decoded)
            return
        self._waiting.write(b"".join(documents))
        for fields, exact in decoded:
            cells = list(self._cells(fields))
            for path, value in cells:
                self._types.setdefault(path, set()).add(type_of(value))
            # A field named `a.b` beside a document `a` with a field `b`: one cell for two values.
            self.inexact += exact and len(dict(cells)) < len(cells)
        if len(self._types) > MOST_COLUMNS:
            raise ConfigError(
                f"the documents have more than {MOST_COLUMNS} different fields, too many for a table",
                key="fields",
                hint="Name the columns with --fields, or use --format jsonl.",
            )

    def finish(self) -> None:
        """Write the table that had to wait."""
        if self._waiting is None:
            return
        columns = [typed(path, self._types.get(path, set())) for path in self._fields or self._types]
        self._rows([[column.header if self._typed else column.path for column in columns]])
        with self._waiting as waiting:
            waiting.seek(0)
            self._rows(self._row(columns, decode_for_text(raw)[0]) for raw in _documents(waiting.read))

    def _cells(self, fields: Fields) -> Iterator[tuple[str, object]]:
        if not self._fields:
            return flat(fields)
        found = ((path, lookup(fields, path)) for path in self._fields)
        return ((path, value) for path, value in found if value is not None)

    def _row(self, columns: Sequence[Column], fields: Fields) -> list[str]:
        values = dict(self._cells(fields))
        if not self._typed:
            return [cell_of(values.get(column.path)) for column in columns]
        return [cell_of(values[column.path], column.type) if column.path in values else "" for column in columns]

    def _rows(self, rows: Iterable[Sequence[str]]) -> None:
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        # Before Python 3.13 a carriage return alone is left unquoted, and read again as the end of the row.
        quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in rows:
            (quoting if any("\r" in cell for cell in row) else table).writerow(row)
            if text.tell() > 1 << 20:
                self._output.write(text.getvalue().encode())
                text.seek(0)
                text.truncate()
        self._output.write(text.getvalue().encode())


def _documents(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The documents of a run that this process has written itself."""
    while head := read(4):
        yield head + read(int.from_bytes(head, "little") - 4)


def writer_for(
    output: Output,
    format: Format,
    *,
    canonical: bool = False,
    pretty: bool = False,
    fields: Sequence[str] = (),
    typed_header: bool = False,
    folder: str | None = None,
) -> Writer:
    """The writer of a format."""
    if format == "bson":
        return RawWriter(output)
    if format == "csv":
        return TableWriter(output, fields, typed_header=typed_header, folder=folder)
    return TextWriter(output, array=format == "json", canonical=canonical, pretty=pretty)
