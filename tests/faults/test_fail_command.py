"""The server fails at each command of a run: what passes is gone through, what stays is reported."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.faults.test_kill_init import lock_is_free
from tests.faults.test_kill_migrate import state
from tests.support import Sandbox
from wayra_db.environment import Environment
from wayra_db.errors import ConnectionFailedError, DatabaseOperationError, MigrationFailedError, WayraError
from wayra_db.events import Event, Progress
from wayra_db.testing import RecordingObserver, ServerUnderTest

Documents = Database[dict[str, Any]]

CONFLICT: dict[str, Any] = {"error_code": 112, "error_labels": ["TransientTransactionError"]}
CLOSED = {"close_connection": True}
NOT_PRIMARY = {"error_code": 10107}
SHUTTING_DOWN = {"error_code": 91}
CONCERN = {"write_concern_error": {"code": 64, "errmsg": "waiting for replication timed out"}}
UNKNOWN = {"error_code": 50, "error_labels": ["UnknownTransactionCommitResult"]}

IN_TRANSACTION = ("insert", "update")
FAULTS = [
    *itertools.product(["insert", "update"], [CONFLICT, CLOSED, NOT_PRIMARY, SHUTTING_DOWN]),
    *itertools.product(["commitTransaction"], [CLOSED, NOT_PRIMARY, SHUTTING_DOWN, CONCERN, UNKNOWN]),
    *itertools.product(["find", "findAndModify"], [CLOSED, NOT_PRIMARY]),
]


def name_of(value: object) -> str:
    """A fault in a test's name."""
    if isinstance(value, dict):
        return next((f"{key}={one}" for key, one in value.items() if key != "write_concern_error"), "writeConcernError")
    return str(value)


def write(sandbox: Sandbox) -> None:
    """An atomic migration, an async one and a batched one."""
    sandbox.migration(1, "db.counted.update_one({'_id': 1}, {'$inc': {'n': 1}})\ndb.other.insert_one({'_id': 1})")
    sandbox.migration(
        2,
        "await db.counted.update_one({'_id': 2}, {'$inc': {'n': 1}})\nawait db.other.insert_one({'_id': 2})",
        is_async=True,
    )
    sandbox.write(
        "migrations/0003_step.py",
        "def up(db, ctx):\n    for batch in ctx.batches('counted', {'_id': {'$gt': 2}}, size=2):\n"
        "        batch.update_many({'$inc': {'n': 1}})\n",
    )
    sandbox.write(
        "migrations/0004_step.py",
        "async def up(db, ctx):\n    async for batch in ctx.batches('counted', size=4):\n"
        "        await batch.update_many({'$inc': {'m': 1}})\n",
    )


def fresh(sandbox: Sandbox, database: Documents) -> None:
    """The data before the first migration, on a database that belongs to the environment."""
    database.client.drop_database(database.name)
    with sandbox.open() as project:
        project.set_environment(Environment.DEVELOPMENT)
    database.counted.insert_many([{"_id": number, "n": 0, "m": 0} for number in range(1, 9)])


@contextmanager
def failing(server: ServerUnderTest, command: str, fault: dict[str, Any], number: int | None) -> Iterator[None]:
    """The first two of a command fail, or with `number` the one after so many and all that follow."""
    options: dict[str, Any] = {"times": 2} if number is None else {"times": None, "skip": number}
    with server.fail_command(command, app_name="wayra-db", **fault, **options):
        yield


@pytest.mark.parametrize(("command", "fault"), FAULTS, ids=name_of)
def test_a_passing_fault_is_gone_through_or_reported(
    sandbox: Sandbox, wayra_database: Documents, wayra_server: ServerUnderTest, command: str, fault: dict[str, Any]
) -> None:
    """Two commands in a row fail: the run ends well, or says why; the next one ends in the same state."""
    write(sandbox)
    fresh(sandbox, wayra_database)
    options = "heartbeatFrequencyMS=500"
    with (
        sandbox.open(environ={"MONGODB_URI": f"{sandbox.uri}&{options}"}) as project,
        failing(wayra_server, command, fault, None),
        suppress(MigrationFailedError, ConnectionFailedError, DatabaseOperationError),
    ):
        project.migrations.up()
    with sandbox.open() as project:
        project.migrations.up()
    assert_done_once(wayra_database)


