"""Documents as rows of a table and back: columns with dotted paths, their types, and what stands in a cell.

A header may name types as mongoimport knows them (`age.int32()`, `joined.date(2006-01-02)`), and two more:
`objectId()` and `json()`, which keeps everything. Without a type a cell's value is guessed, and a guess is made only
where the value, written again, gives the very same text: `007` and `1.50` stay strings.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError

from wayra_db.backups.transfer.dates import LAYOUTS, parse_date, python_layout
from wayra_db.backups.transfer.extjson import Fields, TextError, value_of, writer

GUESSED = "auto"

_TYPED = re.compile(r"(?P<path>.*)\.(?P<type>[A-Za-z0-9_]+)\((?P<argument>.*)\)", re.DOTALL)
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|-?inf|nan", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_OBJECT_ID = re.compile(r"ObjectId\(([0-9a-f]{24})\)")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_MILLISECONDS_OF_PYTHON = range(-62135596800000, 253402300800000)

_relaxed, _canonical = writer(canonical=False), writer(canonical=True)


class CellError(ValueError):
    """A cell does not hold what its column says."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the field's dotted path, its type and what stands in the type's brackets."""

    path: str
    type: str = GUESSED
    argument: str = ""

    @property
    def header(self) -> str:
        """As it stands in a typed header."""
        return f"{self.path}.{self.type}({self.argument})"


# --- reading -------------------------------------------------------------------------------------------------------


def typed_column(text: str) -> Column:
    """A column with its type: `age.int32()`. Raises ValueError that says what is wrong."""
    match = _TYPED.fullmatch(text)
    if match is None or not match["path"]:
        raise ValueError(f"column {text!r} names no type: write it like age.int32() or name.string()")
    column = Column(match["path"], match["type"], match["argument"])
    if column.type not in _PARSERS:
        raise ValueError(f"column {text!r} has an unknown type: one of {', '.join(_PARSERS)}")
    if column.type == "binary" and column.argument not in _BINARY:
        raise ValueError(f"column {text!r}: write binary(base64), binary(base32) or binary(hex)")
    return column


def columns_of(header: Sequence[str], *, typed: bool, types: Sequence[Column] = ()) -> list[Column]:
    """The columns that a header names. `types` are known besides: by path, or `*` for all others.

    Raises ValueError for a name that is empty or stands twice.
    """
    known = {column.path: column for column in types}
    rest = known.pop("*", Column("*"))
    columns = [
        typed_column(name) if typed else known.get(name, Column(name, rest.type, rest.argument)) for name in header
    ]
    paths = [column.path for column in columns]
    for number, path in enumerate(paths, 1):
        if not path or not all(path.split(".")):
            raise ValueError(f"column {number} of the header has no name")
        if path in paths[: number - 1]:
            raise ValueError(f"the header names {path!r} twice")
    if missing := known.keys() - set(paths):
        raise ValueError(f"the header has no column {sorted(missing)[0]!r}, which a type was given for")
    return columns


def document_of(columns: Sequence[Column], cells: Sequence[str]) -> Fields:
    """A row as a document; an empty cell is an absent field. Raises CellError."""
    document: Fields = {}
    for column, cell in zip(columns, cells, strict=True):
        if cell:
            _put(document, column.path, parse_cell(column, cell))
    return document


def parse_cell(column: Column, cell: str) -> Any:
    """What a cell holds. Raises CellError, which names the column and never the value."""
    try:
        return _PARSERS[column.type](cell, column.argument)
    except (ValueError, ArithmeticError, KeyError, BSONError, TextError, binascii.Error) as error:
        argument = f"({column.argument})" if column.argument else ""
        raise CellError(f"column {column.path!r} holds no {column.type}{argument}") from error


def guess(cell: str) -> Any:
    """The value of a cell of no type; the text itself where another value would not be written the same."""
    if _INTEGER.fullmatch(cell) and cell != "-0" and -(2**63) <= int(cell) < 2**63:
        return int(cell)
    if _FLOAT.fullmatch(cell) and _number(value := float(cell)) == cell and not math.isinf(value):
        return value
    if cell in ("true", "false"):
        return cell == "true"
    if _MOMENT.fullmatch(cell):
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            return cell
    if match := _OBJECT_ID.fullmatch(cell):
        return ObjectId(match[1])
    if cell[0] in "[{":
        try:
            value = value_of(cell)
        except TextError:
            return cell
        return value if _relaxed(value) == cell else cell
    return cell


