from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import ASCENDING, DESCENDING, GEO2D, GEOSPHERE, HASHED, TEXT, IndexModel
from pymongo.collation import Collation
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.indexes import REFUSED
from wayra_db import Collection, Deployment, Environment, Guard, IndexManager, SchemaManager
from wayra_db.errors import DeclarationError, DuplicateKeysError, IndexManagementError
from wayra_db.indexes.plan import Step
from wayra_db.testing import CommandCounter, ServerUnderTest

Documents = Database[dict[str, Any]]
Manage = Callable[..., IndexManager]


@pytest.fixture
def manage(wayra_database: Documents) -> Manage:
    """An index manager for declared collections, or for `users` with some indexes."""

    def make(*collections: Collection, indexes: Sequence[IndexModel] = ()) -> IndexManager:
        guard = Guard(Deployment(wayra_database.client, wayra_database.name), Environment.TEST, adopt=True)
        return IndexManager(guard, SchemaManager(guard, collections or [Collection("users", indexes=list(indexes))]))

    return make


def names(database: Documents, collection: str = "users") -> set[str]:
    """The names of the live indexes, without the one on `_id`."""
    return set(database[collection].index_information()) - {"_id_"}


DECLARED: dict[str, list[IndexModel]] = {
    "ascending": [IndexModel("a")],
    "descending": [IndexModel([("a", DESCENDING)])],
    "compound": [IndexModel([("a", ASCENDING), ("b", DESCENDING), ("c.d", ASCENDING)])],
    "both directions": [IndexModel([("a", ASCENDING)]), IndexModel([("a", DESCENDING)])],
    "named": [IndexModel("a", name="by_a")],
    "unique": [IndexModel("a", unique=True)],
    "explicit defaults": [IndexModel("a", unique=False, sparse=False, hidden=False)],
    "in the background": [IndexModel("a", background=True)],
    "sparse": [IndexModel("a", sparse=True)],
    "unique and sparse": [IndexModel("a", unique=True, sparse=True)],
    "partial": [IndexModel("a", partialFilterExpression={"b": {"$gt": 5}, "c": True})],
    "partial, written with $and": [
        IndexModel("a", partialFilterExpression={"$and": [{"b": {"$exists": True}}, {"c": {"$type": "string"}}]})
    ],
    "partial by a time with a zone": [
        IndexModel("a", partialFilterExpression={"at": {"$gte": datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)}})
    ],
    "TTL": [IndexModel("at", expireAfterSeconds=3600)],
    "TTL of zero": [IndexModel("at", expireAfterSeconds=0)],
    "TTL as a float": [IndexModel("at", expireAfterSeconds=90.0)],
    "TTL with a fraction": [IndexModel("at", expireAfterSeconds=5.5)],
    "hidden": [IndexModel("a", hidden=True)],
    "collation": [IndexModel("a", collation=Collation("en", strength=2))],
    "collation with all defaults": [IndexModel("a", collation=Collation("de"))],
    "collation, French Canadian": [IndexModel("a", collation=Collation("fr_CA"))],
    "collation, simple": [IndexModel("a", collation=Collation("simple"))],
    "collations side by side": [
        IndexModel("a", name="plain"),
        IndexModel("a", name="en", collation=Collation("en")),
        IndexModel("a", name="en2", collation=Collation("en", strength=2)),
    ],
    "four over one key": [
        IndexModel("a", name="partial", partialFilterExpression={"b": 1}),
        IndexModel("a", name="unique", unique=True),
        IndexModel("a", name="sparse", sparse=True),
        IndexModel("a", name="plain"),
    ],
    "hashed": [IndexModel([("a", HASHED)])],
    "compound with hashed": [IndexModel([("a", HASHED), ("b", ASCENDING)])],
    "2dsphere": [IndexModel([("place", GEOSPHERE)])],
    "2dsphere and a field": [IndexModel([("place", GEOSPHERE), ("a", ASCENDING)])],
    "2d": [IndexModel([("place", GEO2D)])],
    "2d with bounds": [IndexModel([("place", GEO2D)], min=-10, max=10, bits=20)],
    "text": [IndexModel([("title", TEXT)])],
    "text over two fields": [IndexModel([("title", TEXT), ("body", TEXT)])],
    "text with weights": [IndexModel([("title", TEXT), ("body", TEXT)], weights={"title": 10, "extra": 3})],
    "text in the middle": [IndexModel([("a", ASCENDING), ("title", TEXT), ("b", DESCENDING)])],
    "text in a language": [IndexModel([("title", TEXT)], default_language="spanish", language_override="lang")],
    "text over everything": [IndexModel([("$**", TEXT)])],
    "wildcard": [IndexModel("$**")],
    "wildcard below a field": [IndexModel("a.$**")],
    "wildcard projection": [IndexModel("$**", wildcardProjection={"a": 1, "b.c": True})],
    "wildcard projection, nested": [IndexModel("$**", wildcardProjection={"a": {"b": 1}})],
    "wildcard without a field": [IndexModel("$**", wildcardProjection={"a": 0})],
}


