from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.backup_writer import write_backup
from tests.cli.commands import GROUPS, LEAVES, WITH_DEFAULT
from tests.cli.conftest import Cli, Ended
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

# Every command that needs no server of its own, in an order in which each finds work, and a key of its document.
ROUND = {
    "config show": "settings",
    "environment show": "actions",
    "completion bash": "script",
    "status": "healthy",
    "doctor": "findings",
    "explain lock-held": "fix",
    "indexes plan": "inSync",
    "migrate plan": "steps",
    "migrate rehearse": "verdict",
    "migrate up --steps 1": "ran",
    "indexes apply": "created",
    "seed list": "seeds",
    "seed plan": "seeds",
    "seed run": "ran",
    "seed status": "seeds",
    "seed generate users --count 2": "collections",
    "seed clear --yes": "documents",
    "seed create --name more": "paths",
    "backup export users": "documents",
    "backup import users_export.json --clear-existing --yes": "imported",
    "init": "steps",
    "init --quick": "steps",
    "indexes usage --sample": "findings",
    "indexes profile on --level 2": "levels",
    "indexes profile report": "shapes",
    "indexes profile off --forget": "levels",
    "indexes suggest --prove": "proposals",
    "indexes explain {folder}/query.json": "plan",
    "indexes retire trips.old_1 --watch 0 --yes": "outcome",
    "indexes undo --yes": "created",
    "indexes undo --list": "runs",
    "indexes duplicates users.email_1": "duplicates",
    "migrate redo": "up",
    "migrate history": "entries",
    "migrate create --name more": "path",
    "migrate renumber": "moves",
    "migrate check": "lint",
    "migrate lint --select own-client": "findings",
    "migrate status": "migrations",
    "migrate repair --version 3 --as applied": "version",
    "migrate repair --version 3 --as pending": "version",
    "migrate rollback --version 2": "ran",
    "backup list": "backups",
    "backup show nightly": "manifest",
    "backup verify --all": "reports",
    "backup pin nightly": "pinned",
    "backup unpin nightly": "pinned",
    "backup copy nightly copies": "files",
    "backup prune --keep-last 1 --yes": "freed",
    "backup delete nightly --yes": "removed",
    "maintenance --yes": "tasks",
    "lock status": "lock",
    "lock release --force": "released",
    "history show": "entries",
    "history verify": "digest",
    "history refusals": "refusals",
    "backup create --name made --include-sensitive --plaintext": "manifest",
    "backup clone --to-uri {uri} --to-database {database}_clone": "collections",
    "backup restore made --drop-existing --no-safety-backup --yes": "collections",
    "backup restore --continue": "finished",
    "recover --no-safety-backup --yes": "steps",
    "clear --yes": "deleted",
    "reset --yes": "steps",
    "migrate rollback --version 2 --yes": "ran",
    "migrate repair --version 1 --as pending": "version",
    "migrate baseline --version 1": "versions",
    "environment set test --yes": "environment",
}
EMBEDDED = {
    "server status": "running",
    "server start": "uri",
    "server logs": "lines",
    "server stop": "stopped",
}


# Below these stand names of collections and files, or definitions as the server gives them.
NAMED_BY_OTHERS = {"deleted", "options", "indexes", "files", "redactions"}


