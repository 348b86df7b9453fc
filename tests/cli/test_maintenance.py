from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.backup_writer import write_backup
from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._run import Run
from wayra_db.cli.maintenance import maintenance

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "maintain.md"


@pytest.fixture
def ready(cli: Cli) -> Cli:
    """The command line on an initialised database."""
    assert cli("init").code == 0
    return cli


def test_the_plan_and_the_report(ready: Cli) -> None:
    """The plan beside the result, each task in the result with what became of it."""
    ended = ready("maintenance", "--rebuild-indexes", "all")
    assert ended.code == 0, ended.stderr
    assert "build users.email_1 anew: 0 B of" in ended.stderr
    assert re.search(r"^  done +Rebuild of indexes +[0-9.]+ m?s  1 index built anew", ended.stdout, re.MULTILINE)
    assert re.search(r"^  nothing to do +Leftovers", ended.stdout, re.MULTILINE)
    assert ended.stdout.splitlines()[-1].startswith("Maintained in ")


def test_a_dry_run_changes_nothing(ready: Cli, wayra_database: Database[dict[str, Any]]) -> None:
    """The plan is then the result, in either form."""
    before = wayra_database.command("dbHash")["md5"]
    shown = ready("maintenance", "--dry-run", "--validate", "full")
    assert "LOCKED for reads and writes" in shown.stdout
    planned = ready("maintenance", "--dry-run", "--json").document
    assert [one["task"] for one in planned["tasks"] if one["due"]] == ["sample", "index-usage", "suggestions", "health"]
    assert wayra_database.command("dbHash")["md5"] == before


def test_json(ready: Cli, wayra_database: Database[dict[str, Any]]) -> None:
    """One document; the history shows a line of it, and with --json all."""
    ended = ready("maintenance", "--only", "sample, leftovers", "--json")
    assert [(one["task"], one["outcome"]) for one in ended.document["tasks"]] == [
        ("sample", "done"),
        ("leftovers", "nothing to do"),
    ]
    assert {one["event"] for one in ended.events} >= {"StepStarted", "StepFinished"}
    listed = ready("history", "show", "--event", "maintenance")
    assert "maintenance ended" in listed.stdout
    assert "outcome" not in listed.stdout
    entries = ready("history", "show", "--event", "maintenance", "--json").document["entries"]
    assert entries[-1]["report"][0]["outcome"] == "done"


def test_backups_go_only_when_asked_for(ready: Cli, sandbox: Sandbox) -> None:
    """Nobody is there to be asked: it ends before anything is done."""
    sandbox.write("wayra-db.toml", "[backups.retention]\nkeep_last = 1\n")
    for day in (1, 2):
        write_backup(sandbox.folder / "backups", f"day{day}", created_at=datetime(2026, 11, day, tzinfo=UTC))
    ended = ready("maintenance")
    assert ended.code == ExitCode.USAGE
    assert "This removes 1 backup for good: day1." in ended.stderr
    assert (sandbox.folder / "backups" / "day1").is_dir()
    assert ready("maintenance", "--yes").code == 0
    assert not (sandbox.folder / "backups" / "day1").exists()


def test_a_failed_task_says_so(ready: Cli, sandbox: Sandbox) -> None:
    """With its own exit code, and what to do; the others are done."""
    write_backup(sandbox.folder / "backups", "nightly")
    file = next((sandbox.folder / "backups" / "nightly").rglob("users*"))
    file.write_bytes(file.read_bytes()[:-1])
    ended = ready("maintenance")
    assert ended.code == ExitCode.CORRUPT
    assert re.search(r"^  failed +Verification of backups", ended.stdout, re.MULTILINE)
    assert re.search(r"^  done +Health checks", ended.stdout, re.MULTILINE)
    assert ended.stdout.splitlines()[-1].startswith("1 task failed in ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "bogus"], "bogus is no task; there are sample, "),
        (["--only", ","], "nothing is no task"),
        (["--force-primary"], "--force-primary goes with --compact"),
        (["--rebuild-indexes", "some"], "'some' is not one of"),
        (["--max-duration", "soon"], "is no time"),
    ],
)
def test_wrong_usage(cli_offline: Cli, arguments: list[str], said: str) -> None:
    """Found before anything is connected to."""
    ended = cli_offline("maintenance", *arguments)
    assert ended.code == ExitCode.USAGE
    assert said in ended.stderr


def test_nothing_is_left_to_be_done(ready: Cli) -> None:
    """A request for no task names those that there are."""
    ended = ready("maintenance", "--only", "health", "--skip", "health")
    assert ended.code == ExitCode.CONFIGURATION
    assert "The tasks are sample, " in ended.stderr


def test_the_commands_of_the_page_can_be_parsed() -> None:
    """Those in its blocks, and the arguments of its CronJob."""
    text = PAGE.read_text(encoding="utf-8")
    lines = re.findall(
        r"wayra-db maintenance((?: [^\n#`]*)?)", "\n".join(re.findall(r"```\w+\n(.*?)```", text, re.DOTALL))
    )
    args = re.search(r"args: (\[.*\])", text)
    assert args is not None
    called = [shlex.split(line) for line in lines] + [json.loads(args[1])]
    assert len(called) > 10
    for words in called:
        maintenance.make_context("maintenance", list(words), obj=Run({}))
