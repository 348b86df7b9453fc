from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.integration.server.sandbox import Eventually, Sandbox, connect
from wayra_db.events import ServerStarted
from wayra_db.server import EmbeddedServer
from wayra_db.server.locks import is_held
from wayra_db.server.paths import ServerPaths
from wayra_db.server.record import load_record
from wayra_db.testing import RecordingObserver

ACQUIRE = """
import sys, time
from pathlib import Path
from wayra_db.server import EmbeddedServer
lease = EmbeddedServer(Path(sys.argv[1])).acquire()
print(lease.started, lease.uri, flush=True)
sys.stdin.read()
"""


def start_command(state_dir: Path) -> subprocess.Popen[str]:
    """Another process that takes a lease, says what it got, and keeps it until its input is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", ACQUIRE, str(state_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_commands_at_the_same_moment_start_one_server(sandbox: Sandbox) -> None:
    """Of four processes that acquire at once, one starts the server and all get the same."""
    commands = [start_command(sandbox.state_dir) for _ in range(4)]
    said = [command.stdout.readline().split() for command in commands if command.stdout]
    assert sorted(started for started, _ in said) == ["False", "False", "False", "True"]
    assert len({uri for _, uri in said}) == 1
    assert len(sandbox.mongods()) == 1
    for command in commands:
        command.communicate()


def test_a_killed_server_loses_no_acknowledged_write(sandbox: Sandbox) -> None:
    """kill -9 under four writers: the next lease starts it anew, and every write that was answered is there."""
    server = EmbeddedServer(sandbox.state_dir)
    acknowledged: list[tuple[int, int]] = []
    enough = threading.Event()

    def write(uri: str, writer: int) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=500, retryWrites=False)
        with closing(client):
            for number in range(1_000_000):
                try:
                    client.shop.items.insert_one({"writer": writer, "number": number})
                except PyMongoError:
                    return
                acknowledged.append((writer, number))
                if len(acknowledged) >= 200:
                    enough.set()

    with server.acquire() as lease:
        writers = [threading.Thread(target=write, args=(lease.uri, writer)) for writer in range(4)]
        for thread in writers:
            thread.start()
        assert enough.wait(60)
        (pid,) = sandbox.mongods()
        os.kill(pid, signal.SIGKILL)
        for thread in writers:
            thread.join(60)
        with server.acquire() as again, connect(again.uri) as client:
            assert again.started
            stored = {(item["writer"], item["number"]) for item in client.shop.items.find()}
    assert set(acknowledged) <= stored


def has_note(paths: ServerPaths) -> bool:
    """The starter has decided what to start."""
    return paths.record.exists()


def is_born(paths: ServerPaths) -> bool:
    """mongod runs, perhaps only just."""
    return is_held(paths.alive_lock)


def has_said_its_pid(paths: ServerPaths) -> bool:
    """mongod is at its first steps."""
    return paths.pid.exists()


def has_data(paths: ServerPaths) -> bool:
    """mongod has made its first files."""
    return any(paths.root.glob("*/data/WiredTiger.wt"))


def listens(paths: ServerPaths) -> bool:
    """mongod answers, and its replica set is being initiated."""
    return (paths.root / "mongod.sock").exists()


def is_ready(paths: ServerPaths) -> bool:
    """Everything is done but the starter's own last steps."""
    record = load_record(paths)
    return record is not None and record.ready


@pytest.mark.parametrize("moment", [has_note, is_born, has_said_its_pid, has_data, listens, is_ready])
def test_a_killed_starter_is_taken_over(
    sandbox: Sandbox, eventually: Eventually, moment: Callable[[ServerPaths], bool]
) -> None:
    """kill -9 of the command that starts the server, at each of its steps: the next one gets one good server."""
    command = start_command(sandbox.state_dir)
    paths = ServerPaths.of(sandbox.state_dir)
    deadline = time.monotonic() + 60
    while not moment(paths):  # without a pause: the moment is short
        assert time.monotonic() < deadline
    command.kill()
    command.communicate()
    with EmbeddedServer(sandbox.state_dir).acquire() as lease, connect(lease.uri) as client:
        client.shop.items.insert_one({})
        assert len(sandbox.mongods()) == 1
        assert sandbox.mongods() == [EmbeddedServer(sandbox.state_dir).status().pid]
    eventually(lambda: len(sandbox.watchers()) == 1)


@pytest.mark.parametrize("milliseconds", [120, 180, 240, 300, 360, 420])
def test_a_starter_killed_at_any_time_is_taken_over(sandbox: Sandbox, milliseconds: int) -> None:
    """The same by the clock, wherever that happens to hit."""
    command = start_command(sandbox.state_dir)
    time.sleep(milliseconds / 1000)
    command.kill()
    command.communicate()
    with EmbeddedServer(sandbox.state_dir).acquire() as lease, connect(lease.uri) as client:
        client.shop.items.insert_one({})
    assert len(sandbox.mongods()) == 1


def test_completing_a_start_tells_that_it_is_the_first(sandbox: Sandbox) -> None:
    """The one who completes a first start reports it, for its starter could not."""
    command = start_command(sandbox.state_dir)
    paths = ServerPaths.of(sandbox.state_dir)
    deadline = time.monotonic() + 60
    while not is_born(paths):
        assert time.monotonic() < deadline
    command.kill()
    command.communicate()
    observer = RecordingObserver()
    with EmbeddedServer(sandbox.state_dir, observer=observer).acquire() as lease:
        told = observer.of(ServerStarted)
        assert [(event.first, event.version) for event in told] == [(True, lease.version)]


def test_a_killed_users_lease_ends_with_it(sandbox: Sandbox) -> None:
    """The lease of a process that was killed does not keep the server in use."""
    server = EmbeddedServer(sandbox.state_dir)
    command = start_command(sandbox.state_dir)
    assert command.stdout is not None
    command.stdout.readline()
    assert server.status().in_use
    command.kill()
    command.communicate()
    assert not server.status().in_use
    assert server.status().running


def test_a_socket_that_was_swept_away_is_replaced(sandbox: Sandbox) -> None:
    """A server whose socket file is gone cannot be reached: it is stopped, and started anew with its data."""
    server = EmbeddedServer(sandbox.state_dir)
    with server.acquire() as lease, connect(lease.uri) as client:
        client.shop.items.insert_one({"_id": 1})
    (sandbox.state_dir / "server" / "mongod.sock").unlink()
    with server.acquire() as lease, connect(lease.uri) as client:
        assert lease.started
        assert client.shop.items.count_documents({}) == 1
    assert len(sandbox.mongods()) == 1


def test_a_lost_note_is_no_obstacle(sandbox: Sandbox) -> None:
    """Without `server.json` nobody knows where the server listens: it is replaced, and its data kept."""
    server = EmbeddedServer(sandbox.state_dir)
    with server.acquire() as lease, connect(lease.uri) as client:
        client.shop.items.insert_one({"_id": 1})
    (sandbox.state_dir / "server" / "server.json").unlink()
    with server.acquire() as lease, connect(lease.uri) as client:
        assert client.shop.items.count_documents({}) == 1
    assert len(sandbox.mongods()) == 1


def test_a_server_that_does_not_listen_to_reason_is_killed(sandbox: Sandbox) -> None:
    """`stop` ends a mongod that does not react, after the time it was given."""
    server = EmbeddedServer(sandbox.state_dir)
    server.acquire().close()
    (pid,) = sandbox.mongods()
    os.kill(pid, signal.SIGSTOP)
    assert server.stop(timeout_seconds=0.1) is True
    assert not server.status().running
