"""A process whose children run migrations and are killed: `python -m wayra_db.migrations.rehearsal.victim`.

It reads a job a line from standard input and answers each with a line. Every job runs in a child of its own, forked
after the driver was loaded and before anything is connected, so that hundreds of them are affordable. Addresses and
passwords come by the pipe and stand in no command line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import pymongo
from pymongo import monitoring

from wayra_db.environment import Action, Environment
from wayra_db.errors import WayraError
from wayra_db.guard import Guard
from wayra_db.migrations.manager import MigrationManager
from wayra_db.mongo.client import connect


class Killer(monitoring.CommandListener):
    """Kills the process before the command `number` is sent, or after it was answered; 0 is none."""

    def __init__(self, number: int, moment: str) -> None:
        self.sent: list[str] = []
        self._number = number
        self._moment = moment

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Called by the driver before it sends a command."""
        target = event.command.get(event.command_name)
        self.sent.append(f"{event.command_name} {target}" if isinstance(target, str) else event.command_name)
        self._strike("before")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Called by the driver after a command."""
        self._strike("after")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Called by the driver when the server refused a command."""
        self._strike("after")

    def _strike(self, moment: str) -> None:
        if moment == self._moment and len(self.sent) == self._number:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Answer jobs until standard input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(readable)
            _child(job, writable)
        os.close(writable)
        with os.fdopen(readable, "rb") as answer:
            said = answer.read()
        _, status = os.waitpid(child, 0)
        known = json.loads(said) if said else {}
        known["code"] = os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps(known) + "\n")
        sys.stdout.flush()


def _child(job: dict[str, Any], writable: int) -> None:
    """Run one job and end the process; what a migration prints goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    code, known = 1, {}
    try:
        killer = Killer(job["number"], job["moment"])
        pymongo.monitoring.register(killer)
        known = _run(job, killer)
        code = 0
    except WayraError as error:
        known = {"error": error.message}
    except BaseException as error:
        known = {"error": f"{type(error).__name__} in {traceback.extract_tb(error.__traceback__)[-1].name}"}
    os.write(writable, json.dumps(known).encode())
    os._exit(code)


def _run(job: dict[str, Any], killer: Killer) -> dict[str, Any]:
    sys.path[:] = job["path"]
    deployment = connect(
        job["uri"],
        job["database"],
        address="the scratch database",
        server_selection_timeout_seconds=10.0,
        observer=lambda event: None,
    )
    guard = Guard(
        deployment,
        Environment(job["environment"]),
        observer=lambda event: None,
        permitted=[Action.ROLLBACK],
    )
    migrations = MigrationManager(guard, Path(job["folder"]), with_hooks=False)
    if job["direction"] == "up":
        migrations.up(to=job["version"])
    else:
        migrations.rollback(version=job["version"])
    sent = list(killer.sent)
    deployment.close()
    return {"commands": sent}


if __name__ == "__main__":
    main()
