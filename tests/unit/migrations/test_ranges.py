from __future__ import annotations

import math
import re
from typing import Any
from uuid import UUID

import pytest
from bson import Code, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef

from wayra_db.migrations import ranges


@pytest.mark.parametrize(
    ("value", "bracket"),
    [
        (MinKey(), "minKey"),
        (None, "null"),
        (math.nan, "nan"),
        (Decimal128("NaN"), "nan"),
        (Decimal128("Infinity"), "number"),
        (True, "bool"),
        (1, "number"),
        ("x", "string"),
        ({"a": 1}, "object"),
        (DBRef("things", 1), "object"),
        (b"x", "binData"),
        (UUID(int=1), "binData"),
        (ObjectId(), "objectId"),
        (DatetimeMS(1), "date"),
        (Timestamp(1, 1), "timestamp"),
        (MaxKey(), "maxKey"),
    ],
)
def test_the_bracket_of_a_value(value: Any, bracket: str) -> None:
    """The place in the server's sort order."""
    assert ranges.bracket(value) == bracket


@pytest.mark.parametrize("value", [[1], Code("x"), Regex("x"), re.compile("x")])
def test_values_that_no_range_holds(value: Any) -> None:
    """An error, which names the type."""
    with pytest.raises(ranges.UnrangedKeyError):
        ranges.bracket(value)


@pytest.mark.parametrize("value", [MinKey(), None, math.nan, 1, "x", {}, b"", ObjectId(), Timestamp(1, 1), MaxKey()])
def test_what_comes_after_always_names_what_no_range_holds(value: Any) -> None:
    """So that the walk meets it, wherever it stands."""
    types = ranges.later("k", value)["$or"][-1]["k"]["$type"]
    assert {"array", "regex", "javascript"} <= set(types)


def test_what_comes_after_nan_is_not_nan() -> None:
    """Which `$type` calls a number, too: the walk would meet it for ever."""
    assert ranges.rest("k", math.nan) == {"k": {"$gte": -math.inf}}
    (later,) = ranges.later("k", math.nan)["$or"]
    assert "number" not in later["k"]["$type"]
    assert "string" in later["k"]["$type"]


def test_the_rest_of_a_bracket_is_one_range() -> None:
    """Which the server reads from where it begins; a bracket of one value has no rest."""
    assert ranges.rest("k", 5) == {"k": {"$gt": 5}}
    assert ranges.rest("k", None) is None
    assert ranges.rest("k", MaxKey()) is None


@pytest.mark.parametrize(
    ("low", "high", "from_start", "expected"),
    [
        (None, 5, True, {"k": {"$lte": 5}}),
        (3, 5, False, {"k": {"$gt": 3, "$lte": 5}}),
        ("x", 5, False, {"k": {"$lte": 5}}),
        (None, None, True, {"k": None}),
        (MinKey(), None, False, {"k": None}),
    ],
)
def test_a_range_lies_in_one_bracket(low: Any, high: Any, from_start: bool, expected: dict[str, Any]) -> None:
    """Its lower end only counts where it is of the same one."""
    assert ranges.within("k", low, high, from_start=from_start) == expected


@pytest.mark.parametrize(("values", "count"), [([1], 1), ([1, 2.5, "a"], 2), ([None, None, 1], 2), ([math.nan, 1], 1)])
def test_the_values_of_the_first_bracket(values: list[Any], count: int) -> None:
    """How many of the sorted ones there are."""
    assert ranges.first_bracket(values) == count
