from __future__ import annotations

import contextlib
import re
import shlex
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import NOWHERE, Cli, call
from tests.support import Sandbox
from wayra_db import audit, locking
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.mongo.client import Deployment
from wayra_db.testing import ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]
Prepare = Callable[[Sandbox], object]


def two_lines(stderr: str) -> tuple[str, str]:
    """The error and the hint, and that there is nothing else."""
    error, hint = stderr.splitlines()
    assert re.match(r"error(\[[a-z-]+\])?: ", error)
    assert hint.startswith("hint: ")
    return error, hint


# --- 0, 1, 3 --------------------------------------------------------------------------------------------------------


def test_the_first_day(cli: Cli) -> None:
    """Everything pending, everything made, nothing left: each with its exit code and a word."""
    assert cli("status", "--check").code == ExitCode.PENDING
    assert cli("migrate", "status", "--check").code == ExitCode.PENDING
    assert cli("indexes", "plan", "--check").code == ExitCode.PENDING
    assert cli("status").code == cli("migrate", "status").code == cli("indexes", "plan").code == ExitCode.OK
    assert cli("init").code == ExitCode.OK
    for check in (("status", "--check"), ("migrate", "status", "--check"), ("indexes", "plan", "--check")):
        assert cli(*check).code == ExitCode.OK
    again = cli("init")
    assert (again.code, again.stdout.splitlines()[0][:18]) == (ExitCode.OK, "Nothing to change:")
    for command in (("migrate",), ("seed",), ("indexes", "apply")):
        ended = cli(*command)
        assert (ended.code, ended.stdout[:14]) == (ExitCode.OK, "Nothing to do:")
    assert "Rolled back 1 migration" in cli("migrate", "rollback", "--version", "2").stdout
    assert cli("migrate", "--dry-run").stdout.startswith("  up   0002")
    assert "Applied 1 migration" in cli("migrate").stdout


@pytest.mark.parametrize(
    ("up", "shown"),
    [
        ("raise ValueError('broken by hand')", "ValueError: broken by hand"),
        ("db.users.insert_one({'_id': 1}); db.users.insert_one({'_id': 1})", "DuplicateKeyError (code 11000)"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
    ],
)
def test_a_failing_migration(cli: Cli, sandbox: Sandbox, wayra_database: Documents, up: str, shown: str) -> None:
    """File and line of the user's own code; even an exit counts as a failure, and nothing of it is kept."""
    path = sandbox.migration(3, up)
    ended = cli("migrate", "--quiet")
    error, hint = two_lines(ended.stderr.partition("\n")[2] if ended.stderr.startswith("  ") else ended.stderr)
    assert ended.code == ExitCode.FAILED
    assert f"{path}:3" in error
    assert shown in error
    assert "Nothing of it was kept" in hint
    assert wayra_database.users.count_documents({}) == 0
    assert lock_is_free(wayra_database)


@pytest.mark.parametrize("head", ["", "transactional = False"])
def test_an_async_migration_that_exits(sandbox: Sandbox, head: str) -> None:
    """It fails like any other; the process neither hangs nor ends well."""
    sandbox.migration(1, "import sys\nawait db.users.insert_one({})\nsys.exit(0)", is_async=True, head=head)
    ended = call(sandbox, "migrate")
    assert ended.code == ExitCode.FAILED
    assert "0001_step.py:" in ended.stderr
    assert "the function called exit(0)" in ended.stderr


def test_neighbours_are_found_while_a_unit_runs(cli: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """A migration or seed may import the file beside it inside its function."""
    sandbox.write("migrations/_common.py", "title = 'by a migration'\n")
    sandbox.migration(3, "from _common import title\ndb.trips.insert_one({'title': title})")
    sandbox.write("scripts/seeds/_common.py", "title = 'by a seed'\n")
    sandbox.write(
        "scripts/seeds/0002_trips.py",
        "environments = ['development']\nrequired = True\n"
        "def seed(db):\n    from _common import title\n    db.trips.insert_one({'title': title})\n",
    )
    assert cli("init").code == ExitCode.OK
    assert {"by a migration", "by a seed"} <= set(wayra_database.trips.distinct("title"))


def test_a_failing_step_of_init(cli: Cli, wayra_database: Documents) -> None:
    """What was done, what was not, and how to go on."""
    wayra_database.users.insert_many([{"email": "x"}, {"email": "x"}])
    ended = cli("init", "--adopt")
    assert ended.code == ExitCode.FAILED
    assert "Done: Collections and validators, Migrations. Not done: Indexes, Seeds." in ended.stderr


@pytest.mark.parametrize("command", ["new", "migrate create --name x"])
def test_what_the_system_refuses(cli_offline: Cli, offline: Sandbox, command: str) -> None:
    """A file in the place of a folder is no fault of the tool's: the system's own words, and which path."""
    blocked = offline.write("file", "x")
    if command == "new":
        ended = cli_offline("new", str(blocked / "shop"))
    else:
        ended = cli_offline(*command.split(), WAYRA_MIGRATIONS_DIR=str(blocked / "migrations"))
    assert ended.code == ExitCode.FAILED
    assert "fault in wayra-db" not in ended.stderr
    assert str(blocked) in ended.stderr


# --- 2: usage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "nonsense",
        "migrate nonsense",
        "status --nonsense",
        "status extra",
        "--nonsense status",
        "--env staging status",
        "--lock-timeout soon status",
        "migrate --to three",
        "migrate --steps 0",
        "migrate --steps -1",
        "migrate create",
        "migrate rollback",
        "migrate rollback --version 1 --all",
        "migrate rollback --steps 1 --version 1",
        "migrate repair --version 1",
        "migrate repair --accept-edit",
        "migrate repair --version 1 --accept-edit --as applied",
        "migrate repair --version 1 --as done",
        "init --quick --reset",
        "completion tcsh",
        "completion",
        "new",
        "environment set staging",
        "server logs --lines 0",
    ],
)
def test_wrong_usage(cli_offline: Cli, arguments: str) -> None:
    """Two lines: what is wrong, and whose help to read; the server is not even asked."""
    ended = cli_offline(*arguments.split())
    assert ended.code == ExitCode.USAGE
    assert ended.stdout == ""
    _, hint = two_lines(ended.stderr)
    assert hint.endswith(" --help`.")


