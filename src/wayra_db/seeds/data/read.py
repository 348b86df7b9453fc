"""Reads the documents of a data file one after the other, each with the line that it stands on.

JSON is MongoDB's extended JSON, relaxed or canonical; `{"$seedRef": {"users": {"email": "..."}}}` in it stands for the
`_id` of that user. What only a CSV can't say stands in its header row, see `csv_columns`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from wayra_db.seeds.data.csv_columns import ColumnError, columns_of, document_of
from wayra_db.seeds.references import reference
from wayra_db.seeds.run import SeedDataError
from wayra_db.seeds.upsert import Given

REFERENCE = "$seedRef"


def read_documents(path: Path) -> Iterator[Given]:
    """The documents of a file, by its ending. Raises SeedDataError with file and line."""
    readers: Mapping[str, Callable[[Path], Iterator[Given]]] = {
        ".json": _json,
        ".jsonl": _json_lines,
        ".csv": _csv,
        ".bson": _bson,
    }
    try:
        yield from readers[path.suffix](path)
    except UnicodeDecodeError as error:
        raise SeedDataError(f"{path.name}: is not UTF-8 text ({error.reason})", path=path) from error
    except OSError as error:
        raise SeedDataError(f"{path.name}: cannot be read: {error.strerror}", path=path) from error


def _wrong(path: Path, line: int | None, message: str, hint: str = "") -> SeedDataError:
    return SeedDataError(
        f"{path.name}:{line}: {message}" if line else f"{path.name}: {message}", path=path, line=line, hint=hint
    )


def _json(path: Path) -> Iterator[Given]:
    """An array of documents, or one document."""
    text = path.read_text(encoding="utf-8-sig")
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    at, line, counted, number = _space(text, 0), 1, 0, 0
    alone = text[at : at + 1] == "{"
    if not alone and text[at : at + 1] != "[":
        raise _wrong(path, 1, "holds no array of documents", 'Write [{"email": "ada@example.com"}, ...].')
    at = at if alone else _space(text, at + 1)
    while alone or text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        document, at = _decoded(path, decoder, text, at)
        number += 1
        yield _given(path, line, number, document)
        at = _space(text, at)
        if alone:
            break
        if text[at : at + 1] == ",":
            at = _space(text, at + 1)
            if text[at : at + 1] == "]":
                raise _wrong(path, text.count("\n", 0, at) + 1, "a comma stands before the end of the array")
        elif text[at : at + 1] != "]":
            raise _wrong(path, text.count("\n", 0, at) + 1, "a comma or the end of the array is missing here")
    end = _space(text, at + (0 if alone else 1))
    if end < len(text):
        more = "Put several documents into an array, or name the file .jsonl." if alone else ""
        raise _wrong(path, text.count("\n", 0, end) + 1, "something follows the end of the documents", more)


def _space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _decoded(path: Path, decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise _wrong(path, error.lineno, f"no JSON: {error.msg} (column {error.colno})") from error
    except Exception as error:  # what the types of extended JSON say of their values has no common class
        line = text.count("\n", 0, at) + 1
        raise _wrong(path, line, f"in the document that begins here: {error}") from error


def _json_lines(path: Path) -> Iterator[Given]:
    """A document on each line; empty lines do not count."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    number = 0
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                document = decoder.decode(text.strip())
            except json.JSONDecodeError as error:
                raise _wrong(path, line, f"no JSON: {error.msg} (column {error.colno})") from error
            except Exception as error:
                raise _wrong(path, line, str(error)) from error
            number += 1
            yield _given(path, line, number, document)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    """An object of extended JSON, or a reference."""
    from bson import json_util

    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(name for name in names if names.count(name) > 1)!r} stands twice")
    if set(found) != {REFERENCE}:
        return json_util.object_hook(found)
    target = found[REFERENCE]
    if not isinstance(target, dict) or len(target) != 1 or not isinstance(next(iter(target.values())), dict):
        raise ValueError(f'{REFERENCE} is written {{"{REFERENCE}": {{"users": {{"email": "ada@example.com"}}}}}}')
    ((collection, key),) = target.items()
    return reference(collection, key)


def _csv(path: Path) -> Iterator[Given]:
    """A row each, with the names of the fields in the first."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        line, number = 1, 0
        try:
            header = next(rows, None)
            if header is None:
                raise _wrong(path, None, "is empty", "Its first line names the fields: email,name,age:int")
            columns = columns_of(header)
            line = rows.line_num + 1
            for row in rows:
                if row:
                    number += 1
                    yield Given(document_of(columns, row), number, path, line)
                line = rows.line_num + 1
        except (csv.Error, ColumnError) as error:
            raise _wrong(path, line, str(error)) from error


def _bson(path: Path) -> Iterator[Given]:
    """Documents one after the other, as mongodump writes them."""
    import bson
    from bson.codec_options import CodecOptions, DatetimeConversion

    options: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    with path.open("rb") as file:
        number = 0
        documents = bson.decode_file_iter(file, options)
        while True:
            at = file.tell()
            try:
                document = next(documents, None)
            except bson.errors.BSONError as error:
                raise _wrong(path, None, f"document {number + 1}, at byte {at:,}, is broken: {error}") from error
            if document is None:
                return
            number += 1
            yield Given(document, number, path)


def _given(path: Path, line: int, number: int, document: Any) -> Given:
    if not isinstance(document, dict):
        raise _wrong(path, line, f"a document is an object, not {type(document).__name__}")
    return Given(document, number, path, line)
