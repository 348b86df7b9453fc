from __future__ import annotations

import json
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

Documents = Database[dict[str, Any]]

SENSITIVE = """
from wayra_db import Collection, Mask
users = Collection("users", sensitive={"email": Mask.EMAIL})
"""


@pytest.fixture
def users(sandbox: Sandbox, cli: Cli, wayra_database: Documents) -> Cli:
    """A collection with a sensitive field."""
    sandbox.write("collections/users.py", SENSITIVE)
    wayra_database.users.insert_many([{"email": "ada@example.com"}, {"email": "grace@example.com"}])
    wayra_database.create_collection("everybody", viewOn="users", pipeline=[])
    return cli


def test_what_is_said(users: Cli, sandbox: Sandbox) -> None:
    """Name, documents, size, consistency, place, what is redacted and how to have it whole."""
    ended = users("backup", "create", "--name", "first")
    assert ended.code == ExitCode.OK
    for words in (
        "Made first in",
        "2 documents in 1 collection and 1 view",
        "all collections as of one moment",
        "1 sensitive field of users",
        str(sandbox.folder / "backups" / "first"),
    ):
        assert words in ended.stdout
    assert "--include-sensitive" in ended.stderr
    assert "example.com" not in ended.stdout + ended.stderr


def test_the_size_is_the_same_in_the_list(users: Cli, sandbox: Sandbox) -> None:
    """All files, the manifest among them, wherever it is told."""
    made = users("backup", "create", "--name", "sized", "--json").document
    (listed,) = users("backup", "list", "--json").document["backups"]
    folder = sandbox.folder / "backups" / "sized"
    on_disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert made["size"] == listed["size"] == on_disk


def test_as_json(users: Cli, sandbox: Sandbox) -> None:
    """The manifest, as it is in the file; progress on the other stream."""
    ended = users("backup", "create", "--json", "--codec", "gzip")
    manifest = ended.document["manifest"]
    stored = json.loads((sandbox.folder / "backups" / manifest["name"] / "manifest.json").read_text())
    del stored["digest"]
    assert manifest == stored
    assert manifest["compression"] == {"codec": "gzip", "level": 1}
    assert {event["event"] for event in ended.events} >= {"Progress", "SecurityEvent"}


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ("--include-sensitive", ExitCode.REFUSED, "must be encrypted"),
        ("--collections user", ExitCode.FAILED, "Did you mean users?"),
        ("--name ../out", ExitCode.CONFIGURATION, "no name for a backup"),
        ("--encrypt-to nobody", ExitCode.CONFIGURATION, "neither a recipient nor a file"),
        ("--env production --allow-production", ExitCode.REFUSED, "backups.allow_production"),
        ("--jobs 0", ExitCode.USAGE, "jobs"),
    ],
)
def test_refusals(users: Cli, sandbox: Sandbox, flags: str, code: ExitCode, words: str) -> None:
    """Each with what would help, and nothing is written."""
    ended = users("backup", "create", *flags.split())
    assert ended.code == code
    assert words in ended.stderr
    assert not (sandbox.folder / "backups").exists()


def test_production_takes_the_setting_and_the_flag(users: Cli) -> None:
    """Neither is enough alone."""
    setting = {"WAYRA_BACKUPS_ALLOW_PRODUCTION": "true", "WAYRA_ENV": "production"}
    assert users("backup", "create", **setting).code == ExitCode.REFUSED
    assert users("backup", "create", "--allow-production", WAYRA_ENV="production").code == ExitCode.REFUSED
    assert users("backup", "create", "--allow-production", **setting).code == ExitCode.OK


def test_settings_are_the_defaults(users: Cli, sandbox: Sandbox) -> None:
    """Codec and recipients from the file; a file of recipients is seen from the project."""
    import pyrage  # type: ignore[import-untyped]

    recipient = str(pyrage.x25519.Identity.generate().to_public())
    sandbox.write("keys/ops.txt", f"# operations\n{recipient}\n")
    sandbox.write("wayra-db.toml", '[backups]\ncodec = "none"\nrecipients = "keys/ops.txt"\n')
    made = users("backup", "create", "--include-sensitive", "--json").document["manifest"]
    assert made["compression"]["codec"] == "none"
    assert made["encryption"]["recipients"] == [recipient]
    plain = users("backup", "create", "--plaintext", "--json").document["manifest"]
    assert plain["encryption"] is None
    assert plain["redacted"]
    sandbox.write("wayra-db.toml", '[backups]\ncodec = "lz4"\n')
    assert users("backup", "create").code == ExitCode.CONFIGURATION


def test_clone(users: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """Says where to; the address by the variable, its password in no output."""
    copy = f"{wayra_database.name}_copy"
    assert users("backup", "clone").code == ExitCode.USAGE
    ended = users("backup", "clone", "--to-database", copy, "--redact", WAYRA_CLONE_TO_URI=sandbox.uri or "")
    assert ended.code == ExitCode.OK, ended.stderr
    assert f"to {copy} at" in ended.stdout
    emails = wayra_database.client[copy].users.distinct("email")
    assert all(one.endswith("@example.invalid") for one in emails)
    again = users("backup", "clone", "--to-database", copy, "--to-uri", sandbox.uri or "")
    assert "not empty" in again.stderr
    wayra_database.client.drop_database(copy)
    nowhere = users("backup", "clone", "--to-uri", "mongodb://u:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=50")
    assert nowhere.code == ExitCode.UNREACHABLE
    assert "hunter2" not in nowhere.stdout + nowhere.stderr
