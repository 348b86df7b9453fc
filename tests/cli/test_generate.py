"""What `seed generate` says to people and to programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

Documents = Database[dict[str, Any]]


def test_a_round(cli: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """Made, made again, shown, made for a profile, cleared."""
    sandbox.write("scripts/generate.py", "profiles = {'demo': {'users': 5}}\n")
    with sandbox.open() as project:
        project.schema.apply()
    made = cli("seed", "generate", "users", "--count", "3", "--random-seed", "7")
    assert made.stdout == "users: Made 3 documents; there are 3 of random seed 7.\n"
    again = cli("seed", "generate", "users", "--count", "3", "--random-seed", "7", "--json")
    assert json.loads(again.stdout) == {
        "randomSeed": 7,
        "made": 0,
        "collections": {"users": {"made": 0, "total": 3}},
    }
    shown = json.loads(cli("seed", "generate", "users", "--only", "2", "--random-seed", "7").stdout)
    found = wayra_database.users.find_one({"email": shown["email"]})
    assert found is not None
    assert shown["_id"] == {"$oid": str(found["_id"])}
    assert "generated:users  done  3 documents of random seed 7" in cli("seed", "status").stdout
    refused = cli("seed", "generate", "--profile", "demo")
    assert refused.code == ExitCode.CONFIGURATION
    assert "random seed 7, and not 1" in refused.stderr
    assert cli("seed", "clear", "generated:users", "--yes").stdout.startswith("Deleted 3 documents.")
    ran = cli("seed", "--profile", "demo")
    assert ran.stdout == "Ran 1 seed.\nusers: Made 5 documents; there are 5 of random seed 1.\n"
    assert wayra_database.users.count_documents({}) == 7
    answer = json.loads(cli("seed", "--profile", "demo", "--json").stdout)
    assert answer["generated"]["collections"] == {"users": {"made": 0, "total": 5}}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), ExitCode.USAGE, "Say what and how many"),
        (("users",), ExitCode.USAGE, "Say what and how many"),
        (("users", "--count", "-1"), ExitCode.USAGE, "--count"),
        (("users", "--profile", "demo"), ExitCode.USAGE, "leave COLLECTIONS and --count out"),
        (("users", "trips", "--only", "3"), ExitCode.USAGE, "--only shows a document of one collection"),
        (("usres", "--count", "1"), ExitCode.CONFIGURATION, "Did you mean 'users'?"),
        (("--profile", "demo"), ExitCode.CONFIGURATION, "there is no profile 'demo'"),
        (("users", "--count", "1"), ExitCode.CONFIGURATION, "Make it as it is declared"),
    ],
)
def test_mistakes(cli: Cli, arguments: tuple[str, ...], code: ExitCode, said: str) -> None:
    """Each with its code and what to do."""
    ended = cli("seed", "generate", *arguments)
    assert (ended.code, said in ended.stderr) == (code, True), ended.stderr


def test_production_is_refused_before_anything_is_reached(cli_offline: Cli) -> None:
    """Whatever is asked for."""
    for more in (("users", "--count", "1"), ("--profile", "demo"), ("users", "--only", "1")):
        assert cli_offline("seed", "generate", *more, WAYRA_ENV="production").code == ExitCode.REFUSED
    assert cli_offline("seed", "--profile", "demo", WAYRA_ENV="production").code == ExitCode.REFUSED
