from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.integration.server.sandbox import Sandbox, connect
from wayra_db import Project
from wayra_db.errors import ConnectionFailedError, MongodNotFoundError, ServerError, ServerStartError
from wayra_db.events import Notice, ServerStarted
from wayra_db.server import EmbeddedServer
from wayra_db.testing import RecordingObserver


def insert(uri: str, value: Any) -> None:
    """Write one document to the server at `uri`."""
    with connect(uri) as client:
        client.shop.items.insert_one({"_id": value})


def values(uri: str) -> list[Any]:
    """What was written to the server at `uri`."""
    with connect(uri) as client:
        return sorted(item["_id"] for item in client.shop.items.find())


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, size and time of every file and folder below `folder`."""
    found = {str(path): path.lstat() for path in folder.rglob("*")}
    return {name: (info.st_mode, info.st_size, info.st_mtime_ns) for name, info in found.items()}


def test_the_first_starts_it_and_the_next_uses_it(sandbox: Sandbox) -> None:
    """Two leases in a row are on one server; starting is told once, the first start as such."""
    observer = RecordingObserver()
    server = EmbeddedServer(sandbox.state_dir, observer=observer)
    with server.acquire() as first:
        insert(first.uri, 1)
    with EmbeddedServer(sandbox.state_dir, observer=observer).acquire() as second:
        assert values(second.uri) == [1]
    assert (first.started, second.started) == (True, False)
    assert second.uri == first.uri
    assert second.version == first.version
    assert [event.first for event in observer.of(ServerStarted)] == [True]
    assert len(sandbox.mongods()) == 1


def test_it_is_a_replica_set_with_transactions(sandbox: Sandbox) -> None:
    """A lease's server takes a transaction at once."""
    with EmbeddedServer(sandbox.state_dir).acquire() as lease, connect(lease.uri) as client:
        with client.start_session() as session, session.start_transaction():
            client.shop.items.insert_one({"_id": 1}, session=session)
        assert client.shop.items.count_documents({}) == 1


def test_stopped_and_started_again_it_has_its_data(sandbox: Sandbox) -> None:
    """`stop` says whether one ran; the next lease is on a new process with the old data."""
    observer = RecordingObserver()
    server = EmbeddedServer(sandbox.state_dir, observer=observer)
    with server.acquire() as lease:
        insert(lease.uri, 1)
    assert server.stop() is True
    assert sandbox.mongods() == []
    assert server.stop() is False
    with server.acquire() as lease:
        assert lease.started
        assert values(lease.uri) == [1]
    assert [event.first for event in observer.of(ServerStarted)] == [True, False]


def test_two_projects_do_not_meet(sandbox: Sandbox) -> None:
    """Each has its own server and its own data; stopping one leaves the other."""
    ana, ben = (EmbeddedServer(sandbox.folder / name / ".wayra", tcp=True) for name in ("ana", "ben"))
    with ana.acquire() as of_ana, ben.acquire() as of_ben:
        insert(of_ana.uri, "ana")
        insert(of_ben.uri, "ben")
        assert (values(of_ana.uri), values(of_ben.uri)) == (["ana"], ["ben"])
        assert ana.stop()
        assert values(of_ben.uri) == ["ben"]


@pytest.mark.parametrize("moved_while", ["stopped", "running"])
def test_a_moved_project_keeps_its_data(sandbox: Sandbox, moved_while: str) -> None:
    """After the folder got another name, its server starts there with what was written."""
    with EmbeddedServer(sandbox.state_dir).acquire() as lease:
        insert(lease.uri, 1)
    if moved_while == "stopped":
        EmbeddedServer(sandbox.state_dir).stop()
    moved = sandbox.folder / "Moved"
    sandbox.state_dir.parent.rename(moved)
    with EmbeddedServer(moved / ".wayra").acquire() as lease:
        assert lease.started
        assert values(lease.uri) == [1]
        insert(lease.uri, 2)
    assert len(sandbox.mongods()) == 1


def test_a_copied_project_has_a_server_of_its_own(sandbox: Sandbox) -> None:
    """A copy does not use the server of the project that it was copied from."""
    original = EmbeddedServer(sandbox.state_dir)
    with original.acquire() as lease:
        insert(lease.uri, 1)
    original.stop()
    shutil.copytree(sandbox.state_dir.parent, sandbox.folder / "copy")
    with original.acquire() as first, EmbeddedServer(sandbox.folder / "copy" / ".wayra").acquire() as second:
        insert(second.uri, 2)
        assert (values(first.uri), values(second.uri)) == ([1], [1, 2])


