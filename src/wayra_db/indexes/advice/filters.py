"""What a filter asks of an index, for each branch of its `$or`s. Pure.

Only the names of fields and the kinds of conditions leave here; values never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# `$or`s inside `$and`s multiply; past this the rest of them are conditions that no index is proposed for.
MOST_ARMS = 32
LOGICAL = frozenset({"$and", "$or", "$nor"})
GEO = frozenset({"$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$within"})
LOWER, UPPER = frozenset({"$gt", "$gte"}), frozenset({"$lt", "$lte"})
# What these leave over is usually most of the collection, or cannot be found by key at all.
REST = frozenset({"$ne", "$nin", "$exists", "$size", "$mod", "$bitsAllSet", "$bitsAnySet", "$bitsAllClear",
                  "$bitsAnyClear"})  # fmt: skip
# With `$options`, these make a pattern that no stretch of an index holds.
UNORDERED_OPTIONS = frozenset("ix")


@dataclass(frozen=True, slots=True)
class Arm:
    """One branch of a filter: the fields that must equal something, those within a range, and the others.

    `several` are equalities with more than one value (`$in`), `points` how many combinations they make. `bounded` are
    ranges with both ends. `patterns` are regular expressions that no range holds. `joined` are arrays whose parts are
    asked for in one element (`$elemMatch`).
    """

    equal: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()
    points: int = 1
    bounded: frozenset[str] = frozenset()
    ranges: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()
    geo: frozenset[str] = frozenset()
    rest: frozenset[str] = frozenset()
    joined: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Conditions:
    """What was found for each field so far; a field's strongest condition counts."""

    equal: dict[str, int] = field(default_factory=dict)
    lower: set[str] = field(default_factory=set)
    upper: set[str] = field(default_factory=set)
    others: dict[str, set[str]] = field(
        default_factory=lambda: {"ranges": set(), "patterns": set(), "geo": set(), "rest": set(), "joined": set()}
    )

    def copy(self) -> _Conditions:
        return _Conditions(
            dict(self.equal), set(self.lower), set(self.upper), {key: set(value) for key, value in self.others.items()}
        )

    def arm(self) -> Arm:
        equal = frozenset(self.equal)
        bounded = frozenset(self.lower & self.upper) - equal
        ranges = frozenset(self.lower | self.upper | self.others["ranges"]) - bounded - equal
        patterns = frozenset(self.others["patterns"]) - equal - bounded - ranges
        points = 1
        for number in self.equal.values():
            points *= max(number, 1)
        return Arm(
            equal,
            frozenset(name for name, number in self.equal.items() if number > 1),
            points,
            bounded,
            ranges,
            patterns,
            frozenset(self.others["geo"]),
            frozenset(self.others["rest"]) - equal - bounded - ranges - patterns,
            frozenset(self.others["joined"]),
        )


def arms_of(query: Mapping[str, Any]) -> tuple[Arm, ...]:
    """The branches of a filter, each once; a filter without `$or` has one."""
    arms = [conditions.arm() for conditions in _all_of(query, "", [_Conditions()])]
    return tuple(dict.fromkeys(arms))


def compares_text(query: Any) -> bool:
    """Whether a filter compares anything that a collation orders: strings, and what may hold some."""
    if isinstance(query, Mapping):
        return any(
            compares_text(value) if key.startswith("$") or isinstance(value, Mapping) else _orders(value)
            for key, value in query.items()
        )
    if isinstance(query, (list, tuple)):
        return any(compares_text(item) for item in query)
    return _orders(query)


def _orders(value: Any) -> bool:
    if isinstance(value, str):
        return not value.startswith(PLACEHOLDERS)
    return isinstance(value, (Mapping, list, tuple)) and compares_text(list(value) if value else [""])


# In the place of values `$queryStats` has their types; these are compared alike under every collation.
PLACEHOLDERS = ("?number", "?date", "?bool", "?objectId", "?null", "?timestamp", "?binData", "?decimal", "?minKey",
                "?maxKey", "?array<?number>", "?array<?date>", "?array<?bool>", "?array<?objectId>")  # fmt: skip


def _all_of(query: Mapping[str, Any], prefix: str, found: list[_Conditions]) -> list[_Conditions]:
    for key, value in query.items():
        if key == "$and":
            for part in _branches(value):
                found = _all_of(part, prefix, found)
        elif key == "$or":
            found = _any_of(_branches(value), prefix, found)
        elif key.startswith("$"):
            continue  # $nor, $expr, $where, $text, $comment, $jsonSchema: not found by key, or by an index of their own
        else:
            for conditions in found:
                _field(f"{prefix}{key}", value, conditions)
    return found


def _any_of(branches: Sequence[Mapping[str, Any]], prefix: str, found: list[_Conditions]) -> list[_Conditions]:
    if not branches or len(branches) * len(found) > MOST_ARMS:
        return found
    return [arm for conditions in found for branch in branches for arm in _all_of(branch, prefix, [conditions.copy()])]


def _field(path: str, value: Any, into: _Conditions) -> None:
    if _is_pattern(value):
        _pattern(path, value.pattern, _flags(value), into)
    elif isinstance(value, Mapping) and value and next(iter(value)).startswith("$"):
        for operator, operand in value.items():
            _operator(path, operator, operand, value, into)
    else:
        into.equal.setdefault(path, 1)


