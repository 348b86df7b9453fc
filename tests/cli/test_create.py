from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli, Ended
from tests.support import Sandbox
from wayra_db.migrations.loader import read_migration

Documents = Database[dict[str, Any]]


def created(ended: Ended) -> Path:
    """The file that a command wrote."""
    assert ended.code == 0, ended.stderr
    return Path(ended.document["path"])


@pytest.mark.parametrize(
    ("flags", "is_async", "takes_context"),
    [
        ([], False, False),
        (["--async"], True, False),
        (["--batched"], False, True),
        (["--batched", "--async"], True, True),
        (["--indexes"], False, False),
        (["--indexes", "--async"], True, False),
    ],
)
def test_kinds_need_no_database(cli_offline: Cli, flags: list[str], is_async: bool, takes_context: bool) -> None:
    """Each kind is written while no server answers."""
    up = read_migration(created(cli_offline("migrate", "create", "--name", "more", *flags, "--json"))).up
    assert (up.is_async, up.takes_context) == (is_async, takes_context)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--name"),
        (["--name", "x", "--batched", "--indexes"], "Choose one"),
        (["--from-declarations", "--async"], "a kind of its own"),
        (["--from-declarations", "--indexes"], "a kind of its own"),
    ],
)
def test_what_does_not_go_together(cli_offline: Cli, arguments: list[str], said: str) -> None:
    """A usage error, before anything is written or reached."""
    ended = cli_offline("migrate", "create", *arguments)
    assert ended.code == 2
    assert said in ended.stderr


def test_a_name_without_letters_for_a_file(offline: Sandbox, cli_offline: Cli) -> None:
    """A usage error with an example, and no file."""
    before = sorted((offline.folder / "migrations").iterdir())
    ended = cli_offline("migrate", "create", "--name", "日本語")
    assert ended.code == 2
    assert "'日本語' gives no file name" in ended.stderr
    assert 'hint: Name what it does in such letters, for example --name "add user roles"' in ended.stderr
    assert sorted((offline.folder / "migrations").iterdir()) == before


def test_a_broken_template_is_named(offline: Sandbox, cli_offline: Cli) -> None:
    """With file, line and placeholder."""
    path = offline.write("migrations/_templates/indexes.py.txt", "def up(db):\n    '$foo'\n")
    ended = cli_offline("migrate", "create", "--name", "x", "--indexes")
    assert ended.code == 12
    assert f"{path}:2: `$foo` is not a placeholder" in ended.stderr


def test_from_declarations(cli: Cli, wayra_database: Documents) -> None:
    """The file's name says what it does, the output what is in it; applied, there is nothing left to do."""
    assert cli("migrate").code == 0
    ended = cli("migrate", "create", "--from-declarations")
    assert ended.code == 0, ended.stderr
    assert ended.stdout.endswith(
        "0003_create_users.py\n  create users\n  index users.email_1\n"
        "  left alone, as it is declared nowhere: collection trips\n"
    )
    assert "users" not in wayra_database.list_collection_names()
    assert cli("migrate").code == 0
    assert wayra_database.users.index_information()["email_1"]["unique"]

    ended = cli("migrate", "create", "--from-declarations")
    assert ended.code == 0
    assert ended.stdout == "Nothing to do: the database is as declared.\n"
    again = cli("migrate", "create", "--from-declarations", "--json")
    assert (again.code, again.document["path"]) == (0, None)
    assert again.document["changes"]["leftAlone"] == ["collection trips"]


def test_from_declarations_with_a_name(cli: Cli) -> None:
    """The given one is taken."""
    cli("migrate")
    assert created(cli("migrate", "create", "--from-declarations", "--name", "first", "--json")).name == "0003_first.py"


def test_from_declarations_while_migrations_are_pending(sandbox: Sandbox, cli: Cli) -> None:
    """Refused: what they will do would be written a second time. No file is left."""
    ended = cli("migrate", "create", "--from-declarations")
    assert ended.code == 13
    assert "wayra-db --project" in ended.stderr
    assert " migrate` first" in ended.stderr
    assert len(list((sandbox.folder / "migrations").glob("*.py"))) == 2


def test_what_has_to_be_decided(sandbox: Sandbox, cli: Cli, wayra_database: Documents) -> None:
    """The output names it and where to look."""
    cli("migrate")
    wayra_database.create_collection("users", capped=True, size=4096)
    ended = cli("migrate", "create", "--from-declarations")
    assert ended.code == 0
    assert "to decide: users, `capped` is True and is declared as None" in ended.stdout
    assert "TO DECIDE" in ended.stderr


def test_from_declarations_needs_the_database(cli_offline: Cli) -> None:
    """Without one it says so, as every command does."""
    assert cli_offline("migrate", "create", "--from-declarations").code == 10
