"""What a monitor sees of a real client, given at its making or added later, sync and async."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, WaitQueueTimeoutError

from wayra_db.monitoring import Limits, Monitor, MonitorCollector, Snapshot, monitor
from wayra_db.testing import ServerUnderTest

Client = MongoClient[dict[str, Any]]
ALL_SLOW = Limits(slow_milliseconds=0)


@contextmanager
def failing(client: Client, times: int, **data: Any) -> Iterator[None]:
    """Commands of the application `monitored` fail, or wait, so many times."""
    point = {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": {"appName": "monitored", **data}}
    client.admin.command(point)
    try:
        yield
    finally:
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def counts(snapshot: Snapshot, database: str) -> dict[tuple[str, str], int]:
    """How many of each command on each collection of a database."""
    return {(one.command, one.collection): one.latency.count for one in snapshot.commands if one.database == database}


def work(database: Database[dict[str, Any]]) -> None:
    """An hour of an application's life."""
    database.users.insert_many([{"_id": number, "email": f"ada{number}@example.com"} for number in range(300)])
    with pytest.raises(DuplicateKeyError):
        database.users.insert_one({"_id": 1})
    assert database.users.find_one({"email": "ada7@example.com"}) is not None
    assert len(list(database.users.find({"_id": {"$gte": 0}}, batch_size=200))) == 300
    database.users.update_many({"_id": {"$lt": 10}}, {"$set": {"token": "hunter2"}})


async def work_async(client: AsyncMongoClient[dict[str, Any]], name: str) -> None:
    """The same, awaited."""
    users = client[name].users
    await users.insert_many([{"_id": number, "email": f"ada{number}@example.com"} for number in range(300)])
    with pytest.raises(DuplicateKeyError):
        await users.insert_one({"_id": 1})
    assert await users.find_one({"email": "ada7@example.com"}) is not None
    assert len([one async for one in users.find({"_id": {"$gte": 0}}, batch_size=200)]) == 300
    await users.update_many({"_id": {"$lt": 10}}, {"$set": {"token": "hunter2"}})


def made_with(uri: str, database: str) -> Snapshot:
    """Listeners given when a client is made."""
    watch = Monitor(ALL_SLOW)
    with MongoClient[dict[str, Any]](uri, event_listeners=watch.listeners) as client:
        work(client[database])
        return watch.snapshot()


def added_before(uri: str, database: str) -> Snapshot:
    """Listeners added to a client that was not used yet."""
    with MongoClient[dict[str, Any]](uri, connect=False) as client:
        watch = monitor(client, ALL_SLOW)
        work(client[database])
        return watch.snapshot()


def added_later(uri: str, database: str) -> Snapshot:
    """Listeners added, twice, to a client that is at work."""
    with MongoClient[dict[str, Any]](uri) as client:
        client.admin.command("ping")
        watch = monitor(client, ALL_SLOW)
        watch.attach(client)
        work(client[database])
        return watch.snapshot()


def made_async(uri: str, database: str) -> Snapshot:
    """An asynchronous client, made with listeners."""

    async def run() -> Snapshot:
        watch = Monitor(ALL_SLOW)
        async with AsyncMongoClient[dict[str, Any]](uri, event_listeners=watch.listeners) as client:
            await work_async(client, database)
            return watch.snapshot()

    return asyncio.run(run())


def added_async(uri: str, database: str) -> Snapshot:
    """Listeners added to an asynchronous client that is at work."""

    async def run() -> Snapshot:
        async with AsyncMongoClient[dict[str, Any]](uri) as client:
            await client.admin.command("ping")
            watch = monitor(client, ALL_SLOW)
            await work_async(client, database)
            return watch.snapshot()

    return asyncio.run(run())


@pytest.mark.parametrize("way", [made_with, added_before, added_later, made_async, added_async])
def test_a_client_is_watched(
    way: Callable[[str, str], Snapshot], wayra_server: ServerUnderTest, wayra_database: Database[dict[str, Any]]
) -> None:
    """Every command with its collection, errors by kind, the pool as it is, shapes without values."""
    snapshot = way(wayra_server.uri, wayra_database.name)
    expected = {("insert", "users"): 2, ("find", "users"): 2, ("getMore", "users"): 1, ("update", "users"): 1}
    assert counts(snapshot, wayra_database.name) == expected
    assert {one.kind: one.count for one in snapshot.errors} == {"DuplicateKey": 1}
    shapes = {one.shape for one in snapshot.slow if one.command in ("find", "update")}
    assert "filter {email: ?} limit" in shapes
    assert any(shape.startswith("updates [{q: {_id: {$lt: ?}}, u: {$set: {token: ?}}") for shape in shapes)
    told = json.dumps(snapshot.to_dict())
    assert "hunter2" not in told
    assert "example.com" not in told
    (pool,) = [one for one in snapshot.pools if one.most_in_use]
    assert (pool.in_use, pool.waiting, pool.maximum) == (0, 0, 100)
    assert pool.size == 1
    assert pool.wait.count >= 6
    assert snapshot.untold == snapshot.in_flight == 0