def _operator(path: str, operator: str, operand: Any, beside: Mapping[str, Any], into: _Conditions) -> None:
    if operator == "$eq":
        into.equal[path] = 1
    elif operator == "$in":
        _in(path, operand, into)
    elif operator in LOWER:
        into.lower.add(path)
    elif operator in UPPER:
        into.upper.add(path)
    elif operator == "$regex":
        pattern = getattr(operand, "pattern", operand)
        options = str(beside.get("$options", "")) + (_flags(operand) if _is_pattern(operand) else "")
        _pattern(path, pattern, options, into)
    elif operator == "$type":
        into.others["ranges"].add(path)
    elif operator in GEO:
        into.others["geo"].add(path)
    elif operator == "$all":
        _every(path, operand, into)
    elif operator == "$elemMatch" and isinstance(operand, Mapping):
        _element(path, operand, into)
    elif operator in REST or operator == "$not":
        into.others["rest"].add(path)


def _in(path: str, operand: Any, into: _Conditions) -> None:
    if not _is_list(operand):  # `$queryStats` has a placeholder for the whole list
        into.equal.setdefault(path, 2)
    elif any(_is_pattern(value) for value in operand):
        into.others["patterns"].add(path)
    else:
        into.equal[path] = min(into.equal.get(path, len(operand)), max(len(operand), 1))


def _every(path: str, operand: Any, into: _Conditions) -> None:
    parts = operand if _is_list(operand) else [operand]
    if parts and isinstance(parts[0], Mapping) and isinstance(parts[0].get("$elemMatch"), Mapping):
        # An index finds the documents of one of them; the others are looked at there.
        _element(path, parts[0]["$elemMatch"], into)
    else:
        into.equal.setdefault(path, 1)


def _element(path: str, operand: Mapping[str, Any], into: _Conditions) -> None:
    if operand and next(iter(operand)).startswith("$") and next(iter(operand)) not in LOGICAL:
        _field(path, operand, into)
        return
    into.others["joined"].add(path)
    inside = _all_of(operand, f"{path}.", [_Conditions()])
    if len(inside) != 1:
        into.others["rest"].add(path)
        return
    (one,) = inside
    into.equal.update(one.equal)
    into.lower |= one.lower
    into.upper |= one.upper
    for kind, paths in one.others.items():
        into.others[kind] |= paths


def _pattern(path: str, pattern: Any, options: str, into: _Conditions) -> None:
    text = pattern.decode(errors="replace") if isinstance(pattern, bytes) else str(pattern)
    anchored = text.startswith(("^", "\\A")) and "|" not in text and len(text.lstrip("^")) > 0
    ordered = anchored and not UNORDERED_OPTIONS & set(options) and text.lstrip("^")[:1].isalnum()
    into.others["ranges" if ordered else "patterns"].add(path)


def _is_pattern(value: Any) -> bool:
    """A `re.Pattern` or a `bson.Regex`."""
    return hasattr(value, "pattern") and hasattr(value, "flags")


def _flags(pattern: Any) -> str:
    from re import IGNORECASE, VERBOSE

    return ("i" if pattern.flags & IGNORECASE else "") + ("x" if pattern.flags & VERBOSE else "")


def _branches(value: Any) -> list[Mapping[str, Any]]:
    """The parts of a `$and` or `$or`; a query that the server refused is recorded too, and may hold anything."""
    return [part for part in value if isinstance(part, Mapping)] if _is_list(value) else []


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def redact(query: Any) -> Any:
    """A filter with `?` in the place of each value, its keys in order, so that queries of one shape look the same."""
    if isinstance(query, Mapping):
        return {key: _redact_value(key, query[key]) for key in sorted(query)}
    return "?"


def _redact_value(key: str, value: Any) -> Any:
    if key in LOGICAL and _is_list(value):
        return _distinct(redact(part) for part in value)
    if key.startswith("$"):
        if key in ("$elemMatch", "$not") and isinstance(value, Mapping):
            return redact(value)
        if key == "$all" and _is_list(value) and value and isinstance(value[0], Mapping) and "$elemMatch" in value[0]:
            return _distinct(redact(part) for part in value)
        return bool(value) if key == "$exists" else "?"
    if isinstance(value, Mapping) and value and next(iter(value)).startswith("$"):
        return {operator: _redact_value(operator, value[operator]) for operator in sorted(value)}
    return {"$regex": "?"} if _is_pattern(value) else "?"


def _distinct(parts: Iterable[Any]) -> list[Any]:
    listed: list[Any] = []
    for part in parts:
        if part not in listed:
            listed.append(part)
    return listed


def written(redacted: Any) -> str:
    """A redacted filter as people write one: `{owner: ?, createdAt: {$gte: ?}}`."""
    if isinstance(redacted, Mapping):
        return "{" + ", ".join(f"{key}: {written(value)}" for key, value in redacted.items()) + "}"
    if isinstance(redacted, list):
        return "[" + ", ".join(map(written, redacted)) + "]"
    return str(redacted).lower() if isinstance(redacted, bool) else str(redacted)