@pytest.mark.parametrize("name", ["long" * 30, "with space, comma: and ünïcode"])
def test_a_path_that_is_no_address_is_no_obstacle(sandbox: Sandbox, name: str) -> None:
    """The socket lies in this user's private runtime folder then, and goes with the server."""
    server = EmbeddedServer(sandbox.folder / name / ".wayra")
    with server.acquire() as lease:
        insert(lease.uri, 1)
        assert values(lease.uri) == [1]
        address = Path(unquote(lease.uri.removeprefix("mongodb://").partition("/")[0]))
        assert address.parent.name == f"wayra-db-{os.getuid()}"
        assert address.exists()
    server.stop(timeout_seconds=0.0)
    assert not address.exists()
    with server.acquire() as lease:
        assert values(lease.uri) == [1]


def test_nobody_else_can_reach_it(sandbox: Sandbox) -> None:
    """Folders are 0700 and files 0600, the socket included, and no port is open."""
    with EmbeddedServer(sandbox.state_dir).acquire() as lease, connect(lease.uri) as client:
        options = client.admin.command("getCmdLineOpts")["parsed"]["net"]
        assert options["bindIp"].endswith(".sock")
        found = [sandbox.state_dir, *sandbox.state_dir.rglob("*")]
        assert {str(path) for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077} == set()


def test_status_of_nothing_creates_nothing(sandbox: Sandbox) -> None:
    """Asking, reading the log and stopping leave a project without a state folder as it is."""
    server = EmbeddedServer(sandbox.state_dir)
    status = server.status()
    assert (status.running, status.pid, status.uri, status.version, status.data_bytes) == (False, None, None, None, 0)
    assert server.log_tail(10) == ""
    assert server.stop() is False
    assert not sandbox.state_dir.exists()


def test_status_describes_and_does_not_touch(sandbox: Sandbox) -> None:
    """Running, it tells process, address and use; stopped, it tells the last version; it never writes."""
    server = EmbeddedServer(sandbox.state_dir, idle_seconds=900.0)
    with server.acquire() as lease:
        status = server.status()
        assert (status.running, status.ready, status.in_use) == (True, True, True)
        assert [status.pid] == sandbox.mongods()
        assert (status.uri, status.version, status.idle_seconds) == (lease.uri, lease.version, 900.0)
        assert status.data_bytes > 0
    server.stop()
    before = snapshot(sandbox.folder)
    status = server.status()
    assert (status.running, status.ready, status.in_use, status.pid, status.uri) == (False, False, False, None, None)
    assert status.version == lease.version
    assert status.to_dict()["dataDir"] == str(
        sandbox.state_dir / "server" / ".".join(lease.version.split(".")[:2]) / "data"
    )
    assert snapshot(sandbox.folder) == before


def test_the_log_can_be_read(sandbox: Sandbox) -> None:
    """The last lines of mongod's log, as many as asked for."""
    server = EmbeddedServer(sandbox.state_dir)
    server.acquire().close()
    assert len(server.log_tail(5).splitlines()) == 5
    assert "Waiting for connections" in server.log_path.read_text(encoding="utf-8")


def test_tcp_gives_a_loopback_port_and_keeps_it(sandbox: Sandbox) -> None:
    """A server with TCP is reached by it, keeps its port over a restart, and serves the socket as well."""
    server = EmbeddedServer(sandbox.state_dir, tcp=True)
    with server.acquire() as lease:
        insert(lease.uri, 1)
        assert lease.uri.startswith("mongodb://127.0.0.1:")
        with EmbeddedServer(sandbox.state_dir).acquire() as plain:
            assert not plain.started
            assert values(plain.uri) == [1]
    server.stop()
    with server.acquire() as again:
        assert again.uri == lease.uri
        assert values(again.uri) == [1]


def test_a_port_that_was_taken_meanwhile_is_replaced(sandbox: Sandbox) -> None:
    """If somebody listens on the port of last time, another one is used."""
    server = EmbeddedServer(sandbox.state_dir, tcp=True)
    with server.acquire() as lease:
        port = int(lease.uri.removeprefix("mongodb://127.0.0.1:").partition("/")[0])
    server.stop()
    with socket.create_server(("127.0.0.1", port)), server.acquire() as again:
        assert again.uri != lease.uri
        insert(again.uri, 1)


