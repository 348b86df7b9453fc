"""`kill -9` at every command that `init` and `reset` send, then `init` again: the same end state as without a kill."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.faults.nursery import KILLER
from tests.support import Sandbox
from wayra_db import locking
from wayra_db.mongo.client import Deployment
from wayra_db.testing import ServerUnderTest

Documents = Database[dict[str, Any]]

WAYRA = Path(__file__).parents[2] / "wayra"


def wayra_sandbox(folder: Path, uri: str | None, database: str) -> Sandbox:
    """The Wayra project, copied, on a database."""
    shutil.copytree(WAYRA, folder, ignore=shutil.ignore_patterns(".wayra", "backups"))
    sandbox = Sandbox(folder, uri, database)
    shutil.copy(WAYRA / "wayra-db.toml", folder)
    return sandbox


def end_state(database: Documents) -> dict[str, Any]:
    """Everything that `init` is for: documents, options, indexes, what is recorded as done; no times, no epochs."""
    state: dict[str, Any] = {}
    for found in database.list_collections():
        name = found["name"]
        if name.startswith("_wayra_"):
            continue
        documents = sorted(database[name].find({}, {"updatedAt": 0}), key=lambda one: str(one["_id"]))
        state[name] = (found["options"], documents, sorted(database[name].index_information()))
    state["migrations"] = [(one["_id"], one["state"]) for one in database["_wayra_migrations"].find(sort=[("_id", 1)])]
    state["seeds"] = [(one["_id"], one["done"]) for one in database["_wayra_seeds"].find(sort=[("_id", 1)])]
    state["environment"] = database["_wayra_meta"].distinct("environment")
    log = database["_wayra_log"].distinct("_id")
    state["log without gaps"] = log == list(range(1, len(log) + 1))
    return state


def lock_is_free(database: Documents) -> bool:
    """Whether a runner gets in at once: nobody holds the lock, or only a dead process of this machine."""
    deployment = Deployment(database.client, database.name)
    with locking.acquire(deployment, "look", lease_seconds=10, timeout_seconds=0):
        return True


def forget(client: MongoClient[dict[str, Any]], name: str) -> None:
    """Drop a database, and the transactions that killed processes left open on it."""
    client.admin.command("killAllSessions", [])
    client.drop_database(name)


@pytest.fixture
def wayra(tmp_path: Path, wayra_server: ServerUnderTest, wayra_database: Documents) -> Sandbox:
    """The Wayra project on an empty database."""
    return wayra_sandbox(tmp_path / "wayra", wayra_server.uri, wayra_database.name)


# Two tests share the commands between them, so that they can run side by side.
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("share", [0, 1])
def test_init_killed_at_every_command_is_completed_by_the_next(
    wayra: Sandbox, wayra_database: Documents, moment: str, share: int
) -> None:
    """Before each command is sent, and after each is answered: the next `init` ends where an undisturbed one ends."""
    with wayra.open() as project:
        project.initializer.run()
    expected = end_state(wayra_database)
    kills = 0
    for number in itertools.count(1 + share, 2):
        forget(wayra_database.client, wayra_database.name)
        killed = wayra.run("init", prelude=KILLER.format(number=number, moment=moment))
        if killed.returncode == 0:
            break
        assert killed.returncode == -9, killed.stderr
        kills += 1
        with wayra.open() as project:
            project.initializer.run()
            assert project.status().healthy
        assert end_state(wayra_database) == expected, f"killed {moment} command {number}"
        assert lock_is_free(wayra_database)
    assert kills >= 15


def test_reset_killed_at_every_command_is_finished_by_the_next_init(wayra: Sandbox, wayra_database: Documents) -> None:
    """Half of a reset is never taken for a whole database: the old one or the new one is complete in the end."""
    with wayra.open() as project:
        project.initializer.run()
    expected = end_state(wayra_database)
    kills = 0
    for number in itertools.count(1, 2):
        killed = wayra.run("reset", "--yes", "--no-safety-backup", prelude=KILLER.format(number=number, moment="after"))
        if killed.returncode == 0:
            break
        assert killed.returncode == -9, killed.stderr
        kills += 1
        with wayra.open() as project:
            project.initializer.run()
        assert end_state(wayra_database) == expected, f"killed after command {number}"
        assert lock_is_free(wayra_database)
    assert kills >= 15


def test_two_at_once_do_it_once(wayra: Sandbox, wayra_database: Documents) -> None:
    """Both end well, one of them with nothing left to do; the result is one of each."""
    processes = [wayra.start("init") for _ in range(2)]
    results = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for _, code in results] == [0, 0], results
    said = sorted(stdout.split(":")[0] for (stdout, _), _ in results)
    assert said in (["Nothing to change", "Ready"], ["Ready", "Ready"]), results
    state = end_state(wayra_database)
    assert state["migrations"] == [(1, "applied"), (2, "applied"), (3, "applied")]
    events = [entry["event"] for entry in wayra_database["_wayra_log"].find(sort=[("_id", 1)])]
    assert events.count("migration applied") == 3
    assert events.count("seed ran") == 3
    assert events.count("indexes apply done") == 1
