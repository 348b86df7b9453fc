from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import DEFAULT_CODEC_OPTIONS
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.seeds.values import NoKeyError, by_keys, comparable, elements, key_of, made_id

VALUES: list[Any] = [
    1.5, "text", {"a": {"b": 1}}, [1, "x"], Binary(b"\x00\x01"), Binary(b"abc", 2), ObjectId(), True, None,
    datetime(2026, 1, 1, tzinfo=UTC), Regex("^a.c", "i"), re.compile("x"), Code("f()"), Code("f()", {"x": 1}), 5,
    Int64(7), 2**40, Timestamp(1, 2), Decimal128("1.10"), MinKey(), MaxKey(), DBRef("users", 1), "",
]  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(), st.text().map(str)
)
NAMES = st.text("ab.$é", max_size=4)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_elements_of_every_type(value: Any) -> None:
    """Each element is exactly its type and bytes, and what stands behind it is found."""
    raw = bson.encode({"before": 1, "value": value, "after": "x"})
    found = elements(raw)
    assert list(found) == ["before", "value", "after"]
    alone = bson.encode({"": value})
    assert found["value"] == alone[4:5] + alone[6:-1]


@given(st.dictionaries(NAMES, TREES, max_size=6))
def test_elements_hold_the_whole_document(document: dict[str, Any]) -> None:
    """Put together again, the elements are the document."""
    raw = bson.encode(document)
    parts = [element[:1] + name.encode() + b"\0" + element[1:] for name, element in elements(raw).items()]
    assert b"".join(parts) == raw[4:-1]


def test_an_unknown_type_is_an_error() -> None:
    """Rather than a wrong guess."""
    with pytest.raises(ValueError, match="no type 66"):
        elements(b"\x08\0\0\0\x42a\0\0")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, Int64(1), True),
        (1, Decimal128("1.0"), True),
        (1, True, False),
        (1, "1", False),
        ("a", "A", False),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), True),
        (datetime(2026, 1, 1, 0, 0, 0, 1), datetime(2026, 1, 1), True),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
    ],
)
def test_keys_are_the_same_as_for_the_server(one: Any, other: Any, same: bool) -> None:
    """Numbers by value, dates in milliseconds, objects with their order."""
    assert (comparable([one], DEFAULT_CODEC_OPTIONS) == comparable([other], DEFAULT_CODEC_OPTIONS)) is same


def test_made_ids_depend_on_collection_and_key_alone() -> None:
    """The same on each machine and day; another for another collection, field or value."""
    first = made_id("users", ["email"], ["a@x"], DEFAULT_CODEC_OPTIONS)
    assert str(first) == "5eeddba104b19216bb0a71be"
    others = [("trips", "email", "a@x"), ("users", "mail", "a@x"), ("users", "email", "b@x")]
    made = {made_id(name, [field], [value], DEFAULT_CODEC_OPTIONS) for name, field, value in others}
    assert len(made | {first}) == 4


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "has no 'a.b'"),
        ({"a": 1}, "has no 'a.b'"),
        ({"a": {"b": None}}, "is null"),
        ({"a": {"b": [1]}}, "is an array"),
    ],
)
def test_no_key(document: dict[str, Any], message: str) -> None:
    """What would find no document, or several, is refused."""
    with pytest.raises(NoKeyError, match=message):
        key_of(document, ["a.b"])


def test_queries() -> None:
    """One field by a list of values, several by alternatives."""
    assert key_of({"a": {"b": 5}, "c": 1}, ["a.b", "c"]) == (5, 1)
    assert by_keys(["a"], [(1,), (2,)]) == {"a": {"$in": [1, 2]}}
    assert by_keys(["a", "b"], [(1, 2), (3, 4)]) == {"$or": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}
