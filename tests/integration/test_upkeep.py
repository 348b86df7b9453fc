"""`redo`, `baseline`, `repair --forget` and the history, by the library."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox, migration
from wayra_db import MigrationManager
from wayra_db.environment import Action
from wayra_db.errors import (
    HistoryMismatchError,
    InterruptedMigrationError,
    IrreversibleMigrationError,
    MigrationFailedError,
    RefusedError,
    VersionNotFoundError,
)

Documents = Database[dict[str, Any]]


def write(sandbox: Sandbox, *versions: int) -> None:
    """A migration for each version, which inserts one document and takes it away again."""
    for version in versions:
        document = f"{{'_id': {version}}}"
        sandbox.migration(version, f"db.things.insert_one({document})", f"db.things.delete_one({document})")


def test_redo(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Down and up again under one lock, the newest alone or a version and all above it; the edited file counts."""
    write(sandbox, 1, 2, 3)
    with sandbox.open() as project:
        assert [one.versions for one in project.migrations.redo()] == [(), ()]
        project.migrations.up()
        locked = wayra_database["_wayra_log"].count_documents({"event": "lock acquired"})
        assert [one.versions for one in project.migrations.redo()] == [(3,), (3,)]
        assert wayra_database["_wayra_log"].count_documents({"event": "lock acquired"}) == locked + 1
        assert [one.versions for one in project.migrations.redo(version=2)] == [(3, 2), (2, 3)]
        assert [one.versions for one in project.migrations.redo(steps=3)] == [(3, 2, 1), (1, 2, 3)]
        assert wayra_database.things.distinct("_id") == [1, 2, 3]


def test_redo_refuses_what_it_could_not_finish(sandbox: Sandbox) -> None:
    """Without a `down`, over a half-done migration, and in production without leave: before anything is touched."""
    write(sandbox, 1)
    sandbox.migration(2, "pass")
    with sandbox.open() as project:
        project.migrations.up()
        with pytest.raises(IrreversibleMigrationError):
            project.migrations.redo()
        sandbox.migration(3, "db.things.create_index('n')\nraise ValueError")
        with pytest.raises(MigrationFailedError):
            project.migrations.up()
        with pytest.raises(InterruptedMigrationError):
            project.migrations.redo(version=1)


def test_redo_in_production_needs_leave(sandbox: Sandbox) -> None:
    """As a rollback does."""
    write(sandbox, 1)
    production = {"WAYRA_ENV": "production"}
    with sandbox.open(environ=production) as project:
        project.migrations.up()
        with pytest.raises(RefusedError):
            project.migrations.redo()
    with sandbox.open(environ=production, permitted=[Action.ROLLBACK]) as project:
        assert project.migrations.redo()[1].versions == (1,)


