from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, OperationFailure, WriteConcernError

from tests.integration.server.sandbox import Eventually, connect
from wayra_db.errors import ServerStartError
from wayra_db.events import Notice, ServerStarted
from wayra_db.testing import (
    CommandCounter,
    ExternalServer,
    RecordingObserver,
    ServerUnderTest,
    TemporaryServer,
    temporary_server,
)

OWNER = """
import sys
from pathlib import Path
from wayra_db.testing import temporary_server
with temporary_server(directory=Path(sys.argv[1])) as server:
    print(server.nodes[0].pid, server.uri, flush=True)
    sys.stdin.read()
"""


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs."""
    return subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("end", [subprocess.Popen.kill, subprocess.Popen.terminate, subprocess.Popen.communicate])
def test_a_server_ends_with_its_owner(
    tmp_path: Path, eventually: Eventually, end: Callable[[subprocess.Popen[str]], object]
) -> None:
    """kill -9, SIGTERM or a good end of the owner: the server is gone and its data too."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid, uri = owner.stdout.readline().split()
    with connect(uri) as client:
        client.shop.items.insert_one({})
    assert is_alive(int(pid))
    end(owner)
    eventually(lambda: not is_alive(int(pid)) and not any(tmp_path.iterdir()))
    owner.communicate()


def test_an_exception_in_the_block_ends_the_server_too(tmp_path: Path) -> None:
    """Nothing is left when the block raises."""
    pids = []

    def fail(server: TemporaryServer) -> None:
        pids.append(server.nodes[0].pid)
        raise KeyError

    with pytest.raises(KeyError), temporary_server(directory=tmp_path) as server:
        fail(server)
    assert [is_alive(pid) for pid in pids] == [False]
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    """A bad argument is an error with mongod's words in it, and no folder stays."""
    with pytest.raises(ServerStartError) as caught, temporary_server(directory=tmp_path, extra_args=["--nonsense"]):
        pass
    assert "nonsense" in caught.value.log_tail
    assert list(tmp_path.iterdir()) == []


def test_several_nodes_are_a_replica_set() -> None:
    """Three standalone nodes make no sense."""
    with pytest.raises(ValueError, match="replica set"), temporary_server(nodes=3, replica_set=False):
        pass


def test_a_database_of_its_own(wayra_database: Database[dict[str, Any]]) -> None:
    """The fixture's database is empty and takes writes."""
    assert wayra_database.list_collection_names() == []
    wayra_database.items.insert_one({})
    assert wayra_database.items.count_documents({}) == 1


def test_a_standalone_has_no_transactions(wayra_standalone: TemporaryServer) -> None:
    """It is no replica set, and says so."""
    with wayra_standalone.client() as client:
        assert "setName" not in client.admin.command("hello")
        with pytest.raises(OperationFailure), client.start_session() as session, session.start_transaction():
            client.shop.items.insert_one({}, session=session)


def test_a_password_is_asked_for(wayra_auth_server: TemporaryServer) -> None:
    """The root user may do anything, nobody without the password may."""
    with wayra_auth_server.client() as client:
        client.shop.items.insert_one({})
    address = f"mongodb://{wayra_auth_server.nodes[0].host}/?directConnection=true"
    with connect(address) as stranger, pytest.raises(OperationFailure) as caught:
        stranger.shop.items.find_one()
    assert caught.value.code == 13


def test_three_nodes_survive_the_loss_of_their_primary(wayra_three_nodes: TemporaryServer) -> None:
    """A killed primary is followed by another one, nothing acknowledged is lost, and it may come back."""
    with wayra_three_nodes.client() as client:
        client.shop.items.insert_one({"_id": 1})
        killed = wayra_three_nodes.primary()
        killed.kill()
        assert not killed.is_running()
        assert wayra_three_nodes.primary() is not killed
        client.shop.items.insert_one({"_id": 2})
        killed.restart()
        assert client.shop.items.count_documents({}) == 2


def test_a_node_can_be_restarted_stopped_and_paused() -> None:
    """Its data and its address stay; a paused node lives."""
    with temporary_server() as server, server.client() as client:
        client.shop.items.insert_one({"_id": 1})
        node = server.nodes[0]
        first = node.pid
        node.restart()
        assert node.pid != first
        server.primary()
        client.shop.items.insert_one({"_id": 2})
        node.stop()
        assert not node.is_running()
        node.start()
        server.primary()
        node.pause()
        assert node.is_running()
        node.resume()
        assert client.shop.items.count_documents({}) == 2


def test_commands_fail_as_ordered(wayra_server: ServerUnderTest) -> None:
    """An error code with labels, a write concern error, a closed connection; afterwards all is well."""
    with wayra_server.client(appname="victim", retryWrites=False) as client:
        items = client.wayra_test_faults.items
        with wayra_server.fail_command("insert", error_code=11601, error_labels=["Odd"], app_name="victim"):
            with pytest.raises(OperationFailure) as refused:
                items.insert_one({})
            items.insert_one({})  # once means once
        assert refused.value.code == 11601
        assert refused.value.has_error_label("Odd")
        trouble = {"code": 64, "errmsg": "waiting for replication timed out"}
        with (
            wayra_server.fail_command("insert", write_concern_error=trouble, app_name="victim"),
            pytest.raises(WriteConcernError),
        ):
            items.insert_one({})
        with (
            wayra_server.fail_command("insert", close_connection=True, times=None, app_name="victim"),
            pytest.raises(AutoReconnect),
        ):
            items.insert_one({})
        with wayra_server.fail_command("insert", error_code=11601, times=None, skip=1, app_name="victim"):
            items.insert_one({})
            with pytest.raises(OperationFailure):
                items.insert_one({})
        items.insert_one({})
        client.drop_database("wayra_test_faults")


def test_skip_and_times_do_not_go_together(wayra_server: ServerUnderTest) -> None:
    """The server counts one or the other."""
    with pytest.raises(ValueError, match="times must be None"), wayra_server.fail_command("insert", skip=1):
        pass


def test_a_server_of_somebody_elses_is_used_alike(wayra_server: ServerUnderTest) -> None:
    """A URI is enough to make clients."""
    with ExternalServer(wayra_server.uri).client() as client:
        assert client.admin.command("ping")["ok"] == 1


def test_commands_are_counted_in_order(wayra_auth_server: TemporaryServer) -> None:
    """The counter has what was sent and what was refused, without the login."""
    counter = CommandCounter()
    with wayra_auth_server.client(event_listeners=[counter]) as client:
        client.admin.command("ping")
        with pytest.raises(OperationFailure):
            client.admin.command("nonsense")
        assert (counter.names, counter.refused, counter.count) == (["ping", "nonsense"], ["nonsense"], 2)
        counter.clear()
        client.shop.items.find_one()
        assert (counter.names, counter.refused) == (["find"], [])


def test_an_observer_records_events_by_class() -> None:
    """`of` picks the events of one class, in order."""
    observer = RecordingObserver()
    for event in (Notice("one"), ServerStarted("6.0.5", 0.5, first=True), Notice("two")):
        observer(event)
    assert [notice.message for notice in observer.of(Notice)] == ["one", "two"]
    assert len(observer.events) == 3
