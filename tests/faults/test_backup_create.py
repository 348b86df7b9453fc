"""Whatever happens while a backup is made: it is whole and listed, or it is not there and the next run cleans up."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.nursery import KILLER
from tests.integration.backups import copies
from tests.support import Sandbox
from wayra_db.backups.create import create_backup
from wayra_db.backups.packing import FrameFile
from wayra_db.errors import BackupError, CancelledError, ConnectionFailedError, WayraError
from wayra_db.events import Progress
from wayra_db.testing import ServerUnderTest, TemporaryServer, temporary_server

Documents = Database[dict[str, Any]]

# Ends the process by kill -9 at the Nth call of a function of the system, before it has done its work.
FILE_KILLER = """
import os, signal
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

import pathlib, hashlib
os.fsync = killing(os.fsync)
os.open = killing(os.open)
pathlib.Path.rename = killing(pathlib.Path.rename)
pathlib.Path.mkdir = killing(pathlib.Path.mkdir)
import wayra_db.backups.folder as folder
folder.HashedFile.write = killing(folder.HashedFile.write)
"""


@pytest.fixture
def project(sandbox: Sandbox) -> Sandbox:
    """A project with a collection and migrations, none of which ran."""
    sandbox.complete()
    return sandbox


def fill(database: Documents) -> None:
    """A few small collections."""
    database.users.insert_many([{"email": f"{number}@example.com"} for number in range(300)])
    database.trips.insert_one({"title": "first"})
    database.create_collection("log", capped=True, size=4096)


def backups(project: Sandbox) -> list[str]:
    """What lies in the backup folder, hidden or not."""
    folder = project.folder / "backups"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("killer", ["command", "file"])
def test_killed_anywhere(wayra_database: Documents, project: Sandbox, killer: str) -> None:
    """At every command to the server and every write, flush and rename of a file."""
    fill(wayra_database)
    for number in itertools.count(1):
        prelude = (KILLER if killer == "command" else FILE_KILLER).format(number=number, moment="before")
        ended = project.run("backup", "create", "--name", f"n{number}", prelude=prelude)
        there = backups(project)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        for name in there:
            if not name.startswith("."):
                # Killed after the rename, when only the folder around it was still to be flushed.
                assert not [other for other in there if other.startswith(f".{name}.")]
                assert (project.folder / "backups" / name / "manifest.json").is_file()
                shutil.rmtree(project.folder / "backups" / name)
    assert number > (15 if killer == "command" else 30)
    assert there == [f"n{number}"], "the one that was made, and nothing left of those that were not"


def test_a_living_run_is_left_alone(wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cleaning up after killed runs does not take the folder of another one away, however long that waits."""
    fill(wayra_database)
    guard = copies.guard(wayra_database)
    close, inner = FrameFile.close, threading.Event()

    def close_after_another(self: FrameFile) -> Any:
        if not inner.is_set():
            inner.set()
            for path in tmp_path.iterdir():
                os.utime(path, (0, 0))
            create_backup(guard, tmp_path, name="inner")
        return close(self)

    monkeypatch.setattr(FrameFile, "close", close_after_another)
    outer = create_backup(guard, tmp_path, name="outer", jobs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner", "outer"]
    assert len(copies.whole(outer)["users"]) == 300


@contextmanager
def small_disk(megabytes: int, parent: Path) -> Iterator[Path]:
    """A file system of its own, where the test may mount one."""
    folder = parent / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a file system here; the limit on file sizes is tested all the same")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_too_small(wayra_database: Documents, tmp_path: Path) -> None:
    """Seen before anything is written, or, where the guess was wrong, a clear error; nothing is left."""
    wayra_database.big.insert_many([{"data": os.urandom(1_000_000)} for _ in range(30)])
    guard = copies.guard(wayra_database)
    with small_disk(20, tmp_path) as folder:
        with pytest.raises(BackupError, match="nothing was written") as caught:
            create_backup(guard, folder / "backups")
        assert not (folder / "backups").exists()
        assert "MB" in str(caught.value)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wayra_db.backups.create.require_space", lambda *arguments: None)
            with pytest.raises(BackupError, match="is full"):
                create_backup(guard, folder / "backups")
        assert list((folder / "backups").iterdir()) == []
        assert shutil.disk_usage(folder).used < 100_000


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_write_that_fails(wayra_database: Documents, project: Sandbox, encrypted: bool) -> None:
    """Here at the limit on file sizes, in a process of its own: a clear error, and nothing is left."""
    import pyrage  # type: ignore[import-untyped]

    wayra_database.big.insert_many([{"data": os.urandom(1_000_000)} for _ in range(8)])
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))"
    more = ["--encrypt-to", str(pyrage.x25519.Identity.generate().to_public())] if encrypted else []
    ended = project.run("backup", "create", *more, prelude=limit)
    assert ended.returncode == 1
    assert "is full" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert backups(project) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal(wayra_database: Documents, project: Sandbox, number: signal.Signals) -> None:
    """The run ends at the edge of a chunk, with 130, and leaves nothing."""
    wayra_database.a.insert_many([{"n": n} for n in range(100)])
    slow = (
        "import time\nfrom wayra_db.backups.packing import FrameFile\nput = FrameFile.put\n"
        "def slow(self, run):\n    print('reading', flush=True)\n    time.sleep(1)\n    put(self, run)\n"
        "FrameFile.put = slow"
    )
    process = project.start("backup", "create", prelude=slow)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "stopped" in stderr
    assert backups(project) == []