@pytest.mark.parametrize(
    "arguments", ["migrate --to 99", "migrate rollback --version 99", "migrate rollback --version 1"]
)
def test_a_version_that_is_not_there(cli: Cli, arguments: str) -> None:
    """Wrong usage as well, told once the versions are known."""
    ended = cli(*arguments.split())
    assert ended.code == ExitCode.USAGE
    two_lines(ended.stderr)


@pytest.mark.parametrize(
    "arguments", ["reset", "clear", "init --reset", "environment set test", "migrate rollback --all"]
)
@pytest.mark.parametrize("flag", ["", "--no-input"])
def test_nobody_is_there_to_confirm(
    cli: Cli, sandbox: Sandbox, wayra_database: Documents, arguments: str, flag: str
) -> None:
    """Without a terminal a question is an error that names --yes, and nothing is touched."""
    sandbox.migration(1, "pass", "pass")
    cli("init")
    before = wayra_database["_wayra_log"].count_documents({})
    ended = cli(*arguments.split(), *flag.split())
    assert ended.code == ExitCode.USAGE
    assert "--yes" in ended.stderr
    assert wayra_database["_wayra_log"].count_documents({}) == before
    assert wayra_database.users.count_documents({}) == 2


@pytest.mark.parametrize("words", [["new", ""], ["new", " "], ["--project", "", "status"]])
def test_an_empty_path_is_no_path(
    cli_offline: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """As an unset variable in a script gives it: nothing is made or changed in the folder where that runs."""
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    ended = cli_offline(*words)
    assert ended.code == ExitCode.USAGE
    assert "is empty" in ended.stderr
    assert list(outside.iterdir()) == []


# --- advice ---------------------------------------------------------------------------------------------------------


def pasted(sandbox: Sandbox, text: str) -> str:
    """The first command in some advice, as a shell would read it."""
    words = shlex.split(re.split(r"[`\n]|  |(?: claims it)", text.partition("wayra-db ")[2])[0])
    assert words[:2] == ["--project", str(sandbox.folder)]
    return shlex.join(words[2:]).rstrip(".")


def test_commands_in_advice_can_be_pasted(sandbox: Sandbox) -> None:
    """They name the project and the environment that this command was told, quoted where need be."""
    sandbox.folder = sandbox.folder.rename(sandbox.folder.parent / "my project")
    sandbox.complete()
    ended = call(sandbox, "--env", "test", "status")
    assert pasted(sandbox, ended.stdout) == "--env test init"
    ended = call(sandbox, "--env", "test", "init")
    for line in ended.stderr.partition("Try next:\n")[2].splitlines():
        assert pasted(sandbox, line).startswith("--env test ")
    sandbox.migration(3, "raise ValueError", head="transactional = False")
    call(sandbox, "--env", "test", "migrate")
    ended = call(sandbox, "--env", "test", "migrate")
    assert pasted(sandbox, ended.stderr) == "--env test migrate repair --version 3 --as applied"


def test_status_advises_what_is_not_refused(cli: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """On a database with data of its own, and with an index that is not as declared: what is advised works."""
    wayra_database.theirs.insert_one({"precious": True})
    wayra_database.users.create_index("email")
    ended = cli("status")
    assert {line.partition("→ ")[2] for line in ended.stdout.splitlines() if line.startswith("  !")} == {
        f"Claim it, if it is the one you mean: wayra-db --project {sandbox.folder} init --adopt"
    }
    assert any("index users.email_1" in line for line in ended.stdout.splitlines())
    assert cli(*pasted(sandbox, ended.stdout).split()).code == ExitCode.OK
    assert cli("status", "--check").code == ExitCode.OK


def test_an_environment_that_cannot_be_read(wayra_auth_server: TemporaryServer, offline: Sandbox) -> None:
    """It may be there: nobody is told to initialise such a database, and it does not count as well."""
    uri = wayra_auth_server.uri.replace(f"root:{wayra_auth_server.password}@", "").replace("&authSource=admin", "")
    ended = call(offline, "status", "--check", MONGODB_URI=uri)
    assert ended.code == ExitCode.PENDING
    assert "environment could not be read" in ended.stdout
    assert "never initialised" not in ended.stdout
    assert "→" not in ended.stdout


# --- 10: unreachable ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["status", "init", "init --quick", "migrate", "migrate status", "seed", "indexes plan", "reset --yes"]
)
def test_a_server_that_is_down(cli_offline: Cli, command: str) -> None:
    """Two lines with the address and what to do, whatever the command."""
    ended = cli_offline(*command.split())
    assert ended.code == ExitCode.UNREACHABLE
    assert ("out of reach" in ended.stdout) if command == "status" else ended.stdout == ""
    error, hint = two_lines(ended.stderr)
    assert error.startswith("error[connection-failed]: ")
    assert NOWHERE in error
    assert "Start the server or correct MONGODB_URI" in hint


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mongodb://no-such-host.invalid/db", "cannot be resolved"),
        ("http://localhost:27017/db", "the MongoDB URI cannot be used"),
        ("mongodb://", "the MongoDB URI cannot be used"),
        ("mongodb://user:pa@ss@localhost/db", "the MongoDB URI cannot be used"),
        ("mongodb://localhost:port/db", "the MongoDB URI cannot be used"),
        ("mongodb://[::1/db", "the MongoDB URI cannot be used"),
        ("mongodb://localhost:1/db?tls=true&tlsInsecure=maybe", ""),
    ],
)
def test_addresses_that_cannot_be_used(cli_offline: Cli, uri: str, said: str) -> None:
    """Each in its own words, with the next step."""
    ended = cli_offline("status", MONGODB_URI=uri)
    assert ended.code == ExitCode.UNREACHABLE
    assert said in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile", "tlsCRLFile"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_tls_file_that_cannot_be_used(cli_offline: Cli, tmp_path: Path, option: str, content: str | None) -> None:
    """One that is not there and one that holds something else: the options that name such files."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    ended = cli_offline("status", MONGODB_URI=f"mongodb://127.0.0.1:1/x?tls=true&{option}={path}")
    assert ended.code == ExitCode.UNREACHABLE
    error, hint = two_lines(ended.stderr)
    assert "TLS file" in error
    assert (str(path) in error) is (content is None)
    assert option in hint


def test_a_server_that_accepts_only_tls(cli_offline: Cli) -> None:
    """It closes a connection without it, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def close_all() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.recv(4096)
                    connection.close()

        pool.submit(close_all)
        ended = cli_offline("status", MONGODB_URI=f"mongodb://127.0.0.1:{listener.getsockname()[1]}/x")
        listener.shutdown(socket.SHUT_RDWR)
    assert ended.code == ExitCode.UNREACHABLE
    _, hint = two_lines(ended.stderr)
    assert "tls=true" in hint


