from __future__ import annotations

import json
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import COLLECTIONS, Sandbox
from wayra_db.backups.manifest import Manifest, from_json
from wayra_db.errors import MigrationFailedError, RefusedError

Documents = Database[dict[str, Any]]


def manifests(sandbox: Sandbox) -> list[Manifest]:
    """The backups of the project."""
    return [from_json(path.read_text()) for path in sandbox.folder.glob("backups/*/manifest.json")]


def test_what_a_plan_touches_is_backed_up_as_it_was(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Only those collections, whole, with the history as it was before; nothing when nothing is pending."""
    sandbox.complete()
    wayra_database.users.insert_many([{"email": f"{number}@example.com"} for number in range(3)])
    wayra_database.others.insert_one({})
    sandbox.migration(1, 'db.users.update_many({}, {"$set": {"role": "user"}})')
    with sandbox.open(adopt=True) as project:
        result, made = project.migrate_with_backup(to=1)
        assert result.versions == (1,)
        assert made is not None
        assert project.migrate_with_backup(to=1) == (type(result)("up", ()), None)
    (found,) = manifests(sandbox)
    assert found.name == made.manifest.name
    assert (found.reason, found.redacted, found.applied) == ("migration", False, ())
    copied = {one.name: one.documents for one in found.collections}
    assert copied["users"] == 3
    assert "others" not in copied
    assert "_wayra_lock" not in copied


def test_an_error_names_the_command_that_puts_it_back(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The hint of a failed migration, also as JSON."""
    wayra_database.things.insert_one({"_id": 1})
    sandbox.write("collections/users.py", COLLECTIONS)
    sandbox.migration(1, "db.things.create_index('name')\nraise ValueError('no')")
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError) as caught:
        project.migrate_with_backup()
    (found,) = manifests(sandbox)
    assert f"wayra-db backup restore {found.name} --drop-existing" in caught.value.hint
    ended = sandbox.run("migrate", "--backup", "--json")
    assert ended.returncode == 13  # half-done: refused before anything is backed up
    assert "Interrupted" in json.loads(ended.stdout)["error"]
    assert len(manifests(sandbox)) == 1


def test_a_backup_that_may_not_be_made_stops_the_run(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Production without its permission: refused, and no migration has run."""
    sandbox.write("collections/users.py", COLLECTIONS)
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    with sandbox.open(environ={"WAYRA_ENV": "production"}) as project, pytest.raises(RefusedError):
        project.migrate_with_backup()
    assert wayra_database.things.count_documents({}) == 0
    assert manifests(sandbox) == []