def test_waiting_for_a_connection_is_seen(
    wayra_server: ServerUnderTest, wayra_database: Database[dict[str, Any]]
) -> None:
    """No command is slow, and the application waits all the same: the pool says how many, and how long."""
    watch = Monitor()
    with (
        MongoClient[dict[str, Any]](
            wayra_server.uri, maxPoolSize=1, appname="monitored", event_listeners=watch.listeners
        ) as client,
        failing(wayra_database.client, 3, failCommands=["find"], blockConnection=True, blockTimeMS=300),
    ):
        threads = [threading.Thread(target=client[wayra_database.name].users.find_one) for _ in range(3)]
        for thread in threads:
            thread.start()
        seen = []
        while any(thread.is_alive() for thread in threads):
            seen += [(one.in_use, one.waiting) for one in watch.snapshot().pools]
            time.sleep(0.01)
        for thread in threads:
            thread.join()
        (pool,) = watch.snapshot().pools
    assert (1, 2) in seen
    assert (pool.maximum, pool.size, pool.in_use, pool.waiting) == (1, 1, 0, 0)
    # The second waited for one command of 0.3 s, the third for two.
    assert pool.wait.total_micros > 700_000
    (finds,) = [one for one in watch.snapshot().commands if one.command == "find"]
    assert finds.latency.count == 3
    assert [one.count for one in watch.snapshot().slow if one.command == "find"] == [3]


def test_no_connection_to_be_had(wayra_server: ServerUnderTest, wayra_database: Database[dict[str, Any]]) -> None:
    """Who gets none in time is counted as failed, and waits no more."""
    watch = Monitor()
    with (
        MongoClient[dict[str, Any]](
            wayra_server.uri, maxPoolSize=1, waitQueueTimeoutMS=50, appname="monitored", event_listeners=watch.listeners
        ) as client,
        failing(wayra_database.client, 1, failCommands=["find"], blockConnection=True, blockTimeMS=1000),
    ):
        users = client[wayra_database.name].users
        holder = threading.Thread(target=users.find_one)
        holder.start()
        while not any(one.in_use for one in watch.snapshot().pools):
            time.sleep(0.01)
        with pytest.raises(WaitQueueTimeoutError):
            users.find_one()
        holder.join()
        (pool,) = watch.snapshot().pools
    assert (pool.failed >= 1, pool.waiting) == (True, 0)


@pytest.mark.parametrize(
    ("data", "kind"),
    [({"closeConnection": True}, "AutoReconnect"), ({"errorCode": 6}, "HostUnreachable")],
    ids=["closed", "refused"],
)
def test_a_retry_is_seen(
    data: Mapping[str, Any], kind: str, wayra_server: ServerUnderTest, wayra_database: Database[dict[str, Any]]
) -> None:
    """The application notices nothing; the monitor knows the failure, its kind, and that it was tried again."""
    watch = Monitor()
    with MongoClient[dict[str, Any]](wayra_server.uri, appname="monitored", event_listeners=watch.listeners) as client:
        users = client[wayra_database.name].users
        with failing(wayra_database.client, 1, failCommands=["find"], **data):
            users.find_one()
        with failing(wayra_database.client, 1, failCommands=["insert"], **data):
            users.insert_one({})
        snapshot = watch.snapshot()
    assert snapshot.retries == (("find", 1), ("insert", 1))
    assert {(one.command, one.kind, one.count) for one in snapshot.errors} == {("find", kind, 1), ("insert", kind, 1)}
    assert sum(one.failed for one in snapshot.commands) == 2


def test_an_exception_in_a_listener(
    wayra_server: ServerUnderTest,
    wayra_database: Database[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The application's commands go through, nothing is printed, and the snapshot says how much is not told."""

    def broken(command: Any) -> str:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("wayra_db.monitoring.recorder.shape", broken)
    watch = Monitor(ALL_SLOW)
    with MongoClient[dict[str, Any]](wayra_server.uri, event_listeners=watch.listeners) as client:
        for number in range(5):
            client[wayra_database.name].users.insert_one({"n": number})
        assert client[wayra_database.name].users.count_documents({}) == 5
    assert watch.snapshot().untold >= 6
    assert capfd.readouterr() == ("", "")


def test_heartbeats(wayra_server: ServerUnderTest) -> None:
    """A server that answers is up; one that does not is not."""
    watch = Monitor()
    with MongoClient[dict[str, Any]](wayra_server.uri, event_listeners=watch.listeners) as client:
        client.admin.command("ping")
        (server,) = watch.snapshot().servers
        assert (server.up, server.succeeded >= 1, server.failed) == (True, True, 0)
        assert server.round_trip.count >= 1
    away = Monitor()
    with MongoClient[dict[str, Any]]("mongodb://127.0.0.1:1", event_listeners=away.listeners):
        while not away.snapshot().servers:
            time.sleep(0.01)
        (server,) = away.snapshot().servers
    assert (server.server, server.up, server.succeeded) == ("127.0.0.1:1", False, 0)


def test_prometheus_reads_it(wayra_server: ServerUnderTest, wayra_database: Database[dict[str, Any]]) -> None:
    """The text is what Prometheus parses; histograms add up; asking does not count as the application's work."""
    watch = Monitor()
    registry = CollectorRegistry()
    registry.register(MonitorCollector(watch))
    with MongoClient[dict[str, Any]](wayra_server.uri, event_listeners=watch.listeners) as client:
        work(client[wayra_database.name])
        text = generate_latest(registry).decode()
        assert generate_latest(registry).decode() == text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    durations = families["mongodb_client_command_duration_seconds"].samples
    labels = {"database": wayra_database.name, "collection": "users", "command": "find"}
    found = {
        sample.labels.get("le", sample.name.rpartition("_")[2]): sample.value
        for sample in durations
        if labels.items() <= sample.labels.items()
    }
    assert found["+Inf"] == found["count"] == 2
    assert 0 < found["sum"] < 60
    (pool_size,) = families["mongodb_client_pool_size"].samples
    assert pool_size.value == 1
    assert {sample.labels["kind"] for sample in families["mongodb_client_errors"].samples} == {"DuplicateKey"}
