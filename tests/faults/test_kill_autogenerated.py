"""kill -9 in a migration written from the declarations: the same command line goes on to the same end."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.nursery import Nursery
from tests.integration.test_autogenerate import PAIRS, allowed, declare, snapshot
from tests.support import Sandbox

Documents = Database[dict[str, Any]]

DYING = """
import os
from pymongo import monitoring
class Dying(monitoring.CommandListener):
    left = int(os.environ["DIE_AT"])
    after = os.environ["DIE"] == "after"
    def _count(self, event, after):
        if event.command_name in {"create", "createIndexes", "collMod", "drop", "dropIndexes"} and after == self.after:
            Dying.left -= 1
            if Dying.left == 0:
                os.kill(os.getpid(), 9)
    def started(self, event):
        self._count(event, False)
    def succeeded(self, event):
        self._count(event, True)
    def failed(self, event):
        self._count(event, True)
monitoring.register(Dying())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_each_command(sandbox: Sandbox, nursery: Nursery, wayra_database: Documents, moment: str) -> None:
    """kill -9 before or after any command of `up` and of `down`: the same command line goes on to the same end."""
    declared, before = PAIRS["much at once"]
    before(wayra_database)
    was = snapshot(wayra_database)
    declare(sandbox, declared)
    with allowed(sandbox) as project:
        project.create_migration_from_declarations("much")
        project.migrations.up()
        after = snapshot(wayra_database)
        project.migrations.rollback(steps=1)
    for verb, goal, back, least in (("up", after, was, 10), ("rollback", was, after, 7)):
        arguments = ["migrate", "up"] if verb == "up" else ["migrate", "rollback", "--version", "1", "--yes"]
        number, died = 0, True
        while died:
            number += 1
            ended = nursery.run(sandbox, *arguments, prelude=DYING, DIE_AT=str(number), DIE=moment)
            died = ended.code == -9
            if not died:
                assert ended.code == 0, ended.said
            else:
                finished = nursery.run(sandbox, *arguments)
                assert finished.code == 0, finished.said
            assert snapshot(wayra_database) == goal, f"{verb}, {moment} command {number}"
            with allowed(sandbox) as project:
                if verb == "up":
                    project.migrations.rollback(steps=1)
                else:
                    project.migrations.up()
            assert snapshot(wayra_database) == back
        assert number > least, "the commands that make the change were not seen"
        with allowed(sandbox) as project:
            if verb == "up":
                project.migrations.up()
