from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db import locking
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.mongo.client import Deployment

Documents = Database[dict[str, Any]]

SIGNALS = [signal.SIGINT, signal.SIGTERM]
# Importing one of these raises, so a command that ends well has imported none.
WITHOUT_A_DRIVER = "import sys\nfor name in ('pymongo', 'bson', 'gridfs', 'rich'): sys.modules[name] = None\n"

PATIENT = """
import time

def up(db, ctx):
    db.marks.insert_one({"_id": "began"})
    print("working", flush=True)
    while not ctx.should_stop:
        time.sleep(0.01)
    db.marks.insert_one({"_id": "ended"})
"""
DEAF = """
import pathlib, time

def up(db):
    db.marks.insert_one({{"_id": "began"}})
    print("working", flush=True)
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.01)
    db.marks.insert_one({{"_id": "ended"}})
"""
NEXT = "def up(db):\n    db.marks.insert_one({'_id': 'next'})\n"


def marks(database: Documents) -> set[str]:
    """What the migrations have left."""
    return set(database.marks.distinct("_id"))


def holder(database: Documents) -> str | None:
    """Who holds the lock."""
    state = locking.read_state(Deployment(database.client, database.name))
    return state.holder if state else None


def working(process: subprocess.Popen[str]) -> None:
    """Wait until the migration says that it works."""
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--help",
        "--version",
        "init --help",
        "migrate --help",
        "migrate create --name x",
        "new shop",
        "config show",
        "config show --json",
        "environment show",
        "completion bash",
        "completion zsh",
        "server status",
        "nonsense",
    ],
)
def test_offline_commands_import_no_driver(offline: Sandbox, tmp_path: Path, line: str) -> None:
    """What needs no database starts without one."""
    words = [str(tmp_path / "shop") if word == "shop" else word for word in line.split()]
    ended = offline.run(*words, prelude=WITHOUT_A_DRIVER)
    assert ended.returncode == (ExitCode.USAGE if line == "nonsense" else ExitCode.OK)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("line", ["--help", "--version"])
def test_the_quickest_commands_import_next_to_nothing(offline: Sandbox, line: str) -> None:
    """Neither the driver nor what is slow in the standard library nor the other commands."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "wayra_db", line], capture_output=True, text=True, check=True
    )
    loaded = {row.rpartition("|")[2].strip() for row in ended.stderr.splitlines() if row.startswith("import time:")}
    assert not loaded & {"pymongo", "bson", "rich", "asyncio", "tomllib", "ssl", "wayra_db.project", "wayra_db.server"}
    assert "wayra_db.cli._app" in loaded


@pytest.mark.parametrize("number", SIGNALS)
def test_a_migration_that_listens_ends_at_its_own_point(
    sandbox: Sandbox, wayra_database: Documents, number: signal.Signals
) -> None:
    """It ends and is recorded; the next does not begin; the lock is free."""
    sandbox.write("migrations/0001_patient.py", PATIENT)
    sandbox.write("migrations/0002_next.py", NEXT)
    process = sandbox.start("migrate")
    working(process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert f"stopped by {number.name} at a safe point" in stderr
    assert "Traceback" not in stderr
    assert marks(wayra_database) == {"began", "ended"}
    assert holder(wayra_database) is None
    assert sandbox.run("migrate").returncode == ExitCode.OK
    assert marks(wayra_database) == {"began", "ended", "next"}


@pytest.mark.parametrize("command", ["migrate", "init"])
def test_a_migration_that_does_not_listen_is_not_cut_in_two(
    sandbox: Sandbox, wayra_database: Documents, tmp_path: Path, command: str
) -> None:
    """The user is told that the signal was heard and how to insist; the migration in hand is finished."""
    sandbox.write("collections/marks.py", "from wayra_db import Collection\nmarks = Collection('marks')\n")
    sandbox.write("migrations/0001_deaf.py", DEAF.format(gate=str(tmp_path / "gate")))
    sandbox.write("migrations/0002_next.py", NEXT)
    process = sandbox.start(command)
    working(process)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    while "once more to break off now" not in process.stderr.readline():
        assert process.poll() is None
    (tmp_path / "gate").touch()
    process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert marks(wayra_database) == {"began", "ended"}
    assert holder(wayra_database) is None


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_breaks_off(
    sandbox: Sandbox, wayra_database: Documents, tmp_path: Path, number: signal.Signals
) -> None:
    """Nothing of the atomic migration in hand is kept, and the lock is free."""
    sandbox.write("migrations/0001_deaf.py", DEAF.format(gate=str(tmp_path / "never")))
    process = sandbox.start("migrate")
    working(process)
    process.send_signal(number)
    assert process.stderr is not None
    while "once more to break off now" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in stderr
    assert marks(wayra_database) == set()
    assert holder(wayra_database) is None


@pytest.mark.parametrize("number", SIGNALS)
def test_waiting_for_the_lock_can_be_stopped(
    sandbox: Sandbox, wayra_database: Documents, number: signal.Signals
) -> None:
    """At once, and the other runner keeps its lock."""
    sandbox.migration(1, "pass")
    deployment = Deployment(wayra_database.client, wayra_database.name)
    with locking.acquire(deployment, "another's", lease_seconds=60, timeout_seconds=0):
        process = sandbox.start("migrate")
        assert process.stderr is not None
        assert "waiting for" in process.stderr.readline()
        process.send_signal(number)
        process.communicate(timeout=60)
        assert holder(wayra_database) is not None
    assert process.returncode == ExitCode.INTERRUPTED


def test_two_at_once_take_turns(sandbox: Sandbox, wayra_database: Documents, tmp_path: Path) -> None:
    """One works, the other waits for it and then finds nothing to do."""
    sandbox.write("migrations/0001_deaf.py", DEAF.format(gate=str(tmp_path / "gate")))
    first = sandbox.start("migrate")
    working(first)
    second = sandbox.start("migrate")
    assert second.stderr is not None
    assert "waiting for" in second.stderr.readline()
    (tmp_path / "gate").touch()
    ended = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (ExitCode.OK, ExitCode.OK)
    assert "Applied 1 migration" in ended[0]
    assert "Nothing to do" in ended[1]
    assert marks(wayra_database) == {"began", "ended"}


@pytest.mark.parametrize("line", ["status", "status --json", "migrate status", "--help", "config show"])
def test_nobody_reads_the_output(sandbox: Sandbox, line: str) -> None:
    """`wayra-db status | head -1` is quiet: a reader that has seen enough is no error."""
    sandbox.complete()
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "wayra_db", "--project", str(sandbox.folder), *line.split()],
            env={"PATH": os.environ["PATH"], **sandbox.environ()},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (ExitCode.OK, "")


def completed(sandbox: Sandbox, words: str) -> list[str]:
    """What the shell is told when Tab is pressed behind `words`."""
    count = len(words.split()) - 1
    asked = {"_WAYRA_DB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    ended = sandbox.run(prelude=WITHOUT_A_DRIVER, **asked)
    assert ended.returncode == 0
    return [line.partition(",")[2] for line in ended.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("wayra-db mig", ["migrate"]),
        ("wayra-db migrate ro", ["rollback"]),
        ("wayra-db --env p", ["production"]),
        ("wayra-db status --env p", ["production"]),
        ("wayra-db init --re", ["--reset"]),
        ("wayra-db init --js", ["--json"]),
        ("wayra-db migrate status --pro", ["--project"]),
        ("wayra-db migrate --ste", ["--steps"]),
    ],
)
def test_completion(offline: Sandbox, words: str, expected: list[str]) -> None:
    """What the shell asks with Tab, answered without a driver."""
    assert completed(offline, words) == expected


SHARED = {"--json", "--env", "--project", "--uri", "--yes", "--verbose"}


@pytest.mark.parametrize(
    ("words", "own"),
    [
        ("wayra-db --", {"--version"}),
        ("wayra-db status --", {"--check"}),
        ("wayra-db migrate --", {"--steps", "--dry-run"}),
        ("wayra-db migrate rollback --", {"--steps", "--all"}),
    ],
)
def test_completion_knows_what_every_command_takes(offline: Sandbox, words: str, own: set[str]) -> None:
    """A command's own options and the shared ones, each once, though its help lists only the former."""
    offered = completed(offline, words)
    assert SHARED | own <= set(offered)
    assert len(offered) == len(set(offered))
    if words != "wayra-db --":
        shown = offline.run(*words.split()[1:-1], "--help").stdout
        assert "--verbose" not in shown


