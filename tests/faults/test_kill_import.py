"""`kill -9` at every command that an import sends: old or new is whole, and the next import leaves nothing behind."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.nursery import KILLER
from tests.support import COLLECTIONS, Sandbox

Documents = Database[dict[str, Any]]

OLD = [{"_id": number, "email": f"old{number}@example.com"} for number in range(4)]
NEW = [{"_id": number, "email": f"new{number}@example.com"} for number in range(10, 16)]


@pytest.fixture
def users(sandbox: Sandbox, wayra_database: Documents) -> Sandbox:
    """A project with declared users, initialised, and a file of new ones."""
    sandbox.write("collections/users.py", COLLECTIONS)
    sandbox.write("users.jsonl", "".join(json.dumps(one) + "\n" for one in NEW))
    sandbox.write("none.jsonl", "")
    with sandbox.open() as project:
        project.initializer.run()
    return sandbox


def state(database: Documents) -> tuple[Any, ...]:
    """The users, with options and indexes."""
    options = [one["options"] for one in database.list_collections(filter={"name": "users"})]
    return list(database.users.find(sort=[("_id", 1)])), options, database.users.index_information()


def leftovers(database: Documents) -> list[str]:
    """Temporary collections, and records of what is on its way."""
    names = [name for name in database.list_collection_names() if name.startswith("_wayra_import_")]
    return names + [one["_id"] for one in database["_wayra_meta"].find({"_id": {"$regex": "^_wayra_import_"}})]


def reset(database: Documents) -> tuple[Any, ...]:
    """The users as they were, and what sessions killed processes have left ended."""
    database.client.admin.command("killAllSessions", [])
    database.users.delete_many({})
    database.users.insert_many(OLD)
    return state(database)


def each_kill(
    users: Sandbox, database: Documents, moment: str, arguments: Sequence[str]
) -> list[tuple[list[Any], list[Any], list[str]]]:
    """For each kill: what the users were then, what they are after the next import, and what is left behind."""
    found: list[tuple[list[Any], list[Any], list[str]]] = []
    for number in itertools.count(1):
        before = reset(database)
        prelude = KILLER.format(number=number, moment=moment)
        ended = users.run("backup", "import", str(users.folder / "users.jsonl"), *arguments, prelude=prelude)
        if ended.returncode == 0:
            return found
        assert ended.returncode == -9, ended.stderr
        killed = state(database)
        assert killed[1:] == before[1:]
        with users.open() as project:
            project.backups.import_collection(users.folder / "none.jsonl")
        after = state(database)
        assert after[1:] == before[1:]
        found.append((killed[0], after[0], leftovers(database)))
    raise AssertionError  # it always ends


@pytest.mark.parametrize("moment", ["before", "after"])
def test_replacing_leaves_old_or_new(users: Sandbox, wayra_database: Documents, moment: str) -> None:
    """Whole, at once and afterwards, with validator and indexes; the temporary collection goes with the next import."""
    found = each_kill(users, wayra_database, moment, ["--clear-existing", "--yes"])
    assert {len(killed) for killed, _, _ in found} == {len(OLD), len(NEW)}
    for killed, after, left in found:
        assert killed in (OLD, NEW)
        assert after == killed
        assert left == []
    assert len(found) >= 20


@pytest.mark.parametrize("moment", ["before", "after"])
def test_inserting_is_nothing_or_is_finished(users: Sandbox, wayra_database: Documents, moment: str) -> None:
    """Before the record nothing is there; after it the next import puts all of it there."""
    found = each_kill(users, wayra_database, moment, [])
    for killed, after, left in found:
        assert after in (OLD, OLD + NEW)
        assert killed in (OLD, OLD + NEW)
        assert left == []
    assert {len(after) for _, after, _ in found} == {len(OLD), len(OLD) + len(NEW)}


def test_a_killed_export_leaves_no_file(users: Sandbox, wayra_database: Documents, tmp_path: Path) -> None:
    """Under its name, unless it is whole; what lies beside is hidden, and is no export."""
    reset(wayra_database)
    for number in itertools.count(1):
        path = tmp_path / f"{number}.json"
        prelude = KILLER.format(number=number, moment="after")
        ended = users.run("backup", "export", "users", "--output", str(path), prelude=prelude)
        if ended.returncode == 0:
            break
        assert not path.exists() or json.loads(path.read_text()) == OLD
    assert json.loads(path.read_text()) == OLD
    assert number > 3


def test_an_export_onto_a_full_disk_leaves_no_file(users: Sandbox, wayra_database: Documents, tmp_path: Path) -> None:
    """The system refuses to write on: an error that says so, the old file as it was, nothing beside it."""
    wayra_database.trips.insert_many([{"_id": number, "text": "x" * 1000} for number in range(3000)])
    path = tmp_path / "trips.json"
    path.write_text("old")
    limit = "import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    ended = users.run("backup", "export", "trips", "--output", str(path), "--force", prelude=limit)
    assert ended.returncode == 1
    assert "cannot be written: File too large; nothing is left of it" in ended.stderr
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["trips.json"]
    assert path.read_text() == "old"


# What getrusage says of a process counts its parent, of which it was a copy for a moment.
MEMORY = """
import os, pathlib, re, sys

leave = os._exit

def leave_with_peak(code):
    peak = re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
    sys.stderr.write(f"peak {peak}\\n")
    sys.stderr.flush()
    leave(code)

os._exit = leave_with_peak
"""


def peak_megabytes(stderr: str) -> float:
    """The most memory that a process had."""
    return int(stderr.rsplit("peak ", 1)[1]) / 1024


@pytest.mark.parametrize("ending", ["json", "csv", "bson.zst"])
def test_a_hundred_thousand_documents_in_flat_memory(users: Sandbox, wayra_database: Documents, ending: str) -> None:
    """Out and in: the whole file is several times what a process of this tool has at the most."""
    wayra_database.trips.insert_many(
        {"_id": number, "title": f"Trip {number}", "text": "x" * 1000, "tags": ["a", "b"]} for number in range(100_000)
    )
    path = users.folder / f"trips.{ending}"
    ended = users.run("backup", "export", "trips", "--output", str(path), prelude=MEMORY)
    assert ended.returncode == 0, ended.stderr
    assert peak_megabytes(ended.stderr) < 150
    wayra_database.trips.drop()
    ended = users.run("backup", "import", str(path), "--json", "--quiet", prelude=MEMORY)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["imported"] == 100_000
    assert peak_megabytes(ended.stderr) < 150
    assert wayra_database.trips.count_documents({}) == 100_000