@pytest.mark.parametrize("indexes", DECLARED.values(), ids=DECLARED)
def test_what_was_applied_is_there(manage: Manage, wayra_database: Documents, indexes: list[IndexModel]) -> None:
    """Created as declared; then nothing is due, whatever the server has made of the declaration."""
    manager = manage(indexes=indexes)
    assert len(manager.plan().of(Step.CREATE)) == len(indexes)
    assert len(manager.apply().created) == len(indexes)
    assert names(wayra_database) == {index.document["name"] for index in indexes}
    plan = manager.plan()
    assert plan.empty
    assert {one.step for one in plan.indexes} == {Step.KEEP}
    assert not manager.apply().changed


def test_nothing_due_takes_no_lock_and_writes_nothing(
    manage: Manage, wayra_server: ServerUnderTest, wayra_database: Documents
) -> None:
    """One read a collection, and one for runs that were cut off."""
    declared = [Collection("trips", indexes=[IndexModel("a")]), Collection("users", indexes=[IndexModel("a")])]
    manage(*declared).apply()
    counter = CommandCounter()
    with wayra_server.client(event_listeners=[counter]) as client:
        guard = Guard(Deployment(client, wayra_database.name), Environment.TEST)
        assert not IndexManager(guard, SchemaManager(guard, declared)).apply().changed
        assert counter.names == ["listIndexes", "listIndexes", "find", "find"]


def test_a_plan_reads_only(manage: Manage, wayra_database: Documents) -> None:
    """On an empty database nothing is created."""
    assert not manage(indexes=[IndexModel("a")]).plan().empty
    assert wayra_database.list_collection_names() == []


def test_collection_and_index_share_a_collation(manage: Manage) -> None:
    """An index takes its collection's collation, or its own, or none."""
    manager = manage(
        Collection(
            "users",
            collation={"locale": "en", "strength": 2},
            indexes=[
                IndexModel("a"),
                IndexModel("b", collation=Collation("simple")),
                IndexModel("c", collation=Collation("de")),
                IndexModel([("d", HASHED)], collation=Collation("simple")),
            ],
        )
    )
    manager.apply()
    assert manager.plan().empty


