from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.monitoring.shapes import LONGEST, shape

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ({"find": "users", "filter": {"email": SECRET}}, "filter {email: ?}"),
        ({"find": "users", "filter": {}}, ""),
        (
            {"find": "users", "filter": {"age": {"$gt": 3, "$lt": 9}}, "sort": {"age": -1, "name": 1}, "limit": 5},
            "filter {age: {$gt: ?, $lt: ?}} sort {age: -1, name: 1} limit",
        ),
        ({"find": "users", "filter": {"_id": {"$in": [1, 2, 3]}}}, "filter {_id: {$in: [?]}}"),
        ({"find": "users", "filter": {"$or": [{"a": 1}, {"b": 2}, {"a": 3}]}}, "filter {$or: [{a: ?}, {b: ?}]}"),
        (
            {"aggregate": "users", "pipeline": [{"$match": {"a": SECRET}}, {"$sort": {"b": -1}}, {"$limit": 3}]},
            "pipeline [{$match: {a: ?}}, {$sort: {b: -1}}, {$limit: ?}]",
        ),
        (
            {"update": "users", "updates": [{"q": {"a": 1}, "u": {"$set": {"b": SECRET}}, "multi": True}]},
            "updates [{q: {a: ?}, u: {$set: {b: ?}}, multi: ?}]",
        ),
        ({"delete": "users", "deletes": [{"q": {"a": 1}, "limit": 1}]}, "deletes [{q: {a: ?}, limit: ?}]"),
        (
            {"findAndModify": "users", "query": {"a": 1}, "update": {"$inc": {"n": 1}}, "new": True},
            "query {a: ?} update {$inc: {n: ?}} new",
        ),
        ({"distinct": "users", "key": "city", "query": {"a": 1}}, "query {a: ?} key ? of city"),
        ({"insert": "users", "documents": [{"name": SECRET}]}, ""),
        ({"find": "users", "filter": {"a": {"$function": {"body": SECRET}}}}, "filter {a: {$function: ?}}"),
        (
            {"aggregate": "users", "pipeline": [{"$set": {"a": {"$literal": {"b": 1}}}}]},
            "pipeline [{$set: {a: {$literal: ?}}}]",
        ),
    ],
)
def test_what_is_kept(command: dict[str, Any], text: str) -> None:
    """Fields, operators and the order of a sort; no value, not even a number."""
    assert shape(command) == text


@pytest.mark.parametrize(
    "name",
    [
        "scores.ada@example.com",
        "+44 20 7946 0000",
        "6f1c2d3e4b5a69788796a5b4",
        "by.5f0c2d3e4b5a69788796a5b4.n",
        "a" * 80,
        "n.123456",
    ],
)
def test_a_name_that_holds_data_is_not_kept(name: str) -> None:
    """Addresses, identifiers and telephone numbers stand in field names, too."""
    assert shape({"find": "users", "filter": {name: 1}, "sort": {name: 1}}) == "filter {?: ?} sort {?: 1}"


VALUES = st.recursive(
    st.just(SECRET) | st.integers(1000, 9999) | st.datetimes() | st.just(ObjectId()) | st.just(datetime.now(UTC)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "$in", "$gt", "b.c"]), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(st.sampled_from(["filter", "pipeline", "updates", "u", "sort", "query", "projection", "key", "hint"]), VALUES)
def test_no_value_comes_out(part: str, value: Any) -> None:
    """Whatever a command holds, wherever; and the text has an end."""
    text = shape({"find": "users", part: value, "comment": SECRET, "let": {"x": SECRET}})
    assert SECRET not in text
    assert not any(character.isdigit() for character in text.replace(": 1", "").replace(": -1", ""))
    assert len(text) <= LONGEST


def test_what_is_deep_or_wide_is_cut() -> None:
    """A command of a megabyte makes no line of a megabyte."""
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    assert shape({"find": "users", "filter": deep}).count("a") <= 8
    assert (
        len(shape({"find": "users", "filter": {f"field_{letter}" * 3: 1 for letter in "abcdefghijklmnopqrstuvwxyz"}}))
        <= LONGEST
    )
