"""Which share of the documents a range finds, judged on sampled values. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from wayra_db.indexes.advice.operations import Command

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def shares_of(examples: Iterable[Command], values: Mapping[str, Sequence[Any]], sampled: int) -> dict[str, float]:
    """For each field with a range in recorded queries, the mean share of documents within it, where it can be told."""
    found: dict[str, list[float]] = {}
    for command in examples:
        query = command.get("filter") or command.get("query") or {}
        for path, condition in _conditions(query):
            test = _test(condition)
            if test is not None and sampled:
                matching = sum(test(value) for value in values.get(path, ()))
                found.setdefault(path, []).append(min(1.0, matching / sampled))
    return {path: sum(shares) / len(shares) for path, shares in found.items()}


def _conditions(query: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in query.items():
        if key == "$and" and isinstance(value, (list, tuple)):
            for part in value:
                yield from _conditions(part)
        elif not key.startswith("$"):
            yield key, value


def _test(condition: Any) -> Callable[[Any], bool] | None:
    if hasattr(condition, "pattern") and hasattr(condition, "flags"):
        condition = {"$regex": condition}
    if not isinstance(condition, Mapping):
        return None
    tests = [(_COMPARE[name], bound) for name, bound in condition.items() if name in _COMPARE]
    pattern = condition.get("$regex")
    if pattern is not None:
        return _matches(pattern, str(condition.get("$options", "")))
    return (lambda value: all(_holds(compare, value, bound) for compare, bound in tests)) if tests else None


def _holds(compare: Callable[[Any, Any], bool], value: Any, bound: Any) -> bool:
    """As the server compares: values of another type are not within a range."""
    try:
        return type(value) is not bool and bool(compare(value, bound))
    except TypeError:
        return False


def _matches(pattern: Any, options: str) -> Callable[[Any], bool] | None:
    flags = int(getattr(pattern, "flags", 0)) | (re.IGNORECASE if "i" in options else 0)
    try:
        compiled = re.compile(getattr(pattern, "pattern", pattern), flags)
    except (re.error, TypeError, ValueError):
        return None
    return lambda value: isinstance(value, str) and compiled.search(value) is not None
