"""The columns of a CSV file: `email`, `profile.city`, `age:int`, `owner:ref(users.email)`. Pure but for BSON's types.

The name of a column is the field, dotted for one inside an object; behind a colon stands the type. An empty cell leaves
the field out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wayra_db.seeds.references import reference


class ColumnError(ValueError):
    """A column's name or a cell's value is wrong."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the steps to its field, and what makes a value of a cell's text."""

    title: str
    path: tuple[str, ...]
    convert: Callable[[str], Any]


def columns_of(header: Sequence[str]) -> list[Column]:
    """The columns that a header row names."""
    columns = [_column(title.strip()) for title in header]
    paths = [column.path for column in columns]
    for path in paths:
        if paths.count(path) > 1:
            raise ColumnError(f"the column {'.'.join(path)!r} stands twice")
        if any(other != path and other[: len(path)] == path for other in paths):
            raise ColumnError(f"the column {'.'.join(path)!r} is a value in one place and an object in another")
    return columns


def document_of(columns: Sequence[Column], row: Sequence[str]) -> dict[str, Any]:
    """The document of a row."""
    if len(row) != len(columns):
        raise ColumnError(f"has {len(row)} cells, and the header has {len(columns)}")
    document: dict[str, Any] = {}
    for column, text in zip(columns, row, strict=True):
        if text == "":
            continue
        try:
            value = column.convert(text)
        except Exception as error:
            raise ColumnError(f"column {column.title!r}: {text!r} does not fit: {error}") from error
        inner = document
        for step in column.path[:-1]:
            inner = inner.setdefault(step, {})
        inner[column.path[-1]] = value
    return document


def _column(title: str) -> Column:
    name, _, kind = title.partition(":")
    path = tuple(name.strip().split("."))
    if not all(path):
        raise ColumnError(f"the column {title!r} names no field")
    return Column(title, path, _converter(title, kind.strip()))


def _converter(title: str, kind: str) -> Callable[[str], Any]:
    known = _converters()
    if kind in known:
        return known[kind]
    if found := re.fullmatch(r"ref\((\w[\w-]*)\.([\w.]+)\)", kind):
        return lambda text: reference(found[1], {found[2]: text})
    types = ", ".join(sorted(name for name in known if name))
    raise ColumnError(f"the column {title!r} has no known type; there are {types} and ref(users.email)")


def _converters() -> Mapping[str, Callable[[str], Any]]:
    import bson

    return {
        "": str,
        "string": str,
        "int": _int,
        "long": lambda text: bson.Int64(int(text)),
        "double": float,
        "decimal": bson.Decimal128,
        "bool": _bool,
        "date": _date,
        "objectId": bson.ObjectId,
        "json": _json,
    }


def _int(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError("it takes more than 64 bits")
    return number


def _bool(text: str) -> bool:
    values = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in values:
        raise ValueError("write true or false")
    return values[text.lower()]


def _date(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _json(text: str) -> Any:
    from bson import json_util

    return json.loads(text, object_hook=json_util.object_hook)
