from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import ReadPreference
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.support import Sandbox
from wayra_db import Deployment, Environment, Guard
from wayra_db.errors import IndexManagementError, RefusedError
from wayra_db.indexes.profiler import KEY, Profiler
from wayra_db.indexes.usage.judge import Limits
from wayra_db.indexes.usage.read import COLLECTION
from wayra_db.indexes.usage.redundancy import judge
from wayra_db.indexes.usage.service import IndexUsage
from wayra_db.mongo.members import ask_each, find_members
from wayra_db.testing import CommandCounter, RecordingObserver, ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]


@pytest.fixture
def guard(wayra_database: Documents) -> Guard:
    """A guard over the test's database, in the environment of tests."""
    deployment = Deployment(wayra_database.client, wayra_database.name)
    return Guard(deployment, Environment.TEST, observer=RecordingObserver(), adopt=True)


@pytest.fixture
def profiler(guard: Guard) -> Iterator[Profiler]:
    """A profiler that is off again when the test ends."""
    yield Profiler(guard)
    guard.deployment.database.command("profile", 0)


def with_indexes(database: Documents) -> None:
    """Documents with a used index, an unused one, and a beginning of the used one."""
    database.trips.insert_many({"a": number, "b": number % 3, "c": number} for number in range(300))
    database.trips.create_index([("a", 1), ("b", 1)])
    database.trips.create_index("a")
    database.trips.create_index("c")
    list(database.trips.find({"a": 5}, hint="a_1_b_1"))


def test_usage_of_every_index(wayra_database: Documents, guard: Guard) -> None:
    """Uses, sizes on disk and in memory, and what speaks against some."""
    with_indexes(wayra_database)
    report = IndexUsage(guard).report(Limits(unused_days=1e-9))
    found = {index.name: index for index in report.indexes}
    assert {name: index.use.uses for name, index in found.items()} == {"_id_": 0, "a_1_b_1": 1, "a_1": 0, "c_1": 0}
    for index in found.values():
        assert index.use.complete
        assert index.size_bytes > 0
        assert index.cached_bytes is not None
        assert 0 < index.ratio < 10
    assert {(one.index, one.kind.value) for one in report.findings} == {
        ("a_1", "redundant"),
        ("a_1", "unused"),
        ("c_1", "unused"),
    }
    assert all(one.evidence and one.next for one in report.findings)


def test_reading_usage_writes_nothing_and_asks_little(wayra_server: ServerUnderTest, wayra_database: Documents) -> None:
    """Three requests, and three a collection on one member; a sample only of collections that are large enough."""
    with_indexes(wayra_database)
    wayra_database.users.insert_many({"n": number} for number in range(1500))
    wayra_database.users.create_index("n")
    before = wayra_database.command("dbHash")["md5"]
    counter = CommandCounter()
    with wayra_server.client(event_listeners=[counter]) as client:
        guard = Guard(Deployment(client, wayra_database.name), Environment.PRODUCTION)
        assert guard.deployment.capabilities.server_version
        counter.clear()
        IndexUsage(guard).report()
        assert counter.names == [
            "listCollections", "listIndexes", "listIndexes", "hello", "aggregate", "aggregate", "find",
            *("aggregate", "aggregate", "aggregate"),
        ]  # fmt: skip
    assert wayra_database.command("dbHash")["md5"] == before


def test_samples_outlive_the_counters(wayra_database: Documents, guard: Guard) -> None:
    """A counter that began anew tells nothing of before; a kept sample does."""
    with_indexes(wayra_database)
    usage = IndexUsage(guard)
    usage.sample()
    wayra_database.command("collMod", "trips", index={"name": "a_1_b_1", "hidden": True})
    wayra_database.command("collMod", "trips", index={"name": "a_1_b_1", "hidden": False})
    report = usage.report()
    assert report.samples == 1
    assert next(index for index in report.indexes if index.name == "a_1_b_1").use.uses == 1
    assert report.findings


