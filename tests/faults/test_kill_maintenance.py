"""`kill -9` at every command of an index rebuild: an index serves all the time, and the next run puts it right."""

from __future__ import annotations

import itertools
import signal
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from tests.faults.nursery import Nursery
from tests.faults.test_index_builds import hanging, wait_until
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

Documents = Database[dict[str, Any]]
REBUILD = ("maintenance", "--only", "rebuild-indexes", "--rebuild-indexes", "all")
HEAL = ("maintenance", "--only", "leftovers")

DECLARED = """
from pymongo import IndexModel
from wayra_db import Collection

people = Collection(
    "people", indexes=[IndexModel("a"), IndexModel("u", unique=True), IndexModel("hid", hidden=True)]
)
"""


@pytest.fixture
def people(sandbox: Sandbox, wayra_database: Documents) -> Sandbox:
    """A project with documents and indexes, none of which is to be lost."""
    sandbox.write("collections/people.py", DECLARED)
    with sandbox.open() as project:
        project.initializer.run()
    wayra_database.people.insert_many({"_id": n, "a": n % 9, "u": n} for n in range(200))
    return sandbox


def indexes(database: Documents) -> list[dict[str, Any]]:
    """The indexes of `people`."""
    return sorted((dict(one) for one in database.people.list_indexes()), key=lambda one: str(one["name"]))


def assert_served(database: Documents) -> None:
    """Every query has its index, and no duplicate comes in."""
    for query in ({"a": 3}, {"u": 5}):
        winning = database.people.find(query).explain()["queryPlanner"]["winningPlan"]
        assert winning["inputStage"]["stage"] == "IXSCAN", winning
    with pytest.raises(DuplicateKeyError):
        database.people.insert_one({"_id": "twice", "u": 7})


@pytest.mark.parametrize(
    ("moment", "healer"),
    [("before", HEAL), ("after", HEAL), ("after", ("indexes", "apply", "--yes"))],
    ids=["before", "after", "healed by indexes apply"],
)
def test_killed_at_every_command(
    nursery: Nursery, people: Sandbox, wayra_database: Documents, moment: str, healer: tuple[str, ...]
) -> None:
    """What an undisturbed run ends with is there again after the next maintenance, or the next `indexes apply`."""
    before = indexes(wayra_database)
    killed = 0
    for number in itertools.count(1):
        ended = nursery.run(people, *REBUILD, kill=(moment, number))
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL, ended.said
        assert_served(wayra_database)
        if indexes(wayra_database) != before:
            killed += 1
        healed = nursery.run(people, *healer)
        assert healed.code == 0, healed.said
        if healer is not HEAL:
            # What is not declared is not its own to drop.
            assert nursery.run(people, *HEAL).code == 0
        assert indexes(wayra_database) == before, ended.said + healed.said
        assert_served(wayra_database)
    assert killed > 5
    assert number > 20
    with people.open() as project:
        assert project.indexes.plan().empty
        assert project.indexes.plan().interrupted == ()


def test_sigterm_while_a_twin_is_built(people: Sandbox, wayra_database: Documents) -> None:
    """The twins are dropped again, the old indexes stand, and the report says so."""
    before = indexes(wayra_database)
    with hanging(wayra_database.client):
        process = people.start(*REBUILD)
        wait_until(lambda: len(_listed(wayra_database)) > len(before), "the twins are being built")
        process.terminate()
        wait_until(lambda: _dropping(wayra_database) or process.poll() is not None, "they are dropped again")
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, stderr
    assert "Ended by SIGTERM, 1 task not done" in stdout
    assert indexes(wayra_database) == before
    entry = wayra_database["_wayra_log"].find_one({"event": "maintenance ended"})
    assert entry is not None
    assert entry["left"] == ["rebuild-indexes"]


def test_two_at_once(people: Sandbox, wayra_database: Documents) -> None:
    """One does it; the other says who is at it, and ends well."""
    with hanging(wayra_database.client):
        first = people.start(*REBUILD)
        wait_until(lambda: len(_listed(wayra_database)) > 4, "the first is at work")
        second = people.run(*REBUILD)
        assert second.returncode == 0, second.stderr
        assert "Nothing was done: " in second.stdout
        assert "is at the same maintenance" in second.stdout
        assert first.poll() is None
    _, stderr = first.communicate(timeout=60)
    assert first.returncode == 0, stderr
    assert wayra_database["_wayra_log"].count_documents({"event": "index rebuild done"}) == 1


def _listed(database: Documents) -> list[Any]:
    """The indexes, those that are being built among them."""
    reply = database.command({"listIndexes": "people", "includeBuildUUIDs": True, "cursor": {}})
    batch: list[Any] = reply["cursor"]["firstBatch"]
    return batch


def _dropping(database: Documents) -> bool:
    operations = database.client.admin.aggregate([{"$currentOp": {}}, {"$match": {"command.dropIndexes": "people"}}])
    return any(one["command"].get("$db") == database.name for one in operations)
