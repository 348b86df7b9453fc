"""Index builds whose tool, server or fellow member dies, and builds that are stopped."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tests.support import Sandbox
from wayra_db import Deployment
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.errors import CancelledError
from wayra_db.indexes import history
from wayra_db.indexes.builds import WhenStopped
from wayra_db.testing import TemporaryServer, temporary_server

Documents = Database[dict[str, Any]]

DECLARED = """
from pymongo import IndexModel
from wayra_db import Collection

users = Collection("users", indexes=[IndexModel("a"), IndexModel("b", unique=True)])
"""
HANG = "hangAfterStartingIndexBuild"


def wait_until(true: Callable[[], object], what: str) -> None:
    """Poll, with a generous deadline."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


@contextmanager
def hanging(*clients: MongoClient[dict[str, Any]]) -> Iterator[None]:
    """Within the block, index builds hang once they have begun."""
    for client in clients:
        client.admin.command({"configureFailPoint": HANG, "mode": "alwaysOn"})
    try:
        yield
    finally:
        for client in clients:
            try:
                client.admin.command({"configureFailPoint": HANG, "mode": "off"})
            except PyMongoError:
                continue  # it was killed by the test


def live(database: Documents) -> dict[str, bool]:
    """The indexes of `users`, and whether each is ready."""
    reply = database.command({"listIndexes": "users", "includeBuildUUIDs": True, "cursor": {}})
    batch = reply["cursor"]["firstBatch"]
    names = {one["spec"]["name"] if "spec" in one else one["name"]: "buildUUID" not in one for one in batch}
    return {name: ready for name, ready in names.items() if name != "_id_"}


def prepared(sandbox: Sandbox, database: Documents) -> None:
    """Some documents, and a declaration whose indexes are missing."""
    sandbox.write("collections/users.py", 'from wayra_db import Collection\nusers = Collection("users")\n')
    assert sandbox.run("init").returncode == 0
    database.users.insert_many([{"a": number, "b": number} for number in range(100)])
    sandbox.write("collections/users.py", DECLARED)