def test_weeks_of_samples(wayra_database: Documents, guard: Guard) -> None:
    """What was not used in all of the kept weeks is unused, though the server restarted today; old samples go."""
    with_indexes(wayra_database)
    usage = IndexUsage(guard)
    usage.sample()
    samples = wayra_database[COLLECTION]
    (kept,) = list(samples.find())
    samples.delete_many({})
    now = datetime.now(UTC)
    for ago, since in ((500, 501), (20, 31), (10, 31)):
        counters = [{**one, "since": now - timedelta(days=since)} for one in kept["counters"]]
        samples.insert_one({"format": 1, "at": now - timedelta(days=ago), "counters": counters})
    report = usage.report()
    assert {one.index for one in report.findings if one.kind.value == "unused"} == {"a_1", "c_1"}
    (evidence,) = [one.evidence for one in report.findings if (one.index, one.kind.value) == ("c_1", "unused")]
    assert evidence.startswith("no use in 22 days on the server; it takes ")
    for hidden in (True, False):  # which sets its counter back
        wayra_database.command("collMod", "trips", index={"name": "a_1_b_1", "hidden": hidden})
    report = usage.report()
    (evidence,) = [one.evidence for one in report.findings if (one.index, one.kind.value) == ("a_1_b_1", "unused")]
    assert evidence.startswith("no use in 10 days on the server, and 2 before; ")
    usage.sample()
    assert samples.count_documents({}) == 3, "the one of 500 days ago is gone"


def test_every_member_is_asked(wayra_three_nodes: TemporaryServer) -> None:
    """What only a secondary answers counts as use; with a member down nothing is called unused."""
    with wayra_three_nodes.client(w=3) as client:
        with_indexes(client.shop)
        secondary = client.shop.get_collection("trips", read_preference=ReadPreference.SECONDARY)
        list(secondary.find({"c": 5}, hint="c_1"))
        usage = IndexUsage(Guard(Deployment(client, "shop"), Environment.TEST, adopt=True))
        report = usage.report(Limits(unused_days=1e-9))
        assert len(report.members) == 3
        assert {one.index for one in report.findings if one.kind.value == "unused"} == {"a_1"}
        down = next(node for node in wayra_three_nodes.nodes if node is not wayra_three_nodes.primary())
        down.kill()
        report = usage.report(Limits(unused_days=1e-9))
        assert report.unreachable == (down.host,)
        assert [one for one in report.findings if one.kind.value in ("unused", "not used yet")] == []


def test_members_answer_for_themselves(wayra_three_nodes: TemporaryServer) -> None:
    """Each under its own address, over one client; a paused one is waited for no longer than need be."""
    with wayra_three_nodes.client() as client:
        deployment = Deployment(client, "shop")
        answers, members = ask_each(
            deployment,
            find_members(deployment),
            lambda preference: client.admin.command("hello", read_preference=preference)["me"],
        )
        assert answers == {node.host: node.host for node in wayra_three_nodes.nodes}
        assert members.unreachable == ()


def test_a_server_without_members(wayra_standalone: TemporaryServer) -> None:
    """A standalone is asked as it is."""
    with wayra_standalone.client() as client:
        with_indexes(client.shop)
        report = IndexUsage(Guard(Deployment(client, "shop"), Environment.TEST)).report()
        assert report.unreachable == ()
        assert {index.name: index.use.uses for index in report.indexes}["a_1_b_1"] == 1
        client.drop_database("shop")


DROPPED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a prefix": ({"key": {"a": 1}}, {"key": {"a": 1, "b": 1}}),
    "the other way": ({"key": {"a": -1}}, {"key": {"a": 1, "b": 1}}),
    "turned round": ({"key": {"a": 1, "b": -1}}, {"key": {"a": -1, "b": 1, "c": 1}}),
    "a shorter sparse one": ({"key": {"a": 1}, "sparse": True}, {"key": {"a": 1, "b": 1}}),
    "both partial": (
        {"key": {"a": 1}, "partialFilterExpression": {"c": {"$gt": 5}}},
        {"key": {"a": 1, "b": 1}, "partialFilterExpression": {"c": {"$gt": 5}}},
    ),
    "both with a collation": (
        {"key": {"a": 1}, "collation": {"locale": "en"}},
        {"key": {"a": 1, "b": 1}, "collation": {"locale": "en"}},
    ),
    "the longer over an array": ({"key": {"a": 1}}, {"key": {"a": 1, "tags": 1}}),
    "a unique twin": ({"key": {"id": 1}}, {"key": {"id": 1}, "unique": True}),
}


