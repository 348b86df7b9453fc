"""What the migration commands say where it matters: after failures, beside pending ones, and of locks."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli, call
from tests.support import Sandbox
from wayra_db import locking
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.mongo.client import Deployment

Documents = Database[dict[str, Any]]


def test_status_tells_error_and_line_and_with_v_the_way(sandbox: Sandbox, cli: Cli) -> None:
    """As text, and everything with --json; the log's table stays one line an entry."""
    sandbox.migration(3, "raise ValueError('no')")
    failed = cli("migrate", "--json")
    assert failed.document["line"] == 3
    assert 'File "migrations/0003_step.py", line 3, in up' in failed.document["traceback"]
    plain = cli("migrate", "status").stdout
    assert "up failed at line 3 on " in plain
    assert "ValueError: no; nothing of it was kept" in plain
    assert "File" not in plain
    told = cli("migrate", "status", "-v").stdout
    assert '      File "migrations/0003_step.py", line 3, in up\n    ValueError: no\n' in told
    document = cli("migrate", "status", "--json").document["migrations"][2]
    assert (document["error"], document["line"]) == ("ValueError: no", 3)
    assert document["traceback"] == failed.document["traceback"]
    logged = cli("migrate", "history").stdout.splitlines()[-1]
    assert "migration failed" in logged
    assert "line 3" in logged
    assert "File" not in logged


def test_nothing_up_to_a_version_is_not_nothing_pending(cli: Cli) -> None:
    """What is pending behind it is counted."""
    assert cli("migrate", "--to", "1").stdout == "Applied 1 migration.\n"
    assert cli("migrate", "--to", "1").stdout == "Nothing to do up to version 1; 1 migration behind it is pending.\n"
    cli("migrate")
    assert cli("migrate", "--to", "1").stdout == "Nothing to do: no migration is pending.\n"


def test_check_names_files_from_the_project_on(
    offline: Sandbox, cli_offline: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever one stands, so that two checkouts give the same text."""
    offline.migration(3, "db.users.update_many({}, {'$set': {'a': 1}})")
    monkeypatch.chdir("/")
    ended = cli_offline("migrate", "check")
    assert ended.code == ExitCode.PENDING
    assert "\nmigrations/0003_step.py:3:5: error MG101" in ended.stdout
    assert "latest.txt is missing; it should name 0003_step.py" in " ".join(ended.stdout.split())
    assert str(offline.folder) not in ended.stdout


def test_the_advice_after_another_filter_works(sandbox: Sandbox, cli: Cli, wayra_database: Documents) -> None:
    """`status` names a command that goes on, and not the one that is refused again."""
    body = "def up(db, ctx):\n    for batch in ctx.batches('things', FILTER, size=1):\n" \
        "        batch.update_many({'$set': {'n': 1}})\n        if STOP: raise ValueError\n"  # fmt: skip
    cli("migrate")
    wayra_database.things.insert_many([{"_id": number} for number in range(3)])
    sandbox.write("migrations/0003_step.py", body.replace("FILTER", "{}").replace("STOP", "batch.number == 2"))
    cli("migrate")
    sandbox.write("migrations/0003_step.py", body.replace("FILTER", "{'n': None}").replace("STOP", "False"))
    assert "with another filter" in cli("migrate").stderr
    told = cli("migrate", "status").stdout
    assert "put the old collection, filter and key back; or, if beginning again is right: " in told
    command = shlex.split(told.rpartition("is right: ")[2].splitlines()[0])
    assert call(sandbox, *command[3:], anywhere=False).code == ExitCode.OK
    assert cli("migrate").stdout == "Applied 1 migration.\n"
    assert wayra_database.things.count_documents({"n": 1}) == 3


def test_a_dead_holder_of_this_machine(sandbox: Sandbox, cli: Cli, wayra_database: Documents) -> None:
    """The lock's status says that it is dead, and that nobody has to wait for its lease to end."""
    cli("init")
    prelude = "from wayra_db import locking\nfrom wayra_db.mongo.client import Deployment\n" \
        "from pymongo import MongoClient\nimport os, sys\n" \
        "deployment = Deployment(MongoClient(sys.argv[1]), sys.argv[2])\n" \
        "locking.acquire(deployment, 'migrate up', lease_seconds=600, timeout_seconds=0)\nos._exit(9)\n"  # fmt: skip
    ended = subprocess.run([sys.executable, "-c", prelude, sandbox.uri or "", sandbox.database], check=False)
    assert ended.returncode == 9
    told = cli("lock", "status").stdout
    assert f" on {socket.gethostname()} held the lock.\n" in told
    assert "unless extended" not in told
    assert "That process is dead, so nobody holds the lock: the next command takes it at once.\n" in told
    assert cli("lock", "status", "--json").document["lock"]["died"] is True
    assert cli("migrate", "redo").code == ExitCode.OK
    deployment = Deployment(wayra_database.client, wayra_database.name)
    with locking.acquire(deployment, "somebody's command", lease_seconds=30, timeout_seconds=0):
        told = cli("lock", "status").stdout
        assert "holds the lock" in told
        assert "dead" not in told


def test_help_names_what_the_backup_takes_in_production(cli_offline: Cli) -> None:
    """Both the flag and the setting."""
    told = " ".join(cli_offline("migrate", "up", "--help").stdout.split())
    assert "the backup takes the setting backups.allow_production as well as --allow" in told
