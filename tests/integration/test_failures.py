"""What is known of a migration that raised, was stopped or killed, or has not awaited what it began."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.errors import CancelledError, EditedFileError, LockLostError, MigrationFailedError
from wayra_db.stopping import Stop
from wayra_db.testing import TemporaryServer

Documents = Database[dict[str, Any]]

HELPER = "def demand(number):\n    if number > 1:\n        raise ValueError('too much')\n"
BATCHED = "for batch in ctx.batches('things', size=2):\n    batch.update_many({'$inc': {'n': 1}})\n"


def write(sandbox: Sandbox, body: str, *, define: str = "def", head: str = "") -> Path:
    """A migration that takes the context."""
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    return sandbox.write("migrations/0001_step.py", f"{head}\n{define} up(db, ctx):\n{lines}\n")


def things(database: Documents, count: int) -> None:
    """So many documents."""
    database.things.insert_many([{"_id": number, "n": 0} for number in range(count)])


def logged(database: Documents) -> list[dict[str, Any]]:
    """What the log says of migrations."""
    return list(database["_wayra_log"].find({"event": {"$regex": "^migration"}}, sort=[("_id", 1)]))


def counts(entry: dict[str, Any]) -> dict[str, int]:
    """The counts of documents in an entry."""
    return {name: entry[name] for name in ("matched", "modified", "inserted", "deleted") if name in entry}


# --- the error, the line and the way to it -------------------------------------------------------------------------


@pytest.mark.parametrize("ddl", ["", "db.others.create_index('n')\n"])
@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_failure_is_recorded_with_its_line_and_the_way_to_it(
    sandbox: Sandbox, wayra_database: Documents, ddl: str, environment: str
) -> None:
    """In the history, in the log, in the status and in the error: the user's own frames and nobody else's."""
    sandbox.write("migrations/_demands.py", HELPER)
    head = "from _demands import demand"
    sandbox.migration(1, f"{ddl}for number in range(3):\n    demand(number)", head=head)
    line = 5 if ddl else 4
    with sandbox.open(environ={"WAYRA_ENV": environment}) as project:
        with pytest.raises(MigrationFailedError) as caught:
            project.migrations.up()
        (status,) = project.migrations.status()
    record = wayra_database["_wayra_migrations"].find_one({"_id": 1}) or {}
    expected = (
        f'  File "migrations/0001_step.py", line {line}, in up\n'
        '  File "migrations/_demands.py", line 3, in demand\n'
        "ValueError: too much"
    )
    for told in (record, logged(wayra_database)[-1], status.to_dict()):
        assert (told["error"], told["line"]) == ("ValueError: too much", line)
        assert told["traceback"] == expected
    assert caught.value.traceback == record["traceback"]
    assert f"up failed at line {line} on " in status.detail


def test_no_value_of_a_document_is_recorded(sandbox: Sandbox, wayra_database: Documents) -> None:
    """What the driver says quotes them, also where the user's own exception has it as its cause."""
    wayra_database.users.create_index("email", unique=True)
    email = "'ada@example.com'"
    sandbox.migration(
        1,
        f"try:\n    db.users.insert_many([{{'email': {email}}}, {{'email': {email}}}])\n"
        "except Exception as error:\n    raise RuntimeError('users') from error",
        head="transactional = False",
    )
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError):
        project.migrations.up()
    record = wayra_database["_wayra_migrations"].find_one({"_id": 1}) or {}
    assert "BulkWriteError (code 65)" in record["traceback"]
    assert "RuntimeError: users" in record["traceback"]
    assert "ada@example.com" not in str(record) + str(logged(wayra_database))


def test_a_deep_recursion_is_recorded_in_short(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Its first frames and its last."""
    sandbox.migration(1, "def deep():\n    deep()\ndeep()")
    with sandbox.open() as project, pytest.raises(MigrationFailedError):
        project.migrations.up()
    record = wayra_database["_wayra_migrations"].find_one({"_id": 1}) or {}
    assert "frames ..." in record["traceback"]
    assert len(record["traceback"]) < 5000


def test_a_down_that_failed_leaves_its_migration_applied(sandbox: Sandbox, wayra_database: Documents) -> None:
    """It says so, blocks nothing, keeps when it was applied, and its file may be corrected and tried again."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})", "db.things.delete_one({'_id': 1})\nraise ValueError('no')")
    with sandbox.open() as project:
        project.migrations.up()
        applied = project.migrations.status()[0]
        with pytest.raises(MigrationFailedError) as caught:
            project.migrations.rollback(version=1)
        assert "the migration is still applied" in caught.value.hint
        (status,) = project.migrations.status()
        assert (status.verdict, status.at, status.seconds) == ("applied", applied.at, applied.seconds)
        assert "still applied: down failed at line" in status.detail
        assert status.next == "wayra-db migrate rollback --version 1"
        assert not project.migrations.up().changed
        sandbox.migration(1, "db.things.insert_one({'_id': 1})", "db.things.delete_one({'_id': 1})")
        with pytest.raises(EditedFileError):
            project.migrations.up()
        assert project.migrations.rollback(version=1).versions == (1,)
        assert [one.detail for one in project.migrations.status()] == ["rolled back"]
    assert wayra_database.things.count_documents({}) == 0


