"""BSON values as Python source, laid out so that a formatter has nothing to change.

What fits on a line of 88 columns stands on it; what does not is written one item a line with a comma after the last.
Formatters keep such a comma's layout at every line length, so the text is stable under 88 and any longer setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from uuid import UUID

from wayra_db.errors import MigrationError

LINE_LENGTH = 88
INDENT = "    "
FLAGS = {"I": re.I, "L": re.L, "M": re.M, "S": re.S, "X": re.X, "A": re.A}
# As `bson.Regex` takes them.
LETTERS = {"i": re.IGNORECASE, "l": re.LOCALE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.UNICODE, "x": re.VERBOSE}
ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Raw:
    """Source that stands as it is: a name, or a spread such as `**OPTIONS`."""

    text: str


@dataclass(frozen=True, slots=True)
class Brackets:
    """Items between brackets: a dict, a list or a call; each is a prefix (`"key": `) with a value."""

    opening: str
    items: tuple[tuple[str, Node], ...]
    closing: str


Node = str | Brackets


class Literals:
    """Turns values into source and remembers in `imports`, as module and name, what the source needs."""

    def __init__(self) -> None:
        self.imports: set[tuple[str, str]] = set()

    def use(self, module: str, name: str = "") -> str:
        """Remember an import; returns the name under which it is used."""
        self.imports.add((module, name))
        return name or module

    def lines(self, value: Any, *, indent: int = 0, before: str = "", after: str = "") -> list[str]:
        """`before`, the value and `after` as lines, indented by so many levels."""
        return layout(self.node(value), indent, before, after)

    def node(self, value: Any) -> Node:
        """A value's source. Raises MigrationError for a value that BSON does not know."""
        if isinstance(value, Brackets):
            return value
        if isinstance(value, Raw):
            return value.text
        if value is None or isinstance(value, bool):
            return repr(value)
        if isinstance(value, str) and not hasattr(value, "scope"):  # `bson.Code` is a str as well
            return quoted(value)
        if isinstance(value, Mapping):
            return Brackets("{", tuple(self._entry(key, item) for key, item in value.items()), "}")
        if isinstance(value, (list, tuple)):
            return Brackets("[", tuple(("", self.node(item)) for item in value), "]")
        return self._scalar(value)

    def call(self, function: str, *arguments: Any) -> Brackets:
        """A call of `function`."""
        return Brackets(f"{function}(", tuple(("", self.node(argument)) for argument in arguments), ")")

    def _entry(self, key: Any, item: Any) -> tuple[str, Node]:
        if isinstance(key, Raw):  # `**NAME` has no value of its own
            return "", key.text
        return f"{quoted(str(key))}: ", self.node(item)

    def _scalar(self, value: Any) -> Node:
        import bson
        from bson.datetime_ms import DatetimeMS

        if isinstance(value, bson.Int64):
            return self.call(self.use("bson", "Int64"), int(value))
        if isinstance(value, int):
            return repr(int(value))
        if isinstance(value, float):
            text = repr(float(value))
            return text.replace("e+", "e") if isfinite(value) else self.call("float", text)
        if isinstance(value, datetime):
            return self._datetime(value)
        if isinstance(value, re.Pattern):
            return self._pattern(value)
        if isinstance(value, UUID):
            return self.call(self.use("uuid", "UUID"), str(value))
        if isinstance(value, bson.Binary):
            return self.call(self.use("bson", "Binary"), bytes(value), value.subtype)
        if isinstance(value, bytes):
            return quoted_bytes(value)
        if isinstance(value, bson.Decimal128):
            return self._decimal(value)
        if isinstance(value, bson.Code):
            scope = () if value.scope is None else (value.scope,)
            return self.call(self.use("bson", "Code"), str(value), *scope)
        if isinstance(value, bson.DBRef):
            return self._reference(value)
        if isinstance(value, bson.Regex):
            flags = "".join(letter for letter, flag in LETTERS.items() if value.flags & flag)
            return self.call(self.use("bson", "Regex"), value.pattern, *([flags] if flags else []))
        if isinstance(value, bson.ObjectId):
            return self.call(self.use("bson", "ObjectId"), str(value))
        if isinstance(value, bson.Timestamp):
            return self.call(self.use("bson", "Timestamp"), value.time, value.inc)
        if isinstance(value, DatetimeMS):
            return self.call(self.use("bson.datetime_ms", "DatetimeMS"), int(value))
        if isinstance(value, (bson.MinKey, bson.MaxKey)):
            return self.call(self.use("bson", type(value).__name__))
        raise MigrationError(
            f"a value of type {type(value).__name__} cannot be written into a migration",
            hint="Declare it with one of BSON's types.",
        )

    def _datetime(self, value: datetime) -> Node:
        moment = value.astimezone(UTC) if value.tzinfo else value
        parts = [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond]
        while len(parts) > 3 and parts[-1] == 0:
            parts.pop()
        items: list[tuple[str, Node]] = [("", repr(part)) for part in parts]
        if value.tzinfo:
            items.append(("tzinfo=", self.use("datetime", "UTC")))
        return Brackets(f"{self.use('datetime', 'datetime')}(", tuple(items), ")")

    def _pattern(self, value: re.Pattern[Any]) -> Node:
        self.use("re")
        flags = " | ".join(f"re.{name}" for name, flag in FLAGS.items() if value.flags & flag)
        return self.call("re.compile", value.pattern, *([Raw(flags)] if flags else []))

    def _decimal(self, value: Any) -> Node:
        from bson import Decimal128

        name = self.use("bson", "Decimal128")
        if Decimal128(str(value)) == value:
            return self.call(name, str(value))
        return self.call(f"{name}.from_bid", value.bid)  # a NaN with a payload has no text of its own

    def _reference(self, value: Any) -> Node:
        document = dict(value.as_doc())
        items: list[tuple[str, Node]] = [("", self.node(document.pop("$ref"))), ("", self.node(document.pop("$id")))]
        if "$db" in document:
            items.append(("database=", self.node(document.pop("$db"))))
        if document:
            items.append(("**", self.node(document)))
        return Brackets(f"{self.use('bson', 'DBRef')}(", tuple(items), ")")