def test_a_missing_collection_is_created_as_declared(manage: Manage, wayra_database: Documents) -> None:
    """Not as a plain one, which the server would make by itself for an index."""
    manager = manage(Collection("log", capped={"size": 4096}, indexes=[IndexModel("a")]))
    assert manager.apply().created == ("log.a_1",)
    assert wayra_database["log"].options()["capped"] is True


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"hidden": True}, {}),
        ({}, {"hidden": True}),
        ({"expireAfterSeconds": 60}, {"expireAfterSeconds": 90}),
        ({}, {"expireAfterSeconds": 60}),
        ({"expireAfterSeconds": 60}, {"expireAfterSeconds": 90, "hidden": True}),
    ],
)
def test_changes_in_place(
    manage: Manage, wayra_database: Documents, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """What `collMod` can set is set on the live index, which is not built again."""
    manage(indexes=[IndexModel("at", **before)]).apply()
    manager = manage(indexes=[IndexModel("at", **after)])
    result = manager.apply()
    assert (result.created, result.modified) == ((), ("users.at_1",))
    assert manager.plan().empty
    live = wayra_database.users.index_information()["at_1"]
    assert {option: live[option] for option in after} == after


def test_undeclared_indexes_are_told_and_left_alone(manage: Manage, wayra_database: Documents) -> None:
    """They may be somebody's."""
    wayra_database.users.create_index("theirs")
    manager = manage(indexes=[IndexModel("ours")])
    manager.apply()
    assert names(wayra_database) == {"ours_1", "theirs_1"}
    assert [one.name for one in manager.plan().of(Step.UNDECLARED)] == ["theirs_1"]


def test_an_index_under_another_name_is_kept(manage: Manage, wayra_database: Documents) -> None:
    """The server has no rename, and it is the same index."""
    wayra_database.users.create_index("a", name="theirs")
    assert not manage(indexes=[IndexModel("a", name="ours")]).apply().changed


def test_duplicates_in_one_collection_stop_all(manage: Manage, wayra_database: Documents) -> None:
    """Nothing is built anywhere; once the duplicates are gone the same call does all."""
    wayra_database.users.insert_many([{"email": "x"}, {"email": "x"}])
    manager = manage(
        Collection("a", indexes=[IndexModel("x")]),
        Collection("users", indexes=[IndexModel("email", unique=True)]),
        Collection("z", indexes=[IndexModel("x")]),
    )
    with pytest.raises(DuplicateKeysError):
        manager.apply()
    assert {name for name in "az" if names(wayra_database, name)} == set()
    wayra_database.users.delete_one({"email": "x"})
    assert manager.apply().created == ("a.x_1", "users.email_1", "z.x_1")
    assert manager.plan().empty


@contextmanager
def building(server: ServerUnderTest, database: Documents, index: IndexModel) -> Iterator[None]:
    """Within the block the index is being built on `users`; afterwards the build ends."""
    failpoint = "hangAfterStartingIndexBuild"
    with server.client() as client:
        client.admin.command({"configureFailPoint": failpoint, "mode": "alwaysOn"})
        build = threading.Thread(target=lambda: client[database.name].users.create_indexes([index]))
        build.start()
        try:
            while not _is_building(database):
                time.sleep(0.01)
            yield
        finally:
            client.admin.command({"configureFailPoint": failpoint, "mode": "off"})
            build.join(30)


def _is_building(database: Documents) -> bool:
    reply = database.command({"listIndexes": "users", "includeBuildUUIDs": True, "cursor": {}})
    return any("buildUUID" in document for document in reply["cursor"]["firstBatch"])


@pytest.mark.parametrize("name", ["a_1", "theirs"])
def test_an_index_that_is_being_built_is_waited_for(
    manage: Manage, wayra_server: ServerUnderTest, wayra_database: Documents, name: str
) -> None:
    """It is not there yet, whatever a plain listing says; `apply` returns when it is."""
    wayra_database.users.insert_one({"a": 1})
    manager = manage(indexes=[IndexModel("a")])
    with building(wayra_server, wayra_database, IndexModel("a", name=name)):
        assert [(one.step, one.name) for one in manager.plan().indexes] == [(Step.WAIT, name)]
        assert not manager.plan().empty
        waiting = threading.Thread(target=manager.apply)
        waiting.start()
        while not any("createIndexes" in one["command"] for one in _running(wayra_server, wayra_database)):
            time.sleep(0.01)
        assert waiting.is_alive()
    waiting.join(30)
    assert not waiting.is_alive()
    assert manager.plan().empty
    assert names(wayra_database) == {name}


def _running(server: ServerUnderTest, database: Documents) -> list[dict[str, Any]]:
    """The operations on `users` of this test's manager, which wait for a build."""
    with server.client() as client:
        operations = client.admin.aggregate([{"$currentOp": {}}, {"$match": {"command.createIndexes": "users"}}])
        found = [one for one in operations if one["command"].get("$db") == database.name]
    return found if len(found) > 1 else []


@pytest.mark.parametrize(("indexes", "message"), REFUSED.values(), ids=REFUSED)
def test_the_server_refuses_what_a_declaration_may_not_say(
    wayra_database: Documents, indexes: list[IndexModel], message: str
) -> None:
    """So that no declaration is refused which would work."""
    with pytest.raises(OperationFailure):
        wayra_database.command({"createIndexes": "c", "indexes": [index.document for index in indexes]})
    with pytest.raises(DeclarationError, match=re.escape(message)):
        Collection("c", indexes=indexes)


def test_a_refusal_of_the_server_names_the_declaration(manage: Manage) -> None:
    """What only the server knows comes with file and line too."""
    line = sys._getframe().f_lineno + 1
    collection = Collection("c", indexes=[IndexModel([("a", "text")], default_language="klingon")])
    with pytest.raises(IndexManagementError, match="default_language is not valid") as caught:
        manage(collection).apply()
    assert caught.value.message.startswith(f"{__file__}:{line}: the server refused the indexes of c: ")
