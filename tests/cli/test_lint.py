from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

FAULTY = 'db.users.update_many({}, {"$set": {"role": "user"}})'


@pytest.fixture
def faulty(offline: Sandbox) -> Path:
    """A migration with an error and a warning; the others are in order."""
    offline.migration(1, 'db.users.update_many({"a": 1}, {"$set": {"a": 2}})', 'db.users.delete_many({"a": 2})')
    path = offline.migration(3, FAULTY)
    offline.write("migrations/latest.txt", path.name + "\n")
    return path


def test_findings_end_with_3(cli_offline: Cli, faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard output, by the path from where one stands, without a server."""
    monkeypatch.chdir(faulty.parent.parent)
    ended = cli_offline("migrate", "lint")
    assert ended.code == ExitCode.PENDING
    assert "migrations/0003_step.py:3:5: error MG101 unbatched-update\n" in ended.stdout
    assert "    for batch in ctx.batches(" in ended.stdout
    assert ended.stdout.endswith("3 files: 1 error, 1 warning.\n")
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ("--ignore MG101", ExitCode.OK),
        ("--ignore MG101 --strict", ExitCode.PENDING),
        ("--ignore MG101,missing-down --strict", ExitCode.OK),
        ("--ignore MG101 --ignore MG501 --strict", ExitCode.OK),
        ("--select MG501", ExitCode.OK),
        ("--select MG501 --strict", ExitCode.PENDING),
        ("--select unbatched-update", ExitCode.PENDING),
    ],
)
def test_errors_and_warnings(cli_offline: Cli, faulty: Path, flags: str, code: int) -> None:
    """A warning counts only with --strict."""
    assert cli_offline("migrate", "lint", *flags.split()).code == code


def test_single_files(cli_offline: Cli, faulty: Path) -> None:
    """Only what is named is judged, as a pre-commit hook names it."""
    good = faulty.with_name("0001_step.py")
    assert cli_offline("migrate", "lint", str(good)).code == ExitCode.OK
    assert cli_offline("migrate", "lint", str(good), str(faulty)).code == ExitCode.PENDING
    ended = cli_offline("migrate", "lint", "migrations/missing.py")
    assert ended.code == ExitCode.USAGE


@pytest.mark.parametrize("flag", ["--json", "--format=json"])
def test_json(cli_offline: Cli, faulty: Path, flag: str) -> None:
    """The shared flag and the format are the same, for errors of usage too."""
    ended = cli_offline("migrate", "lint", flag)
    assert ended.code == ExitCode.PENDING
    assert [one["rule"] for one in ended.document["findings"]] == ["MG501", "MG101"]
    assert ended.document["findings"][1]["path"] == str(faulty)


def test_sarif_and_github(cli_offline: Cli, faulty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the format on standard output; GitHub's is chosen by nobody but the user."""
    monkeypatch.chdir(faulty.parent.parent)
    log = json.loads(cli_offline("migrate", "lint", "--format", "sarif").stdout)
    (run,) = log["runs"]
    assert {result["ruleId"] for result in run["results"]} == {"MG101", "MG501"}
    assert all("## Good" in rule["help"]["markdown"] for rule in run["tool"]["driver"]["rules"])
    lines = cli_offline("migrate", "lint", "--format", "github").stdout.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "::warning file=migrations/0003_step.py",
        "::error file=migrations/0003_step.py",
    ]
    assert cli_offline("migrate", "lint", GITHUB_ACTIONS="true").stdout.startswith("migrations/0003_step.py:2:1: ")
    assert cli_offline("migrate", "lint", "--format", "github", "--select", "MG402").stdout == ""


def test_formats_that_contradict(cli_offline: Cli, faulty: Path) -> None:
    """--json cannot be SARIF."""
    assert cli_offline("migrate", "lint", "--json", "--format", "sarif").code == ExitCode.USAGE


@pytest.mark.parametrize("option", ["--select", "--ignore", "--explain"])
def test_an_unknown_rule(cli_offline: Cli, option: str) -> None:
    """A usage error with the nearest."""
    ended = cli_offline("migrate", "lint", option, "unbatched-updates")
    assert ended.code == ExitCode.USAGE
    assert f"{option}: there is no rule 'unbatched-updates'. Did you mean 'unbatched-update'?" in ended.stderr


def test_the_rules_are_listed_and_explained(cli_offline: Cli) -> None:
    """With id, severity and title; the page as it stands in the documentation."""
    assert "  MG101  error    unbatched-update " in cli_offline("migrate", "lint", "--list-rules").stdout
    rules = cli_offline("migrate", "lint", "--list-rules", "--json").document["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) > 20
    page = cli_offline("migrate", "lint", "--explain", "mg101").stdout
    assert page.startswith("# MG101 unbatched-update\n")
    assert "## Good" in page
    assert cli_offline("migrate", "lint", "--explain", "MG101", "--json").document["text"].strip() == page.strip()


RENAME = 'db.users.update_many({"email": {"$exists": True}}, {"$rename": {"email": "mail"}})'


def test_declarations_are_taken_into_account(cli_offline: Cli, offline: Sandbox) -> None:
    """A renamed field that an index names is an error."""
    path = offline.migration(4, RENAME, "db.users.drop_index('x')")
    ended = cli_offline("migrate", "lint", str(path), "--json", "--select", "MG205")
    assert ended.code == ExitCode.PENDING
    assert ended.document["findings"][0]["severity"] == "error"
    assert ended.document["notes"] == []


def test_a_broken_declaration_stops_nothing(cli_offline: Cli, offline: Sandbox) -> None:
    """It is noted, and the rule knows less."""
    offline.write("collections/users.py", "import not_there\n")
    path = offline.migration(4, RENAME, "db.users.drop_index('x')")
    ended = cli_offline("migrate", "lint", str(path), "--select", "MG205")
    assert ended.code == ExitCode.OK
    assert "warning MG205" in ended.stdout
    assert "note: indexed and validated fields are not known, since a declaration is broken: " in ended.stdout
    assert "users.py:1" in ended.stdout


def test_declarations_are_not_run_for_nothing(cli_offline: Cli, offline: Sandbox, faulty: Path) -> None:
    """Only a file that renames fields asks for them."""
    offline.write("collections/users.py", "raise SystemExit('was run')\n")
    assert "note:" not in cli_offline("migrate", "lint").stdout


def test_what_the_tool_writes_itself_is_clean(cli_offline: Cli, tmp_path: Path) -> None:
    """A new project, and a new migration in it, without a warning."""
    shop = str(tmp_path / "shop")
    assert cli_offline("new", shop).code == ExitCode.OK
    assert cli_offline("migrate", "create", "--name", "more", "--project", shop).code == ExitCode.OK
    ended = cli_offline("migrate", "lint", "--strict", "--project", shop)
    assert (ended.code, ended.stdout) == (ExitCode.OK, "2 files: nothing found.\n")
