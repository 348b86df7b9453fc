"""`backup export` and `backup import` as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

Documents = Database[dict[str, Any]]


@pytest.fixture
def filled(cli: Cli, wayra_database: Documents) -> Cli:
    """The command line on an initialised database with two users."""
    assert cli("init").code == 0
    return cli


def test_the_example_of_the_help(filled: Cli, sandbox: Sandbox) -> None:
    """With a query, a limit and a place; what was done is one line on standard output."""
    query = '{"email": {"$regex": "^ada"}}'
    ended = filled(
        "backup", "export", "users", "--query", query, "--limit", "10", "--output", str(sandbox.folder / "u.jsonl")
    )
    assert (ended.code, ended.stdout.startswith("Exported 1 document of users to ")) == (0, True), ended.stderr
    assert json.loads((sandbox.folder / "u.jsonl").read_text())["email"] == "ada@example.com"
    again = filled("backup", "export", "users", "--output", str(sandbox.folder / "u.jsonl"))
    assert again.code == ExitCode.FAILED
    assert "is there already" in again.stderr


def test_a_query_in_a_file(filled: Cli, sandbox: Sandbox) -> None:
    """`@FILE` reads it; what is wrong in it has its place."""
    path = sandbox.write("query.json", '{"email": "ada@example.com"}')
    assert "Exported 1 document" in filled("backup", "export", "users", "--query", f"@{path}").stdout
    path.write_text('{"email":\n  ada}')
    ended = filled("backup", "export", "users", "--query", f"@{path}")
    assert ended.code == ExitCode.USAGE
    assert f"{path}: line 2, column 3: it is no JSON: expecting value" in ended.stderr
    assert filled("backup", "export", "users", "--query", f"@{path}x").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "users", "--query", "{isActive: true}"], "line 1, column 2: it is no JSON"),
        (["export", "users", "--query", "[1]"], "no document"),
        (["export", "users", "--sort", "email"], "it is no JSON"),
        (["export", "users", "--limit", "0"], "0 is not in the range"),
        (["export", "users", "--fields", "a,,b"], "empty name between its commas"),
        (["export", "users", "--output", "-", "--json"], "both want standard output"),
        (["import", "-"], "give --collection and --format"),
        (["import", "users.csv", "--types", "age"], "names no type"),
        (["import", "users.csv", "--types", "age.int()"], "unknown type"),
        (["import", "users.json", "--clear-existing", "--no-input"], "Nobody is there to confirm it"),
        (["import", "users.json", "--mode", "replace"], "not one of"),
    ],
)
def test_wrong_usage(cli_offline: Cli, arguments: list[str], said: str) -> None:
    """Found before anything is reached."""
    ended = cli_offline("backup", *arguments)
    assert ended.code == ExitCode.USAGE
    assert said in ended.stdout + ended.stderr


@pytest.mark.parametrize("arguments", [["export", "users"], ["import", "users.json"]])
def test_production_refuses_before_it_connects(cli_offline: Cli, arguments: list[str]) -> None:
    """And names the flag."""
    ended = cli_offline("backup", *arguments, "--env", "production")
    assert ended.code == ExitCode.REFUSED
    assert "--allow-production" in ended.stderr


def test_through_pipes(filled: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """Standard output holds documents and nothing else; standard input is read to its end."""
    exported = sandbox.run("backup", "export", "users", "--output", "-", "--format", "jsonl")
    assert exported.returncode == 0, exported.stderr
    assert sorted(json.loads(line)["email"] for line in exported.stdout.splitlines()) == [
        "ada@example.com",
        "grace@example.com",
    ]
    assert "Exported 2 documents" in exported.stderr
    code = "import sys; from wayra_db.cli import main; main(sys.argv[1:])"
    imported = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "--project",
            str(sandbox.folder),
            "backup",
            "import",
            "-",
            "--collection",
            "copies",
            "--format",
            "jsonl",
        ],
        input=exported.stdout,
        text=True,
        capture_output=True,
        env=sandbox.environ(),
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
    assert "Imported 2 of 2 documents into copies" in imported.stdout
    assert wayra_database.copies.count_documents({}) == 2


def test_a_reader_that_goes_away_is_no_error(filled: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """`... --output - | head -1` ends well."""
    wayra_database.trips.insert_many([{"text": "x" * 1000} for _ in range(5000)])
    process = sandbox.start("backup", "export", "trips", "--output", "-", "--format", "jsonl")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    assert process.wait(30) == 0, process.stderr.read()
    process.stderr.close()


def test_what_is_bad_is_told(filled: Cli, sandbox: Sandbox) -> None:
    """The first by place, all by reason, and where they are listed; exit code 1, also with --dry-run and skip."""
    path = sandbox.write("users.jsonl", '{"email": "new@example.com"}\n{"name": "x"}\nnonsense\n')
    for flags in (["--dry-run"], ["--on-error", "skip"]):
        ended = filled("backup", "import", str(path), *flags)
        assert ended.code == ExitCode.FAILED
        assert "1 of 3 documents into users" in ended.stdout
        assert "1 × the validator refuses it: missing email" in ended.stdout
        assert f"{path}:3:1: it is no JSON: expecting value" in ended.stdout
        assert "users.jsonl.errors.jsonl" in ended.stdout
    stopped = filled("backup", "import", str(path), "--collection", "users")
    assert stopped.code == ExitCode.FAILED
    assert "users is as it was" in stopped.stderr
    assert "--on-error skip" in stopped.stderr


def test_csv_with_types(filled: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """In the header, or besides."""
    sandbox.write("typed.csv", "zip.string(),n.int64()\n01234,5\n")
    sandbox.write("plain.csv", "zip,n,x\n1234,5,6\n")
    assert filled("backup", "import", str(sandbox.folder / "typed.csv"), "--columns-have-types").code == 0
    assert filled("backup", "import", str(sandbox.folder / "plain.csv"), "--types", "n.double(),*.string()").code == 0
    assert wayra_database.typed.find_one({}, {"_id": 0}) == {"zip": "01234", "n": 5}
    assert wayra_database.plain.find_one({}, {"_id": 0}) == {"zip": "1234", "n": 5.0, "x": "6"}


def test_help_imports_no_driver() -> None:
    """The commands' help is as quick as any."""
    check = (
        "import sys, click; from wayra_db.cli._app import root; from wayra_db.cli._run import Run\n"
        "try: root.main(['backup', 'export', '--help'], obj=Run({}))\n"
        "except SystemExit: print(sorted({'pymongo', 'bson'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ended.stdout.rstrip().endswith("[]")
