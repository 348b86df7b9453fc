"""Runners that are paused, and servers that change under them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db import locking
from wayra_db.mongo.client import Deployment
from wayra_db.testing import TemporaryServer

Documents = Database[dict[str, Any]]


def wait_until(true: Callable[[], object], what: str) -> None:
    """Poll, with a generous deadline."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and what was said, once the process has ended."""
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout + stderr


@pytest.mark.parametrize("head", ["transactional = True", 'transactional = False\nretry = "safe"'])
def test_a_runner_that_slept_through_its_lease_records_nothing(
    sandbox: Sandbox, wayra_database: Documents, tmp_path: Path, head: str
) -> None:
    """Paused inside a migration while another runner takes over and finishes: awake again, it writes nothing more."""
    begun = tmp_path / "begun"
    # The first runner is paused within `up`; the second finds the file and goes straight through.
    sandbox.migration(
        1,
        f"import pathlib, time\nbegun = pathlib.Path({str(begun)!r})\nfirst = not begun.exists()\nbegun.touch()\n"
        "db.counted.update_one({'_id': 1}, {'$inc': {'n': 1}}, upsert=True)\n"
        "while first and not begun.with_suffix('.go').exists():\n    time.sleep(0.02)",
        head=head,
    )
    sandbox.migration(2, "db.counted.update_one({'_id': 2}, {'$inc': {'n': 1}}, upsert=True)")
    first = sandbox.start("migrate", WAYRA_LOCK_LEASE="1")
    wait_until(begun.exists, "the first runner begins")
    deployment = Deployment(wayra_database.client, wayra_database.name)
    os.kill(first.pid, signal.SIGSTOP)
    second = sandbox.run("migrate", WAYRA_LOCK_LEASE="1")
    assert second.returncode == 0, second.stderr
    before = {name: list(wayra_database[name].find()) for name in ("_wayra_log", "_wayra_migrations", "counted")}
    begun.with_suffix(".go").touch()
    os.kill(first.pid, signal.SIGCONT)
    code, said = finished(first)
    assert code == 11, said
    assert "Traceback" not in said
    assert {name: list(wayra_database[name].find()) for name in before} == before
    assert [one["state"] for one in before["_wayra_migrations"]] == ["applied", "applied"]
    if "True" in head:
        assert {one["_id"]: one["n"] for one in before["counted"]} == {1: 1, 2: 1}
    state = locking.read_state(deployment)
    assert state is not None
    assert state.holder is None


def test_the_primary_is_killed_during_a_run(tmp_path: Path, wayra_three_nodes: TemporaryServer) -> None:
    """Migrations go on with the next primary or are reported; run again, each has run once."""
    sandbox = Sandbox(tmp_path, wayra_three_nodes.uri, "failover")
    for version in range(1, 31):
        sandbox.migration(
            version,
            "import time\ntime.sleep(0.05)\n"
            f"db.counted.update_one({{'_id': {version}}}, {{'$inc': {{'n': 1}}}}, upsert=True)",
        )
    with wayra_three_nodes.client() as client:
        database = client["failover"]
        runner = sandbox.start("migrate", "--server-selection-timeout", "10")
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(finished(runner)[1]))
        reader.start()
        wait_until(lambda: database["_wayra_migrations"].count_documents({"state": "applied"}) >= 5, "five have run")
        wayra_three_nodes.primary().kill()
        reader.join()
        assert runner.returncode in (0, 1, 10), said
        assert "Traceback" not in said[0]
        again = sandbox.run("migrate", "--server-selection-timeout", "10")
        assert again.returncode == 0, again.stderr
        assert sorted((one["_id"], one["n"]) for one in database.counted.find()) == [(n, 1) for n in range(1, 31)]
        log = [entry["_id"] for entry in database["_wayra_log"].find(sort=[("_id", 1)])]
        assert log == list(range(1, len(log) + 1))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_run_between_two_migrations(
    sandbox: Sandbox, wayra_database: Documents, tmp_path: Path, name: str, is_async: bool
) -> None:
    """The running migration is finished and recorded, the next does not begin, the lock is free, the code is 130."""
    begun = tmp_path / "begun"
    sleep = "await asyncio.sleep(1)" if is_async else "time.sleep(1)"
    insert = "await db.ran.insert_one({'_id': 1})" if is_async else "db.ran.insert_one({'_id': 1})"
    body = f"import asyncio, pathlib, time\npathlib.Path({str(begun)!r}).touch()\n{sleep}\n{insert}"
    sandbox.migration(1, body, is_async=is_async)
    sandbox.migration(2, "db.ran.insert_one({'_id': 2})")
    runner = sandbox.start("migrate")
    wait_until(begun.exists, "the migration begins")
    runner.send_signal(signal.Signals[name])
    code, said = finished(runner)
    assert code == 130, said
    assert "next safe point" in said
    assert wayra_database.ran.distinct("_id") == [1]
    with sandbox.open() as project:
        assert [one.verdict for one in project.migrations.status()] == ["applied", "pending"]
        assert locking.read_state(project.deployment).holder is None  # type: ignore[union-attr]
        project.migrations.up()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_second_signal_breaks_off(
    sandbox: Sandbox, wayra_database: Documents, tmp_path: Path, is_async: bool
) -> None:
    """Ctrl-C twice: the transaction is gone, the lock is free, and the next run starts the migration anew."""
    begun = tmp_path / "begun"
    sleep = "await asyncio.sleep(30)" if is_async else "time.sleep(30)"
    insert = "await db.ran.insert_one({'_id': 1})" if is_async else "db.ran.insert_one({'_id': 1})"
    body = f"import asyncio, pathlib, time\n{insert}\npathlib.Path({str(begun)!r}).touch()\n{sleep}"
    sandbox.migration(1, body, is_async=is_async)
    runner = sandbox.start("migrate")
    wait_until(begun.exists, "the migration begins")
    started = time.monotonic()
    runner.send_signal(signal.SIGINT)
    time.sleep(0.5)
    runner.send_signal(signal.SIGINT)
    code, said = finished(runner)
    assert code == 130, said
    assert time.monotonic() - started < 25
    assert wayra_database.ran.count_documents({}) == 0
    sandbox.migration(1, insert, is_async=is_async)
    with sandbox.open() as project:
        project.migrations.up()
    assert wayra_database.ran.count_documents({}) == 1