def test_other_settings_restart_a_server_that_nobody_uses(sandbox: Sandbox) -> None:
    """Asking for TCP restarts an unused server that has none, and is refused while another command uses it."""
    with EmbeddedServer(sandbox.state_dir).acquire() as plain:
        insert(plain.uri, 1)
        with pytest.raises(ServerError, match="in use by another command"):
            EmbeddedServer(sandbox.state_dir, tcp=True).acquire()
        assert values(plain.uri) == [1]
    with EmbeddedServer(sandbox.state_dir, tcp=True).acquire() as reached:
        assert reached.started
        assert values(reached.uri) == [1]
    assert len(sandbox.mongods()) == 1


def fake_mongod(folder: Path, version: str, words: str, exit_code: int) -> str:
    """A program that tells a version, and otherwise says its words and ends."""
    path = folder / "fake-mongod"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo db version v{version} && exit 0\necho "{words}"\nexit {exit_code}\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return str(path)


def test_a_mongod_that_ends_at_once_is_explained(sandbox: Sandbox) -> None:
    """The error has the reason, a hint and mongod's last words, and a good binary starts afterwards."""
    binary = fake_mongod(sandbox.folder, "6.0.0", "WiredTiger error (28): No space left on device", 14)
    with pytest.raises(ServerStartError, match="the disk is full") as caught:
        EmbeddedServer(sandbox.state_dir, mongod=binary).acquire()
    assert "No space left on device" in caught.value.log_tail
    assert caught.value.hint
    with EmbeddedServer(sandbox.state_dir).acquire() as lease:
        insert(lease.uri, 1)


@pytest.mark.parametrize("name", ["WiredTiger.turtle", "WiredTiger.wt", "_mdb_catalog.wt"])
def test_damaged_data_is_explained(sandbox: Sandbox, name: str) -> None:
    """A real mongod that cannot read its files: the error says so and why, and its hint leads on."""
    server = EmbeddedServer(sandbox.state_dir)
    server.acquire().close()
    server.stop()
    (damaged,) = sandbox.state_dir.rglob(name)
    damaged.write_text("junk", encoding="utf-8")
    with pytest.raises(ServerStartError, match=r"the data files are damaged: [A-Z].*") as caught:
        server.acquire()
    assert '"s":"F"' in caught.value.log_tail
    assert sandbox.mongods() == []
    command = re.search(r"\((mv .*?)\)", caught.value.hint)
    assert command is not None
    subprocess.run(["sh", "-c", command[1]], check=True)
    server.acquire().close()


def test_a_server_that_hangs_is_told_from_one_that_is_down(sandbox: Sandbox) -> None:
    """It cannot be started, since it runs: the error names the commands that look at it and end it."""
    project = sandbox.state_dir.parent
    (project / "wayra-db.toml").write_text("")
    with Project.open(project) as opened:
        assert opened.deployment.capabilities.transactions
    (pid,) = sandbox.mongods()
    os.kill(pid, signal.SIGSTOP)
    flags = {"database.server_selection_timeout_seconds": 0.3}
    with (
        Project.open(project, flags=flags) as opened,
        pytest.raises(ConnectionFailedError, match="runs and does not answer") as caught,
    ):
        opened.migrations.status()
    assert "`wayra-db server logs`" in caught.value.hint
    assert "`wayra-db server stop`" in caught.value.hint


def test_a_state_folder_that_cannot_be_made_is_explained(sandbox: Sandbox) -> None:
    """A file in the folder's place gives a server error with the path in it."""
    sandbox.state_dir.write_text("in the way", encoding="utf-8")
    with pytest.raises(ServerStartError, match="cannot be written"):
        EmbeddedServer(sandbox.state_dir).acquire()
    sandbox.state_dir.unlink()


def test_an_unusable_setting_starts_nothing(sandbox: Sandbox) -> None:
    """A configured binary that is not there is an error although another one could be found."""
    with pytest.raises(MongodNotFoundError):
        EmbeddedServer(sandbox.state_dir, mongod="/nowhere/mongod", search_path=os.defpath).acquire()
    assert sandbox.mongods() == []


def test_another_major_version_has_its_own_data_and_says_so(sandbox: Sandbox) -> None:
    """Data of another version is left alone, and the user is told where it stays."""
    other = sandbox.state_dir / "server" / "5.0" / "data"
    other.mkdir(parents=True)
    (other / "kept").touch()
    observer = RecordingObserver()
    with EmbeddedServer(sandbox.state_dir, observer=observer).acquire():
        assert [path.name for path in other.iterdir()] == ["kept"]
    (notice,) = observer.of(Notice)
    assert "the data of MongoDB 5.0 stays in" in notice.message
