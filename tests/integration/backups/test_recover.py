"""Recovering a database, finishing what was cut off by `init`, and resets that can be taken back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.backups import Made, raw, write_backup
from tests.restoring import contents, temporaries
from tests.support import Sandbox
from wayra_db.environment import Action
from wayra_db.errors import BackupError, BackupNotFoundError, RefusedError
from wayra_db.events import Notice

Documents = Database[dict[str, Any]]


@pytest.fixture
def shop(sandbox: Sandbox) -> Sandbox:
    """A project with everything in it, initialised."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
    return sandbox


def lose(database: Documents) -> None:
    """Everything is gone."""
    database.client.drop_database(database.name)


def test_a_lost_database_comes_back(shop: Sandbox, wayra_database: Documents) -> None:
    """Documents, validators, indexes and history are as they were; a migration that came later is run."""
    before = contents(wayra_database)
    with shop.open() as project:
        project.backups.create("nightly", include_sensitive=True, plaintext=True)
    lose(wayra_database)
    shop.migration(3, 'db.trips.update_many({}, {"$set": {"seen": True}})')
    with shop.open() as project:
        plan = project.initializer.plan_recovery()
        assert (plan.restore.backup, plan.migrations) == ("nightly", (3,))
        assert wayra_database.list_collection_names() == []
        report = project.initializer.recover()
        assert project.status().healthy
    assert [step.step for step in report.steps] == [
        "connection", "restore", "collections", "migrations", "indexes", "health",
    ]  # fmt: skip
    assert contents(wayra_database)["users"] == before["users"]
    assert wayra_database["trips"].distinct("seen") == [True]
    assert wayra_database["_wayra_migrations"].distinct("state") == ["applied"]
    assert temporaries(wayra_database) == []


def test_latest_is_the_newest_that_is_intact(shop: Sandbox, wayra_database: Documents) -> None:
    """A damaged one is passed over and told of; safety, redacted, empty and partial ones and other databases' do not
    count.
    """
    with shop.open() as project:
        folder = project.settings.backups_dir
        for name in ("older", "newer"):
            project.backups.create(name, include_sensitive=True, plaintext=True)
        users = [Made("users", raw({"_id": 1}))]
        write_backup(folder, "safety", users, database=wayra_database.name, reason="safety")
        write_backup(folder, "masked", users, database=wayra_database.name, redactions={"users": {"email": "remove"}})
        write_backup(folder, "other", users, database="other")
        write_backup(folder, "empty", [Made("users")], database=wayra_database.name)
        project.backups.create("partial", collections=["users"], include_sensitive=True, plaintext=True)
        data = next((folder / "newer").rglob("users.bson.zst"))
        content = data.read_bytes()
        data.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert project.backups.newest_intact() == "older"
        notices = [event.message for event in shop.observer.events if isinstance(event, Notice)]
        assert any("newer is passed over" in message and "damaged" in message for message in notices)
        states = {one.name: (one.damaged, one.verified and one.verified.kind) for one in project.backups.list()}
        assert (states["newer"], states["older"]) == ((True, "hashes"), (False, "hashes"))
        data.write_bytes(content)  # what a verification has found counts until the next one
        assert project.backups.newest_intact() == "older"
        project.backups.keeper.verify("newer")
        assert project.backups.newest_intact() == "newer"
        for name, reason in (("empty", "holds no documents"), ("partial", "holds only users")):
            with pytest.raises(BackupError, match=reason) as caught:
                project.initializer.recover(name)
            assert f"backup restore {name} --drop-existing" in caught.value.hint
        data.unlink()
        (folder / "older" / "manifest.json").unlink()
        with pytest.raises(BackupNotFoundError, match="no intact backup"):
            project.initializer.recover()