# --- what was written, also where it did not end well --------------------------------------------------------------


def test_counts_of_a_failed_run(sandbox: Sandbox, wayra_database: Documents) -> None:
    """What stays counts; what a transaction took back does not."""
    things(wayra_database, 3)
    stays = "db.things.update_many({}, {'$inc': {'n': 1}})\ndb.things.delete_one({'_id': 2})\nraise ValueError"
    sandbox.migration(1, stays, head="transactional = False")
    with sandbox.open(adopt=True) as project:
        with pytest.raises(MigrationFailedError):
            project.migrations.up()
        assert counts(logged(wayra_database)[-1]) == {"matched": 3, "modified": 3, "deleted": 1}
        project.migrations.repair(1, "pending")
        sandbox.migration(1, stays)
        with pytest.raises(MigrationFailedError):
            project.migrations.up()
    assert counts(logged(wayra_database)[-1]) == {}


@pytest.mark.parametrize("how", ["stopped", "failed", "killed"])
@pytest.mark.parametrize("transactions", [True, False])
def test_counts_of_batches_go_on_over_runs(
    sandbox: Sandbox, wayra_standalone: TemporaryServer, wayra_database: Documents, how: str, transactions: bool
) -> None:
    """Each entry tells what was written up to then, by the run that was cut off as well."""
    if not transactions:
        sandbox.uri = wayra_standalone.uri
    stop = Stop()
    cut = {"stopped": "STOP.request('SIGTERM')", "failed": "raise ValueError", "killed": "raise Killed"}[how]
    body = f"{BATCHED}    if batch.number == 2 and CUT:\n        {cut}"
    head = "retry = 'safe'\nCUT = True\nclass Killed(BaseException):\n    pass\n"
    if how == "stopped":
        head += "from wayra_db.testing import RecordingObserver\n"
        body = f"{BATCHED}    if batch.number == 2 and CUT:\n        ctx._stop.request('SIGTERM')"
    write(sandbox, body, head=head)
    with sandbox.open(adopt=True, stop=stop) as project:
        database = project.deployment.database
        things(database, 6)
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - each kind of end has its own
            project.migrations.up()
        assert (type(caught.value) is CancelledError) == (how == "stopped")
        first = counts(logged(database)[-1])
    write(sandbox, body, head=head.replace("True", "False"))
    with sandbox.open() as project:
        database = project.deployment.database
        assert project.migrations.up().changed
        events = logged(database)
        assert [one["n"] for one in database.things.find()].count(1) >= 4
    # The batch in which it was cut off is rolled back, but not by a deployment without transactions.
    done = 4 if how == "stopped" else 2
    written = {"matched": done, "modified": done}
    kept = {"matched": 4, "modified": 4} if not transactions else written
    assert first == ({} if how == "killed" else kept)
    resumed, applied = events[-2:]
    assert (resumed["event"], counts(resumed)) == ("migration resumed", written)
    assert (applied["event"], counts(applied)) == ("migration applied", {"matched": 6, "modified": 6})


# --- what nobody awaited -------------------------------------------------------------------------------------------

LOST = {
    "a call": "db.things.update_many({}, {'$set': {'n': 1}})",
    "a variable": "later = db.things.update_many({}, {'$set': {'n': 1}})",
    "a list": "later = [db.things.update_many({}, {'$set': {'n': 1}})]",
    "a command": "db.command('drop', 'things')",
    "a task": "import asyncio\nlater = asyncio.create_task(db.things.update_many({}, {'$set': {'n': 1}}))",
    "a result": "return db.things.update_many({}, {'$set': {'n': 1}})",
}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("transactional", [True, False])
def test_what_is_not_awaited_is_not_recorded_as_applied(
    sandbox: Sandbox, wayra_database: Documents, lost: str, transactional: bool
) -> None:
    """The migration fails with the line, nothing of its transaction is kept, and the hint says what is missing."""
    things(wayra_database, 1)
    body = f"await db.others.insert_one({{'_id': 1}})\n{LOST[lost]}"
    path = sandbox.migration(1, body, is_async=True, head=f"transactional = {transactional}")
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError) as caught:
        project.migrations.up()
    line = len(path.read_text(encoding="utf-8").splitlines())
    assert (caught.value.path, caught.value.line) == (path, line)
    assert f"{path}:{line}" in caught.value.message
    assert "Write `await` before" in caught.value.hint
    record = wayra_database["_wayra_migrations"].find_one({"_id": 1}) or {}
    assert (record["state"], record["line"]) == ("failed", line)
    assert wayra_database.things.find_one() == {"_id": 0, "n": 0}
    assert wayra_database.others.count_documents({}) == (0 if transactional else 1)