def test_baseline(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Recorded and not run, once; the rest runs, and the log tells it for each of the versions."""
    write(sandbox, 1, 2, 3)
    wayra_database.things.insert_many([{"_id": 1}, {"_id": 2}])
    with sandbox.open(adopt=True) as project:
        with pytest.raises(VersionNotFoundError):
            project.migrations.baseline(9)
        assert project.migrations.baseline(2) == (1, 2)
        assert [one.detail for one in project.migrations.status()][:2] == ["baseline: never ran here"] * 2
        with pytest.raises(HistoryMismatchError, match="has a history already"):
            project.migrations.baseline(3)
        assert project.migrations.up().versions == (3,)
        assert [one["event"] for one in project.migrations.history(version=1)] == ["migration baseline"]


def test_forget(sandbox: Sandbox) -> None:
    """Only a version that the database knows and whose file is gone."""
    write(sandbox, 1, 2)
    with sandbox.open() as project:
        project.migrations.up()
        with pytest.raises(VersionNotFoundError, match="is there, so its record stays"):
            project.migrations.forget(2)
        with pytest.raises(VersionNotFoundError, match="knows nothing"):
            project.migrations.forget(7)
        (sandbox.folder / "migrations/0002_step.py").unlink()
        project.migrations.forget(2)
        assert [one.verdict for one in project.migrations.status()] == ["applied"]
        assert not project.migrations.up().changed
        assert project.migrations.history(version=2)[-1]["event"] == "migration repaired"


def test_history(sandbox: Sandbox) -> None:
    """What the log says of migrations alone, of one version, or the newest of it."""
    write(sandbox, 1, 2)
    with sandbox.open() as project:
        assert project.migrations.history() == ()
        project.migrations.up()
        project.migrations.rollback(version=2)
        said = [(one["event"], one["version"]) for one in project.migrations.history()]
        assert said == [("migration applied", 1), ("migration applied", 2), ("migration rolled back", 2)]
        assert [one["event"] for one in project.migrations.history(version=2, newest=1)] == ["migration rolled back"]
        entry = project.migrations.history(version=1)[0]
        assert entry["inserted"] == 1


def test_history_of_a_person_and_since_a_moment(sandbox: Sandbox) -> None:
    """As the command line narrows it; a moment without a time zone is UTC."""
    write(sandbox, 1)
    with sandbox.open() as project:
        project.migrations.up()
        (entry,) = project.migrations.history()
        assert project.migrations.history(user=entry["who"]["user"]) == (entry,)
        assert project.migrations.history(user="nobody") == ()
        at = entry["at"].replace(tzinfo=None)
        assert project.migrations.history(since=at) == (entry,)
        assert project.migrations.history(since=at + timedelta(seconds=1), version=1) == ()


def test_what_needs_no_database_connects_to_none(sandbox: Sandbox) -> None:
    """Files are linted, checked, written and renumbered by the same manager that migrates."""
    sandbox.uri = "mongodb://127.0.0.1:1"  # nobody is there
    for number, (name, body) in enumerate([("ab", "db.things.delete_many({})"), ("cd", "pass")]):
        head = f'"""\nVersion: 1\nCreated: {number}\n"""'
        sandbox.write(f"migrations/0001_{name}.py", migration(body, "pass", head=head))
    with sandbox.open() as project:
        migrations = project.migrations
        assert "MG101" in [one.rule.id for one in migrations.lint().findings]
        assert not migrations.check().is_clean()
        planned = migrations.plan_renumber()
        assert [move.to_dict() for move in planned] == [{"file": "0001_cd.py", "becomes": "0002_cd.py"}]
        assert migrations.renumber() == planned
        assert migrations.renumber() == ()
        assert migrations.create("add roles").name == "0003_add_roles.py"
        assert [one.version for one in migrations.files()] == [1, 2, 3]


def test_check_asks_the_database_for_drift(sandbox: Sandbox) -> None:
    """What is pending and what is not as declared, from the manager as from the command."""
    sandbox.complete()
    with sandbox.open() as project:
        report = project.migrations.check(live=True)
        assert report.unfinished == ("migration 1 (step) is pending", "migration 2 (step) is pending")
        assert report.drift == ("collection users does not exist", "index users.email_1 is missing")


def test_a_manager_alone_knows_no_declarations(sandbox: Sandbox) -> None:
    """Usable without a project: it rehearses on the same deployment, and says what it cannot do."""
    sandbox.complete()
    with sandbox.open() as project:
        alone = MigrationManager(project.guard, sandbox.folder / "migrations")
        assert alone.check(live=True).drift == ()
        assert alone.rehearse(to=1).migrations[0].version == 1
        with pytest.raises(ValueError, match="belongs to no project"):
            alone.rehearsal(on="embedded")
        with pytest.raises(ValueError, match="not on 'elsewhere'"):
            alone.rehearsal(on="elsewhere")  # type: ignore[arg-type]


def test_repair_changes_nothing_that_nobody_said(sandbox: Sandbox, wayra_database: Documents) -> None:
    """An accepted edit keeps when it was applied and how long it took; what is pending again never was rolled back."""
    write(sandbox, 1)
    with sandbox.open() as project:
        project.migrations.up()
        before = wayra_database["_wayra_migrations"].find_one({"_id": 1}) or {}
        path = sandbox.folder / "migrations/0001_step.py"
        path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
        assert project.migrations.status()[0].verdict == "edited"
        project.migrations.accept_edit(1)
        after = wayra_database["_wayra_migrations"].find_one({"_id": 1}) or {}
        assert {key for key in before if before[key] != after[key]} == {"checksum", "epoch"}
        assert project.migrations.status()[0].verdict == "applied"
        project.migrations.repair(1, "pending")
        (status,) = project.migrations.status()
        assert (status.verdict, status.detail) == ("pending", "")
        assert project.migrations.history(version=1)[-1]["said"] == "as pending"
        with pytest.raises(ValueError, match="not as 'done'"):
            project.migrations.repair(1, "done")  # type: ignore[arg-type]
