"""Queries for ranges of a key's values that miss no document, whatever types the values have. Pure.

`$gt` and its like compare within one type only (manual, Comparison and Sort Order): after the last number in a key,
`{"$gt": 42}` finds no string, so a walk by `$gt` alone would silently stop half-way through mixed keys. Here each range
lies within one bracket of the sort order, and what comes after a value names the later brackets as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# The brackets in the server's sort order, each with the names that `$type` knows it by. NaN sorts before all numbers,
# and no range finds it.
_NULL, _NAN, _NUMBER = "null", "nan", "number"
BRACKETS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("minKey", ("minKey",)),
    (_NULL, ("null", "undefined")),
    (_NAN, ()),
    (_NUMBER, ("number",)),
    ("string", ("string", "symbol")),
    ("object", ("object",)),
    ("binData", ("binData",)),
    ("objectId", ("objectId",)),
    ("bool", ("bool",)),
    ("date", ("date",)),
    ("timestamp", ("timestamp",)),
    ("maxKey", ("maxKey",)),
)
_ORDER = {name: place for place, (name, _) in enumerate(BRACKETS)}
# No range can be made of these. They are always taken to come later: the walk then meets them and says so, and never
# passes over them.
_UNRANGED = ("array", "regex", "dbPointer", "javascript", "javascriptWithScope")
# Brackets with one value each: they are matched by equality.
_SINGLE = frozenset({"minKey", _NULL, _NAN, "maxKey"})

Condition = dict[str, Any]


class UnrangedKeyError(Exception):
    """A value of a type that no range can be made of: an array, a regular expression, code."""


def bracket(value: Any) -> str:
    """The bracket of the sort order that a decoded value belongs to. Raises UnrangedKeyError."""
    from uuid import UUID

    from bson import Decimal128, MaxKey, MinKey, ObjectId, Timestamp
    from bson.datetime_ms import DatetimeMS
    from bson.dbref import DBRef

    match value:
        case None:
            return _NULL
        case bool():
            return "bool"
        case float() if math.isnan(value):
            return _NAN
        case Decimal128() if value.to_decimal().is_nan():
            return _NAN
        case int() | float() | Decimal128():
            return _NUMBER
        case str() if type(value).__name__ != "Code":
            return "string"
        case bytes() | UUID():
            return "binData"
        case Mapping() | DBRef():
            return "object"
        case ObjectId():
            return "objectId"
        case DatetimeMS() | Timestamp() | MinKey() | MaxKey():
            return {"DatetimeMS": "date", "Timestamp": "timestamp", "MinKey": "minKey", "MaxKey": "maxKey"}[
                type(value).__name__
            ]
    if type(value).__name__ == "datetime":
        return "date"
    raise UnrangedKeyError(type(value).__name__)


def rest(key: str, value: Any) -> Condition | None:
    """What comes after `value` in its own bracket; None where that holds nothing else. One range of an index."""
    here = bracket(value)
    if here == _NAN:
        return {key: {"$gte": -math.inf}}
    return None if here in _SINGLE else {key: {"$gt": value}}


def later(key: str, value: Any) -> Condition:
    """What lies in the brackets after that of `value`. The server goes through the whole index for it, so it is asked
    only where a bracket has ended.
    """
    here = bracket(value)
    # `$type` calls NaN a number as well, so it would find it again and again.
    following = BRACKETS[_ORDER[_NUMBER if here == _NAN else here] + 1 :]
    alternatives: list[Condition] = []
    if any(name == _NULL for name, _ in following):
        alternatives.append({key: None})  # `$type` does not find a missing field, which sorts as null does
    if any(name == _NAN for name, _ in following):
        alternatives.append({key: math.nan})
    types = [known for name, names in following if name != _NULL for known in names]
    alternatives.append({key: {"$type": [*types, *_UNRANGED]}})
    return {"$or": alternatives}


def within(key: str, low: Any, high: Any, *, from_start: bool) -> Condition:
    """What lies after `low` (or, `from_start`, after the beginning of the bracket) up to and with `high`."""
    here = bracket(high)
    if here in _SINGLE:
        return {key: high}
    if from_start or bracket(low) != here:
        return {key: {"$lte": high}}
    return {key: {"$gt": low, "$lte": high}}


def first_bracket(values: Sequence[Any]) -> int:
    """How many of the sorted `values` lie in the bracket of the first."""
    first = bracket(values[0])
    return next((place for place, value in enumerate(values) if bracket(value) != first), len(values))
