"""Pairs of a declared and a live definition, each with the verdict, which the server must bear out."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from pymongo import IndexModel
from pymongo.database import Database
from pymongo.errors import OperationFailure

from wayra_db import Collection, Deployment, Environment, Guard, IndexManager, SchemaManager
from wayra_db.environment import Action
from wayra_db.errors import DeclarationError
from wayra_db.indexes.plan import Step
from wayra_db.indexes.spec import definition

Documents = Database[dict[str, Any]]
Key = str | Sequence[tuple[str, Any]]


def ix(key: Key, **options: Any) -> IndexModel:
    """A declared index."""
    return IndexModel(key, **options)


def as_float(index: IndexModel) -> IndexModel:
    """As an old shell has built it; the driver does not let one ask for that."""
    index.document["key"] = {field: float(kind) for field, kind in index.document["key"].items()}
    return index


A: Key = "a"
KEEP, CHANGE, CREATE, CONVERT = Step.KEEP, Step.CHANGE, Step.CREATE, Step.CONVERT
SWAP, REBUILD, UNDECLARED = Step.SWAP, Step.REBUILD, Step.UNDECLARED
TEXT: Key = [("t", "text")]
BOTH: Key = [("t", "text"), ("u", "text")]
WILD: Key = [("$**", 1)]
PLACE: Key = [("p", "2dsphere")]
PLANE: Key = [("p", "2d")]
EN = {"locale": "en"}
EN2 = {"locale": "en", "strength": 2}

# The name of each case: what is declared, what is live, what happens to the declared one.
PAIRS: dict[str, tuple[IndexModel, IndexModel, Step]] = {
    "the same": (ix(A), ix(A), KEEP),
    "1 and 1.0": (ix([("a", 1)]), as_float(ix(A)), KEEP),
    "1 and 5": (ix([("a", 5)], name="x"), ix([("a", 1)], name="y"), CREATE),
    "another name": (ix(A, name="mine"), ix(A, name="theirs"), KEEP),
    "hidden is due": (ix(A, hidden=True), ix(A), CHANGE),
    "hidden is live": (ix(A), ix(A, hidden=True), CHANGE),
    "hidden under another name": (ix(A), ix(A, name="z", hidden=True), CHANGE),
    "prepareUnique left on": (ix(A), ix(A, prepareUnique=True), CHANGE),
    "prepareUnique is due": (ix(A, prepareUnique=True), ix(A), CHANGE),
    "prepareUnique and hidden": (ix(A, prepareUnique=True, hidden=True), ix(A), CHANGE),
    "another TTL": (ix(A, expireAfterSeconds=60), ix(A, expireAfterSeconds=90), CHANGE),
    "a TTL": (ix(A, expireAfterSeconds=60), ix(A), CHANGE),
    "a TTL of 0": (ix(A, expireAfterSeconds=0), ix(A), CHANGE),
    "TTL and hidden": (ix(A, expireAfterSeconds=60, hidden=True), ix(A), CHANGE),
    "no TTL any more": (ix(A), ix(A, expireAfterSeconds=60), REBUILD),
    "no TTL, other name": (ix(A, name="n"), ix(A, name="o", expireAfterSeconds=60), REBUILD),
    "unique": (ix(A, unique=True), ix(A), CONVERT),
    "unique under another name": (ix(A, unique=True, name="u"), ix(A, name="v"), CONVERT),
    "unique, begun": (ix(A, unique=True), ix(A, prepareUnique=True), CONVERT),
    "unique and hidden": (ix(A, unique=True, hidden=True), ix(A), CONVERT),
    "unique and shown": (ix(A, unique=True), ix(A, hidden=True), CONVERT),
    "unique and TTL": (ix(A, unique=True, expireAfterSeconds=60), ix(A), CONVERT),
    "unique and another TTL": (ix(A, unique=True, expireAfterSeconds=60), ix(A, expireAfterSeconds=90), CONVERT),
    "unique and no TTL": (ix(A, unique=True), ix(A, expireAfterSeconds=90), REBUILD),
    "unique over two": (ix([("a", 1), ("b", -1)], unique=True), ix([("a", 1), ("b", -1)]), CONVERT),
    "unique and sparse stay": (ix(A, unique=True, sparse=True), ix(A, sparse=True), CONVERT),
    "unique with a collation": (ix(A, unique=True, collation=EN2), ix(A, collation=EN2), CONVERT),
    "unique with a filter": (
        ix(A, unique=True, partialFilterExpression={"b": 1}),
        ix(A, partialFilterExpression={"b": 1}),
        CONVERT,
    ),
    "unique 2dsphere": (ix(PLACE, unique=True), ix(PLACE), SWAP),
    "no longer unique": (ix(A), ix(A, unique=True), SWAP),
    "no longer unique, other name": (ix(A, name="n"), ix(A, name="o", unique=True), CREATE),
    "unique to sparse": (ix(A, sparse=True), ix(A, unique=True), SWAP),
    "sparse": (ix(A, sparse=True), ix(A), SWAP),
    "no longer sparse": (ix(A), ix(A, sparse=True), SWAP),
    "sparse, other name": (ix(A, sparse=True, name="n"), ix(A, name="o"), CREATE),
    "a filter": (ix(A, partialFilterExpression={"b": 1}), ix(A), SWAP),
    "no filter": (ix(A), ix(A, partialFilterExpression={"b": 1}), SWAP),
    "another filter": (ix(A, partialFilterExpression={"b": 1}), ix(A, partialFilterExpression={"b": 2}), SWAP),
    "true and 1 in a filter": (
        ix(A, partialFilterExpression={"b": True}),
        ix(A, partialFilterExpression={"b": 1}),
        SWAP,
    ),
    "a filter in another order": (
        ix(A, partialFilterExpression={"b": 1, "c": {"$gt": 2}}),
        ix(A, partialFilterExpression={"c": {"$gt": 2.0}, "b": 1}),
        KEEP,
    ),
    "$eq spelled out": (
        ix(A, partialFilterExpression={"b": {"$eq": 1}}),
        ix(A, partialFilterExpression={"b": 1}),
        KEEP,
    ),
    "$and spelled out": (
        ix(A, partialFilterExpression={"$and": [{"c": {"$gt": 2}}, {"b": 1}]}),
        ix(A, partialFilterExpression={"b": 1, "c": {"$gt": 2}}),
        KEEP,
    ),
    "a type by name and number": (
        ix(A, partialFilterExpression={"b": {"$type": "string"}}),
        ix(A, partialFilterExpression={"b": {"$type": 2}}),
        KEEP,
    ),
    "$exists false is no filter here": (
        ix(A, partialFilterExpression={"b": {"$exists": True}}),
        ix(A, partialFilterExpression={"b": {"$gt": 0}}),
        SWAP,
    ),
    "a collation": (ix(A, collation=EN), ix(A), SWAP),
    "no collation": (ix(A), ix(A, collation=EN), SWAP),
    "strength 2 live, 3 meant": (ix(A, collation=EN), ix(A, collation=EN2), SWAP),
    "strength 3 spelled out": (ix(A, collation={**EN, "strength": 3}), ix(A, collation=EN), KEEP),
    "another locale": (ix(A, collation={"locale": "de"}), ix(A, collation=EN), SWAP),
    "simple and none": (ix(A, collation={"locale": "simple"}), ix(A), KEEP),
    "Danish": (ix(A, collation={"locale": "da"}), ix(A, collation={"locale": "da"}), KEEP),
    "Maltese": (ix(A, collation={"locale": "mt"}), ix(A, collation={"locale": "mt"}), KEEP),
    "Thai": (ix(A, collation={"locale": "th"}), ix(A, collation={"locale": "th"}), KEEP),
    "Vietnamese": (ix(A, collation={"locale": "vi"}), ix(A, collation={"locale": "vi"}), KEEP),
    "French Canadian": (ix(A, collation={"locale": "fr_CA"}), ix(A, collation={"locale": "fr_CA"}), KEEP),
    "French Canadian, forwards": (
        ix(A, collation={"locale": "fr_CA", "backwards": False}),
        ix(A, collation={"locale": "fr_CA"}),
        SWAP,
    ),
    "Danish, lower first": (
        ix(A, collation={"locale": "da", "caseFirst": "off"}),
        ix(A, collation={"locale": "da"}),
        SWAP,
    ),
    "another direction": (ix([("a", -1)]), ix(A), CREATE),
    "another direction, same name": (ix([("a", -1)], name="x"), ix(A, name="x"), SWAP),
    "another field, same name": (ix("b", name="x"), ix(A, name="x"), SWAP),
    "another order of fields": (ix([("a", 1), ("b", 1)], name="x"), ix([("b", 1), ("a", 1)], name="x"), SWAP),
    "a longer key": (ix([("a", 1), ("b", 1)]), ix(A), CREATE),
    "hashed": (ix([("a", "hashed")]), ix([("a", "hashed")]), KEEP),
    "hashed instead of plain": (ix([("a", "hashed")], name="x"), ix(A, name="x"), SWAP),
    "text": (ix(TEXT), ix(TEXT), KEEP),
    "text, weight 1 spelled out": (ix(TEXT, weights={"t": 1}), ix(TEXT), KEEP),
    "text, other weights": (ix(TEXT, weights={"t": 2}), ix(TEXT), REBUILD),
    "text over more": (ix(BOTH), ix(TEXT), REBUILD),
    "text in another order": (ix([("u", "text"), ("t", "text")], name="x"), ix(BOTH, name="x"), KEEP),
    "text in another language": (ix(TEXT, default_language="spanish"), ix(TEXT), REBUILD),
    "text over everything": (ix([("$**", "text")]), ix(TEXT), REBUILD),
    "text with a field in front": (ix([("a", 1), ("t", "text")]), ix(TEXT), REBUILD),
    "text, an older version": (ix(TEXT, textIndexVersion=2), ix(TEXT), REBUILD),
    "text hidden": (ix(TEXT, hidden=True), ix(TEXT), CHANGE),
    "2dsphere": (ix(PLACE), ix(PLACE), KEEP),
    "2dsphere, an older version": (ix(PLACE, **{"2dsphereIndexVersion": 2}), ix(PLACE), REBUILD),
    "2d with other bits": (ix(PLANE, bits=20), ix(PLANE), REBUILD),
    "2d with its bounds spelled out": (ix(PLANE, min=-180, max=180), ix(PLANE), KEEP),
    "wildcard": (ix(WILD), ix(WILD), KEEP),
    "wildcard with a projection": (ix(WILD, wildcardProjection={"a": 1}), ix(WILD), SWAP),
    "wildcard, another projection": (
        ix(WILD, wildcardProjection={"a": 1}),
        ix(WILD, wildcardProjection={"a": 0}),
        SWAP,
    ),
    "wildcard, a projection in another order": (
        ix(WILD, wildcardProjection={"a": 1, "b": 1}),
        ix(WILD, wildcardProjection={"b": True, "a": True}),
        KEEP,
    ),
    "wildcard below a field": (ix([("a.$**", 1)]), ix([("a.$**", 1)]), KEEP),
}


Make = Callable[..., IndexManager]


@pytest.fixture
def make(wayra_database: Documents) -> Make:
    """An index manager for declared indexes of `c`, on a database that is claimed."""

    def make(declared: list[IndexModel], undeclared: str = "report") -> IndexManager:
        guard = Guard(Deployment(wayra_database.client, wayra_database.name), Environment.TEST, adopt=True)
        with guard.changing(Action.APPLY_INDEXES, "claiming it"):
            pass  # nothing is dropped on a database that nobody has claimed
        return IndexManager(guard, SchemaManager(guard, [Collection("c", indexes=declared)]), undeclared=undeclared)

    return make


def test_the_table_is_long_enough() -> None:
    """Many pairs, with every verdict that a declared index can get beside a live one."""
    assert len(PAIRS) >= 60
    assert {step for _, _, step in PAIRS.values()} == {KEEP, CHANGE, CREATE, CONVERT, SWAP, REBUILD}


# What index managers were seen to get wrong: drift that they miss, and drift that is none.
DRIFT: dict[str, bool] = {
    "strength 2 live, 3 meant": True,
    "strength 3 spelled out": False,
    "a collation": True,
    "no collation": True,
    "another locale": True,
    "Danish": False,
    "French Canadian": False,
    "simple and none": False,
    "text": False,
    "text, weight 1 spelled out": False,
    "text, other weights": True,
    "text with a field in front": True,
    "2dsphere": False,
    "$eq spelled out": False,
    "$and spelled out": False,
    "$exists false is no filter here": True,
    "hidden is live": True,
    "prepareUnique left on": True,
    "wildcard": False,
    "wildcard, another projection": True,
    "wildcard, a projection in another order": False,
    "another TTL": True,
    "a TTL": True,
    "another order of fields": True,
    "another name": False,
    "1 and 1.0": False,
}


def test_the_cases_of_drift() -> None:
    """Twenty-six, each of them one of the pairs, which `test_pairs` holds against the server."""
    assert len(DRIFT) == 26
    assert {name: PAIRS[name][2] is not KEEP for name in DRIFT} == DRIFT


@pytest.mark.parametrize(("declared", "live", "verdict"), PAIRS.values(), ids=PAIRS)
def test_pairs(
    wayra_database: Documents,
    make: Make,
    declared: IndexModel,
    live: IndexModel,
    verdict: Step,
) -> None:
    """The verdict is as written and the server bears it out; after applying nothing is left to do; undo undoes it."""
    wayra_database.c.create_indexes([live])
    wayra_database.c.insert_many([{"a": 1, "t": "x"}, {"a": 2, "t": "y", "p": [1, 2]}])
    before = definitions(wayra_database)
    manager = make([declared])
    plan = manager.plan()
    assert [one.step for one in plan.indexes if one.step is not UNDECLARED] == [verdict]
    assert definitions(wayra_database) == before
    borne_out_by = BORNE_OUT_BY[verdict] | (BY_THE_LETTER if _is_by_the_letter(declared) else set())
    assert server_says(wayra_database, before[0], declared) in borne_out_by
    assert manager.apply(plan).changed is (verdict is not KEEP)
    again = manager.plan()
    assert again.empty, again.to_dict()
    assert {one.step for one in again.indexes} <= {KEEP, UNDECLARED}
    assert wayra_database.list_collection_names(filter={"name": {"$regex": "scratch"}}) == []
    if verdict is not KEEP:
        manager.undo()
        assert [nameless(one) for one in definitions(wayra_database)] == [nameless(one) for one in before]


BORNE_OUT_BY: dict[Step, set[str]] = {
    KEEP: {"identical"},
    # `hidden` is not compared; the rest is an option that can be set.
    CHANGE: {"identical", "same index"},
    CREATE: {"another index"},
    CONVERT: {"another index"},
    SWAP: {"another index"},
    # Of text there can be but one, whatever its fields.
    REBUILD: {"same index", "another index"},
}


# The server compares the bounds of a plane as they are written, and the versions of kinds not at all.
BY_THE_LETTER = {"identical", "same index"}


def _is_by_the_letter(declared: IndexModel) -> bool:
    return any(option in declared.document for option in ("min", "textIndexVersion", "2dsphereIndexVersion"))


def server_says(database: Documents, live: dict[str, Any], declared: IndexModel) -> str:
    """What the server makes of the declared definition on an empty collection that has the live one."""
    database.drop_collection("verdict")
    database.command({"createIndexes": "verdict", "indexes": [live]})
    try:
        reply = database.command({"createIndexes": "verdict", "indexes": [{**declared.document, "name": live["name"]}]})
    except OperationFailure as error:
        return "same index" if error.code == 85 else "another index"
    finally:
        database.drop_collection("verdict")
    return "identical" if reply["numIndexesAfter"] == reply["numIndexesBefore"] else "another index"


def definitions(database: Documents) -> list[dict[str, Any]]:
    """The live indexes of `c` as they can be created again, without the one on `_id`."""
    listed = database.command("listIndexes", "c")["cursor"]["firstBatch"]
    return sorted((definition(one) for one in listed if one["name"] != "_id_"), key=str)


def nameless(document: dict[str, Any]) -> tuple[Any, ...]:
    """A definition without its name, which nothing can change back; the order of its key counts."""
    return list(document["key"].items()), {key: value for key, value in document.items() if key != "name"}


POOL = [model for declared, live, _ in PAIRS.values() for model in (declared, live)]


def _declarable(chance: random.Random) -> list[IndexModel]:
    """Some indexes that can be declared together."""
    while True:
        chosen = chance.sample(POOL, chance.randrange(1, 7))
        try:
            return list(Collection("c", indexes=chosen).indexes)
        except DeclarationError:
            continue


@pytest.mark.parametrize("seed", range(25))
def test_any_two_sides_converge(wayra_database: Documents, seed: int, make: Make) -> None:
    """Whatever is declared and whatever is live: after one `apply` there is nothing left to do."""
    chance = random.Random(seed)
    for model in chance.sample(POOL, 8):
        with suppress(OperationFailure):  # it does not go with one that is there
            wayra_database.c.create_indexes([model])
    wayra_database.c.insert_many([{"a": 1, "b": 1, "t": "x"}, {"a": 2, "b": 2, "t": "y"}])
    manager = make(_declarable(chance), undeclared=chance.choice(["report", "hide", "drop"]))
    plan = manager.plan()
    manager.apply(plan, watch_seconds=0)
    again = manager.plan()
    assert again.empty, (plan.to_dict(), again.to_dict())
