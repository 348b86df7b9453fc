from __future__ import annotations

from typing import Any

import pytest

from wayra_db.maintenance import twins
from wayra_db.maintenance.rebuilding import leftover_twins

PLAIN: dict[str, Any] = {"v": 2, "key": {"a": 1}, "name": "a_1"}


def index(**more: Any) -> dict[str, Any]:
    """An index on `a` with options."""
    return {**PLAIN, **more}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (PLAIN, ""),
        (index(unique=True), ""),
        (index(expireAfterSeconds=10), ""),
        (index(hidden=True), ""),
        (index(key={"a": "hashed"}), ""),
        (index(key={"a.$**": 1}), ""),
        (index(key={"_id": 1}, name="_id_"), twins.OF_THE_SERVER),
        (index(clustered=True), twins.OF_THE_SERVER),
        (index(buildUUID=1), "still being built"),
        (index(key={"_fts": "text", "_ftsx": 1}), "a collection can have one text index only"),
        (index(sparse=True), "sparse"),
        (index(partialFilterExpression={"b": 1}), "it has a filter of its own"),
        (index(prepareUnique=True), "somebody is making it unique"),
    ],
)
def test_which_indexes_can_have_a_twin(document: dict[str, Any], reason: str) -> None:
    """Those whose definition has room for a filter that says nothing."""
    assert twins.why_not(document, [document]) == reason


def test_a_full_collection_has_no_room() -> None:
    """64 indexes are the most."""
    assert "no room" in twins.why_not(PLAIN, [PLAIN] * 64)


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("a_1", {"a_1"}, "a_1__v2"),
        ("a_1", {"a_1", "a_1__v2"}, "a_1__v3"),
        ("a_1__v2", {"a_1__v2"}, "a_1__v3"),
    ],
)
def test_the_twin_of_an_index(name: str, taken: set[str], expected: str) -> None:
    """The same index, hidden, with the filter that says nothing, under a free name."""
    twin = twins.twin_of(index(name=name, unique=True), taken)
    assert twin == {
        **index(unique=True, hidden=True, partialFilterExpression={}, collation={"locale": "simple"}),
        "name": expected,
    }
    assert twins.is_twin(twin)
    assert not twins.is_twin(index(name=name))
    assert not twins.is_twin(index(name="mine", partialFilterExpression={}))


@pytest.mark.parametrize(
    "document", [PLAIN, index(unique=True), index(expireAfterSeconds=5), index(collation={"locale": "de"})]
)
def test_a_twin_finds_its_index_and_makes_it_again(document: dict[str, Any]) -> None:
    """By what it is, under whatever name; another index of the same key is another."""
    twin = twins.twin_of(document, {"a_1"})
    other = index(name="other", sparse=True)
    assert twins.partner(twin, [other, twin, {**document, "name": "renamed"}]) == {**document, "name": "renamed"}
    assert twins.partner(twin, [other, twin]) is None
    original = twins.original_of(twin, {twin["name"]})
    assert original == {"collation": {"locale": "simple"}, **document}
    assert twins.original_of(twin, {"a_1", "a_1__v2"})["name"] == "a_1__v3"


def test_only_twins_that_are_built_are_leftovers() -> None:
    """One that is still being built is waited for."""
    twin = twins.twin_of(PLAIN, {"a_1"})
    assert leftover_twins([PLAIN, twin]) == [twin]
    assert leftover_twins([PLAIN, {**twin, "buildUUID": 1}]) == []