@pytest.mark.parametrize(
    "lost",
    [
        "batch.update_many({'$inc': {'n': 1}})",
        "later = batch.update_many({'$inc': {'n': 1}})",
        "later.append(db.things.update_many(batch.filter, {'$inc': {'n': 1}}))",
        "asyncio.ensure_future(batch.update_many({'$inc': {'n': 1}}))",
    ],
)
def test_a_batch_that_is_not_awaited_is_not_recorded_as_done(
    sandbox: Sandbox, wayra_database: Documents, lost: str
) -> None:
    """Before its own commit, and not when the variable is thrown away one batch later."""
    things(wayra_database, 6)
    body = f"later = []\nasync for batch in ctx.batches('things', size=2):\n    {lost}"
    path = write(sandbox, body, define="async def", head="import asyncio")
    with sandbox.open(adopt=True) as project:
        with pytest.raises(MigrationFailedError) as caught:
            project.migrations.up()
        assert (caught.value.path, caught.value.line) == (path, 5)
        checkpoint = wayra_database["_wayra_checkpoints"].find_one() or {}
        assert (checkpoint["documents"], checkpoint["batches"]) == (0, 0)
        write(sandbox, body.replace(lost, "await batch.update_many({'$inc': {'n': 1}})"), define="async def")
        project.migrations.up()
    assert wayra_database.things.distinct("n") == [1]


def test_a_plain_def_that_does_not_await_its_helper(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The helper's work has not run; the line of the call is told, also in another file."""
    sandbox.write("migrations/_work.py", "async def work(db):\n    pass\n\ndef both(db):\n    work(db)\n")
    path = sandbox.migration(1, "both(db)", head="from _work import both")
    with sandbox.open() as project, pytest.raises(MigrationFailedError, match=r"_work\.py:5: `work`") as caught:
        project.migrations.up()
    assert (caught.value.path, caught.value.line) == (path, None)
    assert "async def" in caught.value.hint
    assert wayra_database["_wayra_migrations"].distinct("state") == ["failed"]


@pytest.mark.parametrize("is_async", [True, False])
def test_in_a_group_the_one_that_does_not_await_is_told(
    sandbox: Sandbox, wayra_database: Documents, is_async: bool
) -> None:
    """And not the last of them; none is applied."""
    sandbox.write("migrations/_work.py", "async def work(db):\n    pass\n")
    lost = "db.things.insert_one({'_id': 1})" if is_async else "work(db)"
    path = sandbox.migration(1, lost, is_async=is_async, head="from _work import work")
    sandbox.migration(2, f"{'await ' if is_async else ''}db.things.insert_one({{'_id': 2}})", is_async=is_async)
    with sandbox.open() as project, pytest.raises(MigrationFailedError, match="was never awaited") as caught:
        project.migrations.up(group=True)
    assert (caught.value.failed, caught.value.path, caught.value.line) == (1, path, 3)
    assert wayra_database.things.count_documents({}) == 0


def test_what_is_awaited_later_is_no_mistake(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Coroutines that are gathered, tasks that are awaited, and results that are no work."""
    sandbox.migration(
        1,
        "import asyncio\nfirst = db.things.insert_one({'_id': 1})\nsecond = db.things.find_one({})\n"
        "await first\nawait second\ntask = asyncio.create_task(db.things.insert_one({'_id': 2}))\nawait task\n"
        "await asyncio.gather(db.things.find_one({}))\nreturn 'done'",
        is_async=True,
    )
    with sandbox.open() as project:
        assert project.migrations.up().versions == (1,)
    assert wayra_database.things.distinct("_id") == [1, 2]


# --- a lock that is taken away by force ----------------------------------------------------------------------------

FORCE = """
import threading

from wayra_db import Project

done = []

def release(name):
    def work():
        with Project.open(FOLDER, environ={"MONGODB_URI": URI, "WAYRA_DATABASE": name}) as project:
            project.release_lock()
    if not done:
        done.append(1)
        somebody = threading.Thread(target=work)  # the session is bound in this one
        somebody.start()
        somebody.join()
"""


@pytest.mark.parametrize(
    "body",
    [
        "db.things.insert_one({'_id': 9})\nrelease(db.name)",
        f"{BATCHED}    release(db.name)",
        "db.others.create_index('n')\nrelease(db.name)",
    ],
)
def test_a_runner_hears_that_its_lock_was_released_by_force(
    sandbox: Sandbox, wayra_database: Documents, body: str
) -> None:
    """Who did it and when, whichever way the migration runs; and nothing more of it is recorded."""
    things(wayra_database, 4)
    force = FORCE.replace("FOLDER", repr(str(sandbox.folder))).replace(": URI", f": {sandbox.uri!r}")
    sandbox.write("migrations/_force.py", force)
    write(sandbox, body, head="from _force import release")
    with sandbox.open(adopt=True) as project, pytest.raises(LockLostError, match=r"taken away by force: .+ on .+ at"):
        project.migrations.up()
    assert "migration applied" not in [entry["event"] for entry in logged(wayra_database)]
    assert wayra_database.things.count_documents({"n": 1}) + wayra_database.things.count_documents({"_id": 9}) == 0
