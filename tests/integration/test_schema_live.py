from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Regex
from pymongo.database import Database
from pymongo.errors import WriteError

from wayra_db import Collection, Deployment, Environment, Guard, SchemaManager
from wayra_db.errors import DatabaseOperationError, DeclarationError, SchemaError
from wayra_db.schema.live import read_collections
from wayra_db.testing import CommandCounter, ServerUnderTest

Documents = Database[dict[str, Any]]
Manage = Callable[..., SchemaManager]

VALIDATOR = {"$jsonSchema": {"bsonType": "object", "required": ["email"]}}


@pytest.fixture
def manage(wayra_database: Documents) -> Manage:
    """A schema manager for declared collections."""

    def make(*collections: Collection) -> SchemaManager:
        guard = Guard(Deployment(wayra_database.client, wayra_database.name), Environment.TEST, adopt=True)
        return SchemaManager(guard, collections)

    return make


DECLARED: dict[str, dict[str, Any]] = {
    "plain": {},
    "validator": {"validator": VALIDATOR},
    "validator, moderate, warning": {
        "validator": VALIDATOR,
        "validation_level": "moderate",
        "validation_action": "warn",
    },
    "validator with the defaults": {
        "validator": VALIDATOR,
        "validation_level": "strict",
        "validation_action": "error",
    },
    "validator by operators": {"validator": {"a": {"$gt": 1, "$lt": 10}, "$or": [{"b": 1}, {"c": {"$exists": True}}]}},
    "validator with a time": {"validator": {"at": {"$gte": datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)}}},
    "validator with a pattern": {"validator": {"email": re.compile("^[^@]+@", re.IGNORECASE)}},
    "validator with a server's pattern": {"validator": {"email": {"$not": Regex("^x", "s")}}},
    "validator with a long list": {"validator": {"status": {"$in": ["a", "b", 1, 2.5, None, True]}}},
    "collation": {"collation": {"locale": "en", "strength": 2}},
    "collation with all defaults": {"collation": {"locale": "de"}},
    "collation, French Canadian": {"collation": {"locale": "fr_CA"}},
    "collation, simple": {"collation": {"locale": "simple"}},
    "capped": {"capped": {"size": 4096}},
    "capped, an odd size": {"capped": {"size": 5000, "max": 10}},
    "capped, a tiny size": {"capped": {"size": 1}},
    "time series": {"timeseries": {"timeField": "at"}},
    "time series with everything": {
        "timeseries": {"timeField": "at", "metaField": "sensor", "granularity": "minutes"},
        "expire_after_seconds": 3600,
    },
    "time series with a collation": {"timeseries": {"timeField": "at"}, "collation": {"locale": "en"}},
    "clustered": {"clustered_index": {"key": {"_id": 1}, "unique": True}},
    "clustered, named, expiring": {
        "clustered_index": {"key": {"_id": 1}, "unique": True, "name": "mine"},
        "expire_after_seconds": 60,
    },
    "clustered with a validator": {
        "clustered_index": {"key": {"_id": 1}, "unique": True},
        "validator": VALIDATOR,
    },
    "a shard key, on no cluster": {"shard_key": {"owner": 1}},
}