def layout(node: Node, indent: int, before: str = "", after: str = "") -> list[str]:
    """A node as lines: on one where it fits, else one line an item."""
    margin = INDENT * indent
    flat = f"{margin}{before}{_flat(node)}{after}"
    if isinstance(node, str) or not node.items or width(flat) <= LINE_LENGTH:
        return [flat]
    lines = [f"{margin}{before}{node.opening}"]
    for prefix, item in node.items:
        lines += layout(item, indent + 1, prefix, ",")
    return [*lines, f"{margin}{node.closing}{after}"]


def _flat(node: Node) -> str:
    if isinstance(node, str):
        return node
    return f"{node.opening}{', '.join(prefix + _flat(item) for prefix, item in node.items)}{node.closing}"


def width(text: str) -> int:
    """How many columns a line takes at most: beyond ASCII a letter may take two."""
    return len(text) + sum(not letter.isascii() for letter in text)


def quoted(text: str) -> str:
    """A string literal: double quotes unless single ones need fewer escapes, what cannot be seen as escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_letter(letter, quote) for letter in text) + quote


def _letter(letter: str, quote: str) -> str:
    if letter == quote:
        return f"\\{letter}"
    if letter in ESCAPES:
        return ESCAPES[letter]
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted_bytes(value: bytes) -> str:
    """As `quoted`, for bytes."""
    quote = "'" if value.count(b'"') > value.count(b"'") else '"'
    return f"b{quote}" + "".join(_byte(number, quote) for number in value) + quote


def _byte(number: int, quote: str) -> str:
    return _letter(chr(number), quote) if number < 0x80 else f"\\x{number:02x}"


def import_lines(imports: Iterable[tuple[str, str]]) -> list[str]:
    """Import statements in the usual order: the standard library, an empty line, the rest."""
    by_module: dict[str, set[str]] = {}
    for module, name in imports:
        by_module.setdefault(module, set()).add(name)
    standard = {"contextlib", "datetime", "re", "uuid"}
    blocks = []
    for modules in (sorted(standard & set(by_module)), sorted(set(by_module) - standard)):
        plain = [f"import {module}" for module in modules if "" in by_module[module]]
        block = plain
        for module in modules:
            names = sorted(by_module[module] - {""}, key=lambda name: (not name.isupper(), name.islower(), name))
            if names:
                block += layout(Brackets("(", tuple(("", name) for name in names), ")"), 0, f"from {module} import ")
        blocks.append([_without_parentheses(line) for line in block])
    return [line for block in blocks if block for line in [*block, ""]][:-1]


def _without_parentheses(line: str) -> str:
    return line.replace("(", "").replace(")", "") if line.endswith(")") and "(" in line else line