def keys(value: Any) -> Iterator[str]:
    """Every key in a document, but for those that are names of the user's own, and what is the server's own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner if key not in NAMED_BY_OTHERS else None)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def check(ended: Ended) -> None:
    """Standard output is one JSON document, standard error nothing but JSON events, and all keys are of one style."""
    assert isinstance(json.loads(ended.stdout), dict)
    assert all("event" in event for event in ended.events)
    assert [key for key in keys([ended.document, ended.events]) if not re.fullmatch("_id|[a-z][a-zA-Z0-9]*", key)] == []
    assert "\x1b" not in ended.stdout + ended.stderr


# It answers until it is stopped: see test_dashboard.py.
SERVES = {"dashboard"}


def test_no_command_is_left_out() -> None:
    """A new command has to find its place in one of the tables."""
    tried = {
        next(leaf for leaf in LEAVES if f"{line} ".startswith(f"{leaf} ")) for line in [*ROUND, *EMBEDDED, "new shop"]
    }
    assert tried == set(LEAVES) - SERVES


@pytest.mark.parametrize(
    "flags", [[], ["--verbose"], ["--debug"], ["--quiet"]], ids=lambda flags: "".join(flags) or "-"
)
def test_each_command_writes_one_document(
    cli: Cli, sandbox: Sandbox, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it does; with --quiet without events, with --debug with the server's commands among them."""
    monkeypatch.chdir(sandbox.folder)
    write_backup(sandbox.folder / "backups", "nightly")
    up = "db.trips.insert_one({'title': 'first'})\ndb.trips.create_index('old')"
    sandbox.migration(2, up, "db.trips.delete_many({'title': 'first'})\ndb.trips.drop_index('old_1')")
    sandbox.write("query.json", '{"find": "trips", "filter": {"title": "first"}}')
    events: set[str] = set()
    for line, key in ROUND.items():
        named = line.format(uri=sandbox.uri, database=sandbox.database, folder=sandbox.folder)
        ended = cli(*named.split(), "--json", *flags)
        # The sandbox's first migration updates a whole collection in one go, which the linter holds against it.
        assert ended.code == (ExitCode.PENDING if line == "migrate check" else ExitCode.OK), line
        check(ended)
        assert key in ended.document, line
        events |= {event["event"] for event in ended.events}
    with MongoClient[dict[str, Any]](sandbox.uri) as client:
        client.drop_database(f"{sandbox.database}_clone")
    if flags == ["--quiet"]:
        assert events == set()
    else:
        assert {"StepStarted", "StepFinished", "UnitStarted", "UnitFinished", "LockAcquired"} <= events
        assert ("CommandSent" in events) is (flags == ["--debug"])


def test_the_embedded_server_and_a_new_project(cli_offline: Cli, tmp_path: Path) -> None:
    """The commands that make something of their own: a project, and a server for it."""
    ended = cli_offline("new", str(tmp_path / "shop"), "--json")
    check(ended)
    assert all(Path(file).is_file() for file in ended.document["files"])
    for line, key in EMBEDDED.items():
        ended = cli_offline(*line.split(), "--json", "--project", str(tmp_path / "shop"))
        check(ended)
        assert ended.code == ExitCode.OK
        assert key in ended.document
    assert ended.document["stopped"] is True


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_the_flag_stands_anywhere(cli: Cli, place: str) -> None:
    """Before the command, between group and command, or behind."""
    lines = {"before": "--json migrate status", "between": "migrate --json status", "after": "migrate status --json"}
    ended = cli(*lines[place].split())
    check(ended)
    assert [one["version"] for one in ended.document["migrations"]] == [1, 2]


@pytest.mark.parametrize("line", ["migrate --json --to 1", "--json migrate --to 1", "migrate --to 1 --json"])
def test_the_flag_stands_anywhere_before_a_default_command(cli: Cli, line: str) -> None:
    """`migrate` alone is `migrate up`, wherever the flags stand."""
    ended = cli(*line.split())
    check(ended)
    assert [one["version"] for one in ended.document["ran"]] == [1]


