"""`kill -9` at every command that a restore sends, and a server that dies: all old or all new, never half."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.backups import Made, raw, write_backup
from tests.faults import restore_child
from tests.restoring import Restoring, contents, temporaries
from wayra_db import meta
from wayra_db.errors import WayraError
from wayra_db.testing import ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]

ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
BACKUP = [
    Made(
        "users",
        raw(*({"_id": n, "name": f"new {n}"} for n in range(2000))),
        options={"validator": {"name": {"$exists": True}}},
        indexes=[ID, {"v": 2, "key": {"name": 1}, "name": "name_1", "unique": True}],
    ),
    Made("ring", raw({"_id": 1}), options={"capped": True, "size": 4096}),
    Made("series", [], kind="timeseries", options={"timeseries": {"timeField": "at"}}, indexes=[]),
    Made("look", kind="view", options={"viewOn": "users", "pipeline": [{"$match": {"_id": 1}}]}),
    Made("_wayra_migrations", raw({"_id": 1, "state": "applied"})),
]


def fill(database: Documents) -> None:
    """Old data under the marker of development, without what was left of any run before."""
    database.client.admin.command("killAllSessions", [])
    database.client.drop_database(database.name)
    database["_wayra_meta"].insert_one({"_id": "database", "environment": "development", "format": 1})
    database["users"].insert_many([{"_id": 1, "name": "old"}, {"_id": 2}])
    database["ring"].insert_one({"_id": "old"})
    database.create_collection("series", timeseries={"timeField": "t", "metaField": "m"})
    database.create_collection("look", viewOn="ring", pipeline=[])
    database["_wayra_migrations"].insert_one({"_id": 7, "state": "applied"})


def everything(database: Documents) -> dict[str, Any]:
    """What a user sees, and the history."""
    return {**contents(database), "history": list(database["_wayra_migrations"].find())}


@pytest.fixture
def restoring(wayra_database: Documents, tmp_path: Path) -> Restoring:
    """A manager on an empty database of a replica set."""
    return Restoring(wayra_database, tmp_path / "backups")


@contextmanager
def children(uri: str, database: str, folder: Path) -> Iterator[Any]:
    """A call that runs a restore in a process of its own and kills it; returns its exit code."""
    arguments = [sys.executable, restore_child.__file__, uri, database, str(folder), "new"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        orders, answers = parent.stdin, parent.stdout
        assert orders is not None
        assert answers is not None

        def run(number: int, moment: str) -> int:
            orders.write(f"{number} {moment}\n")
            orders.flush()
            return int(answers.readline())

        yield run
        orders.close()


# Four tests share the commands between them, so that they can run side by side.
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("share", [0, 1])
def test_killed_at_every_command(restoring: Restoring, wayra_server: ServerUnderTest, moment: str, share: int) -> None:
    """Before the journal is written the old data is whole; afterwards the next command makes all of it new."""
    database = restoring.database
    write_backup(restoring.folder, "new", BACKUP)
    fill(database)
    old = everything(database)
    restoring.manager.restore("new", drop_existing=True, safety_backup=False)
    new = everything(database)
    assert old != new
    kills = {"old": 0, "new": 0}
    with children(wayra_server.uri, database.name, restoring.folder) as run:
        for number in itertools.count(1 + share, 2):
            fill(database)
            code = run(number, moment)
            if code == 0:
                break
            assert code == -9
            marker = meta.read_marker(restoring.guard.deployment)
            assert marker is not None
            if marker.restoring is None:
                found = everything(database)
                which = "old" if found == old else "new"
                assert found in (old, new), f"killed {moment} command {number}"
                restoring.manager.restore("new", drop_existing=True, safety_backup=False)
            else:
                which = "new"
                assert restoring.manager.continue_restore() == "new"
            kills[which] += 1
            assert everything(database) == new, f"killed {moment} command {number}"
            assert temporaries(database) == []
    assert kills["old"] >= 10
    assert kills["new"] >= 5


def test_the_server_dies_during_the_load(wayra_three_nodes: TemporaryServer, tmp_path: Path) -> None:
    """The primary is killed half-way: either the restore ends well on the next one, or the old data stands and the
    next restore succeeds.
    """
    client: MongoClient[dict[str, Any]] = MongoClient(wayra_three_nodes.uri)
    with client:
        database = client["shop"]
        restoring = Restoring(database, tmp_path / "backups")
        write_backup(
            restoring.folder, "new", [*BACKUP, Made("big", raw(*({"_id": n, "x": "x" * 1000} for n in range(20_000))))]
        )
        fill(database)
        old = everything(database)
        failure: list[BaseException] = []

        def run() -> None:
            try:
                restoring.manager.restore("new", drop_existing=True, safety_backup=False)
            except WayraError as error:
                failure.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while not any("_wayra_restore_" in name for name in database.list_collection_names()) and thread.is_alive():
            pass
        wayra_three_nodes.primary().kill()
        thread.join(120)
        assert not thread.is_alive()
        wayra_three_nodes.primary()
        marker = meta.read_marker(restoring.guard.deployment)
        assert marker is not None
        if failure and marker.restoring is None:
            assert everything(database) == old
            restoring.manager.restore("new", drop_existing=True, safety_backup=False, discard_writes=True)
        restoring.manager.continue_restore()
        assert database["big"].count_documents({}) == 20_000
        assert database["users"].count_documents({}) == 2000
        assert temporaries(database) == []
