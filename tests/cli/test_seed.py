"""What `seed` and its verbs say to people."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

Documents = Database[dict[str, Any]]

SEED = """environments = ["development"]
depends_on = ["0001_users"]
collections = ["users"]


def seed(db, ctx):
    ctx.upsert("users", [{"email": n, "name": WORD} for n in ("a", "b")], key="email")
"""


def test_a_round(cli: Cli, sandbox: Sandbox, wayra_database: Documents) -> None:
    """Plan, run, edit, change, plan, run, clear: each says what it did in documents."""
    path = sandbox.write("scripts/seeds/0002_more.py", SEED.replace("WORD", "'x'"))
    listed = cli("seed", "list").stdout
    assert "0002_more   development" in listed
    assert "users" in listed
    assert "after 0001_users" in listed
    assert cli("seed", "plan").stdout.split() == ["0001_users", "insert", "2", "0002_more", "insert", "2"]
    assert cli("seed").stdout == "Ran 2 seeds.\n"
    assert cli("seed").stdout == "Nothing to do: every seed of this environment has run.\n"
    assert cli("seed", "plan").stdout == "Nothing to do: every seed of this environment has run.\n"
    wayra_database.users.update_one({"email": "a"}, {"$set": {"name": "edited"}})
    path.write_text(SEED.replace("WORD", "'y'"))
    ended = cli("seed")
    assert "Changed since they ran, and left alone: 0002_more. Run them with --again." in ended.stderr
    planned = cli("seed", "plan", "0002_more", "--again").stdout
    assert planned == "  0002_more  change 1, keep the edits in 1\n"
    ran = cli("seed", "run", "0002_more", "--again")
    assert ran.stdout == "Ran 1 seed; the edits in 1 document were kept.\n"
    asked = cli("seed", "clear")
    assert asked.code == ExitCode.USAGE
    assert "This deletes what 2 seeds made" in asked.stderr
    assert "4 of users" in asked.stderr
    cleared = cli("seed", "clear", "0002_more", "--yes").stdout
    assert cleared == "Deleted 2 documents. These seeds run again with the next `seed`.\n"
    assert wayra_database.users.count_documents({}) == 2


def test_a_plan_tells_what_would_fail_and_what_cannot_be_told(cli: Cli, sandbox: Sandbox) -> None:
    """With the reason."""
    head = 'environments = ["development"]\n\n\ndef seed(db):\n    '
    sandbox.write("scripts/seeds/0002_bad.py", head + "raise ValueError('no')\n")
    sandbox.write("scripts/seeds/0003_outside.py", head + "db.things.drop()\n")
    said = cli("seed", "plan").stdout
    assert "0002_bad      would fail: ValueError: no" in said
    assert "0003_outside  cannot be told: drop (line 5) cannot join a transaction" in said


def test_production_is_refused_before_anything_is_reached(cli_offline: Cli) -> None:
    """No server need be there for that."""
    for command in (("seed",), ("seed", "plan"), ("seed", "clear", "--yes")):
        assert cli_offline(*command, WAYRA_ENV="production").code == ExitCode.REFUSED


def test_a_name_that_is_none(cli: Cli) -> None:
    """A mistake of usage, with what was meant."""
    ended = cli("seed", "run", "0001_user")
    assert ended.code == ExitCode.USAGE
    assert "Did you mean '0001_users'?" in ended.stderr
