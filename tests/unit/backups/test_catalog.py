from __future__ import annotations

import gzip
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wayra_db.backups import list_backups

DATA = Path(__file__).parents[2] / "data" / "mongodump"


def aged(path: Path, seconds: int) -> None:
    """Give a file, or all files of a folder, a time of modification."""
    for file in [path, *path.rglob("*")]:
        os.utime(file, (seconds, seconds))


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    """A folder of what mongodump writes, from old to new."""
    shutil.copytree(DATA / "dump", tmp_path / "dump")
    shutil.copytree(DATA / "dump-gzip", tmp_path / "dump-gzip")
    shutil.copy(DATA / "first-4096-bytes.archive", tmp_path / "nightly.archive")
    shutil.copy(DATA / "legacy.archive.gz", tmp_path / "weekly.gz")
    for number, name in enumerate(("dump", "dump-gzip", "nightly.archive", "weekly.gz"), 1):
        aged(tmp_path / name, number * 1000)
    return tmp_path


def test_the_four_shapes_newest_first(backups: Path) -> None:
    """Folders and archives, plain and compressed, whatever their names, with the time of their newest file."""
    found = [(one.name, one.kind, one.modified_at) for one in list_backups(backups)]
    assert found == [
        ("weekly.gz", "archive", datetime.fromtimestamp(4000, UTC)),
        ("nightly.archive", "archive", datetime.fromtimestamp(3000, UTC)),
        ("dump-gzip", "dump directory", datetime.fromtimestamp(2000, UTC)),
        ("dump", "dump directory", datetime.fromtimestamp(1000, UTC)),
    ]


def test_sizes_are_those_of_the_files(backups: Path) -> None:
    """All files of a folder together."""
    sizes = {one.name: one.size for one in list_backups(backups)}
    for name, size in sizes.items():
        files = [file for file in [backups / name, *(backups / name).rglob("*")] if file.is_file()]
        assert size == sum(file.stat().st_size for file in files) > 0


def test_entries_are_plain_data(backups: Path) -> None:
    """Ready for JSON, with the time in ISO form."""
    written = json.loads(json.dumps(list_backups(backups)[0].to_dict()))
    assert written["name"] == "weekly.gz"
    assert written["modifiedAt"] == "1970-01-01T01:06:40+00:00"


def test_backups_of_one_time_come_in_a_fixed_order(tmp_path: Path) -> None:
    """Listing twice gives the same."""
    for name in ("b.archive", "a.archive", "c.archive"):
        shutil.copy(DATA / "first-4096-bytes.archive", tmp_path / name)
        aged(tmp_path / name, 1000)
    assert [one.name for one in list_backups(tmp_path)] == ["c.archive", "b.archive", "a.archive"]


@pytest.mark.parametrize("missing", [True, False])
def test_no_backups(tmp_path: Path, missing: bool) -> None:
    """A missing folder and an empty one hold none, and none is made."""
    folder = tmp_path / "backups" if missing else tmp_path
    assert list_backups(folder) == ()
    assert folder.exists() is not missing


def test_what_is_no_backup(tmp_path: Path) -> None:
    """Other files, empty and broken ones, folders without data, and links, even to a backup."""
    (tmp_path / "notes.txt").write_text("dump")
    (tmp_path / "empty.archive").write_bytes(b"")
    (tmp_path / "short.archive").write_bytes(b"\x6d\xe2")
    (tmp_path / "other.gz").write_bytes(gzip.compress(b"something else"))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"\x6d\xe2\x99\x81" * 100)[:12])
    (tmp_path / "garbage.gz").write_bytes(b"\x1f\x8b" + b"\xff" * 40)
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "notes.txt").write_text("x")
    (tmp_path / "link").symlink_to(DATA / "dump")
    (tmp_path / "link.archive").symlink_to(DATA / "first-4096-bytes.archive")
    (tmp_path / "linked-inside").mkdir()
    (tmp_path / "linked-inside" / "users.bson").symlink_to(DATA / "dump" / "legacy" / "types.bson")
    assert list_backups(tmp_path) == ()
