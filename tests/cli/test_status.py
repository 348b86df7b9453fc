from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.health.checks import CHECKS

Documents = Database[dict[str, Any]]
PAGE = (Path(__file__).parents[2] / "docs/reference/status.md").read_text(encoding="utf-8")

# What holds names of others' or of single checks, or is documented elsewhere.
OPEN = {"status.findings[].evidence", "status.backups[]", "status.unreadable", "status.seeds[]"}


def documented() -> dict[str, set[str]]:
    """Path: the keys that the page lists there."""
    found: dict[str, set[str]] = {}
    for section in PAGE.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        if title.startswith("status"):
            found[title] = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    return found


def objects(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a document with its path."""
    if path in OPEN:
        return
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from objects(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner, f"{path}[]")


def test_the_document_is_as_the_page_says(cli: Cli, wayra_database: Documents) -> None:
    """Every key of every object is in the page, and nothing is in the page that is not in the document."""
    cli("init")
    wayra_database["_wayra_samples"].insert_one(
        {"at": wayra_database.client.admin.command("hello")["localTime"], "collection": "users", "documents": 1,
         "data_bytes": 1, "storage_bytes": 1, "index_bytes": 1}
    )  # fmt: skip
    cli("lock", "status")
    wayra_database.legacy.insert_one({})
    seen: dict[str, set[str]] = {}
    for path, value in objects(cli("status", "--json").document, "status"):
        seen.setdefault(path, set()).update(value)
    assert seen == documented()


def test_a_status_without_a_server(cli_offline: Cli) -> None:
    """The same keys and those of the error; the text says what the folder holds."""
    ended = cli_offline("status", "--json")
    assert ended.code == ExitCode.UNREACHABLE
    assert set(documented()["status"]) <= set(ended.document)
    assert ended.document["reachable"] is ended.document["healthy"] is False
    assert [one["state"] for one in ended.document["migrations"]] == ["unknown", "unknown"]
    assert (ended.document["error"], ended.document["see"]) == ("ConnectionFailedError", "connection-failed")
    text = cli_offline("status", "--check")
    assert text.code == ExitCode.UNREACHABLE
    assert "out of reach" in text.stdout
    assert "2 unknown" in text.stdout
    assert text.stderr.startswith("error[connection-failed]: ")


def test_watching(sandbox: Sandbox) -> None:
    """One document a line, until somebody ends it."""
    sandbox.complete()
    process = sandbox.start("status", "--watch", "0.1", "--json")
    assert process.stdout is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert [line["healthy"] for line in lines] == [False] * 3
    assert len({line["at"] for line in lines}) == 3


def test_a_page_is_written_too(cli: Cli, tmp_path: Path) -> None:
    """Beside the screen."""
    ended = cli("status", "--html", str(tmp_path / "status.html"))
    assert ended.code == ExitCode.OK
    assert "never initialised" in (tmp_path / "status.html").read_text(encoding="utf-8")


def test_doctor(cli: Cli) -> None:
    """All checks with what to do; `--check` ends with 3 for a warning, `--only` makes one."""
    cli("init")
    ended = cli("doctor")
    assert ended.code == ExitCode.OK
    assert "[server-unsupported]" in ended.stdout or "Nothing was found" in ended.stdout
    assert cli("doctor", "--check").code == ExitCode.OK
    assert cli("doctor", "--check", "--only", "backups-old", WAYRA_ENV="development").code == ExitCode.OK
    one = cli("doctor", "--only", "validators-missing", "--json")
    assert (one.document["made"], one.document["findings"]) == (1, [])
    wrong = cli("doctor", "--only", "backups-odl")
    assert wrong.code == ExitCode.USAGE
    assert "Did you mean 'backups-old'?" in wrong.stderr


def test_doctor_finds_what_is_pending(cli: Cli) -> None:
    """Before anything was initialised."""
    assert cli("doctor", "--check").code == ExitCode.PENDING
    assert "[database-new]" in cli("doctor").stdout


def test_doctor_without_a_server(cli_offline: Cli) -> None:
    """Files are looked at all the same."""
    ended = cli_offline("doctor")
    assert ended.code == ExitCode.UNREACHABLE
    assert "[unreachable]" in ended.stdout


@pytest.mark.parametrize("id", [check.id for check in CHECKS])
def test_every_check_is_explained(cli_offline: Cli, id: str) -> None:
    """By `doctor --explain` and by `explain`, with the same words."""
    ended = cli_offline("doctor", "--explain", id)
    assert ended.code == ExitCode.OK
    assert ended.stdout.startswith(f"{id}: ")
    assert cli_offline("explain", id).stdout == ended.stdout


def test_explaining_errors(cli_offline: Cli) -> None:
    """Cause and fix of one, all names without one, the nearest for a slip."""
    assert "Cause: " in cli_offline("explain", "lock-held").stdout
    assert "lock-held" in cli_offline("explain").stdout
    wrong = cli_offline("explain", "lock-helt")
    assert wrong.code == ExitCode.USAGE
    assert "lock-held" in wrong.stderr


def test_logs_in_production(cli: Cli, wayra_database: Documents) -> None:
    """JSON lines on stderr, the error too; what was refused and what was permitted is kept in the database."""
    cli("init", WAYRA_ENV="production")
    refused = cli("migrate", "rollback", "--steps", "1", WAYRA_ENV="production")
    assert refused.code == ExitCode.REFUSED
    assert all({"at", "level"} <= set(event) for event in refused.events)
    *_, security, error = refused.events
    assert (security["event"], security["security"], security["action"]) == ("SecurityEvent", True, "rollback")
    assert set(security["who"]) == {"user", "host", "pid"}
    assert (error["level"], error["error"], error["see"]) == ("error", "RefusedError", "refused")
    (kept,) = cli("history", "refusals", "--json", WAYRA_ENV="production").document["refusals"]
    assert (kept["action"], kept["environment"]) == ("rollback", "production")
    assert kept["who"]["host"] == security["who"]["host"]
    allowed = cli("migrate", "rollback", "--steps", "1", "--allow-production", WAYRA_ENV="production")
    assert allowed.code == ExitCode.OK
    assert [event["outcome"] for event in allowed.events if event.get("security")] == ["allowed"]
    entries = cli("history", "show", "--event", "security", "--json").document["entries"]
    assert [(one["action"], one["permitted"]) for one in entries] == [("rollback", True)]
    text = cli("reset", "--yes", WAYRA_ENV="production", WAYRA_LOG_FORMAT="text")
    assert text.stderr.startswith("error[refused]: ")
    # What is refused before the database is reached is not kept there.
    assert wayra_database["_wayra_refusals"].count_documents({}) == 1


def test_nothing_is_kept_of_refusals_elsewhere(cli: Cli, wayra_database: Documents) -> None:
    """On a database of test or of nobody a refused command writes nothing at all."""
    wayra_database.theirs.insert_one({})
    assert cli("init").code == ExitCode.REFUSED
    assert wayra_database.list_collection_names() == ["theirs"]


def test_a_wrong_shell_is_kept(cli: Cli, sandbox: Sandbox) -> None:
    """Whoever comes with another environment to a production database is remembered there."""
    cli("init", WAYRA_ENV="production")
    sandbox.migration(3, "pass")
    assert cli("migrate", "up", WAYRA_ENV="test").code == ExitCode.REFUSED
    (kept,) = cli("history", "refusals", "--json").document["refusals"]
    assert (kept["rule"], kept["environment"]) == ("database_environment", "test")


def test_debug_shows_commands(cli: Cli) -> None:
    """Each with its time and its collection, and no value."""
    ended = cli("status", DEBUG="wayra:database")
    assert re.search(r"\d+\.\d+ ms  find .*_wayra_meta", ended.stderr)
    assert "_id" not in ended.stderr