def assert_done_once(database: Documents) -> None:
    """Each document was met once by what was to meet it, and everything is recorded."""
    assert [(one["n"], one["m"]) for one in database.counted.find()] == [(1, 1)] * 8
    assert database.other.distinct("_id") == [1, 2]
    found = state(database)
    assert found["migrations"] == [(number, "applied") for number in range(1, 5)]
    assert found["log without gaps"]
    assert found["chain is broken at"] is None
    assert found["checkpoints"] == 0
    applied = {
        entry["version"]: (entry.get("modified"), entry.get("inserted"))
        for entry in database["_wayra_log"].find({"event": "migration applied"})
    }
    assert applied[1] == applied[2] == (1, 1)
    assert lock_is_free(database)


@pytest.mark.parametrize("command", ["insert", "update", "findAndModify", "find", "commitTransaction", "delete"])
def test_a_refusal_at_each_command_is_reported_and_the_next_run_goes_on(
    sandbox: Sandbox, wayra_database: Documents, wayra_server: ServerUnderTest, command: str
) -> None:
    """From the first, the second, ... command of a kind on the server refuses them all: never half-recorded."""
    write(sandbox)
    # Where `update` is refused, the lock cannot be given back either: fewer of those, and a short lease.
    for number in itertools.count(step={"update": 5, "find": 2}.get(command, 1)):
        fresh(sandbox, wayra_database)
        with (
            sandbox.open(environ={"WAYRA_LOCK_LEASE": "1"}) as project,
            wayra_server.fail_command(command, app_name="wayra-db", error_code=96, times=None, skip=number),
        ):
            try:
                project.migrations.up()
            except WayraError:
                failed = True
            else:
                failed = False
        if failed:
            with sandbox.open() as project:
                project.migrations.up()
        assert_done_once(wayra_database)
        if not failed:
            break
    assert number >= 1


class FailAfter(RecordingObserver):
    """Lets two commands meet a write conflict once two documents are done."""

    def __init__(self, client: MongoClient[dict[str, Any]], command: str) -> None:
        super().__init__()
        self._admin = client.admin
        self._armed = False
        self._data = {
            "failCommands": [command],
            "errorCode": 112,
            "errorLabels": ["TransientTransactionError"],
            "appName": "wayra-db",
        }

    def __call__(self, event: Event) -> None:
        """As it says."""
        super().__call__(event)
        if isinstance(event, Progress) and event.done == 2 and not self._armed:
            self._armed = True
            self._admin.command({"configureFailPoint": "failCommand", "mode": {"times": 2}, "data": self._data})


@pytest.mark.parametrize("command", ["insert", "commitTransaction"])
@pytest.mark.parametrize("is_async", [False, True])
def test_documents_of_a_repeated_batch_count_once(
    sandbox: Sandbox, wayra_database: Documents, command: str, is_async: bool
) -> None:
    """What a batch wrote before a write conflict is not in the log; what it committed in the end is, once."""
    wayra_database.counted.insert_many([{"_id": number, "n": 0} for number in range(6)])
    define, loop, wait = ("async def", "async for", "await ") if is_async else ("def", "for", "")
    sandbox.write(
        "migrations/0001_step.py",
        f"{define} up(db, ctx):\n    {loop} batch in ctx.batches('counted', size=2):\n"
        f"        {wait}batch.update_many({{'$inc': {{'n': 1}}}})\n        {wait}db.other.insert_one({{}})\n",
    )
    sandbox.observer = FailAfter(wayra_database.client, command)
    with sandbox.open(adopt=True) as project:
        (done,) = project.migrations.up().ran
    assert wayra_database.counted.distinct("n") == [1]
    assert wayra_database.other.count_documents({}) == 3
    assert dict(done.written) == {"matched": 6, "modified": 6, "inserted": 3}
