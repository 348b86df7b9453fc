from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import bson
import pytest
from bson import json_util
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.backup_writer import extended
from wayra_db.backups.deep import Contents, compare, verify_deep
from wayra_db.backups.documents import split
from wayra_db.backups.manifest import CollectionEntry, Manifest
from wayra_db.backups.source import BackupSource, Chunk, Watch
from wayra_db.errors import CancelledError
from wayra_db.mongo.client import Deployment
from wayra_db.stopping import Stop

Documents = Database[dict[str, Any]]


class LiveBackup:
    """A backup that was just taken: the definitions and the raw documents of a database, in memory."""

    manifest: Manifest | None = None

    def __init__(self, database: Documents) -> None:
        self.name = "taken"
        self.entries: list[dict[str, Any]] = []
        self._runs: dict[str, list[bytes]] = {}
        self.collections: Sequence[CollectionEntry] = ()
        for found in database.list_collections():
            name, kind = found["name"], found["type"]
            if name.startswith("system."):
                continue
            stored = f"system.buckets.{name}" if kind == "timeseries" else name
            self._runs[name] = [] if kind == "view" else [*_raw(database, stored)]
            indexes = [] if kind == "view" else list(database[name].list_indexes())
            self.collections = [
                *self.collections,
                CollectionEntry(
                    name,
                    kind,
                    extended(found["options"]),
                    extended(indexes),
                    f"{name}.metadata.json",
                    documents=sum(Contents().add(run).documents for run in self._runs[name]),
                    data=f"{name}.bson",
                ),
            ]

    def __enter__(self) -> LiveBackup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def require_readable(self) -> None:
        """It is."""

    @property
    def database(self) -> str:
        """Any."""
        return "taken"

    def check(self, watch: Watch | None = None) -> None:
        """It is in memory."""

    def stream(self, collections: Sequence[CollectionEntry]) -> Iterator[tuple[CollectionEntry, Chunk]]:
        """One after the other."""
        for one in collections:
            for chunk in self.chunks(one):
                yield one, chunk

    def chunks(self, collection: CollectionEntry) -> Iterator[Chunk]:
        """The runs, as they were read."""
        for run in self._runs[collection.name]:
            yield Chunk(run, Contents().add(run).documents, collection.data or "", 0)

    def oplog(self) -> Iterator[Chunk]:
        """The entries that a test has put there."""
        for entry in self.entries:
            yield Chunk(bson.encode(entry), 1, "oplog.bson", 0)

    def close(self) -> None:
        """There is nothing to close."""


def _raw(database: Documents, name: str) -> Iterator[bytes]:
    yield from database[name].find_raw_batches(batch_size=3)


def fill(database: Documents) -> None:
    """Collections of every kind."""
    database.create_collection("users", validator={"email": {"$type": "string"}}, collation={"locale": "de"})
    database.users.create_index([("email", 1), ("name", -1)], unique=True, name="by_email")
    database.users.create_index("at", expireAfterSeconds=3600)
    database.users.insert_many([{"_id": n, "email": f"u{n}@example.com", "tags": [n, {"x": n}]} for n in range(20)])
    database.create_collection("log", capped=True, size=4096, max=10)
    database.log.insert_many([{"_id": n} for n in range(3)])
    database.create_collection("weather", timeseries={"timeField": "at", "metaField": "place"})
    database.weather.insert_many(
        [{"at": json_util.loads('{"$date": "2026-11-25T00:00:00Z"}'), "place": n % 2, "t": n} for n in range(8)]
    )
    database.create_collection("adults", viewOn="users", pipeline=[{"$match": {"age": {"$gte": 18}}}])
    database.trips.insert_many([{"_id": n} for n in range(4)])
    database.create_collection("empty")


def copy_into(source: BackupSource, database: Documents) -> None:
    """A plain restore: collections with their options and indexes, then the raw documents."""
    for one in source.collections:
        options = json_util.loads(json.dumps(one.options))
        database.command({"create": one.name, **options})
        if one.kind == "view":
            continue
        indexes = [index for index in json_util.loads(json.dumps(one.indexes)) if index["name"] != "_id_"]
        if indexes and one.kind != "timeseries":
            database.command({"createIndexes": one.name, "indexes": indexes})
        name = f"system.buckets.{one.name}" if one.kind == "timeseries" else one.name
        for chunk in source.chunks(one):
            data = bytes(chunk.data)
            database[name].insert_many([RawBSONDocument(data[first:end]) for first, end in split(data)])


@pytest.fixture
def deployment(wayra_database: Documents) -> Deployment:
    """A database with collections of every kind."""
    fill(wayra_database)
    return Deployment(wayra_database.client, wayra_database.name)


def says(source: BackupSource, deployment: Deployment) -> list[str]:
    """What a comparison finds, in words."""
    return [str(finding) for finding in compare(source, deployment)]


def test_a_database_is_equal_to_its_backup(deployment: Deployment) -> None:
    """Every kind of collection."""
    with LiveBackup(deployment.database) as source:
        assert says(source, deployment) == []


def test_a_backup_that_restores_as_it_was(deployment: Deployment) -> None:
    """Into a database of its own, of which nothing is left."""
    before = deployment.client.list_database_names()
    with LiveBackup(deployment.database) as source:
        client = deployment.client
        assert verify_deep(source, deployment, lambda source, name: copy_into(source, client[name])) == ()
    assert deployment.client.list_database_names() == before


def test_nothing_is_left_when_the_restore_fails(deployment: Deployment) -> None:
    """The scratch database goes in any case."""

    def failing(source: BackupSource, name: str) -> None:
        copy_into(source, deployment.client[name])
        raise RuntimeError("half-way")

    before = deployment.client.list_database_names()
    with LiveBackup(deployment.database) as source, pytest.raises(RuntimeError, match="half-way"):
        verify_deep(source, deployment, failing)
    assert deployment.client.list_database_names() == before


