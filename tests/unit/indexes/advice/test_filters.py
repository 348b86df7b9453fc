from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId, Regex
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.indexes.advice.filters import Arm, arms_of, compares_text, redact, written

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def names(*fields: str) -> frozenset[str]:
    """A set of field names."""
    return frozenset(fields)


CASES: dict[str, tuple[dict[str, Any], list[Arm]]] = {
    "nothing": ({}, [Arm()]),
    "equality": ({"a": 1, "b.c": None}, [Arm(equal=names("a", "b.c"))]),
    "a document": ({"a": {"b": 1}}, [Arm(equal=names("a"))]),
    "$eq": ({"a": {"$eq": 1}}, [Arm(equal=names("a"))]),
    "a list": ({"a": {"$in": [1, 2, 3]}}, [Arm(equal=names("a"), several=names("a"), points=3)]),
    "a list of one": ({"a": {"$in": [1]}}, [Arm(equal=names("a"))]),
    "two lists": (
        {"a": {"$in": [1, 2]}, "b": {"$in": [1, 2, 3]}},
        [Arm(equal=names("a", "b"), several=names("a", "b"), points=6)],
    ),
    "a list with a pattern": ({"a": {"$in": [re.compile("x"), "y"]}}, [Arm(patterns=names("a"))]),
    "one end": ({"a": {"$gt": 1}}, [Arm(ranges=names("a"))]),
    "both ends": ({"a": {"$gte": 1, "$lt": 2}}, [Arm(bounded=names("a"))]),
    "both ends, apart": ({"$and": [{"a": {"$gte": 1}}, {"a": {"$lt": 2}}]}, [Arm(bounded=names("a"))]),
    "equality beats a range": ({"$and": [{"a": {"$gte": 1}}, {"a": 2}]}, [Arm(equal=names("a"))]),
    "a beginning": ({"a": re.compile("^ab")}, [Arm(ranges=names("a"))]),
    "a beginning, as BSON": ({"a": Regex("^ab")}, [Arm(ranges=names("a"))]),
    "a beginning in any case": ({"a": re.compile("^ab", re.IGNORECASE)}, [Arm(patterns=names("a"))]),
    "a beginning with options": ({"a": {"$regex": "^ab", "$options": "i"}}, [Arm(patterns=names("a"))]),
    "two beginnings": ({"a": {"$regex": "^a|^b"}}, [Arm(patterns=names("a"))]),
    "no beginning": ({"a": {"$regex": "ab"}}, [Arm(patterns=names("a"))]),
    "what finds most": (
        {"a": {"$ne": 1}, "b": {"$nin": [1]}, "c": {"$exists": False}, "d": {"$not": {"$gt": 1}}},
        [Arm(rest=names("a", "b", "c", "d"))],
    ),
    "branches": ({"x": 1, "$or": [{"a": 1}, {"b": {"$gt": 1}}]}, [
        Arm(equal=names("x", "a")), Arm(equal=names("x"), ranges=names("b")),
    ]),
    "branches that are alike": ({"$or": [{"a": 1}, {"a": 2}]}, [Arm(equal=names("a"))]),
    "branches in branches": ({"$or": [{"a": 1}, {"$and": [{"$or": [{"b": 1}, {"c": 1}]}]}]}, [
        Arm(equal=names("a")), Arm(equal=names("b")), Arm(equal=names("c")),
    ]),
    "all of an array": ({"a": {"$all": [1, 2]}}, [Arm(equal=names("a"))]),
    "one element": (
        {"a": {"$elemMatch": {"b": 1, "c": {"$gt": 2}}}},
        [Arm(equal=names("a.b"), ranges=names("a.c"), joined=names("a"))],
    ),
    "one element by value": ({"a": {"$elemMatch": {"$gte": 1, "$lt": 2}}}, [Arm(bounded=names("a"))]),
    "a place": ({"a": {"$near": {}}, "b": 1}, [Arm(equal=names("b"), geo=names("a"))]),
    "what no key finds": ({"$expr": {}, "$where": "", "$text": {}, "$nor": [{"a": 1}], "$comment": "x"}, [Arm()]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_filter_asks(name: str) -> None:
    """Each branch by itself."""
    query, expected = CASES[name]
    assert list(arms_of(query)) == expected


def test_too_many_branches_are_left_out() -> None:
    """They would multiply without end."""
    query = {"x": 1, "$and": [{"$or": [{f"a{part}{n}": 1} for n in range(10)]} for part in range(5)]}
    assert len(arms_of(query)) <= 32
    assert all("x" in arm.equal for arm in arms_of(query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"a": 1, "b": DAY, "c": ObjectId(), "d": None, "e": {"$gt": 1}}, False),
        ({"a": "x"}, True),
        ({"a": {"$gt": "x"}}, True),
        ({"a": {"$in": [1, "x"]}}, True),
        ({"$or": [{"a": 1}, {"b": {"c": "x"}}]}, True),
        ({"a": [1, 2]}, False),
        ({"a": "?number", "b": {"$in": "?array<?date>"}}, False),
        ({"a": "?string"}, True),
    ],
)
def test_whether_a_collation_matters(query: dict[str, Any], expected: bool) -> None:
    """Only strings, and what may hold some, are ordered by it."""
    assert compares_text(query) is expected


def test_a_shape_has_no_value() -> None:
    """Keys stand in order, so that queries of one shape read the same."""
    query = {"z": {"$lt": 5, "$gte": 1}, "a": "secret", "$or": [{"b": "secret"}, {"b": "other"}], "c": re.compile("se")}
    assert written(redact(query)) == "{$or: [{b: ?}], a: ?, c: {$regex: ?}, z: {$gte: ?, $lt: ?}}"
    deep = {"a": {"$elemMatch": {"b": "secret"}}, "c": {"$not": {"$gt": "secret"}}, "d": {"$exists": False}}
    assert written(redact(deep)) == "{a: {$elemMatch: {b: ?}}, c: {$not: {$gt: ?}}, d: {$exists: false}}"


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.datetimes(), st.just(re.compile("^x"))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(min_size=1), inner, max_size=3)),
    max_leaves=8,
)
operators = st.dictionaries(
    st.sampled_from(["$gt", "$lt", "$in", "$ne", "$all", "$elemMatch", "$regex", "$not", "$exists", "$size", "$or"]),
    values,
    max_size=3,
)
queries = st.dictionaries(st.one_of(st.text(), st.sampled_from(["$and", "$or", "$nor", "$expr"])), values | operators)


@given(queries)
def test_whatever_was_recorded(query: dict[str, Any]) -> None:
    """No filter, however odd, breaks the reading of a profile."""
    arms_of(query)
    compares_text(query)
    written(redact(query))
