from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.integration.server.sandbox import Eventually, Sandbox, connect
from wayra_db.server import EmbeddedServer
from wayra_db.server.paths import ServerPaths
from wayra_db.server.watcher import stop_if_unused


def test_an_idle_server_is_stopped_cleanly_and_starts_again(sandbox: Sandbox, eventually: Eventually) -> None:
    """Without leases and clients it ends after its idle time, its watcher with it; its data stays."""
    server = EmbeddedServer(sandbox.state_dir, idle_seconds=0.5)
    with server.acquire() as lease, connect(lease.uri) as client:
        client.shop.items.insert_one({"_id": 1})
    eventually(lambda: not sandbox.mongods() and not sandbox.watchers())
    assert '"exitCode":0' in server.log_tail(1)
    with server.acquire() as lease, connect(lease.uri) as client:
        assert lease.started
        assert client.shop.items.count_documents({}) == 1


def test_a_server_in_use_is_not_stopped(sandbox: Sandbox, eventually: Eventually) -> None:
    """What the watcher does when the time is up: a lease stops it, then a connected client, then nothing."""
    paths = ServerPaths.of(sandbox.state_dir)
    server = EmbeddedServer(sandbox.state_dir)
    lease = server.acquire()
    assert not stop_if_unused(paths, lease.uri)
    with connect(lease.uri) as client:
        client.admin.command("ping")
        lease.close()
        assert not stop_if_unused(paths, lease.uri)
        assert server.status().running
    eventually(lambda: stop_if_unused(paths, lease.uri))
    assert not server.status().running


def test_no_idle_time_means_that_it_stays(sandbox: Sandbox, eventually: Eventually) -> None:
    """With 0 there is a watcher, which guards the folder, and the note says that time does not count."""
    server = EmbeddedServer(sandbox.state_dir, idle_seconds=0)
    server.acquire().close()
    eventually(lambda: server.status().watched)
    assert server.status().idle_seconds == 0
    shutil.rmtree(sandbox.state_dir)
    eventually(lambda: not sandbox.mongods())


def test_a_killed_watcher_is_replaced_by_the_next_command(sandbox: Sandbox, eventually: Eventually) -> None:
    """There is one watcher, however often the server is used, and again one after it was killed."""
    server = EmbeddedServer(sandbox.state_dir)
    for _ in range(3):
        server.acquire().close()
    eventually(lambda: len(sandbox.watchers()) == 1 and server.status().watched)
    (first,) = sandbox.watchers()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not sandbox.watchers())
    server.acquire().close()
    eventually(lambda: len(sandbox.watchers()) == 1 and server.status().watched)
    assert sandbox.watchers() != [first]


def test_the_watcher_goes_with_the_server(sandbox: Sandbox, eventually: Eventually) -> None:
    """When the server is killed the watcher ends by itself."""
    server = EmbeddedServer(sandbox.state_dir)
    server.acquire().close()
    eventually(lambda: server.status().watched)
    (pid,) = sandbox.mongods()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not sandbox.watchers())


def test_a_restarted_server_is_watched_still(sandbox: Sandbox, eventually: Eventually) -> None:
    """Stopped and started between two looks of the watcher, the new server has one as well."""
    server = EmbeddedServer(sandbox.state_dir, idle_seconds=1.0)
    server.acquire().close()
    eventually(lambda: server.status().watched)
    server.stop()
    server.acquire().close()
    eventually(lambda: not sandbox.mongods() and not sandbox.watchers())


@pytest.mark.parametrize("deleted", [".", "server", "server/*", "server/*.*/data"])
def test_no_server_outlives_its_folder(sandbox: Sandbox, eventually: Eventually, deleted: str) -> None:
    """The state folder, or its essential part, is deleted under a running server: it ends."""
    server = EmbeddedServer(sandbox.state_dir)
    server.acquire().close()
    eventually(lambda: server.status().watched)
    for path in [sandbox.state_dir] if deleted == "." else list(sandbox.state_dir.glob(deleted)):
        remove(path)
    eventually(lambda: not sandbox.mongods() and not sandbox.watchers())


def test_a_new_server_in_the_place_of_a_deleted_one_is_left_alone(sandbox: Sandbox, eventually: Eventually) -> None:
    """The folder is deleted and used anew at once: the old server ends, the new one stays."""
    server = EmbeddedServer(sandbox.state_dir)
    server.acquire().close()
    eventually(lambda: server.status().watched)
    (old,) = sandbox.mongods()
    shutil.rmtree(sandbox.state_dir)
    with server.acquire() as lease, connect(lease.uri) as client:
        eventually(lambda: old not in sandbox.mongods())
        client.shop.items.insert_one({})
        assert [server.status().pid] == sandbox.mongods()


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
