from __future__ import annotations

from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.migrations.rehearsal.compare import Aspect, CollectionState, Known, changes, differences, shape

INDEX = {"_id_": {"name": "_id_", "key": (("_id", 1),)}}


def state(
    documents: dict[int, int] | None = None,
    *,
    order: int = 0,
    complete: bool = True,
    options: dict[str, Any] | None = None,
    indexes: dict[str, Any] | None = None,
) -> CollectionState:
    """A collection of documents, each a number by its `_id`; `order` changes their bytes and not their fields."""
    content = documents or {}
    known = {bytes([key]): Known(bytes([value, order]), bytes([value])) for key, value in content.items()}
    hashes = (blake2b(bytes([key, value, order]), digest_size=16) for key, value in content.items())
    digest = sum(int.from_bytes(one.digest()) for one in hashes)
    return CollectionState(
        len(content), digest, known if complete else {}, complete, options or {}, {**INDEX, **(indexes or {})}
    )


A, B = {"name": "x", "key": (("a", 1), ("b", 1))}, {"name": "x", "key": (("b", 1), ("a", 1))}
TTL = {"name": "t", "key": (("at", 1),), "expireAfterSeconds": 60}


@pytest.mark.parametrize(
    ("old", "new", "aspect", "words"),
    [
        (None, state({1: 1}), Aspect.CREATED, "is there with 1 document, and was not"),
        (None, state(), Aspect.EMPTY, "is there with 0 documents, and was not"),
        (None, state(options={"capped": True}), Aspect.CREATED, "is there with 0 documents, and was not"),
        (state({1: 1, 2: 2}), None, Aspect.DROPPED, "is gone, with 2 documents"),
        (state({1: 1}), state({1: 2}), Aspect.DOCUMENTS, "1 document changed"),
        (state({1: 1, 2: 2}), state({1: 1}), Aspect.DOCUMENTS, "1 document missing"),
        (state({1: 1}), state({1: 1, 2: 2, 3: 3}), Aspect.DOCUMENTS, "2 documents extra"),
        (state({1: 1, 2: 2}), state({1: 3, 4: 4}), Aspect.DOCUMENTS, "1 document changed, 1 document missing, 1 doc"),
        (state({1: 1}), state({1: 1}, order=1), Aspect.FIELD_ORDER, "1 document with the same fields in another order"),
        (state({1: 1, 2: 2}), state({1: 1, 2: 3}, order=1), Aspect.DOCUMENTS, "1 document changed"),
        (
            state({1: 1, 2: 2}, indexes={"t": TTL}),
            state({1: 1}, indexes={"t": TTL}),
            Aspect.EXPIRED,
            "1 document missing; a TTL index may have removed them",
        ),
        (state({1: 1}, indexes={"t": TTL}), state({1: 2}, indexes={"t": TTL}), Aspect.DOCUMENTS, "1 document changed"),
        (state({1: 1}, complete=False), state({1: 2}, complete=False), Aspect.DOCUMENTS, "some documents differ"),
        (state({1: 1}, complete=False), state(complete=False), Aspect.DOCUMENTS, "1 before, 0 after"),
        (state(), state(options={"validator": {"a": 1}}), Aspect.OPTIONS, "validator differs"),
        (state(), state(indexes={"x": A}), Aspect.INDEXES, "indexes extra: x"),
        (state(indexes={"x": A}), state(), Aspect.INDEXES, "indexes missing: x"),
        (state(indexes={"x": A}), state(indexes={"x": B}), Aspect.INDEXES, "indexes with other options: x"),
    ],
)
def test_a_difference_is_told(
    old: CollectionState | None, new: CollectionState | None, aspect: Aspect, words: str
) -> None:
    """In what a collection differs, and in which words."""
    (found,) = differences({"c": old} if old else {}, {"c": new} if new else {})
    assert (found.collection, found.aspect) == ("c", aspect)
    assert found.words.startswith(words)
    assert found.harmless is (aspect in (Aspect.EMPTY, Aspect.FIELD_ORDER, Aspect.EXPIRED))


DOCUMENTS = st.dictionaries(st.integers(0, 20), st.integers(0, 3))


@given(DOCUMENTS, DOCUMENTS)
def test_equal_means_no_difference_and_unequal_means_one(one: dict[int, int], other: dict[int, int]) -> None:
    """Whatever the documents; and each example is a document that really differs."""
    found = differences({"c": state(one)}, {"c": state(other)})
    assert bool(found) is (one != other)
    for difference in found:
        for example in difference.examples:
            assert one.get(example[0]) != other.get(example[0])


def test_changes_beside_documents() -> None:
    """Collections, options and indexes that came, went or are others."""
    found = changes(
        {"a": state(indexes={"x": A}), "b": state(), "c": state()},
        {"a": state(indexes={"x": B}), "b": state(options={"validator": {"a": 1}}), "d": state(indexes={"x": A})},
    )
    assert found.collections_created == ("d",)
    assert found.collections_dropped == ("c",)
    assert found.options_changed == ("b",)
    assert found.indexes_created == ("a.x", "d.x")
    assert found.indexes_dropped == ("a.x",)


def test_in_outline_only_numbers_count() -> None:
    """Other values are no difference, another number of documents is."""
    assert differences(shape({"c": state({1: 1})}), shape({"c": state({2: 2})})) == ()
    assert differences(shape({"c": state({1: 1})}), shape({"c": state({1: 1, 2: 2})}))
