"""Runners that are at one database at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.nursery import Nursery
from tests.faults.test_kill_init import end_state
from tests.faults.test_runners import wait_until
from tests.support import COLLECTIONS, Sandbox
from wayra_db.errors import InterruptedMigrationError, MigrationFailedError

Documents = Database[dict[str, Any]]


def test_twenty_runners_over_fifty_migrations(sandbox: Sandbox, wayra_database: Documents, nursery: Nursery) -> None:
    """Atomic ones, async ones, and ones that are not atomic and must not be repeated: each ran once, none failed."""
    for version in range(1, 51):
        if version % 10 == 0:
            # While one runner is in here, its record looks half-done to all others.
            body = f"import time\ndb.ran.insert_one({{'version': {version}}})\ntime.sleep(0.1)\n"
            sandbox.migration(version, f"{body}db.ran.create_index('version')")
        elif version % 5 == 0:
            sandbox.migration(version, f"await db.ran.insert_one({{'version': {version}}})", is_async=True)
        else:
            sandbox.migration(version, f"db.ran.insert_one({{'version': {version}}})")
    runners = [nursery.start(sandbox, "migrate") for _ in range(20)]
    ended = [runner.wait() for runner in runners]
    assert [one.code for one in ended] == [0] * 20, [one.said for one in ended if one.code]
    assert [one["version"] for one in wayra_database.ran.find(sort=[("version", 1)])] == list(range(1, 51))
    assert sum(one.said.count("applied migration") for one in ended) == 50
    assert end_state(wayra_database)["log without gaps"]


@pytest.mark.parametrize("command", ["migrate", "init"])
def test_a_migration_that_another_runner_is_at_is_waited_for(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery, tmp_path: Path, command: str
) -> None:
    """A record that says "started" is no crash while its runner holds the lock: the second one waits."""
    begun = tmp_path / "begun"
    sandbox.migration(
        1,
        f"import pathlib, time\nbegun = pathlib.Path({str(begun)!r})\nbegun.touch()\n"
        "while not begun.with_suffix('.go').exists():\n    time.sleep(0.02)\ndb.ran.create_index('version')",
    )
    sandbox.write("collections/users.py", COLLECTIONS)
    first = nursery.start(sandbox, "migrate")
    wait_until(begun.exists, "the first runner is in the migration")
    second = nursery.start(sandbox, command)
    wait_until(lambda: "waiting" in second.said.lower(), "the second runner waits")
    begun.with_suffix(".go").touch()
    assert [(one.code, one.said) for one in (first.wait(), second.wait()) if one.code] == []
    assert wayra_database["_wayra_log"].count_documents({"event": "migration started"}) == 1
    assert wayra_database["_wayra_log"].count_documents({"event": "migration applied"}) == 1


def test_a_half_done_migration_of_nobody_is_refused_without_a_lock(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Its runner is gone: the refusal comes at once and writes nothing."""
    sandbox.migration(1, "db.ran.create_index('version')\nraise ValueError('no')")
    with sandbox.open() as project:
        with pytest.raises(MigrationFailedError):
            project.migrations.up()
        before = list(wayra_database["_wayra_log"].find())
        with pytest.raises(InterruptedMigrationError):
            project.migrations.up()
        with pytest.raises(InterruptedMigrationError):
            project.migrations.rollback(everything=True)
    assert list(wayra_database["_wayra_log"].find()) == before
