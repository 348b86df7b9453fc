from __future__ import annotations

import threading
from typing import Any

import pytest

from wayra_db.monitoring.recorder import OTHER, Limits, Recorder
from wayra_db.monitoring.snapshot import Snapshot


def say(recorder: Recorder, number: int, command: dict[str, Any], *, micros: int = 1000, **reply: Any) -> None:
    """A command and its answer."""
    name = next(iter(command))
    recorder.started(number, number, name, "shop", command)
    recorder.succeeded(number, name, micros, {"ok": 1, **reply})


def series(snapshot: Snapshot) -> dict[tuple[str, str], int]:
    """How many of each command on each collection."""
    return {(one.command, one.collection): one.latency.count for one in snapshot.commands}


@pytest.mark.parametrize(
    ("command", "collection"),
    [
        ({"find": "users"}, "users"),
        ({"getMore": 7, "collection": "users"}, "users"),
        ({"aggregate": 1}, ""),
        ({"ping": 1}, ""),
        ({"createUser": "ada"}, ""),
        ({"usersInfo": "ada"}, ""),
        ({"explain": {"find": "users"}}, ""),
    ],
)
def test_the_collection_of_a_command(command: dict[str, Any], collection: str) -> None:
    """Only where the command's first value is one's name; a user's name is none."""
    recorder = Recorder(Limits())
    say(recorder, 1, command)
    assert series(recorder.snapshot()) == {(next(iter(command)), collection): 1}


def test_collections_without_end() -> None:
    """What comes after the cap is one more, so nothing is lost and memory has an end."""
    recorder = Recorder(Limits(series=3, slow_milliseconds=0, shapes=4))
    for number in range(100):
        say(recorder, number, {"find": f"c{number}", "filter": {"a": 1}}, micros=number)
    snapshot = recorder.snapshot()
    assert snapshot.operations == 100
    assert len(snapshot.commands) == 4
    assert {one.collection: one.latency.count for one in snapshot.commands}[OTHER] == 97
    # The costliest shapes stay.
    assert [one.collection for one in snapshot.slow] == ["c99", "c98", "c97", "c96"]


def test_errors_and_servers_without_end() -> None:
    """The same for kinds of error, heartbeats and pools; a closed pool makes room."""
    recorder = Recorder(Limits(kinds_of_error=2, servers=2))
    for number in range(5):
        recorder.started(number, number, "find", "shop", {"find": "users"})
        recorder.failed(number, number, "find", 10, {"codeName": f"Code{number}"})
        recorder.pool(f"host{number}:1").created += 1
        recorder.server(f"host{number}:1").failed += 1
    snapshot = recorder.snapshot()
    assert {one.kind: one.count for one in snapshot.errors} == {"Code0": 1, "Code1": 1, OTHER: 3}
    assert [one.server for one in snapshot.pools] == [OTHER, "host0:1", "host1:1"]
    assert {one.server: one.failed for one in snapshot.servers} == {OTHER: 3, "host0:1": 1, "host1:1": 1}
    recorder.pool("host0:1").ended = True
    recorder.pool("host9:1").created += 1
    assert "host9:1" in [one.server for one in recorder.snapshot().pools]


def test_commands_that_never_end() -> None:
    """They are forgotten in time; an answer that comes all the same is counted, without its collection."""
    recorder = Recorder(Limits())
    for number in range(10_050):
        recorder.started(number, number, "find", "shop", {"find": "users"})
    assert recorder.snapshot().in_flight == 10_000
    recorder.succeeded(3, "find", 10, {"ok": 1})
    recorder.succeeded(10_049, "find", 10, {"ok": 1})
    assert series(recorder.snapshot()) == {("find", ""): 1, ("find", "users"): 1}


@pytest.mark.parametrize(
    ("reply", "kinds"),
    [
        ({"n": 1}, {}),
        (
            {"writeErrors": [{"code": 11000, "errmsg": "hunter2"}, {"code": 121}]},
            {"DuplicateKey": 1, "write error 121": 1},
        ),
        ({"writeConcernError": {"codeName": "WriteConcernFailed", "errmsg": "hunter2"}}, {"WriteConcernFailed": 1}),
    ],
)
def test_what_an_answer_refuses(reply: dict[str, Any], kinds: dict[str, int]) -> None:
    """A write that is answered may have been refused; what the server says of it is not kept, only its kind."""
    recorder = Recorder(Limits())
    say(recorder, 1, {"insert": "users"}, **reply)
    snapshot = recorder.snapshot()
    assert {one.kind: one.count for one in snapshot.errors} == kinds
    assert "hunter2" not in str(snapshot.to_dict())


@pytest.mark.parametrize(
    ("operation", "name", "retries"),
    [(7, "find", (("find", 1),)), (8, "find", ()), (7, "getMore", ()), (None, "find", ())],
)
def test_what_a_retry_is(operation: int | None, name: str, retries: tuple[tuple[str, int], ...]) -> None:
    """The same command of the same operation, after it has failed."""
    recorder = Recorder(Limits())
    recorder.started(1, 7, "find", "shop", {"find": "users"})
    recorder.failed(1, 7, "find", 10, {"errtype": "AutoReconnect"})
    recorder.started(2, operation, name, "shop", {name: "users"})
    assert recorder.snapshot().retries == retries


def test_threads_lose_nothing() -> None:
    """Eight at once, and every command is there, with one shape."""
    recorder = Recorder(Limits(slow_milliseconds=0))

    def work(worker: int) -> None:
        for number in range(500):
            say(recorder, worker * 1000 + number, {"find": "users", "filter": {"a": number}})

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = recorder.snapshot()
    assert (snapshot.operations, snapshot.in_flight) == (4000, 0)
    assert [(one.shape, one.count) for one in snapshot.slow] == [("filter {a: ?}", 4000)]