def test_the_tool_is_killed_during_a_build(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The server builds on; the next runs say so and finish."""
    prepared(sandbox, wayra_database)
    with hanging(wayra_database.client):
        first = sandbox.start("indexes", "apply")
        wait_until(lambda: live(wayra_database) == {"a_1": False, "b_1": False}, "the build begins")
        first.kill()
        first.communicate()
        planned = json.loads(sandbox.run("indexes", "plan", "--json").stdout)
        assert [one["step"] for one in planned["indexes"]] == ["wait", "wait"]
        assert all("was cut off: users." in one and "still being built" in one for one in planned["interrupted"])
        assert len(planned["interrupted"]) == 2
        second = sandbox.start("indexes", "apply")
        wait_until(lambda: _started(wayra_database) == 2, "the second run waits")
        assert second.poll() is None
    stdout, stderr = second.communicate(timeout=60)
    assert second.returncode == 0, stderr
    assert "was cut off: users.a_1 is still being built by the server" in stderr
    assert "Applied 2 indexes" in stdout
    assert live(wayra_database) == {"a_1": True, "b_1": True}
    assert sandbox.run("indexes", "plan", "--check").returncode == 0
    states = [(one.command, one.state) for one in history.read_all(_deployment(wayra_database))]
    assert states == [("apply", "done"), ("apply", "interrupted")]


def test_the_tool_is_killed_and_the_server_finishes(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The next run says that it was cut off and that all was finished, and settles the record."""
    prepared(sandbox, wayra_database)
    with hanging(wayra_database.client):
        first = sandbox.start("indexes", "apply")
        wait_until(lambda: live(wayra_database) == {"a_1": False, "b_1": False}, "the build begins")
        first.kill()
        first.communicate()
    wait_until(lambda: live(wayra_database) == {"a_1": True, "b_1": True}, "the server finishes")
    second = sandbox.run("indexes", "apply")
    assert second.returncode == 0, second.stderr
    assert "was cut off: users.a_1: create was finished" in second.stderr
    assert "Nothing to do" in second.stdout
    assert sandbox.run("indexes", "apply").stderr == ""
    assert sandbox.run("indexes", "undo", "--yes").returncode == 0
    assert live(wayra_database) == {}


def test_the_server_is_killed_during_a_build(tmp_path: Path) -> None:
    """The run fails with a hint; once the server is back the next one says what happened and finishes."""
    with temporary_server() as server, server.client() as client:
        database = client["killed"]
        sandbox = Sandbox(tmp_path, server.uri, "killed")
        prepared(sandbox, database)
        client.admin.command({"configureFailPoint": HANG, "mode": "alwaysOn"})
        first = sandbox.start("indexes", "apply")
        wait_until(lambda: live(database) == {"a_1": False, "b_1": False}, "the build begins")
        server.nodes[0].kill()
        _, stderr = first.communicate(timeout=120)
        assert first.returncode != 0
        assert "Traceback" not in stderr
        server.nodes[0].start()
        server.primary()
        second = sandbox.run("indexes", "apply")
        assert second.returncode == 0, second.stderr
        assert "was cut off: users.a_1" in second.stderr
        assert live(database) == {"a_1": True, "b_1": True}
        assert sandbox.run("indexes", "plan", "--check").returncode == 0


@pytest.mark.parametrize(("answer", "left"), [("l", True), ("a", False), ("w", True)])
def test_ctrl_c_offers_a_choice(
    sandbox: Sandbox, wayra_database: Documents, answer: str, left: bool, tmp_path: Path
) -> None:
    """Leave the build to the server, abort it, or wait for it; the lock is free afterwards."""
    prepared(sandbox, wayra_database)
    master, slave = pty.openpty()
    with hanging(wayra_database.client):
        process = subprocess.Popen(
            _command(sandbox),
            env={"PATH": os.environ["PATH"], "TERM": "dumb", **sandbox.environ()},
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.close(slave)
        wait_until(lambda: live(wayra_database) == {"a_1": False, "b_1": False}, "the build begins")
        process.send_signal(signal.SIGINT)
        os.write(master, f"{answer}\n".encode())
        if answer == "l":
            stdout, _ = process.communicate(timeout=60)
            assert "the server goes on building users.a_1, users.b_1" in stdout
        elif answer == "a":
            wait_until(lambda: _aborting(wayra_database) or not live(wayra_database), "the abort is asked for")
    if answer != "l":
        stdout, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == ExitCode.INTERRUPTED, stdout
    assert "Traceback" not in stdout
    if left:
        wait_until(lambda: live(wayra_database) == {"a_1": True, "b_1": True}, "the build ends")
    else:
        assert live(wayra_database) == {}
        assert "were aborted" in stdout
    states = [(one.command, one.state) for one in history.read_all(_deployment(wayra_database))]
    assert states == [("apply", "running" if answer == "l" else "interrupted")]
    again = sandbox.run("indexes", "apply")
    assert again.returncode == 0
    assert ("was cut off" in again.stderr) == (answer == "l")  # what was decided is no news
    assert live(wayra_database) == {"a_1": True, "b_1": True}


def test_a_plan_tells_how_far_a_build_is(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Also one whose tool is gone: the phase, how much of it is done, and of how much."""
    prepared(sandbox, wayra_database)
    point = "hangIndexBuildDuringCollectionScanPhaseBeforeInsertion"
    admin = wayra_database.client.admin
    admin.command({"configureFailPoint": point, "mode": "alwaysOn", "data": {"fieldsToMatch": {"a": 40}}})
    try:
        first = sandbox.start("indexes", "apply")
        wait_until(lambda: live(wayra_database) == {"a_1": False, "b_1": False}, "the build begins")
        first.kill()
        first.communicate()
        wait_until(lambda: "reading 40 of 100 documents" in sandbox.run("indexes", "plan").stdout, "it is told")
    finally:
        admin.command({"configureFailPoint": point, "mode": "off"})
    assert sandbox.run("indexes", "apply").returncode == 0


def test_an_abort_ends_only_what_was_begun(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A build that others have begun goes on, and the run that joined it does not wait for it."""
    prepared(sandbox, wayra_database)
    with hanging(wayra_database.client):
        first = sandbox.start("indexes", "apply")
        wait_until(lambda: live(wayra_database) == {"a_1": False, "b_1": False}, "the build begins")
        first.kill()
        first.communicate()

        def stop_and_abort(building: Sequence[str]) -> WhenStopped:
            return "abort"

        with sandbox.open() as project:
            threading.Timer(0.5, project.guard.stop.request, ["SIGINT"]).start()
            with pytest.raises(CancelledError, match=r"the server goes on building users.a_1, users.b_1"):
                project.indexes.apply(on_stop=stop_and_abort)
    wait_until(lambda: live(wayra_database) == {"a_1": True, "b_1": True}, "the build ends")


def test_sigterm_leaves_the_build_to_the_server(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Nobody is there to ask; the pod may go."""
    prepared(sandbox, wayra_database)
    with hanging(wayra_database.client):
        process = sandbox.start("indexes", "apply")
        wait_until(lambda: live(wayra_database) == {"a_1": False, "b_1": False}, "the build begins")
        process.terminate()
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == ExitCode.INTERRUPTED
        assert "the server goes on building" in stderr
    wait_until(lambda: live(wayra_database) == {"a_1": True, "b_1": True}, "the build ends")


def _command(sandbox: Sandbox) -> list[str]:
    import sys

    code = "import sys\nfrom wayra_db.cli import main\nmain(sys.argv[1:])\n"
    return [sys.executable, "-c", code, "--project", str(sandbox.folder), "indexes", "apply"]


def _aborting(database: Documents) -> bool:
    operations = database.client.admin.aggregate([{"$currentOp": {}}, {"$match": {"command.dropIndexes": "users"}}])
    return any(one["command"].get("$db") == database.name for one in operations)


def _started(database: Documents) -> int:
    return database["_wayra_log"].count_documents({"event": "indexes apply started"})


def _deployment(database: Documents) -> Deployment:
    return Deployment(database.client, database.name)


class TestThreeNodes:
    """A replica set of which a voting member is down."""

    def test_a_member_is_down_from_the_start(self, wayra_three_nodes: TemporaryServer, tmp_path: Path) -> None:
        """The build asks for the majority, where the server's default would hang."""
        server = wayra_three_nodes
        with server.client() as client:
            database = client["quorum"]
            sandbox = Sandbox(tmp_path, server.uri, "quorum")
            prepared(sandbox, database)
            _secondary(server).kill()
            _until_known_down(client)
            ended = sandbox.run("indexes", "apply")
            assert ended.returncode == 0, ended.stderr
            assert live(database) == {"a_1": True, "b_1": True}

    def test_a_member_goes_down_during_the_build(self, wayra_three_nodes: TemporaryServer, tmp_path: Path) -> None:
        """The quorum is lowered, and the build that would wait for it is committed; it is said."""
        server = wayra_three_nodes
        with server.client() as client:
            database = client["quorum"]
            sandbox = Sandbox(tmp_path, server.uri, "quorum")
            prepared(sandbox, database)
            victim = _secondary(server)
            member: MongoClient[dict[str, Any]] = MongoClient(victim.host, directConnection=True)
            with member, hanging(member):
                process = sandbox.start("indexes", "apply")
                wait_until(lambda: live(database) == {"a_1": False, "b_1": False}, "the build begins")
                time.sleep(0.5)  # the others are done by now, and wait for the one that hangs
                assert process.poll() is None
                assert live(database) == {"a_1": False, "b_1": False}
                victim.kill()
                _, stderr = process.communicate(timeout=60)
            assert process.returncode == 0, stderr
            assert "a voting member is down: users.a_1 is committed once the majority has built it" in stderr
            assert live(database) == {"a_1": True, "b_1": True}


def _secondary(server: TemporaryServer) -> Any:
    primary = server.primary()
    return next(node for node in server.nodes if node is not primary)


def _until_known_down(client: MongoClient[dict[str, Any]]) -> None:
    wait_until(
        lambda: any(one["health"] == 0 for one in client.admin.command("replSetGetStatus")["members"]),
        "the member is known to be down",
    )
