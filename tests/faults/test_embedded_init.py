"""`init` on a project's own server, with everything that goes wrong on a developer's machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_kill_init import end_state, wayra_sandbox
from tests.support import Sandbox
from wayra_db import Project

# After that many commands the server dies, as by a power cut, and the tool goes on alone.
SERVER_KILLER = """
import os, signal, pathlib
from pymongo import monitoring

class Killer(monitoring.CommandListener):
    sent = 0

    def started(self, event):
        Killer.sent += 1
        if Killer.sent == {number}:
            os.kill(int(pathlib.Path({pid_file!r}).read_text()), signal.SIGKILL)

    def succeeded(self, event):
        pass

    failed = succeeded

monitoring.register(Killer())
"""


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Sandbox]:
    """The Wayra project with no URI, whose server is stopped afterwards."""
    sandbox = wayra_sandbox(tmp_path / "wayra", None, "wayra")
    yield sandbox
    with sandbox.open() as project:
        project.server.stop()


def database_state(project: Project) -> object:
    """The end state of the project's database."""
    return end_state(project.deployment.database)


def test_two_at_once_start_one_server_and_do_it_once(own_server: Sandbox) -> None:
    """On an empty project: one server, one of each; both end well."""
    processes = [own_server.start("init") for _ in range(2)]
    results = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert [code for _, code in results] == [0, 0], results
    assert sum("Started the embedded MongoDB" in stderr for (_, stderr), _ in results) == 1
    with own_server.open() as project:
        assert project.status().healthy
        events = project.deployment.database["_wayra_log"].distinct("event")
        assert {"schema applied", "migration applied", "indexes apply done", "seed ran"} <= set(events)
        assert project.deployment.database["_wayra_log"].count_documents({"event": "migration applied"}) == 3


def test_a_server_killed_during_init_loses_nothing(own_server: Sandbox) -> None:
    """The tool reports the lost connection without a traceback, and the next `init` recovers and completes."""
    with own_server.open() as project:
        project.initializer.run()
        expected = database_state(project)
        pid_file = own_server.folder / ".wayra" / "server" / "mongod.pid"
        assert pid_file.is_file()
    for number in (14, 26, 40, 52):
        with own_server.open() as project:
            client = project.deployment.client
            client.admin.command("killAllSessions", [])
            client.drop_database("wayra")
        killer = SERVER_KILLER.format(number=number, pid_file=str(pid_file))
        failed = own_server.run("init", "--server-selection-timeout", "1", prelude=killer, WAYRA_LOCK_LEASE="2")
        assert failed.returncode == 10, (number, failed.stderr)
        assert "error[" in failed.stderr
        assert "Traceback" not in failed.stderr
        again = own_server.run("init")
        assert again.returncode == 0, (number, again.stderr)
        with own_server.open() as project:
            assert database_state(project) == expected, f"server killed at command {number}"