@pytest.mark.parametrize("name", DROPPED)
def test_what_is_called_redundant_is_not_missed(wayra_database: Documents, name: str) -> None:
    """Without it every query of its fields reads as many documents as before, by the planner's own account."""
    first, second = ({"name": label, **document} for label, document in zip("sl", DROPPED[name], strict=True))
    wayra_database.t.insert_many(
        {"id": n, "a": n % 40, "b": n % 7, "c": n % 11, "tags": [n % 5, n % 3]} for n in range(1000)
    )
    queries: list[dict[str, Any]] = []
    field = next(iter(first["key"]))
    for query in ({field: 5}, {field: {"$gt": 30}}, {field: {"$in": [1, 2]}}, {field: 5, "c": {"$gt": 5}}, {}):
        for sort in ({}, {field: 1}, {field: -1}, dict(first["key"])):
            queries.append({"find": "t", "filter": query, "limit": 50, **({"sort": sort} if sort else {})})
    if "collation" in first:
        queries = [{**query, "collation": first["collation"]} for query in queries]

    def examined(query: dict[str, Any]) -> int:
        reply = wayra_database.command({"explain": query, "verbosity": "executionStats"})
        return int(reply["executionStats"]["totalDocsExamined"])

    wayra_database.command("createIndexes", "t", indexes=[first, second])
    live = {index["name"]: index for index in wayra_database.t.list_indexes()}
    assert judge(live["s"], live["l"]).droppable
    both = [examined(query) for query in queries]
    wayra_database.t.drop_index("s")
    assert [examined(query) for query in queries] == both


def test_the_profiler_for_a_while(wayra_database: Documents, profiler: Profiler) -> None:
    """On, recording, and back to exactly what it was: level, threshold, rate and filter."""
    wayra_database.trips.insert_one({"a": 1})
    wayra_database.command({"profile": 1, "slowms": 777, "sampleRate": 0.5, "filter": {"nreturned": {"$gt": 10**6}}})
    before = profiled_as(wayra_database)
    state = profiler.on(level=2, seconds=60)
    assert set(state.levels.values()) == {2}
    assert state.switched_on
    wayra_database.trips.find_one({"a": 1})
    assert wayra_database["system.profile"].count_documents({"command.find": "trips"}) == 1
    with pytest.raises(IndexManagementError, match="switched on already"):
        profiler.on()
    assert not profiler.restore_if_overdue()
    state = profiler.off()
    assert not state.switched_on
    assert profiled_as(wayra_database) == before
    wayra_database.command({"profile": 0, "slowms": 100, "sampleRate": 1.0, "filter": "unset"})
    profiler.off(forget=True)
    assert "system.profile" not in wayra_database.list_collection_names()


def profiled_as(database: Documents) -> dict[str, Any]:
    """How the profiler is set."""
    reply = database.command("profile", -1)
    return {name: reply.get(name) for name in ("was", "slowms", "sampleRate", "filter")}


def test_it_is_set_back_after_its_time(wayra_database: Documents, profiler: Profiler) -> None:
    """By the wait itself, or by the next command when the waiting process was killed."""
    profiler.record(level=2, seconds=0.2)
    assert profiled_as(wayra_database)["was"] == 0
    profiler.on(level=2, seconds=0.01)
    time.sleep(0.02)
    assert profiler.restore_if_overdue()
    assert profiled_as(wayra_database)["was"] == 0
    assert wayra_database["_wayra_meta"].count_documents({"_id": KEY}) == 0