def test_a_full_disk_is_an_error(offline: Sandbox) -> None:
    """A result that could not be written has not been given."""
    with Path("/dev/full").open("wb") as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "wayra_db", "--project", str(offline.folder), "config", "show"],
            env={"PATH": os.environ["PATH"]},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == ExitCode.FAILED
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--version", ExitCode.OK),
        ("--help", ExitCode.OK),
        ("init", ExitCode.OK),
        ("init --json", ExitCode.OK),
        ("status", ExitCode.OK),
        ("status --check", ExitCode.PENDING),
        ("reset", ExitCode.USAGE),
        ("nonsense", ExitCode.USAGE),
        ("migrate --env production --uri mongodb://127.0.0.1:1 --server-selection-timeout 0.05", ExitCode.UNREACHABLE),
    ],
)
def test_a_closed_stream_is_no_error(sandbox: Sandbox, closed: str, line: str, code: int) -> None:
    """As daemons and schedulers start programs: what cannot be shown is not shown, and the exit code is right."""
    sandbox.complete()
    command = [sys.executable, "-m", "wayra_db", "--project", str(sandbox.folder), *line.split()]
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        env={"PATH": os.environ["PATH"], **sandbox.environ()},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert (ended.stdout == "") or ">&-" not in closed.split()
    assert (ended.stderr == "") or "2>&-" not in closed.split()


def test_a_terminal_without_unicode(sandbox: Sandbox) -> None:
    """Signs that it does not have are replaced, never an error."""
    sandbox.complete()
    ended = sandbox.run("init", PYTHONIOENCODING="ascii")
    assert ended.returncode == ExitCode.OK
    assert sandbox.run("status", PYTHONIOENCODING="ascii").returncode == ExitCode.OK


def test_what_a_migration_logs(sandbox: Sandbox) -> None:
    """`ctx.log` is a line for people and an event for programs; other libraries' chatter is not shown."""
    sandbox.write(
        "migrations/0001_chatty.py",
        "import logging\ndef up(db, ctx):\n    ctx.log.info('halfway there')\n    ctx.log.warning('careful')\n"
        "    logging.getLogger('other').info('chatter')\n",
    )
    ended = sandbox.run("migrate")
    assert "halfway there\n" in ended.stderr
    assert "warning: careful\n" in ended.stderr
    assert "chatter" not in ended.stderr