def test_production_recovers_with_its_own_flag(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Where a restore over data is refused, recovery is allowed to whoever says so."""
    sandbox.complete()
    production = {"WAYRA_ENV": "production"}
    with sandbox.open(environ=production) as project:
        project.initializer.run()
        folder = project.settings.backups_dir
    wayra_database["users"].insert_one({"email": "there"})
    write_backup(
        folder,
        "nightly",
        [Made("users", raw({"_id": 1, "email": "back"}))],
        database=wayra_database.name,
        environment="production",
        applied=[1, 2],
    )
    with sandbox.open(environ=production, permitted=[Action.RESTORE]) as project:
        with pytest.raises(RefusedError, match="restoring over data is refused"):
            project.backups.restore("nightly", drop_existing=True)
        with pytest.raises(RefusedError, match="explicit permission"):
            project.initializer.recover()
    entries = wayra_database["_wayra_log"].count_documents({})
    settings = {**production, "WAYRA_BACKUPS_ALLOW_PRODUCTION": "true"}
    with sandbox.open(environ=settings, permitted=[Action.RECOVER, Action.BACKUP_CREATE]) as project:
        with pytest.raises(RefusedError, match="must be encrypted"):
            project.backups.restore("nightly", drop_existing=True, action=Action.RECOVER)
        assert wayra_database["_wayra_log"].count_documents({}) == entries
    with sandbox.open(environ=production, permitted=[Action.RECOVER]) as project:
        project.initializer.recover(safety_backup=False)
    assert wayra_database["users"].distinct("email") == ["back"]


def test_a_reset_can_be_taken_back(shop: Sandbox, wayra_database: Documents) -> None:
    """It names the command that restores what it has dropped, and that command does."""
    wayra_database["users"].insert_one({"email": "mine@example.com"})
    before = contents(wayra_database)
    ended = shop.run("reset", "--yes", "--quiet")
    assert ended.returncode == 0, ended.stderr
    assert wayra_database["users"].count_documents({"email": "mine@example.com"}) == 0
    line = next(one for one in ended.stdout.splitlines() if "bring it all back" in one)
    command = line[line.index("backup restore") :].split()
    assert command[:2] == ["backup", "restore"]
    restored = shop.run(*command, "--yes", "--no-safety-backup")
    assert restored.returncode == 0, restored.stderr
    assert contents(wayra_database) == before


def test_a_reset_ends_a_half_import_first(shop: Sandbox, wayra_database: Documents) -> None:
    """So that the safety backup holds all of what it brings, and nothing of it is left."""
    wayra_database["_wayra_import_ab"].insert_many([{"email": "a@example.com"}, {"email": "b@example.com"}])
    record = {"target": "users", "mode": "insert", "key": ["_id"], "undo": False}
    wayra_database["_wayra_meta"].insert_one({"_id": "_wayra_import_ab", **record})
    with shop.open() as project:
        (saved,) = (step.summary for step in project.initializer.reset().steps if step.step == "safety")
        name = saved.partition("backup restore ")[2].split()[0]
        assert "_wayra_import_ab" not in wayra_database.list_collection_names()
        project.backups.restore(name, drop_existing=True, safety_backup=False)
    assert {"a@example.com", "b@example.com"} <= set(wayra_database["users"].distinct("email"))


def test_a_reset_of_an_empty_database_saves_nothing(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Nor does one that is told not to."""
    sandbox.complete()
    with sandbox.open() as project:
        assert [step.step for step in project.initializer.reset().steps][1] == "reset"
        assert [step.step for step in project.initializer.reset(safety_backup=False).steps][1] == "reset"
        assert [step.step for step in project.initializer.reset().steps][1] == "safety"


def cut_off(database: Documents, shop: Sandbox) -> None:
    """A restore that was killed right after its journal was written."""
    from wayra_db.backups.swap import Journal, Step
    from wayra_db.meta import Marker, store_marker
    from wayra_db.mongo import commands

    database["_wayra_restore_ab_0"].insert_one({"_id": "new", "email": "new@example.com"})
    journal = Journal("ab", "nightly", (Step("rename", "users", "_wayra_restore_ab_0"),))
    marker = Marker("development", restoring=journal.to_document())
    commands.execute(database, [store_marker(marker)], None)


def test_init_finishes_a_restore(shop: Sandbox, wayra_database: Documents) -> None:
    """Everything else is refused until then, with the command that finishes it."""
    cut_off(wayra_database, shop)
    refused = shop.run("migrate", "rollback", "--steps", "1")
    assert refused.returncode == 14
    assert "backup restore --continue" in refused.stderr
    with shop.open() as project:
        for idle in (project.migrations.up, project.indexes.apply, project.seeds.run, project.schema.apply):
            with pytest.raises(RefusedError, match="a restore of the backup nightly was cut off"):
                idle()
    ended = shop.run("init")
    assert ended.returncode == 0, ended.stderr
    assert "new" in wayra_database["users"].distinct("_id")
    assert temporaries(wayra_database) == []


def test_the_command_finishes_a_restore(shop: Sandbox, wayra_database: Documents) -> None:
    """And has nothing to do the second time."""
    cut_off(wayra_database, shop)
    assert "Finished the restore of nightly." in shop.run("backup", "restore", "--continue").stdout
    assert "Nothing to do" in shop.run("backup", "restore", "--continue").stdout


def test_status_tells_of_leftovers(shop: Sandbox, wayra_database: Documents) -> None:
    """And the command that it names takes them away."""
    wayra_database["_wayra_restore_ab_0"].insert_one({})
    with shop.open() as project:
        (found,) = (one for one in project.status().findings if one.pending)
    assert found.message == "1 temporary collection of a restore or an import that was cut off: _wayra_restore_ab_0"
    assert found.command == "wayra-db backup restore --continue"
    assert "Removed 1 temporary collection" in said(shop.run("backup", "restore", "--continue"))
    with shop.open() as project:
        assert project.status().healthy


def test_a_safety_backup_is_listed_as_checked(shop: Sandbox, wayra_database: Documents) -> None:
    """Its hashes were compared before anything was replaced, and the list says so."""
    with shop.open() as project:
        name = project.backups.save()
        (entry,) = project.backups.list()
    assert entry.name == name
    assert entry.verified is not None
    assert (entry.verified.ok, entry.verified.kind, entry.verified.in_depth) == (True, "hashes", False)
    assert "hashes verified, safety" in said(shop.run("backup", "list"))


def said(ended: subprocess.CompletedProcess[str]) -> str:
    """Both streams of a command that ended well."""
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_the_commands_say_what_they_do(shop: Sandbox, wayra_database: Documents, tmp_path: Path) -> None:
    """Plan, dry run, conflict, restore with pending migrations, `--migrate`, recover and `init --from-backup`."""
    with shop.open() as project:
        project.backups.create("nightly", include_sensitive=True, plaintext=True)
    shop.migration(3, 'db.trips.update_many({}, {"$set": {"seen": True}})')
    conflict = shop.run("backup", "restore", "nightly")
    assert conflict.returncode == 1
    assert "--drop-existing" in conflict.stderr
    before = contents(wayra_database)
    dry = said(shop.run("backup", "restore", "nightly", "--drop-existing", "--dry-run"))
    assert "users  2 documents in the place of 2 documents  replaced" in dry
    assert contents(wayra_database) == before
    unconfirmed = shop.run("backup", "restore", "nightly", "--drop-existing")
    assert unconfirmed.returncode == 2
    assert "--yes" in unconfirmed.stderr
    done = said(shop.run("backup", "restore", "nightly", "--drop-existing", "--yes"))
    assert "to have it back: " in done
    assert "The code is ahead of the backup: 3" in done
    assert "Applied the migrations 3" in said(
        shop.run("backup", "restore", "nightly", "--drop-existing", "--yes", "--no-safety-backup", "--migrate")
    )
    write_backup(
        shop.folder / "backups",
        "masked",
        [Made("users", raw({"_id": 1, "email": "0@example.invalid"}))],
        database=wayra_database.name,
        redactions={"users": {"email": "email"}},
    )
    refused = shop.run("recover", "--backup", "masked", "--yes")
    assert refused.returncode == 1
    assert "recover --allow-redacted" in refused.stderr
    assert "1 document of masked" in said(shop.run("recover", "--backup", "masked", "--allow-redacted", "--yes"))
    dry = said(shop.run("recover", "--dry-run"))
    assert "then: collections and validators, migrations 3, indexes, health check" in dry
    assert "Recovered" in said(shop.run("recover", "--yes", "--no-safety-backup"))
    lose(wayra_database)
    assert "Ready" in said(shop.run("init", "--from-backup", "nightly", "--yes"))
    assert wayra_database["trips"].distinct("seen") == [True]
    assert shop.run("init", "--from-backup", "latest", "--quick").returncode == 2
    gone = shop.run("backup", "restore", "nothing", "--json")
    assert gone.returncode == 2
    assert '"BackupNotFoundError"' in gone.stdout
