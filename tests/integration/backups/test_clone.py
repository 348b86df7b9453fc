from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.integration.backups import copies
from wayra_db import Collection, Mask
from wayra_db.backups import BackupManager
from wayra_db.backups import definitions as catalog
from wayra_db.backups.batches import Run
from wayra_db.backups.clone import clone_database
from wayra_db.backups.target import UNFINISHED, CollectionSink
from wayra_db.environment import Action, Environment
from wayra_db.errors import BackupError, CancelledError, RefusedError, RestoreConflictError
from wayra_db.mongo.client import Deployment
from wayra_db.testing import ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]


@pytest.fixture
def other(wayra_database: Documents) -> Iterator[Documents]:
    """An empty database on the same server."""
    database = wayra_database.client[f"{wayra_database.name}_copy"]
    yield database
    database.client.drop_database(database.name)


def target(database: Documents) -> Deployment:
    """The database as a clone's other end."""
    return Deployment(database.client, database.name, address="the other")


def state(database: Documents) -> dict[str, Any]:
    """Everything in it: options, indexes, and the documents byte by byte."""
    found = {}
    for one in database.list_collections():
        name = one["name"]
        if name in ("system.views", "_wayra_lock"):
            continue
        indexes = [] if one["type"] == "view" else [dict(index) for index in database[name].list_indexes()]
        raw = [] if one["type"] != "collection" else sorted(copies.raw_documents(database, name))
        # Those that let documents expire are built last, so their order may change.
        found[name] = (one["type"], one["options"], sorted(indexes, key=lambda index: index["name"]), raw)
    return found


def test_a_whole_database(wayra_database: Documents, other: Documents) -> None:
    """Every kind of collection comes out the same: options, indexes, views, documents byte by byte."""
    copies.fill_with_every_kind(wayra_database)
    result = clone_database(copies.guard(wayra_database), target(other))
    assert state(other) == state(wayra_database)
    assert result.bytes > 600_000
    assert [one.name for one in result.left_out] == ["_wayra_lock"]
    assert list(other.ring.find()) == list(wayra_database.ring.find())
    assert list(other.weather.find(sort=[("at", 1)])) == list(wayra_database.weather.find(sort=[("at", 1)]))


def test_to_another_server_by_its_uri(
    wayra_database: Documents, wayra_standalone: TemporaryServer, tmp_path: Path
) -> None:
    """As the command line does it; sensitive fields can be left out."""
    wayra_database.people.insert_many([{"email": f"{n}@example.com"} for n in range(3000)])
    wayra_database.people.create_index("email", unique=True)
    declared = [Collection("people", sensitive={"email": Mask.EMAIL})]
    manager = BackupManager(copies.guard(wayra_database), tmp_path, collections=declared)
    result = manager.clone(wayra_standalone.uri, to_database="copy", redact=True)
    assert result.redacted
    with wayra_standalone.client() as client:
        emails = client["copy"].people.distinct("email")
        assert len(emails) == 3000
        assert all(one.endswith("@example.invalid") for one in emails)
        assert client["copy"].list_collection_names() == ["people"]
        client.drop_database("copy")


def test_a_target_that_is_not_empty(wayra_database: Documents, other: Documents) -> None:
    """It is left alone, also when it is the original itself."""
    wayra_database.a.insert_one({})
    other.b.insert_one({"_id": 1})
    for there in (other, wayra_database):
        before = state(there)
        with pytest.raises(RestoreConflictError, match="not empty"):
            clone_database(copies.guard(wayra_database), target(there))
        assert state(there) == before


def test_production(wayra_database: Documents, other: Documents) -> None:
    """Permission, and a word on the sensitive fields."""
    wayra_database.a.insert_one({})
    with pytest.raises(RefusedError, match="explicit permission"):
        clone_database(copies.guard(wayra_database, Environment.PRODUCTION), target(other), redact=True)
    allowed = copies.guard(wayra_database, Environment.PRODUCTION, permitted={Action.BACKUP_CREATE})
    with pytest.raises(RefusedError, match="asked for"):
        clone_database(allowed, target(other))
    assert state(other) == {}
    assert clone_database(allowed, target(other), redact=True).collections == ("a",)


def test_what_fails_is_dropped_again(
    wayra_database: Documents, other: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused document, a stop: the target is empty again, and no value of a document is in the message."""
    wayra_database.a.insert_many([{"_id": n, "word": "hidden"} for n in range(50)])
    guard = copies.guard(wayra_database)
    put = CollectionSink.put

    def put_twice(self: CollectionSink, run: Run) -> None:
        put(self, run)
        put(self, run)

    with monkeypatch.context() as patch:
        patch.setattr(CollectionSink, "put", put_twice)
        with pytest.raises(BackupError, match="code 11000") as caught:
            clone_database(guard, target(other))
    assert "hidden" not in str(caught.value)
    assert other.list_collection_names() == []
    guard.stop.request("a test")
    with pytest.raises(CancelledError):
        clone_database(guard, target(other))
    assert other.list_collection_names() == []


def test_what_a_killed_clone_leaves(wayra_database: Documents, other: Documents) -> None:
    """The next one says what it is and how to go on."""
    wayra_database.a.insert_one({})
    other.create_collection(UNFINISHED)
    with pytest.raises(RestoreConflictError, match="cut off"):
        clone_database(copies.guard(wayra_database), target(other))


def test_a_collection_that_goes_meanwhile(
    wayra_server: ServerUnderTest, wayra_database: Documents, other: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clone drops what it had and begins again."""
    wayra_database.stays.insert_one({"_id": 1})
    wayra_database.goes.insert_one({"_id": 1})
    read_stats = catalog.read_stats

    def read_stats_then_drop(*arguments: Any) -> Any:
        wayra_database.goes.drop()
        return read_stats(*arguments)

    monkeypatch.setattr(catalog, "read_stats", read_stats_then_drop)
    assert clone_database(copies.guard(wayra_database), target(other)).collections == ("stays",)
    assert list(state(other)) == ["stays"]
