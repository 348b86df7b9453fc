"""The verbs on backups that are there, on a project whose server cannot be reached."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.backup_writer import write_backup
from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

NIGHT = datetime(2026, 11, 25, 2, 15, tzinfo=UTC)


@pytest.fixture
def backups(offline: Sandbox) -> Path:
    """The folder of a project's backups, with one of each of five nights."""
    folder = offline.folder / "backups"
    for number in range(5):
        write_backup(folder, f"night{number}", created_at=NIGHT - timedelta(days=number))
    return folder


def lines(text: str) -> list[str]:
    """The lines, with single spaces, and without sizes, which the compressor decides."""
    return [re.sub(r"\d+(\.\d)? k?B\b", "SIZE", " ".join(line.split())) for line in text.splitlines()]


def test_list(cli_offline: Cli, backups: Path) -> None:
    """A line a backup, the newest first, with what is worth knowing; leftovers beside the result."""
    cli_offline("backup", "verify", "night1")
    cli_offline("backup", "pin", "night2")
    write_backup(backups, "before_reset", created_at=NIGHT + timedelta(days=1), reason="safety", redacted=True)
    (backups / ".night9.partial-0123456789abcdef").mkdir()
    ended = cli_offline("backup", "list")
    assert ended.code == ExitCode.OK
    assert lines(ended.stdout)[:5] == [
        "name made (UTC) size documents consistency",
        "before_reset 2026-11-26 02:15 SIZE 49 snapshot not verified, redacted, safety",
        "night0 2026-11-25 02:15 SIZE 49 snapshot not verified",
        "night1 2026-11-24 02:15 SIZE 49 snapshot verified",
        "night2 2026-11-23 02:15 SIZE 49 snapshot not verified, pinned",
    ]
    assert "1 folder of runs that were cut off or still go on: .night9.partial-0123456789abcdef" in ended.stderr


def test_no_backups(cli_offline: Cli) -> None:
    """It says so; nothing is made."""
    assert cli_offline("backup", "list").stdout == "There are no backups yet.\n"
    assert cli_offline("backup", "verify", "--all").stdout == "There are no backups to verify.\n"


def test_show(cli_offline: Cli, backups: Path) -> None:
    """What the manifest says, in words, and a line a collection."""
    text = lines(cli_offline("backup", "show", "night0").stdout)
    assert text[0] == "night0"
    assert "made 2026-11-25 02:15:00 UTC by wayra-db 1.2.3, manual" in text
    assert "from wayra on mongodb://localhost, development" in text
    assert "consistency all collections at one moment" in text
    assert "verified never" in text
    assert text[-4:] == [
        "collection kind documents data indexes",
        "users collection 40 SIZE 1",
        "trips collection 9 SIZE 1",
        "empty collection 0 SIZE 1",
    ]


def test_verify_names_what_is_wrong(cli_offline: Cli, backups: Path) -> None:
    """A line a backup, a line for each finding, and exit code 20; the others are verified all the same."""
    path = backups / "night1" / "wayra" / "users.bson.zst"
    content = bytearray(path.read_bytes())
    content[30] ^= 1
    path.write_bytes(content)
    (backups / "night3" / "extra").touch()
    ended = cli_offline("backup", "verify", "--all")
    assert ended.code == ExitCode.CORRUPT
    found = lines(ended.stdout)
    assert found[0] == "✓ night0: whole (10 files, SIZE, 49 documents)"
    assert found[1].startswith("✗ night1: damaged (")
    assert re.fullmatch(r"error wayra/users.bson.zst, byte 0: a frame is damaged: .*", found[2])
    assert "error extra: does not belong to the backup" in found
    assert "damaged" in cli_offline("backup", "list").stdout


def test_verify_wants_to_know_which(cli_offline: Cli, backups: Path) -> None:
    """Names, or all of them."""
    for words in ("", "night0 --all"):
        assert cli_offline("backup", "verify", *words.split()).code == ExitCode.USAGE
    assert cli_offline("backup", "verify", "absent").code == ExitCode.USAGE
    assert cli_offline("backup", "verify", "../night0").code == ExitCode.USAGE


