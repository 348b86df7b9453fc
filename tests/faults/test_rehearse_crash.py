"""`rehearse --crash`: real kills at each server command, and what it says of what bears them and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.migrations.rehearsal import RehearsalReport
from wayra_db.migrations.rehearsal import crash as crashing
from wayra_db.migrations.rehearsal.model import Check, Severity

Documents = Database[dict[str, Any]]

BATCHED = """
def up(db, ctx):
    for batch in ctx.batches("users", size=10):
        batch.update_many({"$inc": {"score": 1000}})


def down(db, ctx):
    for batch in ctx.batches("users", size=10):
        batch.update_many({"$inc": {"score": -1000}})
"""


@pytest.fixture
def filled(sandbox: Sandbox, wayra_database: Documents) -> Sandbox:
    """A project with some users."""
    wayra_database.users.insert_many([{"_id": n, "score": n} for n in range(25)])
    return sandbox


def crash(sandbox: Sandbox, database: Documents) -> RehearsalReport:
    """Rehearse with kills; nothing is left of it."""
    before = database.command("dbHash")["md5"], database.client.list_database_names()
    with sandbox.open() as project:
        report = project.migrations.rehearse(crash=True)
    assert (database.command("dbHash")["md5"], database.client.list_database_names()) == before
    return report


def test_what_bears_every_kill_is_clean(filled: Sandbox, wayra_database: Documents) -> None:
    """Atomic, stepwise but repeatable, and batched: killed at every command, each ends as if it never had been."""
    filled.migration(
        1, 'db.users.update_many({}, {"$inc": {"score": 1}})', 'db.users.update_many({}, {"$inc": {"score": -1}})'
    )
    filled.migration(
        2,
        'db.users.create_index("score")\ndb.users.update_many({}, {"$set": {"role": "user"}})',
        'db.users.drop_index("score_1") if "score_1" in db.users.index_information() else None\n'
        'db.users.update_many({}, {"$unset": {"role": 1}})',
        head='retry = "safe"',
    )
    filled.write("migrations/0003_step.py", BATCHED)
    report = crash(filled, wayra_database)
    assert report.clean, report.problems
    kills = [(one.version, found) for one in report.migrations for found in one.crashes]
    assert [(version, found.direction) for version, found in kills] == [
        (version, direction) for version in (1, 2, 3) for direction in ("up", "down")
    ]
    for _, found in kills:
        assert found.kills == found.resumed >= 15
        assert found.kills <= found.moments
    assert sum(found.kills for _, found in kills) <= crashing.MOST_KILLS


def test_a_step_that_may_not_be_repeated_is_found(filled: Sandbox, wayra_database: Documents) -> None:
    """It is left half-done, and running it again counts some documents twice: the report says after which command."""
    filled.migration(
        1,
        'db.users.update_many({}, {"$inc": {"score": 1}})\ndb.users.create_index("score")',
        head="transactional = False",
    )
    report = crash(filled, wayra_database)
    (problem,) = report.problems
    assert problem.check is Check.CRASH
    assert "left half-done" in problem.message
    assert "killed after update users" in problem.message
    assert "users: 25 documents changed" in problem.message
    assert "$set rather than $inc" in problem.next
    (crashes,) = report.migrations[0].crashes
    assert crashes.resumed < crashes.kills


def test_a_wrong_claim_of_being_safe_is_found(filled: Sandbox, wayra_database: Documents) -> None:
    """With `retry = "safe"` the next run goes on by itself, and ends with other data."""
    filled.migration(
        1, 'db.users.update_many({}, {"$inc": {"score": 1}})\ndb.users.create_index("score")', head='retry = "safe"'
    )
    (problem,) = crash(filled, wayra_database).problems
    assert "did not end as an undisturbed run" in problem.message
    assert 'take `retry = "safe"` out' in problem.next


def test_a_step_that_may_be_repeated_is_told_so(filled: Sandbox, wayra_database: Documents) -> None:
    """It waits for a person after a kill, and needs not: a note with the line to write."""
    filled.migration(1, 'db.users.create_index("score")')
    report = crash(filled, wayra_database)
    assert report.clean
    (note,) = [one for one in report.notes if one.check is Check.CRASH]
    assert note.severity is Severity.NOTE
    assert 'Write `retry = "safe"`' in note.next


def test_values_of_the_clock_are_compared_in_outline(filled: Sandbox, wayra_database: Documents) -> None:
    """What differs between two undisturbed runs is no fault of a kill."""
    filled.migration(1, 'db.users.insert_one({})\ndb.users.update_many({}, {"$currentDate": {"at": True}})')
    assert crash(filled, wayra_database).clean


def test_there_are_at_most_so_many_kills(
    filled: Sandbox, wayra_database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are spread over the whole of it, and the report says how many there were of how many moments."""
    monkeypatch.setattr(crashing, "MOST_KILLS", 6)
    filled.write("migrations/0001_step.py", BATCHED)
    (rehearsed,) = crash(filled, wayra_database).migrations
    assert [one.kills for one in rehearsed.crashes] == [3, 3]
    assert all(one.moments > 30 for one in rehearsed.crashes)


def test_an_async_migration_and_printing_do_not_disturb(filled: Sandbox, wayra_database: Documents) -> None:
    """Its own client is killed with it; what it prints does not get between the processes."""
    filled.migration(1, 'print("{}")\nawait db.users.update_many({}, {"$inc": {"score": 1}})', is_async=True)
    assert crash(filled, wayra_database).clean
