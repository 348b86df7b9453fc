from __future__ import annotations

from typing import Any

import pytest

from wayra_db.indexes.usage.redundancy import find_redundant, judge, same_order

Document = dict[str, Any]

PARTIAL = {"partialFilterExpression": {"status": "booked"}}
OTHER_PARTIAL = {"partialFilterExpression": {"status": "planning"}}
ENGLISH = {"collation": {"locale": "en", "strength": 2}}
GERMAN = {"collation": {"locale": "de", "strength": 2}}
STRONGER = {"collation": {"locale": "en", "strength": 3}}
FILLED_IN = {
    "collation": {
        "locale": "en", "caseLevel": False, "caseFirst": "off", "strength": 2, "numericOrdering": False,
        "alternate": "non-ignorable", "maxVariable": "punct", "normalization": False, "backwards": False,
        "version": "57.1",
    }
}  # fmt: skip


def index(name: str, *key: tuple[str, Any], **options: Any) -> Document:
    """An index document as the server lists it."""
    return {"v": 2, "name": name, "key": dict(key), **options}


A, B, C = ("a", 1), ("b", 1), ("c", 1)
# May the first go because of the second? By what the planner does with each pair.
DROP: dict[str, tuple[Document, Document]] = {
    "a prefix": (index("s", A), index("l", A, B)),
    "a longer prefix": (index("s", A, B), index("l", A, B, C)),
    "one field, the other way": (index("s", ("a", -1)), index("l", A, B)),
    "all fields turned round": (index("s", A, ("b", -1)), index("l", ("a", -1), B, C)),
    "the longer is unique": (index("s", A), index("l", A, B, unique=True)),
    "same partial filter": (index("s", A, **PARTIAL), index("l", A, B, **PARTIAL)),
    "both sparse": (index("s", A, sparse=True), index("l", A, B, sparse=True)),
    "the shorter sparse, the longer full": (index("s", A, sparse=True), index("l", A, B)),
    "same collation": (index("s", A, **ENGLISH), index("l", A, B, **ENGLISH)),
    "same collation, one filled in": (index("s", A, **ENGLISH), index("l", A, B, **FILLED_IN)),
    "the simple collation, named or not": (index("s", A, collation={"locale": "simple"}), index("l", A, B)),
    "same key, the other unique": (index("s", A), index("l", A, unique=True)),
    "same key turned round": (index("s", A), index("l", ("a", -1))),
    "orders as other numbers": (index("s", ("a", 1.0)), index("l", ("a", 1), B)),
    "same key, the other full": (index("s", A, sparse=True), index("l", A)),
}
KEEP: dict[str, tuple[Document, Document]] = {
    "the shorter is unique": (index("s", A, unique=True), index("l", A, B)),
    "both unique": (index("s", A, unique=True), index("l", A, B, unique=True)),
    "the shorter deletes documents": (index("s", A, expireAfterSeconds=60), index("l", A, B)),
    "it is the index of _id": (index("_id_", ("_id", 1)), index("l", ("_id", 1), B)),
    "it is being made unique": (index("s", A, prepareUnique=True), index("l", A, B)),
    "it clusters the collection": (index("s", A, clustered=True), index("l", A, B)),
    "the longer is partial": (index("s", A), index("l", A, B, **PARTIAL)),
    "another partial filter": (index("s", A, **PARTIAL), index("l", A, B, **OTHER_PARTIAL)),
    "the shorter is partial": (index("s", A, **PARTIAL), index("l", A, B)),
    "the longer is sparse": (index("s", A), index("l", A, B, sparse=True)),
    "the longer is hidden": (index("s", A), index("l", A, B, hidden=True)),
    "it is hidden": (index("s", A, hidden=True), index("l", A, B)),
    "the longer is being built": (index("s", A), index("l", A, B, buildUUID="x")),
    "only the longer has a collation": (index("s", A), index("l", A, B, **ENGLISH)),
    "only the shorter has a collation": (index("s", A, **ENGLISH), index("l", A, B)),
    "another locale": (index("s", A, **ENGLISH), index("l", A, B, **GERMAN)),
    "another strength": (index("s", A, **ENGLISH), index("l", A, B, **STRONGER)),
    "mixed orders": (index("s", A, B), index("l", A, ("b", -1), C)),
    "not the beginning": (index("s", B), index("l", A, B)),
    "the same fields in another order": (index("s", A, B), index("l", B, A, C)),
    "a name that begins so": (index("s", A), index("l", ("arr", 1))),
    "a path below": (index("s", A), index("l", ("a.b", 1))),
    "a hash": (index("s", ("a", "hashed")), index("l", A, B)),
    "the longer a hash": (index("s", A), index("l", ("a", "hashed"), B)),
    "a place": (index("s", ("a", "2dsphere")), index("l", ("a", "2dsphere"), B)),
    "a place against numbers": (index("s", A), index("l", ("a", "2dsphere"), B)),
    "words": (index("s", ("_fts", "text"), ("_ftsx", 1)), index("l", ("_fts", "text"), ("_ftsx", 1), A)),
    "all fields": (index("s", ("$**", 1)), index("l", ("$**", 1), A)),
    "a part by wildcard": (index("s", ("a.$**", 1)), index("l", ("a.$**", 1), B)),
    "the longer is the shorter": (index("s", A, B), index("l", A)),
}


@pytest.mark.parametrize("name", DROP)
def test_what_may_go(name: str) -> None:
    """Another index does all that this one does."""
    verdict = judge(*DROP[name])
    assert verdict.droppable, verdict.reason
    assert verdict.reason


@pytest.mark.parametrize("name", KEEP)
def test_what_must_stay(name: str) -> None:
    """Wrong here would be dangerous: the index that goes was needed."""
    verdict = judge(*KEEP[name])
    assert not verdict.droppable
    assert verdict.reason


def test_the_index_of_a_shard_key_stays() -> None:
    """A longer index supports it as well; which one the cluster uses is not ours to say."""
    short, long = DROP["a prefix"]
    assert not judge(short, long, {"a": 1}).droppable
    assert judge(short, long, {"c": 1}).droppable


def test_all_that_is_found_may_go_at_once() -> None:
    """Of a chain the longest stays, and what covers another is never itself called redundant."""
    found = find_redundant([index("1", A), index("2", A, B), index("3", A, B, C), index("4", B)])
    assert [(one.name, one.covered_by, one.duplicate) for one in found] == [("1", "3", False), ("2", "3", False)]


@pytest.mark.parametrize(("declared", "goes"), [((), "z"), (("z",), "a"), (("a", "z"), "z"), (("a",), "z")])
def test_of_two_alike_the_declared_one_stays(declared: tuple[str, ...], goes: str) -> None:
    """Exactly one goes."""
    found = find_redundant([index("a", A), index("z", ("a", -1))], declared=declared)
    assert [one.name for one in found] == [goes]
    assert found[0].duplicate


def test_collations_in_two_spellings() -> None:
    """What a declaration names and what the server lists are one; a locale with other defaults is not taken for it."""
    assert same_order(ENGLISH["collation"], FILLED_IN["collation"])
    assert same_order(None, {"locale": "simple"})
    assert not same_order({"locale": "da"}, {"locale": "da", "caseFirst": "upper", "version": "57.1"})