def _put(document: Fields, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        document = document.setdefault(name, {})
        if not isinstance(document, dict):
            raise CellError(f"column {path!r} lies inside {name!r}, which has a value of its own in this row")
    if last in document:
        raise CellError(f"column {path!r} has a value, and so have columns inside it")
    document[last] = value


def _whole(bits: int) -> Callable[[str, str], Any]:
    def parse(cell: str, argument: str) -> Any:
        value = int(cell)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError
        return Int64(value) if bits == 64 else value

    return parse


def _date(kind: str) -> Callable[[str, str], Any]:
    def parse(cell: str, argument: str) -> Any:
        if not argument and (number := re.fullmatch(r"-?\d{6,}", cell)):
            return DatetimeMS(int(number.group()))  # what is beyond Python's calendar is written so
        return parse_date(cell, python_layout(kind, argument))

    return parse


_BINARY: Mapping[str, Callable[[str], bytes]] = {
    "base64": lambda cell: base64.b64decode(cell, validate=True),
    "base32": base64.b32decode,
    "hex": bytes.fromhex,
}

_PARSERS: Mapping[str, Callable[[str, str], Any]] = {
    GUESSED: lambda cell, argument: guess(cell),
    "string": lambda cell, argument: cell,
    "int32": _whole(32),
    "int64": _whole(64),
    "double": lambda cell, argument: float(cell),
    "decimal": lambda cell, argument: Decimal128(cell),
    "boolean": lambda cell, argument: _BOOLEANS[cell.lower()],
    **{kind: _date(kind) for kind in LAYOUTS},
    "objectId": lambda cell, argument: ObjectId(cell.removeprefix("ObjectId(").removesuffix(")")),
    "binary": lambda cell, argument: _BINARY[argument](cell),
    "json": lambda cell, argument: value_of(cell),
}


# --- writing -------------------------------------------------------------------------------------------------------


def flat(fields: Fields, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a document by their dotted paths; arrays and empty documents are values."""
    for name, value in fields.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from flat(value, f"{path}.")
        else:
            yield path, value


def lookup(fields: Fields, path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    value: Any = fields
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def type_of(value: Any) -> str:
    """The type that a column of such values has."""
    if value is None or (isinstance(value, (str, bytes)) and not value):
        return "json"  # an empty cell says that there is no such field
    return _TYPES.get(type(value), "json")


def common_type(types: set[str]) -> str:
    """The type of a column in which these were found."""
    return types.pop() if len(types) == 1 else "json"


def cell_of(value: Any, type: str = GUESSED) -> str:
    """What stands in a cell for a value."""
    if type == "json":
        return _canonical(value)
    if value is None:
        return ""
    if isinstance(value, str) and value.__class__ is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, DatetimeMS):
        return _moment(int(value))
    if isinstance(value, ObjectId):
        return f"ObjectId({value})"
    if isinstance(value, Decimal128):
        return str(value)
    if type == "binary":
        return base64.b64encode(value).decode("ascii")
    return _relaxed(value)


def typed(path: str, types: set[str]) -> Column:
    """A column as the header of an export names it."""
    kind = common_type(set(types))
    return Column(path, kind, "base64" if kind == "binary" else "")


def _number(value: float) -> str:
    return "NaN" if math.isnan(value) else json.dumps(value)


def _moment(milliseconds: int) -> str:
    if milliseconds not in _MILLISECONDS_OF_PYTHON:
        return str(milliseconds)
    moment = DatetimeMS(milliseconds).as_datetime().replace(tzinfo=UTC)
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


_TYPES: Mapping[type, str] = {
    str: "string",
    int: "int32",
    Int64: "int64",
    float: "double",
    bool: "boolean",
    DatetimeMS: "date",
    ObjectId: "objectId",
    Decimal128: "decimal",
    bytes: "binary",
}
