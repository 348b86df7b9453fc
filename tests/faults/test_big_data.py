"""Batched migrations over many documents: killed, stopped, paused, and how much memory they take."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.nursery import Nursery
from tests.faults.test_runners import wait_until
from tests.support import Sandbox
from wayra_db import locking
from wayra_db.environment import Environment
from wayra_db.errors import CancelledError
from wayra_db.mongo.client import Deployment
from wayra_db.testing import ServerUnderTest

Documents = Database[dict[str, Any]]


def fill(database: Documents, thousands: int) -> None:
    """So many thousand small documents, made on the server."""
    database.thousands.insert_many([{"_id": number} for number in range(thousands)])
    database.thousands.aggregate(
        [
            {"$project": {"place": {"$range": [0, 1000]}}},
            {"$unwind": "$place"},
            {"$project": {"_id": {"$add": [{"$multiply": ["$_id", 1000]}, "$place"]}, "n": {"$literal": 0}}},
            {"$out": "counted"},
        ]
    )
    database.thousands.drop()


def increments(sandbox: Sandbox, *, size: int, pause: float = 0.0, is_async: bool = False) -> None:
    """A migration that must meet each document exactly once."""
    define, wait = ("async def", "await ") if is_async else ("def", "")
    sleep = f"        {wait}{'asyncio' if is_async else 'time'}.sleep({pause})\n" if pause else ""
    sandbox.write(
        "migrations/0001_count.py",
        f"import asyncio, time\n\n\n{define} up(db, ctx):\n"
        f"    {'async ' if is_async else ''}for batch in ctx.batches('counted', size={size}):\n"
        f"        {wait}batch.update_many({{'$inc': {{'n': 1}}}})\n{sleep}",
    )
    with sandbox.open(adopt=True) as project:
        project.set_environment(Environment.DEVELOPMENT)


def documents_done(database: Documents) -> int:
    """What the checkpoint says."""
    found = database["_wayra_checkpoints"].find_one()
    return int(found["documents"]) if found else 0


def counts(database: Documents) -> list[tuple[int, int]]:
    """How many documents were met how often."""
    groups = database.counted.aggregate([{"$group": {"_id": "$n", "count": {"$sum": 1}}}, {"$sort": {"_id": 1}}])
    return [(group["_id"], group["count"]) for group in groups]


def test_a_million_documents_killed_at_random_moments(
    sandbox: Sandbox, wayra_database: Documents, wayra_server: ServerUnderTest, nursery: Nursery, tmp_path: Path
) -> None:
    """`$inc` over 1,000,000 documents, killed six times on its way: each is met exactly once, and memory stays flat."""
    fill(wayra_database, 1000)
    increments(sandbox, size=20_000)
    chance = random.Random(20261125)
    for done in sorted(chance.sample(range(0, 900_000), 6)):
        runner = nursery.start(sandbox, "migrate")
        wait_until(lambda done=done: documents_done(wayra_database) >= done, "it gets that far")  # type: ignore[misc]
        time.sleep(chance.random() / 5)
        runner.signal(signal.SIGKILL)
        assert runner.wait().code == -signal.SIGKILL
        assert documents_done(wayra_database) < 1_000_000
    ended = nursery.run(sandbox, "migrate")
    assert ended.code == 0, ended.said
    assert counts(wayra_database) == [(1, 1_000_000)]
    entry = wayra_database["_wayra_log"].find_one({"event": "migration applied"})
    assert entry is not None
    assert entry["modified"] == 1_000_000, "what the killed runs had done counts too, and nothing twice"
    folder = tmp_path / "small"
    folder.mkdir()
    with wayra_server.client() as client:
        small = Sandbox(folder, sandbox.uri, f"{wayra_database.name}_small")
        try:
            fill(client[small.database], 10)
            increments(small, size=20_000)
            for_ten_thousand = nursery.run(small, "migrate")
            assert for_ten_thousand.code == 0, for_ten_thousand.said
        finally:
            client.drop_database(small.database)
    assert ended.peak_kilobytes - for_ten_thousand.peak_kilobytes < 20_000


@pytest.mark.parametrize(("name", "is_async"), [("SIGINT", False), ("SIGTERM", True)])
def test_a_signal_stops_between_batches(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery, name: str, is_async: bool
) -> None:
    """The batch ends, the record says stopped, status names the batch and the command, and the next run goes on."""
    fill(wayra_database, 1)
    increments(sandbox, size=50, pause=0.1, is_async=is_async)
    runner = nursery.start(sandbox, "migrate")
    wait_until(lambda: documents_done(wayra_database) >= 100, "two batches are done")
    runner.signal(signal.Signals[name])
    ended = runner.wait()
    assert ended.code == 130, ended.said
    done = documents_done(wayra_database)
    assert 100 <= done < 1000
    assert f"{done:,} of about 1,000 documents of counted are done in {done // 50} batches" in ended.said
    assert counts(wayra_database) == [(0, 1000 - done), (1, done)]
    with sandbox.open() as project:
        assert locking.read_state(project.deployment).holder is None  # type: ignore[union-attr]
        (status,) = project.migrations.status()
        assert (status.verdict, status.next) == ("stopped", "wayra-db migrate")
        assert f"{done:,} of about 1,000 documents of counted" in status.detail
        increments(sandbox, size=200, is_async=is_async)  # edited, and going on where it was all the same
        project.migrations.up()
    assert counts(wayra_database) == [(1, 1000)]
    events = [entry["event"] for entry in wayra_database["_wayra_log"].find(sort=[("_id", 1)])]
    assert events[-2:] == ["migration resumed", "migration applied"]
    assert "migration stopped" in events


def test_a_run_ends_with_its_time(sandbox: Sandbox, wayra_database: Documents) -> None:
    """After `--max-duration` it stops between two batches; the next run has its own time, also in one process."""
    fill(wayra_database, 1)
    increments(sandbox, size=50, pause=0.1)
    with sandbox.open() as project:
        with pytest.raises(CancelledError, match="the end of its time") as caught:
            project.migrations.up(max_duration_seconds=0.5)
        assert caught.value.exit_code == 130
        assert "documents of counted are done" in caught.value.hint
        assert [one.verdict for one in project.migrations.status()] == ["stopped"]
        assert 0 < documents_done(wayra_database) < 1000
        increments(sandbox, size=200)
        project.migrations.up(max_duration_seconds=600)
    assert counts(wayra_database) == [(1, 1000)]


# Sleeps where the batch is done and not yet committed: in the listener, before `commitTransaction` goes out.
SLEEPER = """
import os, pathlib, time
from pymongo import monitoring