CHANGES: dict[str, tuple[Callable[[Documents], object], str]] = {
    "a value": (
        lambda database: database.users.update_one({"_id": 3}, {"$set": {"tags.1.x": 4}}),
        "users.bson: users has other documents than the backup",
    ),
    "a type": (
        lambda database: database.users.update_one({"_id": 3}, {"$set": {"tags.0": 3.0}}),
        "users.bson: users has other documents than the backup",
    ),
    "the order of fields": (
        lambda database: database.users.replace_one({"_id": 3}, {"tags": [3, {"x": 3}], "email": "u3@example.com"}),
        "users.bson: users has other documents than the backup",
    ),
    "a document too few": (
        lambda database: database.trips.delete_one({"_id": 3}),
        "trips.bson: trips has 3 documents instead of 4",
    ),
    "a document too many": (
        lambda database: database.empty.insert_one({}),
        "empty.bson: empty has 1 documents instead of 0",
    ),
    "one for another": (
        lambda database: (
            database.users.delete_one({"_id": 3}),
            database.users.insert_one({"_id": 99, "email": "x@example.com"}),
        ),
        "users.bson: users has other documents than the backup",
    ),
    "a measurement": (
        lambda database: database.weather.insert_one(
            {"at": json_util.loads('{"$date": "2026-11-26T00:00:00Z"}'), "place": 7, "t": 1}
        ),
        "weather.bson: weather has 3 documents instead of 2",
    ),
    "an index is missing": (
        lambda database: database.command({"dropIndexes": "users", "index": "by_email"}),
        "users.metadata.json: users lacks the index by_email",
    ),
    "an index too many": (
        lambda database: database.users.create_index("name"),
        "users.metadata.json: users has an index name_1 that is not in the backup",
    ),
    "the order of an index's keys": (
        lambda database: (
            database.command({"dropIndexes": "users", "index": "by_email"}),
            database.users.create_index([("name", -1), ("email", 1)], unique=True, name="by_email"),
        ),
        "users.metadata.json: users has another index by_email",
    ),
    "an index's option": (
        lambda database: database.command({"collMod": "users", "index": {"name": "at_1", "expireAfterSeconds": 7200}}),
        "users.metadata.json: users has another index at_1",
    ),
    "a validator": (
        lambda database: database.command({"collMod": "users", "validator": {}, "validationLevel": "off"}),
        "users.metadata.json: users has other options: ",
    ),
    "a view": (
        lambda database: database.command({"collMod": "adults", "viewOn": "users", "pipeline": []}),
        "adults.metadata.json: adults has other options: pipeline",
    ),
    "a collection is missing": (
        lambda database: database.drop_collection("empty"),
        "collection empty was not restored",
    ),
    "a collection too many": (
        lambda database: database.create_collection("more"),
        "collection more is in no backup and was restored",
    ),
    "another kind": (
        lambda database: (database.drop_collection("adults"), database.create_collection("adults")),
        "adults.metadata.json: adults was restored as a collection instead of a view",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_difference_is_named(deployment: Deployment, change: str) -> None:
    """One at a time, and nothing else is found."""
    act, expected = CHANGES[change]
    with LiveBackup(deployment.database) as source:
        act(deployment.database)
        (found,) = says(source, deployment)
    assert found.startswith(expected)


def test_documents_that_expire_are_no_damage(deployment: Deployment) -> None:
    """The server deletes what its TTL index says, also in a scratch database: a warning."""
    deployment.database.empty.create_index("at", expireAfterSeconds=1)
    deployment.database.empty.insert_one({"at": 1})
    with LiveBackup(deployment.database) as source:
        deployment.database.empty.delete_many({})
        (found,) = compare(source, deployment)
    assert (found.severity, found.file) == ("warning", "empty.bson")


@pytest.mark.parametrize(
    "entry",
    [
        {"op": "i", "ns": "db.users", "o": {"_id": 1}},
        {"op": "c", "ns": "admin.$cmd", "o": {"applyOps": [{"op": "d", "ns": "db.users", "o": {"_id": 1}}]}},
        {"op": "c", "ns": "db.$cmd", "o": {"collMod": "users", "validator": {}}},
        {"op": "c", "ns": "db.$cmd", "o": {"renameCollection": "db.users", "to": "db.people"}},
    ],
    ids=["insert", "transaction", "command", "rename"],
)
def test_what_the_oplog_slice_changes_is_not_compared(deployment: Deployment, entry: dict[str, Any]) -> None:
    """Only of the collections that it speaks of; the others are."""
    with LiveBackup(deployment.database) as source:
        source.entries = [entry]
        deployment.database.users.update_one({"_id": 3}, {"$set": {"x": 1}})
        deployment.database.trips.update_one({"_id": 3}, {"$set": {"x": 1}})
        assert [(finding.severity, finding.file) for finding in compare(source, deployment)] == [
            ("warning", "users.bson"),
            ("error", "trips.bson"),
        ]


def test_a_stop_ends_the_comparison(deployment: Deployment) -> None:
    """At the next collection or batch."""
    stop = Stop()
    stop.request("SIGTERM")
    with LiveBackup(deployment.database) as source, pytest.raises(CancelledError):
        list(compare(source, deployment, stop=stop))


def test_the_sum_counts_each_document_and_not_their_order() -> None:
    """Two of one are not none, and not one."""
    one, two = bson.encode({"a": 1}), bson.encode({"a": 2})
    empty = Contents()
    assert empty.add(one + two) == empty.add(two).add(one)
    assert len({empty, empty.add(one), empty.add(one + one), empty.add(one + two), empty.add(two + two)}) == 5
