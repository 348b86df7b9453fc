from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.errors import (
    EditedFileError,
    InterruptedMigrationError,
    MigrationFailedError,
    MigrationLoadError,
    MissingFileError,
    OutOfOrderError,
)
from wayra_db.testing import CommandCounter, ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]


def states(sandbox: Sandbox) -> list[str]:
    """The state of each version."""
    with sandbox.open() as project:
        return [one.verdict.value for one in project.migrations.status()]


def test_up_status_rollback_and_up_again(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The round of a migration's life leaves what it should at each point."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})", "db.things.delete_one({'_id': 1})")
    sandbox.migration(2, "db.things.insert_one({'_id': 2})", "db.things.delete_one({'_id': 2})")
    with sandbox.open() as project:
        assert [one.verdict for one in project.migrations.status()] == ["pending", "pending"]
        assert wayra_database.list_collection_names() == []
        assert list(project.migrations.up(to=1).versions) == [1]
        assert list(project.migrations.up().versions) == [2]
        assert not project.migrations.up().changed
        assert wayra_database.things.distinct("_id") == [1, 2]
        assert list(project.migrations.rollback(version=2).versions) == [2]
        assert wayra_database.things.distinct("_id") == [1]
        assert [one.verdict for one in project.migrations.status()] == ["applied", "pending"]
        project.migrations.up()
        assert list(project.migrations.rollback(everything=True).versions) == [2, 1]
    assert wayra_database.things.distinct("_id") == []


def test_the_log_tells_everything_in_order(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The audit log holds who did what, append-only beside the current state."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})", "db.things.delete_one({'_id': 1})")
    with sandbox.open() as project:
        project.migrations.up()
        project.migrations.rollback(version=1)
    entries = list(wayra_database["_wayra_log"].find(sort=[("_id", 1)]))
    assert [entry["event"] for entry in entries] == [
        "lock acquired",
        "environment set",
        "migration applied",
        "lock acquired",
        "migration rolled back",
    ]
    assert entries[2]["version"] == 1
    assert {"user", "host", "pid"} <= set(entries[2]["who"])


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failing_migration_leaves_nothing_and_those_after_it_do_not_run(
    sandbox: Sandbox, wayra_database: Documents, is_async: bool
) -> None:
    """Effect and record are one transaction; the error names file and line, and what was done before."""
    wait = "await " if is_async else ""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    path = sandbox.migration(2, f"{wait}db.things.insert_one({{'_id': 2}})\nraise ValueError('no')", is_async=is_async)
    sandbox.migration(3, "db.things.insert_one({'_id': 3})")
    with sandbox.open() as project, pytest.raises(MigrationFailedError) as caught:
        project.migrations.up()
    assert caught.value.applied == (1,)
    assert caught.value.failed == 2
    assert (caught.value.path, caught.value.line) == (path, 4)
    assert "ValueError: no" in caught.value.message
    assert "Nothing of it was kept" in caught.value.hint
    assert wayra_database.things.distinct("_id") == [1]
    assert states(sandbox) == ["applied", "failed", "pending"]
    sandbox.migration(2, "db.things.insert_one({'_id': 2})")
    with sandbox.open() as project:
        assert list(project.migrations.up().versions) == [2, 3]


def test_an_async_migration_is_awaited_in_the_same_transaction(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`async def` really runs, atomically with its record."""
    sandbox.migration(
        1,
        "import asyncio\nawait db.things.insert_one({'_id': 1})\nawait asyncio.sleep(0)\n"
        "await db.things.update_one({'_id': 1}, {'$set': {'done': True}})",
        is_async=True,
    )
    with sandbox.open() as project:
        assert project.migrations.plan().steps[0].atomic
        project.migrations.up()
    assert wayra_database.things.find_one() == {"_id": 1, "done": True}
    assert states(sandbox) == ["applied"]


def test_a_coroutine_that_nobody_awaits_is_an_error(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A plain `def` that returns a coroutine is never recorded as applied."""
    sandbox.write("migrations/0001_step.py", "async def work(db):\n    pass\n\ndef up(db):\n    return work(db)\n")
    with sandbox.open() as project, pytest.raises(MigrationFailedError, match="nobody awaited"):
        project.migrations.up()
    assert states(sandbox) == ["failed"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_swallowed_failure_ends_the_transaction_loop(
    sandbox: Sandbox, wayra_database: Documents, is_async: bool
) -> None:
    """A command fails in the transaction and `up` catches it: an error within moments, not minutes of retries."""
    wait = "await " if is_async else ""
    wayra_database.things.insert_one({"_id": 1})
    sandbox.migration(
        1,
        f"{wait}db.others.insert_one({{}})\ntry:\n    {wait}db.things.insert_one({{'_id': 1}})\n"
        "except Exception:\n    print('swallowed')",
        is_async=is_async,
    )
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError, match="swallowed"):
        project.migrations.up()
    assert wayra_database.others.count_documents({}) == 0


def test_what_static_reading_misses_the_server_refuses(sandbox: Sandbox, wayra_database: Documents) -> None:
    """An index built in a way that hides it is refused with code 263: nothing is kept, and the fix is named."""
    wayra_database.things.insert_one({"_id": 1})
    sandbox.migration(
        1,
        "db.things.insert_one({'_id': 2})\ngetattr(db.things, 'create_' + 'index')('name')",
        head="transactional = True",
    )
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError) as caught:
        project.migrations.up()
    assert "263" in caught.value.message
    assert "transactional = False" in caught.value.hint
    assert wayra_database.things.distinct("_id") == [1]


def test_ddl_is_not_atomic_and_says_so(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A migration with an index build runs outside a transaction; a failure in it is remembered as half-done."""
    sandbox.migration(1, "db.things.create_index('name')\nraise ValueError('no')")
    with sandbox.open() as project:
        step = project.migrations.plan().steps[0]
        assert not step.atomic
        assert "create_index (line 3)" in step.reason
        with pytest.raises(MigrationFailedError, match="ValueError") as caught:
            project.migrations.up()
        assert "what it did before that line stays" in caught.value.hint
        with pytest.raises(InterruptedMigrationError) as refused:
            project.migrations.up()
        assert "migrate repair --version 1" in refused.value.hint
        project.migrations.repair(1, "applied")
        assert not project.migrations.up().changed
    assert "name_1" in wayra_database.things.index_information()


def test_a_migration_that_may_be_repeated_is_resumed(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`retry = "safe"`: the next `up` runs the half-done migration again."""
    text = (
        "db.things.create_index('name')\ndb.log.insert_one({})\n"
        "if db.log.count_documents({}) < 2:\n    raise ValueError"
    )
    sandbox.migration(1, text, head='retry = "safe"')
    with sandbox.open() as project:
        with pytest.raises(MigrationFailedError):
            project.migrations.up()
        assert project.migrations.plan().steps[0].resumes
        project.migrations.up()
    assert states(sandbox) == ["applied"]


def test_a_standalone_server_works_and_is_honest(tmp_path: Path, wayra_standalone: TemporaryServer) -> None:
    """No transactions: each plan says so, and the migrations run all the same."""
    with wayra_standalone.client() as client:
        client.drop_database("standalone_migrations")
        sandbox = Sandbox(tmp_path, wayra_standalone.uri, "standalone_migrations")
        sandbox.complete()
        with sandbox.open() as project:
            assert project.migrations.plan().steps[0].reason == "a standalone server has no transactions"
            assert project.initializer.run().changed
            assert not project.initializer.run().changed
        assert client["standalone_migrations"].users.count_documents({}) == 2


def test_an_edited_file_is_refused_until_it_is_accepted(sandbox: Sandbox) -> None:
    """Changing an applied file is seen, whatever its line endings are."""
    path = sandbox.migration(1, "db.things.insert_one({})")
    with sandbox.open() as project:
        project.migrations.up()
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert not project.migrations.up().changed
        path.write_text(path.read_text() + "# changed\n")
        with pytest.raises(EditedFileError) as caught:
            project.migrations.up()
        assert caught.value.versions == (1,)
        assert [one.verdict for one in project.migrations.status()] == ["edited"]
        project.migrations.accept_edit(1)
        assert not project.migrations.up().changed


def test_a_deleted_file_is_named_and_status_still_works(sandbox: Sandbox) -> None:
    """`up` refuses with the file's name; `status` shows it and all the others."""
    sandbox.migration(1, "db.things.insert_one({})")
    gone = sandbox.migration(2, "db.things.insert_one({})")
    with sandbox.open() as project:
        project.migrations.up()
        gone.unlink()
        with pytest.raises(MissingFileError, match="2"):
            project.migrations.up()
        assert [one.verdict for one in project.migrations.status()] == ["applied", "missing file"]


def test_a_late_file_is_listed_and_runs_only_when_allowed(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A version below the newest applied one is neither run silently nor skipped silently."""
    sandbox.migration(2, "db.things.insert_one({'_id': 2})")
    with sandbox.open() as project:
        project.migrations.up()
        sandbox.migration(1, "db.things.insert_one({'_id': 1})")
        with pytest.raises(OutOfOrderError):
            project.migrations.up()
        project.migrations.up(allow_out_of_order=True)
    assert wayra_database.things.distinct("_id") == [1, 2]


@pytest.mark.parametrize("text", ["def up(db:\n", "import missing_module_xyz\n\ndef up(db):\n    pass\n"])
def test_a_broken_file_stops_the_run_before_the_first(sandbox: Sandbox, wayra_database: Documents, text: str) -> None:
    """Syntax and import errors of a later file are found before an earlier one has run."""
    sandbox.migration(1, "db.things.insert_one({})")
    sandbox.write("migrations/0002_broken.py", text)
    with sandbox.open() as project, pytest.raises(MigrationLoadError) as caught:
        project.migrations.up()
    assert "0002_broken.py:1" in caught.value.message
    assert wayra_database.things.count_documents({}) == 0


def test_ten_runners_at_once_run_each_migration_once(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Ten `up` at the same moment over twenty migrations: each ran once, nobody failed."""
    for version in range(1, 21):
        sandbox.migration(version, f"db.ran.insert_one({{'version': {version}}})")
    errors: list[Exception] = []

    def work() -> None:
        try:
            with sandbox.open() as project:
                project.migrations.up()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [one["version"] for one in wayra_database.ran.find(sort=[("_id", 1)])] == list(range(1, 21))


def test_a_transient_failure_is_retried(
    sandbox: Sandbox, wayra_database: Documents, wayra_server: ServerUnderTest
) -> None:
    """A write conflict and an unknown commit result are repeated by the driver's rules; the effect is there once."""
    sandbox.migration(1, "db.things.update_one({'_id': 1}, {'$inc': {'n': 1}})")
    wayra_database.things.insert_one({"_id": 1, "n": 0})
    with (
        sandbox.open(adopt=True) as project,
        wayra_server.fail_command(
            "update", error_code=112, error_labels=["TransientTransactionError"], app_name="wayra-db", times=2
        ),
    ):
        project.migrations.up()
    assert wayra_database.things.find_one() == {"_id": 1, "n": 1}
    sandbox.migration(2, "db.things.update_one({'_id': 1}, {'$inc': {'n': 1}})")
    with (
        sandbox.open(adopt=True) as project,
        wayra_server.fail_command("commitTransaction", close_connection=True, app_name="wayra-db", times=1),
    ):
        project.migrations.up()
    assert wayra_database.things.find_one() == {"_id": 1, "n": 2}


def test_round_trips(sandbox: Sandbox, wayra_server: ServerUnderTest) -> None:
    """Counted, so that they do not grow unseen: at most four commands a migration, one find for the status."""
    for version in range(1, 11):
        sandbox.migration(version, "db.things.insert_one({})")
    counter = CommandCounter()
    client: MongoClient[dict[str, Any]] = MongoClient(sandbox.uri, event_listeners=[counter])
    with client, sandbox.open(client=client) as project:
        _ = project.deployment.capabilities
        counter.clear()
        project.migrations.up()
        for_ten = counter.count
        for version in range(11, 31):
            sandbox.migration(version, "db.things.insert_one({})")
        counter.clear()
        project.migrations.up()
        assert (counter.count - for_ten) <= 4 * 10
        counter.clear()
        project.migrations.status()
        assert counter.names == ["find"]
        counter.clear()
        project.migrations.up()
        assert counter.names == ["find", "find"]  # the history, and whether a restore is unfinished


def test_a_context_tells_and_asks(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`up(db, ctx)` gets the session, a logger, progress and the stop request."""
    sandbox.write(
        "migrations/0001_step.py",
        "def up(db, ctx):\n"
        "    assert ctx.session.in_transaction\n"
        "    assert not ctx.should_stop\n"
        "    ctx.log.debug('here')\n"
        "    ctx.progress(1, 2)\n"
        "    db.things.insert_one({'_id': 1}, session=ctx.session)\n",
    )
    with sandbox.open() as project:
        project.migrations.up()
    assert wayra_database.things.count_documents({}) == 1
    assert [event.to_dict()["event"] for event in sandbox.observer.events if "Progress" in type(event).__name__]


def test_entries_cut_off_at_the_end_of_the_log_are_missed(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The chain alone cannot tell; the lock knows how often it was held."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})", "db.things.delete_one({'_id': 1})")
    with sandbox.open() as project:
        project.migrations.up()
        project.migrations.rollback(version=1)
    assert sandbox.run("history", "verify").returncode == 0
    newest = max(wayra_database["_wayra_log"].distinct("_id"))
    wayra_database["_wayra_log"].delete_many({"_id": {"$gte": newest - 1}})
    ended = sandbox.run("history", "verify")
    assert ended.returncode == 1
    assert "missing at the end" in ended.stderr
    wayra_database["_wayra_log"].delete_many({})
    assert sandbox.run("history", "verify").returncode == 1


def test_an_exception_of_any_length_is_recorded(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Its text is cut; the record of the failure is not lost."""
    sandbox.migration(1, "raise ValueError('x' * 20_000_000)")
    with sandbox.open() as project, pytest.raises(MigrationFailedError) as caught:
        project.migrations.up()
    assert len(caught.value.message) < 2000
    assert states(sandbox) == ["failed"]