def test_tls_against_a_server_without(cli: Cli, wayra_server: ServerUnderTest) -> None:
    """It is told apart from a server that is down."""
    separator = "&" if "?" in wayra_server.uri else "?"
    ended = cli("--server-selection-timeout", "0.3", "status", MONGODB_URI=f"{wayra_server.uri}{separator}tls=true")
    assert ended.code == ExitCode.UNREACHABLE
    error, hint = two_lines(ended.stderr)
    assert "no TLS connection" in error
    assert "tls=false" in hint


def test_a_replica_set_of_another_name(cli: Cli, wayra_server: ServerUnderTest) -> None:
    """The name in the URI is what to look at."""
    uri = wayra_server.uri.replace("replicaSet=wayra", "replicaSet=other")
    ended = cli("--server-selection-timeout", "0.3", "status", MONGODB_URI=uri)
    assert ended.code == ExitCode.UNREACHABLE
    assert "replicaSet" in ended.stderr


def test_credentials(wayra_auth_server: TemporaryServer, offline: Sandbox) -> None:
    """None, a wrong password and a wrong user are refused alike; the right ones get in. No password is shown."""
    right = wayra_auth_server.uri
    password = wayra_auth_server.password or ""
    for uri in (
        right.replace(f":{password}@", ":guessed-Pa55@"),
        right.replace("root:", "nobody:"),
        right.replace(f"root:{password}@", "").replace("&authSource=admin", ""),
    ):
        ended = call(offline, "migrate", "status", MONGODB_URI=uri)
        assert ended.code == ExitCode.UNREACHABLE
        error, hint = two_lines(ended.stderr)
        assert len(error) < 200
        assert "@" in uri or "mongodb://user:password@host" in hint
        assert password not in ended.stderr
        assert "guessed-Pa55" not in ended.stderr
    assert call(offline, "status", MONGODB_URI=right).code == ExitCode.OK