def test_a_recording_ends_early(wayra_server: ServerUnderTest, guard: Guard, profiler: Profiler) -> None:
    """When somebody else switches it off, and when a stop is asked for; it is set back either way."""
    with wayra_server.client() as client:
        other = Profiler(Guard(Deployment(client, guard.deployment.database_name), Environment.TEST))
        profiler.record(level=2, seconds=600, started=lambda state: other.off())
    assert profiled_as(guard.deployment.database)["was"] == 0
    profiler.record(level=2, seconds=600, started=lambda state: guard.stop.request("SIGTERM"))
    assert profiled_as(guard.deployment.database)["was"] == 0
    assert not profiler.state().switched_on


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"level": 2, "seconds": 60}, "profile_everything"),
        ({"level": 1, "slow_milliseconds": 0, "seconds": 60}, "profile_everything"),
        ({"level": 1}, "profile"),
    ],
)
def test_what_production_refuses(wayra_database: Documents, options: dict[str, Any], rule: str) -> None:
    """Everything, nearly everything by another name, and without an end; nothing is written."""
    guard = Guard(Deployment(wayra_database.client, wayra_database.name), Environment.PRODUCTION, adopt=True)
    with pytest.raises(RefusedError) as caught:
        Profiler(guard).on(**options)
    assert caught.value.rule == rule
    assert caught.value.hint
    assert profiled_as(wayra_database)["was"] == 0
    assert wayra_database.list_collection_names() == []


def test_production_allows_slow_operations_for_a_while(wayra_database: Documents) -> None:
    """With a threshold and a time."""
    guard = Guard(Deployment(wayra_database.client, wayra_database.name), Environment.PRODUCTION, adopt=True)
    profiler = Profiler(guard)
    assert set(profiler.on(slow_milliseconds=50, seconds=60).levels.values()) == {1}
    profiler.off()
    assert profiled_as(wayra_database)["was"] == 0


def test_every_member_is_profiled_and_set_back(wayra_three_nodes: TemporaryServer) -> None:
    """A member that is down keeps its place in the record, and is set back by a later try."""
    with wayra_three_nodes.client(w=3) as client:
        client.shop.trips.insert_one({"a": 1})
        guard = Guard(Deployment(client, "shop"), Environment.TEST, observer=RecordingObserver(), adopt=True)
        profiler = Profiler(guard)
        assert set(profiler.on(level=2).levels.values()) == {2}
        paused = next(node for node in wayra_three_nodes.nodes if node is not wayra_three_nodes.primary())
        paused.pause()
        try:
            state = profiler.off()
        finally:
            paused.resume()
        assert paused.host not in state.levels or state.levels[paused.host] == 2
        assert state.switched_on, "one member is still to be set back"
        deadline = time.monotonic() + 30
        while profiler.off().switched_on:
            assert time.monotonic() < deadline
        assert set(profiler.state().levels.values()) == {0}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_profiler_whose_process_ends(sandbox: Sandbox, wayra_database: Documents, number: signal.Signals) -> None:
    """By Ctrl-C or SIGTERM it is set back at once, after a kill by the next command past the time."""
    sandbox.complete()
    sandbox.run("init")
    process: subprocess.Popen[str] = sandbox.start("indexes", "profile", "on", "--level", "2", "--for", "2s")
    deadline = time.monotonic() + 30
    while profiled_as(wayra_database)["was"] != 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.kill(process.pid, number)
    process.communicate()
    if number == signal.SIGKILL:
        assert profiled_as(wayra_database)["was"] == 2
        time.sleep(2)
        ended = sandbox.run("indexes", "profile", "report")
        assert ended.returncode == 0, ended.stderr
        assert "past its time" in ended.stderr
    assert profiled_as(wayra_database)["was"] == 0


def test_the_profiler_needs_rights(wayra_auth_server: TemporaryServer) -> None:
    """A user who may only read and write is told so, and nothing is remembered."""
    with wayra_auth_server.client() as admin:
        admin.shop.command("createUser", "reader", pwd="secret", roles=["readWrite"])
        admin.shop.trips.insert_one({"a": 1})
    uri = wayra_auth_server.uri.replace(
        f"{wayra_auth_server.username}:{wayra_auth_server.password}", "reader:secret"
    ).replace("authSource=admin", "authSource=shop")
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        profiler = Profiler(Guard(Deployment(client, "shop"), Environment.TEST, adopt=True))
        with pytest.raises(Exception, match="the user may not do this") as caught:
            profiler.on()
        assert isinstance(caught.value.__cause__, OperationFailure)
        assert client.shop["_wayra_meta"].count_documents({"_id": KEY}) == 0
