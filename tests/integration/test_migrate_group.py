"""`migrate up --group`: all pending migrations in one transaction."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.audit import first_broken, read_entries
from wayra_db.errors import GroupError, MigrationFailedError, UnsupportedDeploymentError
from wayra_db.events import UnitFinished, UnitStarted
from wayra_db.testing import CommandCounter, ServerUnderTest

Documents = Database[dict[str, Any]]


def three(sandbox: Sandbox, *, is_async: bool = False) -> None:
    """Three migrations, each of which needs what the one before it did."""
    wait = "await " if is_async else ""
    sandbox.migration(1, f"{wait}db.things.insert_many([{{'_id': 1}}, {{'_id': 2}}])", is_async=is_async)
    sandbox.migration(2, f"{wait}db.things.update_many({{}}, {{'$set': {{'a': 1}}}})", is_async=is_async)
    sandbox.migration(3, f"{wait}db.things.delete_one({{'_id': 1, 'a': 1}})", is_async=is_async)


@pytest.mark.parametrize("is_async", [False, True])
def test_all_together(sandbox: Sandbox, wayra_database: Documents, is_async: bool) -> None:
    """Each has its record, its entry in the log and its own counts; told as done only once it is."""
    three(sandbox, is_async=is_async)
    with sandbox.open() as project:
        plan = project.migrations.plan(group=True)
        assert plan.grouped
        assert plan.to_dict()["grouped"] is True
        result = project.migrations.up(group=True)
        assert result.versions == (1, 2, 3)
        assert [done.written for done in result.ran] == [{"inserted": 2}, {"matched": 2, "modified": 2}, {"deleted": 1}]
        assert [one.verdict for one in project.migrations.status()] == ["applied"] * 3
        applied = [one for one in project.migrations.history() if one["event"] == "migration applied"]
        assert [one["version"] for one in applied] == [1, 2, 3]
        assert [one.get("inserted") for one in applied] == [2, None, None]
        assert first_broken(read_entries(project.deployment)) is None
        assert not project.migrations.up(group=True).changed
    assert list(wayra_database.things.find()) == [{"_id": 2, "a": 1}]
    kinds = [type(event) for event in sandbox.observer.events if isinstance(event, (UnitStarted, UnitFinished))]
    assert kinds == [UnitStarted] * 3 + [UnitFinished] * 3


@pytest.mark.parametrize("is_async", [False, True])
def test_one_fails(sandbox: Sandbox, wayra_database: Documents, is_async: bool) -> None:
    """None of them is applied, and the one that failed says so; mended, all of them run."""
    three(sandbox, is_async=is_async)
    path = sandbox.migration(3, "raise ValueError('no')", is_async=is_async)
    with sandbox.open() as project:
        with pytest.raises(MigrationFailedError, match=r"failed at .*0003_step\.py:") as failed:
            project.migrations.up(group=True)
        assert failed.value.applied == ()
        assert failed.value.failed == 3
        assert "none of the 3 is applied" in failed.value.hint
        assert [one.verdict for one in project.migrations.status()] == ["pending", "pending", "failed"]
        assert wayra_database.things.count_documents({}) == 0
        path.write_text(path.read_text().replace("raise ValueError('no')", "pass"))
        assert project.migrations.up(group=True).versions == (1, 2, 3)


def test_a_stop_between_two_leaves_none(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A signal is honoured before the next of them, and nothing of those before it is kept."""
    sandbox.migration(1, "import os, signal\ndb.things.insert_one({'_id': 1})\nos.kill(os.getpid(), signal.SIGTERM)\n")
    sandbox.migration(2, "db.things.insert_one({'_id': 2})")
    ended = sandbox.run("migrate", "up", "--group")
    assert ended.returncode == 130
    assert "SIGTERM" in ended.stderr
    assert "None of them was applied" in ended.stderr
    assert wayra_database.things.count_documents({}) == 0
    with sandbox.open() as again:
        assert [one.verdict for one in again.migrations.status()] == ["pending", "pending"]


def test_what_cannot_join_is_refused(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Before anything runs, with the reason; up to the one before, it may."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    sandbox.migration(2, "db.things.create_index('a')")
    with sandbox.open() as project:
        with pytest.raises(GroupError, match=r"2 \(step\): create_index \(line 3\) cannot join"):
            project.migrations.up(group=True)
        assert wayra_database.list_collection_names() == []
        assert project.migrations.up(group=True, to=1).versions == (1,)


def test_two_drivers_are_refused(sandbox: Sandbox) -> None:
    """A transaction belongs to one session, and so to one driver."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    sandbox.migration(2, "await db.things.insert_one({'_id': 2})", is_async=True)
    with sandbox.open() as project, pytest.raises(GroupError, match="async def"):
        project.migrations.plan(group=True)


def test_hooks_between_are_refused(sandbox: Sandbox, wayra_database: Documents) -> None:
    """They are promised to run between migrations, outside transactions."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    sandbox.write("migrations/_hooks.py", "def after_each(db, run):\n    pass\n")
    with sandbox.open() as project, pytest.raises(GroupError, match="after_each"):
        project.migrations.up(group=True)
    assert wayra_database.things.count_documents({}) == 0


def test_a_standalone_server_refuses(tmp_path: Any, wayra_standalone: ServerUnderTest) -> None:
    """It has no transactions."""
    sandbox = Sandbox(tmp_path, wayra_standalone.uri, "group_on_standalone")
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    with sandbox.open() as project, pytest.raises((GroupError, UnsupportedDeploymentError), match="transactions"):
        project.migrations.up(group=True)


def test_two_commands_more_record_any_number(sandbox: Sandbox) -> None:
    """The log's entries go in one insert, the records in one update, and there is one commit."""
    counter = CommandCounter()
    client: MongoClient[dict[str, Any]] = MongoClient(sandbox.uri, event_listeners=[counter])
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    with client, sandbox.open(client=client) as project:
        _ = project.deployment.capabilities
        project.migrations.up()
        sandbox.migration(2, "db.things.insert_one({'_id': 2})")
        counter.clear()
        project.migrations.up(group=True)
        for_one = counter.count
        for version in range(3, 23):
            sandbox.migration(version, f"db.things.insert_one({{'_id': {version}}})")
        counter.clear()
        project.migrations.up(group=True)
        assert counter.count - for_one == 19