def test_prune_shows_the_plan_first(cli_offline: Cli, backups: Path) -> None:
    """Every backup with its fate and the reasons; a dry run removes nothing, and without an answer nothing goes."""
    ended = cli_offline("backup", "prune", "--keep-daily", "2", "--dry-run")
    assert lines(ended.stdout) == [
        "keep night0 2026-11-25 02:15 the newest, day 2026-11-25",
        "keep night1 2026-11-24 02:15 day 2026-11-24",
        "remove night2 2026-11-23 02:15 SIZE",
        "remove night3 2026-11-22 02:15 SIZE",
        "remove night4 2026-11-21 02:15 SIZE",
        "Nothing was removed.",
    ]
    assert cli_offline("backup", "prune", "--keep-daily", "2").code == ExitCode.USAGE
    assert len(list(backups.glob("night*"))) == 5
    ended = cli_offline("backup", "prune", "--keep-daily", "2", "--yes")
    assert lines(ended.stdout)[-1].startswith("Removed 3 backups, ")
    assert sorted(path.name for path in backups.glob("night*")) == ["night0", "night1"]


def test_prune_by_the_settings(cli_offline: Cli, offline: Sandbox, backups: Path) -> None:
    """Those of the file; an option on the command line puts them out of force."""
    offline.write("wayra-db.toml", "[backups.retention]\nkeep_last = 4\nkeep_within = '1d'\n")
    found = cli_offline("backup", "prune", "--dry-run", "--json").document
    assert found["remove"] == ["night4"]
    assert found["keep"][0]["reasons"] == ["the newest", "last 1 of 4", "within 1d"]
    found = cli_offline("backup", "prune", "--keep-weekly", "1", "--dry-run", "--json").document
    assert len(found["remove"]) == 4
    assert cli_offline("backup", "prune", "--keep-automatic", "1", "--dry-run", "--json").document["remove"] == [
        "night4"
    ]


@pytest.mark.parametrize("value", ["soon", "0d", "1", "-1d", "1d1h"])
def test_a_time_that_is_none(cli_offline: Cli, backups: Path, value: str) -> None:
    """It is a mistake, and nothing is removed."""
    ended = cli_offline("backup", "prune", f"--keep-within={value}", "--yes")
    assert ended.code == ExitCode.USAGE
    assert "12h, 30d, 8w" in ended.stderr


def test_delete_asks_for_the_name(cli_offline: Cli, backups: Path) -> None:
    """Nobody is there to answer; with --yes it goes."""
    assert cli_offline("backup", "delete", "night0").code == ExitCode.USAGE
    assert (backups / "night0").exists()
    assert lines(cli_offline("backup", "delete", "night0", "--yes").stdout)[0] == "removed night0"
    assert not (backups / "night0").exists()
    cli_offline("backup", "pin", "night1")
    ended = cli_offline("backup", "delete", "night1", "night2", "--yes")
    assert ended.code == ExitCode.FAILED
    assert "night1 is pinned: nothing was deleted" in ended.stderr
    assert (backups / "night2").exists()


@pytest.mark.parametrize("line", ["delete night1", "prune --keep-last 1"])
def test_production_asks_for_its_flag(cli_offline: Cli, backups: Path, line: str) -> None:
    """Even where yes was said."""
    words = ["backup", *line.split(), "--yes", "--env", "production"]
    assert cli_offline(*words).code == ExitCode.REFUSED
    assert len(list(backups.glob("night*"))) == 5
    assert cli_offline(*words, "--allow-production").code == ExitCode.OK
    assert len(list(backups.glob("night*"))) < 5


def test_copy(cli_offline: Cli, backups: Path, tmp_path: Path) -> None:
    """To another folder and back."""
    ended = cli_offline("backup", "copy", "night0", str(tmp_path / "usb"))
    assert lines(ended.stdout) == [f"Copied night0 to {tmp_path / 'usb'}: 10 files, SIZE."]
    assert "night0" in cli_offline("backup", "list", str(tmp_path / "usb")).stdout
    cli_offline("backup", "delete", "night0", "--yes")
    assert cli_offline("backup", "copy", f"{tmp_path / 'usb'}/night0").code == ExitCode.OK
    assert cli_offline("backup", "verify", "night0", f"{tmp_path / 'usb'}/night0").code == ExitCode.OK


def test_none_of_it_loads_the_driver(offline: Sandbox, backups: Path) -> None:
    """No connection, no embedded server, and no client that could make one."""
    code = (
        "import sys\nfrom wayra_db.project import Project\n"
        f"keeper = Project.open({str(offline.folder)!r}).backup_keeper\n"
        "assert keeper.verify('night0').ok and keeper.list() and keeper.plan_prune().keep\n"
        f"keeper.copy('night0', {str(offline.folder / 'away')!r})\n"
        "keeper.pin('night0'); keeper.delete(['night1'])\n"
        "print(sorted({'pymongo.mongo_client', 'boto3'} & set(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
    assert not (offline.folder / ".wayra").exists()