def test_a_stop_asked_for_by_a_program(wayra_database: Documents, tmp_path: Path) -> None:
    """From an observer, in the middle."""
    wayra_database.a.insert_many([{"data": "x" * 1000} for _ in range(5000)])
    guard = copies.guard(wayra_database)

    def observe(event: object) -> None:
        if isinstance(event, Progress):
            guard.stop.request("a test")

    guard.observer = observe
    with pytest.raises(CancelledError):
        create_backup(guard, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [1, 3])
def test_the_server_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """In the middle of the documents: an error in plain words, and nothing is left; then it works again."""
    with temporary_server() as server, server.client(serverSelectionTimeoutMS=2000) as client:
        database = client["killed"]
        database.a.insert_many([{"data": "x" * 1000} for _ in range(20_000)])
        put, calls = FrameFile.put, itertools.count(1)

        def put_then_kill(self: FrameFile, run: Any) -> None:
            put(self, run)
            if next(calls) == after:
                server.nodes[0].kill()

        with monkeypatch.context() as patch:
            patch.setattr(FrameFile, "put", put_then_kill)
            with pytest.raises(ConnectionFailedError):
                create_backup(copies.guard(database), tmp_path, jobs=2)
        assert list(tmp_path.iterdir()) == []
        server.nodes[0].start()
        server.primary()
        assert create_backup(copies.guard(database), tmp_path).manifest.documents == 20_000


@pytest.mark.parametrize("command", ["find", "getMore", "listCollections", "listIndexes", "aggregate", "hello"])
def test_a_connection_that_breaks(
    wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path, command: str
) -> None:
    """At each kind of command: whole, or an error and nothing left; no cursor stays open."""
    wayra_database.a.insert_many([{"data": "x" * 1000} for _ in range(5000)])
    wayra_database.create_collection("log", capped=True, size=4096)
    for times in (1, 3):
        with wayra_server.client(appname="breaking") as client:
            guard = copies.guard(client[wayra_database.name])
            broken = wayra_server.fail_command(command, close_connection=True, app_name="breaking", times=times)
            with broken, suppress(WayraError):
                made = create_backup(guard, tmp_path)
                assert len(copies.whole(made)["a"]) == 5000
                shutil.rmtree(made.path)
        assert list(tmp_path.iterdir()) == []


def test_a_primary_that_steps_down(wayra_three_nodes: TemporaryServer, tmp_path: Path) -> None:
    """In a set of three, between two backups: the next one finds the new primary."""
    with wayra_three_nodes.client(serverSelectionTimeoutMS=30_000) as client:
        database = client["moving"]
        database.a.insert_many([{"n": n} for n in range(1000)])
        first = create_backup(copies.guard(database), tmp_path, name="first")
        wayra_three_nodes.primary().kill()
        wayra_three_nodes.primary()
        second = create_backup(copies.guard(database), tmp_path, name="second")
        assert sorted(copies.whole(first)["a"]) == sorted(copies.whole(second)["a"])


MEMORY = """
import sys
from pathlib import Path
from pymongo import MongoClient
from wayra_db.backups.create import create_backup
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment

with MongoClient(sys.argv[1]) as client:
    guard = Guard(Deployment(client, sys.argv[2]), Environment.DEVELOPMENT, observer=lambda event: None)
    create_backup(guard, Path(sys.argv[3]), codec=sys.argv[4], recipients=sys.argv[5:])
# Not getrusage: its maximum begins with that of the process that started this one.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1000)
"""


@pytest.mark.parametrize("codec", ["zstd", "none"])
@pytest.mark.parametrize("kind", ["small", "large", "mixed"])
def test_memory_is_flat(
    wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path, codec: str, kind: str
) -> None:
    """Below 150 MB, however much there is and however large the documents are."""
    pad = os.urandom(15_000_000)
    # The small cache of a test server has no room for many of these at once.
    wayra_database.client.admin.command({"setParameter": 1, "wiredTigerEngineRuntimeConfig": "cache_size=1G"})
    for name in "abcd":
        if kind == "large":
            for _ in range(2):
                wayra_database[name].insert_one({"data": pad})
        for _ in range(8 if kind == "small" else 2):
            wayra_database[name].insert_many([{"data": pad[n : n + 900]} for n in range(8000)])
        if kind == "mixed":
            wayra_database[name].insert_many([{"data": pad[n : n + 500_000]} for n in range(40)])
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY, wayra_server.uri, wayra_database.name, str(tmp_path / "b"), codec],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ended.stdout) < 150