def test_the_last_of_two_values_wins(cli_offline: Cli) -> None:
    """What stands behind the command is nearer to it."""
    ended = cli_offline("--env", "test", "config", "--env", "development", "show", "--env", "production", "--json")
    values = {one["key"]: one["value"] for one in ended.document["settings"]}
    assert values["environment"] == "production"


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("nonsense", ExitCode.USAGE, "UsageError"),
        ("status --nonsense", ExitCode.USAGE, "UsageError"),
        ("--nonsense status", ExitCode.USAGE, "UsageError"),
        ("migrate nonsense", ExitCode.USAGE, "UsageError"),
        ("migrate --to three", ExitCode.USAGE, "UsageError"),
        ("completion", ExitCode.USAGE, "UsageError"),
        ("reset", ExitCode.UNREACHABLE, "ConnectionFailedError"),
        ("status", ExitCode.UNREACHABLE, "ConnectionFailedError"),
        ("migrate", ExitCode.UNREACHABLE, "ConnectionFailedError"),
        ("seed --env production", ExitCode.REFUSED, "RefusedError"),
        ("new project", ExitCode.CONFIGURATION, "ConfigError"),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_an_error_is_the_one_document(
    cli_offline: Cli, offline: Sandbox, monkeypatch: pytest.MonkeyPatch, line: str, code: int, error: str, place: str
) -> None:
    """With its class, message, hint and exit code; nothing beside it, even when the command line makes no sense."""
    monkeypatch.chdir(offline.folder.parent)
    words = ["--json", *line.split()] if place == "before" else [*line.split(), "--json"]
    ended = cli_offline(*words)
    check(ended)
    assert ended.code == code
    assert (ended.document["error"], ended.document["exitCode"]) == (error, code)
    assert ended.document["message"]
    assert ended.document["hint"]


def test_errors_of_a_run_are_documents(cli: Cli, sandbox: Sandbox) -> None:
    """A failing migration with its fields, a failing step with what was done."""
    path = sandbox.migration(3, "raise ValueError('by hand')")
    ended = cli("migrate", "--json")
    check(ended)
    document = ended.document
    assert ended.code == ExitCode.FAILED
    assert document["error"] == "MigrationFailedError"
    assert (document["applied"], document["failed"]) == ([1, 2], 3)
    assert (document["path"], document["line"]) == (str(path), 3)
    assert [event["event"] for event in ended.events][-1] == "UnitFailed"
    ended = cli("init", "--json")
    check(ended)
    assert ended.document["error"] == "StepFailedError"
    assert ended.document["done"] == ["Collections and validators"]
    assert ended.document["notDone"] == ["Indexes", "Seeds"]


@pytest.mark.parametrize("group", [group for group in GROUPS if group not in WITH_DEFAULT])
def test_a_group_alone_is_an_error(cli_offline: Cli, group: str) -> None:
    """A program that names no command gets no page to read, but a document that says so."""
    ended = cli_offline(*group.split(), "--json")
    check(ended)
    assert ended.code == ExitCode.USAGE
    assert ended.document["message"].startswith("No command is named. There are: ")
    assert cli_offline(*group.split(), "--help", "--json").stdout.startswith("Usage: ")


def test_checks_write_their_document_too(cli: Cli) -> None:
    """The exit code is beside the result, not in its place."""
    for line in ("status --check", "migrate status --check", "indexes plan --check"):
        ended = cli(*line.split(), "--json")
        check(ended)
        assert ended.code == ExitCode.PENDING


LOUD = "import os, sys\nprint('loud')\nos.system('echo louder')\nprint('on stderr', file=sys.stderr)\n"


def test_what_the_users_files_print_is_no_result(sandbox: Sandbox) -> None:
    """Neither they nor the programs that they call write into the document, in whatever file they stand."""
    sandbox.complete()
    for name in ("collections/users.py", "migrations/0001_step.py", "scripts/seeds/0001_users.py"):
        text = (sandbox.folder / name).read_text(encoding="utf-8")
        sandbox.write(name, LOUD + text)
    sandbox.migration(3, LOUD)
    sandbox.migration(4, "raise ValueError('by hand')")
    for line, code in (("init --json", ExitCode.FAILED), ("seed --json", ExitCode.OK), ("status --json", ExitCode.OK)):
        ended = sandbox.run(*line.split())
        assert ended.returncode == code
        assert isinstance(json.loads(ended.stdout), dict)
        assert {"loud", "louder", "on stderr"} <= set(ended.stderr.splitlines())


def test_within_a_process_too(cli: Cli, sandbox: Sandbox) -> None:
    """Where standard output is a stream in memory, and it is as before afterwards."""
    sandbox.migration(3, "print('loud')")
    ended = cli("migrate", "--json")
    assert len(ended.document["ran"]) == 3
    assert "loud" in ended.stderr.splitlines()
    sandbox.migration(4, "print('loud')")
    assert cli("migrate").stdout.splitlines() == ["loud", "Applied 1 migration."]