@pytest.mark.parametrize("options", DECLARED.values(), ids=DECLARED)
def test_what_was_created_is_there(manage: Manage, options: dict[str, Any]) -> None:
    """Created as declared; then nothing is due, whatever the server has made of the declaration."""
    manager = manage(Collection("users", **options))
    assert [one.name for one in manager.plan().create] == ["users"]
    assert manager.apply().created == ("users",)
    assert manager.plan().empty
    assert not manager.apply().changed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"validator": VALIDATOR}),
        ({"validator": VALIDATOR}, {}),
        ({"validator": VALIDATOR}, {"validator": {"a": 1}}),
        ({"validator": {"a": 1}}, {"validator": {"a": True}}),
        ({"validator": VALIDATOR}, {"validator": VALIDATOR, "validation_level": "off", "validation_action": "warn"}),
        ({"validator": VALIDATOR, "validation_level": "moderate"}, {"validator": VALIDATOR}),
        (
            {"timeseries": {"timeField": "at"}},
            {"timeseries": {"timeField": "at"}, "expire_after_seconds": 60},
        ),
        (
            {"timeseries": {"timeField": "at"}, "expire_after_seconds": 60},
            {"timeseries": {"timeField": "at"}},
        ),
        (
            {"clustered_index": {"key": {"_id": 1}, "unique": True}, "expire_after_seconds": 60},
            {"clustered_index": {"key": {"_id": 1}, "unique": True}, "expire_after_seconds": 90},
        ),
    ],
)
def test_changes_in_place(manage: Manage, before: dict[str, Any], after: dict[str, Any]) -> None:
    """What `collMod` can set arrives, and then nothing is due."""
    manage(Collection("users", **before)).apply()
    manager = manage(Collection("users", **after))
    assert manager.apply().changed_options == ("users",)
    assert manager.plan().empty


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"capped": {"size": 4096}}),
        ({"capped": {"size": 4096}}, {}),
        ({"capped": {"size": 4096}}, {"capped": {"size": 8192}}),
        ({"capped": {"size": 4096, "max": 5}}, {"capped": {"size": 4096}}),
        ({}, {"collation": {"locale": "en"}}),
        ({"collation": {"locale": "en"}}, {}),
        ({"collation": {"locale": "en", "strength": 1}}, {"collation": {"locale": "en"}}),
        ({}, {"timeseries": {"timeField": "at"}}),
        ({"timeseries": {"timeField": "at"}}, {}),
        ({"timeseries": {"timeField": "at", "metaField": "m"}}, {"timeseries": {"timeField": "at"}}),
        ({}, {"clustered_index": {"key": {"_id": 1}, "unique": True}}),
        ({"clustered_index": {"key": {"_id": 1}, "unique": True}}, {}),
    ],
)
def test_conflicts_are_told_before_anything_is_changed(
    manage: Manage, wayra_database: Documents, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Not one of the other collections is created or changed, and the lock is not even taken."""
    manage(Collection("users", **before), Collection("zoo")).apply()
    live, entries = read_collections(_deployment(wayra_database)), wayra_database["_wayra_log"].count_documents({})
    manager = manage(Collection("another"), Collection("users", **after), Collection("zoo", validator=VALIDATOR))
    with pytest.raises(SchemaError, match="nothing was touched") as caught:
        manager.apply()
    assert caught.value.collection == "users"
    assert read_collections(_deployment(wayra_database)) == live
    assert wayra_database["_wayra_log"].count_documents({}) == entries


def test_a_view_in_the_place_of_a_collection(manage: Manage, wayra_database: Documents) -> None:
    """It is a conflict, as it holds no documents of its own."""
    wayra_database.create_collection("users", viewOn="people", pipeline=[])
    with pytest.raises(SchemaError, match="it is a view"):
        manage(Collection("users")).apply()


def test_undeclared_collections_are_told_and_left_alone(manage: Manage, wayra_database: Documents) -> None:
    """Those of the user, views among them; not the tool's own nor the server's."""
    wayra_database.create_collection("theirs")
    wayra_database.create_collection("view", viewOn="theirs", pipeline=[])
    manager = manage(Collection("ours"))
    manager.apply()
    assert manager.plan().undeclared == ("theirs", "view")
    assert {"ours", "theirs", "view"} <= set(wayra_database.list_collection_names())


def test_nothing_due_takes_no_lock_and_writes_nothing(
    manage: Manage, wayra_server: ServerUnderTest, wayra_database: Documents
) -> None:
    """One read, and no more."""
    declared = [Collection("trips"), Collection("users", validator=VALIDATOR)]
    manage(*declared).apply()
    counter = CommandCounter()
    with wayra_server.client(event_listeners=[counter]) as client:
        guard = Guard(Deployment(client, wayra_database.name), Environment.TEST)
        assert not SchemaManager(guard, declared).apply().changed
        assert counter.names == ["listCollections", "find"]  # the marker: is a restore unfinished?


def test_validators_reject_and_accept(manage: Manage, wayra_database: Documents) -> None:
    """What is applied is what the server enforces; documents from before are left alone."""
    wayra_database.users.insert_one({"old": True})
    manage(Collection("users", validator=VALIDATOR)).apply()
    wayra_database.users.insert_one({"email": "ada@example.com"})
    with pytest.raises(WriteError, match="Document failed validation"):
        wayra_database.users.insert_one({"name": "Ada"})
    assert wayra_database.users.count_documents({}) == 2


def test_a_collection_that_appears_meanwhile_is_left_as_it_is(manage: Manage, wayra_database: Documents) -> None:
    """Two programs may create it at once; what then differs is the next run's to change."""
    manager = manage(Collection("users", validator=VALIDATOR))
    plan = manager.plan()
    wayra_database.create_collection("users")
    assert [one.name for one in plan.create] == ["users"]
    assert manager.apply().changed_options == ("users",)
    assert manager.plan().empty


def _deployment(database: Documents) -> Deployment:
    return Deployment(database.client, database.name)


@pytest.mark.parametrize("exists", [False, True], ids=["created", "changed"])
def test_a_refusal_of_the_server_names_the_declaration(manage: Manage, wayra_database: Documents, exists: bool) -> None:
    """Collection, file and the line of what the server does not know; nothing is changed."""
    if exists:
        wayra_database.create_collection("a")
    line = sys._getframe().f_lineno + 4
    collection = Collection(
        "a",
        validator={
            "$foo": 5,
        },
    )
    with pytest.raises(DeclarationError, match=r"unknown top level operator: \$foo") as caught:
        manage(collection).apply()
    assert (caught.value.path, caught.value.line) == (Path(__file__), line)
    assert "collection 'a'" in caught.value.message
    assert read_collections(manage()._guard.deployment).keys() == ({"a"} if exists else set())


def test_a_refusal_of_another_kind_is_no_mistake_in_the_declaration(
    manage: Manage, wayra_server: ServerUnderTest
) -> None:
    """The collection is named all the same."""
    with (
        wayra_server.fail_command("create", error_code=24),
        pytest.raises(DatabaseOperationError, match=r"collection 'a': .*\(code 24\)"),
    ):
        manage(Collection("a")).apply()