class Sleeper(monitoring.CommandListener):
    commits = 0

    def started(self, event):
        Sleeper.commits += event.command_name == {command!r}
        if Sleeper.commits == {number}:
            Sleeper.commits += 1
            pathlib.Path({begun!r}).touch()
            while not pathlib.Path({begun!r} + ".go").exists():
                time.sleep(0.02)

    def succeeded(self, event):
        pass

    failed = succeeded

monitoring.register(Sleeper())
"""


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("command", "number"), [("commitTransaction", 5), ("find", 9)])
def test_a_runner_that_slept_in_a_batch_writes_nothing_more(
    sandbox: Sandbox,
    wayra_database: Documents,
    nursery: Nursery,
    tmp_path: Path,
    command: str,
    number: int,
    is_async: bool,
) -> None:
    """Paused before a commit, or between two batches, for longer than its lease: another one has finished meanwhile."""
    fill(wayra_database, 1)
    increments(sandbox, size=100, is_async=is_async)
    begun = tmp_path / "begun"
    prelude = SLEEPER.format(command=command, number=number, begun=str(begun))
    first = nursery.start(sandbox, "migrate", prelude=prelude, WAYRA_LOCK_LEASE="1")
    wait_until(begun.exists, "the first runner is in a batch")
    first.signal(signal.SIGSTOP)
    assert 0 < documents_done(wayra_database) < 1000
    second = nursery.run(sandbox, "migrate", WAYRA_LOCK_LEASE="1")
    assert second.code == 0, second.said
    assert counts(wayra_database) == [(1, 1000)]
    names = ("_wayra_log", "_wayra_migrations", "_wayra_checkpoints", "counted")
    before = {name: list(wayra_database[name].find(sort=[("_id", 1)])) for name in names}
    Path(f"{begun}.go").touch()
    first.signal(signal.SIGCONT)
    ended = first.wait()
    assert ended.code == 11, ended.said
    assert "Traceback" not in ended.said
    assert {name: list(wayra_database[name].find(sort=[("_id", 1)])) for name in names} == before
    state = locking.read_state(Deployment(wayra_database.client, wayra_database.name))
    assert state is not None
    assert state.holder is None


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_the_locks_of_a_killed_transaction_are_freed_at_once(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery, is_async: bool, batched: bool
) -> None:
    """Killed inside a transaction that has written: the next runner ends it and meets no write conflict."""
    fill(wayra_database, 1)
    increments(sandbox, size=100, is_async=is_async)
    if not batched:
        wait = "await " if is_async else ""
        sandbox.migration(1, f"{wait}db.counted.update_many({{}}, {{'$inc': {{'n': 1}}}})", is_async=is_async)
        (sandbox.folder / "migrations/0001_count.py").unlink()
    # The last update of a transaction is the record's or the checkpoint's; the documents are written by then.
    prelude = """
import os, signal
from pymongo import monitoring

class Killer(monitoring.CommandListener):
    def started(self, event):
        pass

    def succeeded(self, event):
        if event.command_name == "update" and event.reply.get("nModified", 0) >= 100:
            os.kill(os.getpid(), signal.SIGKILL)

    failed = started

monitoring.register(Killer())
"""
    assert nursery.run(sandbox, "migrate", prelude=prelude).code == -signal.SIGKILL
    open_transactions = {"transaction": {"$exists": True}}
    current = wayra_database.client.admin.aggregate(
        [{"$currentOp": {"idleSessions": True}}, {"$match": open_transactions}]
    )
    assert list(current), "the transaction of the dead process holds its locks"
    refused = """
from pymongo import monitoring

class Teller(monitoring.CommandListener):
    def failed(self, event):
        print("refused:", event.command_name, event.failure.get("code"))

    def started(self, event):
        pass

    succeeded = started

monitoring.register(Teller())
"""
    ended = nursery.run(sandbox, "migrate", prelude=refused)
    assert ended.code == 0, ended.said
    assert "refused:" not in ended.said
    assert counts(wayra_database) == [(1, 1000)]
