from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli, call
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli.migrate import rehearse

UP, DOWN = 'db.users.update_many({}, {"$set": {"role": "user"}})', 'db.users.update_many({}, {"$unset": {"role": 1}})'


@pytest.fixture
def shop(sandbox: Sandbox, wayra_database: Database[dict[str, Any]]) -> Sandbox:
    """A project with data and one pending migration."""
    wayra_database.users.insert_many([{"_id": number} for number in range(20)])
    sandbox.migration(1, UP, DOWN)
    return sandbox


def test_a_clean_rehearsal(shop: Sandbox) -> None:
    """Sizes first, on standard error; the result with its verdict and the next command; exit code 0."""
    ended = call(shop, "migrate", "rehearse")
    assert ended.code == ExitCode.OK
    assert ended.stderr.startswith("Rehearsing 1 migration on a copy of ")
    assert "users                    20 documents, " in ended.stderr
    assert "up 0001 step" in ended.stderr
    assert "applied migration" not in ended.stderr, "that would look as if the real database had been migrated"
    first, *_, last = ended.stdout.splitlines()
    assert first.startswith("  0001 step  ")
    assert first.endswith("(atomic)  down restores")
    assert last.startswith("Clean: 1 migration rehearsed in ")
    assert last.endswith("Next: wayra-db migrate")


def test_problems_come_first_with_their_next_steps(shop: Sandbox) -> None:
    """Exit code 1; what is wrong, in which documents, and what to do about it."""
    shop.migration(1, UP, "pass")
    ended = call(shop, "migrate", "rehearse", "--sample", "5")
    assert ended.code == ExitCode.FAILED
    lines = ended.stdout.splitlines()
    assert lines[0] == f"1 problem: do not migrate {shop.database} yet."
    assert lines[1] == "  ✗ 0001 step: after up and down, users is not as before: 5 documents changed"
    assert lines[2].startswith("      _id ")
    assert lines[3].startswith("      → Correct `down` in 0001_step.py")
    assert "5 of 20 documents" in ended.stderr
    assert "on the real data" in ended.stdout


def test_nothing_pending(sandbox: Sandbox) -> None:
    """Says so, and is no failure."""
    ended = call(sandbox, "migrate", "rehearse")
    assert (ended.code, ended.stdout) == (ExitCode.OK, "Nothing to rehearse: no migration is pending.\n")


def test_json(shop: Sandbox) -> None:
    """One document on standard output, events on standard error."""
    ended = call(shop, "migrate", "rehearse", "--crash", "--json")
    document = ended.document
    assert (ended.code, document["verdict"]) == (ExitCode.OK, "clean")
    assert [one["direction"] for one in document["migrations"][0]["crashes"]] == ["up", "down"]
    assert {"Progress", "StepStarted", "StepFinished"} <= {event["event"] for event in ended.events}
    json.dumps(document)


def test_it_asks_before_it_copies_much(shop: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit somebody has to say yes, or take a sample; until then nothing is copied."""
    monkeypatch.setattr(rehearse, "ASK_ABOVE_BYTES", 100)
    ended = call(shop, "migrate", "rehearse", "--no-input")
    assert ended.code == ExitCode.USAGE
    assert "A part may do: --sample 10000." in ended.stderr
    assert call(shop, "migrate", "rehearse", "--yes").code == ExitCode.OK
    assert call(shop, "migrate", "rehearse", "--sample", "2").code == ExitCode.OK


def test_there_must_be_room(shop: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that would fill the server's disk is refused before it begins."""
    monkeypatch.setattr("wayra_db.migrations.rehearsal.copying.free_bytes", lambda deployment: 100)
    ended = call(shop, "migrate", "rehearse")
    assert ended.code == ExitCode.FAILED
    assert "nothing was copied" in ended.stderr
    assert "--sample" in ended.stderr


def test_ctrl_c_drops_the_copy(shop: Sandbox, wayra_database: Database[dict[str, Any]]) -> None:
    """A real signal, while a migration runs: exit code 130, and no scratch database is left."""
    shop.migration(1, "import time\ndb.users.update_many({}, {'$set': {'a': 1}})\ntime.sleep(3)", "pass")
    process = shop.start("migrate", "rehearse")
    client = wayra_database.client
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = [name for name in client.list_database_names() if name.startswith(f"{shop.database}_wayra_rehearsal")]
        if found and client[found[0]]["_wayra_lock"].find_one({"holder": {"$ne": None}}):
            break
    process.send_signal(2)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, stderr
    assert [name for name in client.list_database_names() if name.startswith(shop.database)] == [shop.database]


def test_what_is_left_out_is_said(cli: Cli, wayra_database: Database[dict[str, Any]]) -> None:
    """A collection that no migration names."""
    wayra_database.elsewhere.insert_one({})
    ended = cli("migrate", "rehearse")
    assert "No pending migration names elsewhere: not copied." in ended.stderr
