"""Ways back that a user is told of, taken as they are told."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.backups.encryption import require_recipients
from wayra_db.errors import ConfigError
from wayra_db.meta import Marker, store_marker

Documents = Database[dict[str, Any]]

SENSITIVE = """
from wayra_db import Collection, Mask

users = Collection("users", sensitive={"email": Mask.EMAIL})
"""


def files_with(folder: Path, word: bytes) -> list[str]:
    """The uncompressed files of a backup that hold a word."""
    return [path.name for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_what_a_killed_restore_has_left_is_in_no_backup(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Temporary copies have other names than their declarations, so nothing would be masked in them."""
    sandbox.write("collections/users.py", SENSITIVE)
    for name in ("users", "_wayra_restore_12345678_1", "_wayra_import_123456789abc"):
        wayra_database[name].insert_one({"email": "ada@example.com"})
    with sandbox.open(adopt=True) as project:
        project.initializer.run()
        made = project.backups.create("leak", codec="none")
        assert files_with(made.path, b"ada@example.com") == []
        names = [one.name for one in made.manifest.collections]
        assert not [name for name in names if name.startswith(("_wayra_restore_", "_wayra_import_"))]
        cloned = f"{sandbox.database}_clone"
        project.backups.clone(str(sandbox.uri), to_database=cloned, redact=True)
    try:
        assert not [name for name in wayra_database.client[cloned].list_collection_names() if "restore_" in name]
    finally:
        wayra_database.client.drop_database(cloned)


@pytest.mark.parametrize("only", [[], ["--collections", "users"]], ids=["all", "one"])
@pytest.mark.parametrize("to", [False, True], ids=["here", "elsewhere"])
def test_the_command_that_undoes_a_restore_brings_everything_back(
    sandbox: Sandbox, wayra_database: Documents, only: list[str], to: bool
) -> None:
    """Documents and history, in the database that the restore went to, by the very command that it prints."""
    sandbox.complete()
    elsewhere = f"{sandbox.database}_to"
    target = wayra_database.client[elsewhere] if to else wayra_database
    flags = ["--to", elsewhere] if to else []
    try:
        with sandbox.open() as project:
            project.initializer.run()
            project.backups.create("old", include_sensitive=True, plaintext=True)
        if to:
            with sandbox.open(environ={"WAYRA_DATABASE": elsewhere}) as project:
                project.initializer.run()
        target.users.insert_one({"email": "new@example.com"})
        before = {name: sorted(target[name].find(), key=str) for name in ("users", "trips", "_wayra_migrations")}
        here = {name: sorted(wayra_database[name].find(), key=str) for name in ("users", "trips")}
        restored = sandbox.run("backup", "restore", "old", "--drop-existing", "--yes", *only, *flags)
        assert restored.returncode == 0, restored.stderr
        assert target.users.count_documents({}) == 2
        told = re.search(r"to have it back: .*?(backup restore .*)", restored.stdout)
        assert told is not None, restored.stdout
        undone = sandbox.run(*told[1].split(), "--yes", "--no-safety-backup")
        assert undone.returncode == 0, undone.stderr
        assert {name: sorted(target[name].find(), key=str) for name in before} == before
        assert {name: sorted(wayra_database[name].find(), key=str) for name in here} == here
    finally:
        wayra_database.client.drop_database(elsewhere)


@pytest.mark.parametrize("name", ["admin", "local", "a.b", ""])
def test_no_restore_goes_into_a_database_of_the_servers_own(sandbox: Sandbox, name: str) -> None:
    """Refused by its name, before anything is connected to it."""
    sandbox.complete()
    with sandbox.open() as project, pytest.raises(ConfigError, match="database name"):
        project.beside(name)


def test_a_secret_key_that_was_given_for_a_recipient_is_not_repeated() -> None:
    """The mix-up is told, the key is not."""
    with pytest.raises(ConfigError, match="a secret key is") as caught:
        require_recipients(["AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"])
    assert "SECRET" not in str(caught.value)


def test_a_half_done_swap_is_a_problem_for_status(sandbox: Sandbox) -> None:
    """While the journal stands, `status` says so first, and how it is finished."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
        journal = {"id": "1234", "backup": "nightly", "steps": []}
        project.deployment.metadata.command(dict(store_marker(Marker("development", restoring=journal))))
        status = project.status()
        assert not status.healthy
        assert "nightly was cut off" in status.findings[0].message
        assert "--continue" in status.findings[0].command
    assert sandbox.run("status", "--check").returncode == 3


def test_a_pipe_in_a_files_place_is_told_and_not_waited_for(sandbox: Sandbox) -> None:
    """Whoever opens a pipe for reading waits for a writer, unless told not to."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
        made = project.backups.create("nightly")
    victim = next(made.path.rglob("users.bson*"))
    victim.unlink()
    os.mkfifo(victim)
    assert sandbox.run("backup", "verify", "nightly").returncode == 20