# --- 11: locked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["migrate", "init", "seed", "indexes apply", "reset --yes", "clear --yes"])
def test_a_lock_that_somebody_holds(cli: Cli, wayra_database: Documents, command: str) -> None:
    """Who holds it and for what; the database is as before."""
    deployment = Deployment(wayra_database.client, wayra_database.name)
    with locking.acquire(deployment, "somebody's command", lease_seconds=30, timeout_seconds=0):
        ended = cli("--lock-timeout", "0", *command.split())
        assert wayra_database.list_collection_names(filter={"name": {"$regex": "^(?!_wayra_)"}}) == []
    assert ended.code == ExitCode.LOCKED
    assert "somebody's command" in ended.stderr
    assert "--lock-timeout" in ended.stderr


def test_reading_needs_no_lock(cli: Cli, wayra_database: Documents) -> None:
    """And tells who holds it."""
    deployment = Deployment(wayra_database.client, wayra_database.name)
    with locking.acquire(deployment, "somebody's command", lease_seconds=30, timeout_seconds=0):
        assert "held by" in cli("--lock-timeout", "0", "status").stdout
        assert cli("--lock-timeout", "0", "migrate", "status").code == ExitCode.OK


# --- 12: configuration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "command", "said"),
    [
        ("wayra-db.toml", "[database\n", "status", "wayra-db.toml"),
        ("wayra-db.toml", "[databse]\nname = 'x'\n", "status", "did you mean"),
        ("wayra-db.toml", "[database]\nname = 3\n", "status", "wayra-db.toml:2"),
        ("collections/users.py", "users = 3\n", "init", "users.py"),
        ("collections/users.py", "import nowhere_at_all\n", "indexes plan", "users.py:1"),
        ("migrations/0001_step.py", "def down(db): ...\n", "migrate", "0001_step.py"),
        ("migrations/0001_step.py", "raise ValueError\ndef up(db): ...\n", "migrate", "0001_step.py:1"),
        ("migrations/notes.py", "", "migrate status", "notes.py"),
        ("scripts/seeds/0001_users.py", "def seed(db): ...\n", "seed", "0001_users.py"),
    ],
)
def test_broken_files(cli: Cli, sandbox: Sandbox, name: str, text: str, command: str, said: str) -> None:
    """The file, the line where there is one, a hint; nothing is changed."""
    sandbox.write(name, text)
    ended = cli(*command.split())
    assert ended.code == ExitCode.CONFIGURATION
    assert said.lower() in ended.stderr.lower()
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        ("status", {"WAYRA_ENV": "staging"}),
        ("status", {"WAYRA_LOCK_TIMEOUT": "soon"}),
        ("status --database a/b", {}),
        ("status --lock-timeout -1", {}),
        ("status --project /no/such/folder", {}),
    ],
)
def test_impossible_settings(cli_offline: Cli, arguments: str, environ: dict[str, str]) -> None:
    """Whatever their source."""
    ended = cli_offline(*arguments.split(), **environ)
    assert ended.code == ExitCode.CONFIGURATION
    assert ended.stderr.startswith("error[config]: ")


