"""`kill -9` at every call of the system by which `backup delete` and `backup copy` change a disk."""

from __future__ import annotations

import itertools
import shutil
import signal
from pathlib import Path

import pytest

from tests.backups import Made, raw, write_backup
from tests.support import Sandbox
from wayra_db.backups import BackupKeeper
from wayra_db.environment import Environment
from wayra_db.errors import BackupError

# Ends the process at the Nth call of what changes a folder, before it has done its work.
KILLER = """
import os, pathlib, signal
calls = 0

def killing(function):
    def call(*arguments, **options):
        global calls
        if "wayra_db.backups.folder" in __import__("sys").modules:
            calls += 1
            if calls == {number}:
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

for name in ("fsync", "unlink", "rmdir"):
    setattr(os, name, killing(getattr(os, name)))
for name in ("rename", "mkdir", "unlink", "replace"):
    setattr(pathlib.Path, name, killing(getattr(pathlib.Path, name)))
"""


@pytest.fixture
def project(tmp_path: Path) -> Sandbox:
    """A project without a database, and two backups."""
    sandbox = Sandbox(tmp_path / "project", None, "unused")
    for name in ("nightly", "other"):
        made = [Made("users", raw(*({"_id": number, "pad": "x" * 500} for number in range(400)))), Made("trips")]
        write_backup(sandbox.folder / "backups", name, made)
    return sandbox


def keeper(folder: Path) -> BackupKeeper:
    """What looks after a folder, without a process of its own."""
    return BackupKeeper(folder, Environment.DEVELOPMENT, observer=lambda event: None)


def hidden(folder: Path) -> list[str]:
    """What is left of runs; the folder of what is known of backups is none."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".") and path.name != ".wayra"]


def test_a_killed_delete_leaves_it_whole_or_unlisted(project: Sandbox) -> None:
    """Never half of it in the list; the next delete takes what is left away."""
    folder = project.folder / "backups"
    shutil.copytree(folder / "nightly", project.folder / "kept")
    gone = 0
    for number in itertools.count(1):
        ended = project.run("backup", "delete", "nightly", "--yes", prelude=KILLER.format(number=number))
        names = [one.name for one in keeper(folder).list()]
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        if "nightly" in names:
            assert keeper(folder).verify("nightly").ok
        else:
            gone += 1
            assert len(hidden(folder)) == 1
            shutil.copytree(project.folder / "kept", folder / "nightly")
            shutil.copytree(project.folder / "kept", folder / "next")
            keeper(folder).delete(["next"])
            assert hidden(folder) == []
    assert names == ["other"]
    assert hidden(folder) == []
    assert gone > 5


def test_a_killed_copy_is_not_listed_and_is_gone_on_with(project: Sandbox, tmp_path: Path) -> None:
    """What is listed at the other end is whole; the next copy finishes what is not, and leaves nothing else there."""
    for number in itertools.count(1):
        target = tmp_path / f"there{number}"
        prelude = KILLER.format(number=number)
        ended = project.run("backup", "copy", "nightly", str(target), prelude=prelude)
        there = keeper(target)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        if there.list():
            assert there.verify("nightly").ok
            with pytest.raises(BackupError, match="already"):
                keeper(project.folder / "backups").copy("nightly", str(target))
        else:
            keeper(project.folder / "backups").copy("nightly", str(target))
        assert there.verify("nightly").ok
        assert hidden(target) == []
    assert number > 15
    assert [path.name for path in target.iterdir()] == ["nightly"]
