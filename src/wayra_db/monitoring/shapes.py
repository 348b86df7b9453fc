"""What a command asks, without its values: field names and operators stay, everything else is a question mark. Pure.

A field name can hold data as well (`scores.ada@example.com`), so only names that look like names are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LONGEST = 400
_DEEPEST = 6
_WIDEST = 12

# What says how the server works, and what is asked of it; the rest of a command is its circumstances.
_PARTS = (
    "filter",
    "query",
    "q",
    "pipeline",
    "projection",
    "fields",
    "key",
    "sort",
    "update",
    "u",
    "updates",
    "deletes",
)
_FLAGS = ("limit", "skip", "upsert", "multi", "collation", "hint", "arrayFilters", "remove", "new")
_NAME = re.compile(r"\$?[A-Za-z_][\w-]{0,63}(\.\$?\[?[\w-]{1,63}\]?){0,9}")
# An ObjectId, a UUID or a number among the parts of a path is somebody's, not a field's.
_IDENTIFIER = re.compile(r"(^|\.)([0-9a-fA-F]{16,}|[0-9a-fA-F-]{32,}|\d{5,})($|\.)")


def shape(command: Mapping[str, Any]) -> str:
    """The command without its values, on one line of at most `LONGEST` characters."""
    text = " ".join(_words(command))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _words(command: Mapping[str, Any]) -> Iterator[str]:
    for part in _PARTS:
        value = command.get(part)
        if not value or (part == "update" and not isinstance(value, Mapping | list)):
            continue  # `update` names the collection in the command of that name
        yield f"{part} {_sorting(value) if part == 'sort' else _redacted(value)}"
    if isinstance(command.get("distinct"), str) and isinstance(name := command.get("key"), str):
        yield f"of {_name(name)}"
    for flag in _FLAGS:
        if command.get(flag):
            yield flag


def _redacted(value: Any, depth: int = 0) -> str:
    if isinstance(value, Mapping):
        if depth >= _DEEPEST:
            return "{…}"
        shown = [_pair(key, inner, depth) for key, inner in list(value.items())[:_WIDEST]]
        return "{" + ", ".join(shown + ["…"] * (len(value) > _WIDEST)) + "}"
    if isinstance(value, list | tuple):
        return _list(value, depth)
    return "?"


def _pair(key: object, value: Any, depth: int) -> str:
    if key == "$sort":
        return f"$sort: {_sorting(value)}"
    # The documents that these hold are values, whatever their names are.
    inner = "?" if key in ("$literal", "$const", "$function", "$accumulator") else _redacted(value, depth + 1)
    return f"{_name(key)}: {inner}"


def _list(values: Sequence[Any], depth: int) -> str:
    """A list's different elements once each: how many values `$in` has makes no other shape."""
    if depth >= _DEEPEST:
        return "[…]"
    shown = list(dict.fromkeys(_redacted(one, depth + 1) for one in values[: _WIDEST * 4]))
    return "[" + ", ".join(shown[:_WIDEST] + ["…"] * (len(shown) > _WIDEST)) + "]"


def _sorting(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "?"
    orders = [f"{_name(key)}: {order if order in (1, -1) else '?'}" for key, order in list(value.items())[:_WIDEST]]
    return "{" + ", ".join(orders) + "}"


def _name(key: object) -> str:
    text = str(key)
    return text if _NAME.fullmatch(text) and not _IDENTIFIER.search(text) else "?"