@pytest.mark.parametrize(
    "command", ["status", "init", "migrate", "migrate status", "migrate create --name x", "seed status"]
)
def test_outside_a_project(
    offline: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wayra_server: ServerUnderTest, command: str
) -> None:
    """How to name or make one."""
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    ended = call(offline, *command.split(), anywhere=True, MONGODB_URI=wayra_server.uri)
    assert ended.code == ExitCode.CONFIGURATION
    assert "wayra-db new" in ended.stderr
    assert list(outside.iterdir()) == []


def test_a_project_in_the_place_of_another(cli_offline: Cli, offline: Sandbox) -> None:
    """`new` overwrites nothing."""
    before = {path: path.read_bytes() for path in offline.folder.rglob("*") if path.is_file()}
    ended = cli_offline("new", str(offline.folder))
    assert ended.code == ExitCode.CONFIGURATION
    assert {path: path.read_bytes() for path in offline.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", ["status", "init", "migrate", "migrate status", "indexes apply"])
def test_production_without_an_address(cli_offline: Cli, offline: Sandbox, command: str) -> None:
    """It never falls back to the embedded server."""
    ended = cli_offline(*command.split(), WAYRA_ENV="production", MONGODB_URI="", WAYRA_LOG_FORMAT="text")
    assert ended.code == ExitCode.CONFIGURATION
    error, hint = two_lines(ended.stderr)
    assert "no MongoDB URI is set" in error
    assert "MONGODB_URI" in hint
    assert not (offline.folder / ".wayra").exists()


# --- 13: history ----------------------------------------------------------------------------------------------------


def _edit(sandbox: Sandbox) -> None:
    sandbox.migration(1, "pass")


def _remove(sandbox: Sandbox) -> None:
    (sandbox.folder / "migrations" / "0001_step.py").unlink()


def _insert(sandbox: Sandbox) -> None:
    (sandbox.folder / "migrations" / "0002_step.py").rename(sandbox.folder / "migrations" / "0009_step.py")


def _double(sandbox: Sandbox) -> None:
    sandbox.write("migrations/0002_again.py", "def up(db): ...\n")


def _late(sandbox: Sandbox) -> None:
    sandbox.migration(7, "pass")
    call(sandbox, "migrate")
    sandbox.migration(5, "pass")


def _break(sandbox: Sandbox) -> None:
    sandbox.migration(3, "raise ValueError", head="transactional = False")
    assert call(sandbox, "migrate").code == ExitCode.FAILED


@pytest.mark.parametrize("change", [_edit, _remove, _insert, _double, _late, _break], ids=lambda one: one.__name__[1:])
def test_files_and_history_do_not_agree(cli: Cli, sandbox: Sandbox, change: Prepare) -> None:
    """`migrate` and `init` refuse and name the version; `migrate status` still shows where things stand."""
    cli("init")
    change(sandbox)
    for command in ("migrate", "init"):
        ended = cli(command)
        assert ended.code == ExitCode.HISTORY
        assert "hint: " in ended.stderr
    if change is not _double:
        assert cli("migrate", "status").code == ExitCode.OK
        assert cli("status", "--check").code == ExitCode.PENDING


def test_repair_ends_a_mismatch(cli: Cli, sandbox: Sandbox) -> None:
    """With the very command that the hint names."""
    cli("init")
    _edit(sandbox)
    hint = cli("migrate").stderr.splitlines()[1]
    command = hint.rpartition("`wayra-db ")[2].rstrip("`.")
    assert cli(*command.split()).code == ExitCode.OK
    assert cli("migrate").code == ExitCode.OK
    _break(sandbox)
    assert cli("migrate", "repair", "--version", "3", "--as", "applied").code == ExitCode.OK
    assert cli("status", "--check").code == ExitCode.OK


# --- 14: refused ----------------------------------------------------------------------------------------------------

DESTRUCTIVE = [
    "reset",
    "reset --yes",
    "clear",
    "clear --yes",
    "seed",
    "seed --again",
    "init --reset",
]


@pytest.mark.parametrize("command", DESTRUCTIVE)
def test_production_refuses(cli: Cli, sandbox: Sandbox, wayra_database: Documents, command: str) -> None:
    """Before anything is asked or touched, and with what would allow it."""
    cli("init", WAYRA_ENV="production")
    wayra_database.users.insert_one({"email": "customer@example.com"})
    before = {name: list(wayra_database[name].find()) for name in wayra_database.list_collection_names()}
    ended = cli(*command.split(), WAYRA_ENV="production", WAYRA_LOG_FORMAT="text")
    assert ended.code == ExitCode.REFUSED
    assert "refused in production" in ended.stderr
    two_lines(ended.stderr)
    after = {name: list(wayra_database[name].find()) for name in wayra_database.list_collection_names()}
    assert {name: found for name, found in after.items() if name != audit.REFUSALS} == before


@pytest.mark.parametrize("command", [*DESTRUCTIVE, "server start"])
def test_production_refuses_without_a_connection(cli_offline: Cli, offline: Sandbox, command: str) -> None:
    """The answer needs no server."""
    for environ in ({}, {"MONGODB_URI": ""}):
        assert cli_offline(*command.split(), WAYRA_ENV="production", **environ).code == ExitCode.REFUSED
    assert not (offline.folder / ".wayra").exists()


def test_rollback_in_production_needs_a_flag(cli: Cli) -> None:
    """And says which."""
    cli("init", WAYRA_ENV="production")
    ended = cli("migrate", "rollback", "--steps", "1", WAYRA_ENV="production")
    assert ended.code == ExitCode.REFUSED
    assert "--allow-production" in ended.stderr
    flag = "--allow-production"
    assert cli("migrate", "rollback", "--steps", "1", flag, WAYRA_ENV="production").code == ExitCode.OK


def test_a_database_of_another_environment(cli: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """Every command that changes something is refused; those that read are not."""
    cli("init", WAYRA_ENV="production")
    sandbox.migration(3, "db.users.insert_one({'email': 'oops'})")
    for command in ("migrate", "init", "seed", "reset --yes", "clear --yes", "migrate rollback --steps 1"):
        ended = cli(*command.split(), WAYRA_ENV="test")
        assert ended.code == ExitCode.REFUSED
        assert "belongs to production" in ended.stderr
    assert wayra_database.users.count_documents({}) == 0
    assert cli("status", WAYRA_ENV="test").code == ExitCode.OK


def test_a_database_that_nobody_has_claimed(cli: Cli, wayra_database: Documents) -> None:
    """It holds somebody's data: `init --adopt` says that it is meant."""
    wayra_database.theirs.insert_one({"precious": True})
    for command in ("init", "migrate", "seed", "reset --yes"):
        ended = cli(*command.split())
        assert ended.code == ExitCode.REFUSED
        assert "init --adopt" in ended.stderr
    assert wayra_database.list_collection_names() == ["theirs"]
    assert cli("init", "--adopt").code == ExitCode.OK
    assert wayra_database.theirs.count_documents({"precious": True}) == 1


def lock_is_free(database: Documents) -> bool:
    """Whether nobody holds the lock."""
    state = locking.read_state(Deployment(database.client, database.name))
    return state is None or state.holder is None
