"""What other migration tools got wrong, each as a short test that passes here."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db import locking
from wayra_db.errors import (
    DuplicateVersionError,
    EditedFileError,
    InterruptedMigrationError,
    IrreversibleMigrationError,
    LockHeldError,
    LockLostError,
    MigrationFailedError,
    MigrationLoadError,
    MissingFileError,
    OutOfOrderError,
    WayraError,
)
from wayra_db.events import Event, UnitFinished
from wayra_db.mongo.client import Deployment
from wayra_db.testing import CommandCounter, RecordingObserver, ServerUnderTest

Documents = Database[dict[str, Any]]

ADD = "db.things.insert_one({{'_id': {0}}})"
REMOVE = "db.things.delete_one({{'_id': {0}}})"


def add(sandbox: Sandbox, *versions: int, **options: Any) -> list[Path]:
    """A migration for each version, which inserts one document and takes it away again."""
    return [sandbox.migration(one, ADD.format(one), REMOVE.format(one), **options) for one in versions]


def ran(database: Documents) -> list[int]:
    """The versions whose document is there."""
    return sorted(one["_id"] for one in database.things.find())


def test_two_files_with_one_version(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere one of them was silently lost, or both ran."""
    add(sandbox, 1)
    sandbox.write("migrations/0001_other.py", "def up(db):\n    pass\n")
    with sandbox.open() as project, pytest.raises(DuplicateVersionError, match=r"0001_other\.py and 0001_step\.py"):
        project.migrations.up()
    assert ran(wayra_database) == []


@pytest.mark.parametrize("name", ["0002_add_2fa.py", "0002_AddRoles.py", "2_add.py", "20260101120000_add.py"])
def test_names_with_digits_and_capitals_run(sandbox: Sandbox, wayra_database: Documents, name: str) -> None:
    """Elsewhere they were silently ignored."""
    add(sandbox, 1)
    sandbox.write(f"migrations/{name}", f"def up(db):\n    {ADD.format(2)}\n")
    with sandbox.open() as project:
        assert len(project.migrations.up().versions) == 2
    assert ran(wayra_database) == [1, 2]


@pytest.mark.parametrize("name", ["0002-add-roles.py", "0002.py", "add_roles.py", "v2_add.py", "0002_add roles.py"])
def test_other_names_are_an_error(sandbox: Sandbox, wayra_database: Documents, name: str) -> None:
    """A hyphen in the name, or no number: said, and nothing runs; never passed over."""
    add(sandbox, 1)
    sandbox.write(f"migrations/{name}", "def up(db):\n    pass\n")
    with sandbox.open() as project, pytest.raises(MigrationLoadError, match="not named like a migration"):
        project.migrations.up()
    assert ran(wayra_database) == []


def test_a_lower_version_that_was_merged_late(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere silently skipped, or silently run: here refused by name, and allowed by a flag."""
    add(sandbox, 1, 3)
    with sandbox.open() as project:
        project.migrations.up()
        add(sandbox, 2)
        with pytest.raises(OutOfOrderError, match=r"0002_step\.py"):
            project.migrations.up()
        project.migrations.up(allow_out_of_order=True)
    assert ran(wayra_database) == [1, 2, 3]


def test_an_applied_file_that_was_edited(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere not seen, or run again."""
    (path,) = add(sandbox, 1)
    with sandbox.open() as project:
        project.migrations.up()
        path.write_text(path.read_text().replace("'_id': 1", "'_id': 9"))
        with pytest.raises(EditedFileError, match=r"0001_step\.py"):
            project.migrations.up()
    assert ran(wayra_database) == [1]


def test_an_applied_file_that_was_deleted(sandbox: Sandbox) -> None:
    """Elsewhere a traceback, or even `status` refuses."""
    first, _ = add(sandbox, 1, 2)
    with sandbox.open() as project:
        project.migrations.up()
        first.unlink()
        with pytest.raises(MissingFileError):
            project.migrations.up()
        assert [one.verdict for one in project.migrations.status()] == ["missing file", "applied"]
        assert project.status().migrations is not None


def test_renaming_the_newest_file_runs_nothing_again(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere everything was run again: here the version counts, not the name."""
    add(sandbox, 1)
    (path,) = add(sandbox, 2)
    with sandbox.open() as project:
        project.migrations.up()
        path.rename(path.with_name("0002_another_name.py"))
        assert not project.migrations.up().changed
    assert ran(wayra_database) == [1, 2]


def test_no_down(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere an AttributeError, or counted as undone with the data left: here refused before anything is touched."""
    sandbox.migration(1, ADD.format(1))
    add(sandbox, 2)
    with sandbox.open() as project:
        project.migrations.up()
        with pytest.raises(IrreversibleMigrationError, match=r"0001_step\.py"):
            project.migrations.rollback(everything=True)
    assert ran(wayra_database) == [1, 2]


def test_a_syntax_error_in_a_later_file(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere the earlier ones were applied first, or the file was skipped with exit code 0."""
    add(sandbox, 1)
    sandbox.write("migrations/0002_broken.py", "def up(db)\n    pass\n")
    with sandbox.open() as project, pytest.raises(MigrationLoadError, match=r"0002_broken.py:1"):
        project.migrations.up()
    assert ran(wayra_database) == []


def test_after_a_failure_nothing_runs_and_the_exit_code_says_so(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere exit code 0, and the later ones ran."""
    add(sandbox, 1, 3)
    sandbox.migration(2, "raise RuntimeError('no')")
    ended = sandbox.run("migrate")
    assert ended.returncode == 1
    assert "0002_step.py:3: RuntimeError: no" in ended.stderr
    assert ran(wayra_database) == [1]


@pytest.mark.parametrize("head", ["", "transactional = False"])
def test_a_failed_downgrade_run_again_never_undoes_the_one_before(
    sandbox: Sandbox, wayra_database: Documents, head: str
) -> None:
    """Elsewhere the second try took the parent: here it is the same one again, or a refusal."""
    add(sandbox, 1)
    sandbox.migration(2, ADD.format(2), "raise ValueError('no')", head=head)
    with sandbox.open() as project:
        project.migrations.up()
        for _ in range(2):
            with pytest.raises((MigrationFailedError, InterruptedMigrationError)) as caught:
                project.migrations.rollback(steps=1)
            assert "2 (" in caught.value.message
    assert ran(wayra_database) == [1, 2]


def test_a_baseline_is_one_transaction(sandbox: Sandbox, wayra_server: ServerUnderTest) -> None:
    """Elsewhere it deletes the history and then inserts: a crash in between leaves none."""
    add(sandbox, 1, 2, 3)
    counter = CommandCounter()
    with wayra_server.client(event_listeners=[counter]) as client, sandbox.open(client=client) as project:
        project.set_environment(project.settings.environment)
        counter.clear()
        assert project.migrations.baseline(2) == (1, 2)
        assert counter.names.count("commitTransaction") == 2  # the lock's first entry, and the baseline
        assert "delete" not in counter.names
        assert project.migrations.plan().versions == (3,)


@pytest.mark.parametrize("is_async", [False, True])
def test_effect_and_history_are_one_transaction(
    sandbox: Sandbox, wayra_database: Documents, wayra_server: ServerUnderTest, is_async: bool
) -> None:
    """Elsewhere async writes escaped it, or the history came after it had closed, or no session."""
    wait = "await " if is_async else ""
    sandbox.migration(1, f"{wait}{ADD.format(1)}", is_async=is_async)
    with (
        sandbox.open() as project,
        wayra_server.fail_command("commitTransaction", error_code=96, app_name="wayra-db", times=None, skip=2),
        pytest.raises(MigrationFailedError),
    ):
        project.migrations.up()
    assert ran(wayra_database) == []
    assert wayra_database["_wayra_migrations"].count_documents({"state": "applied"}) == 0
    with sandbox.open() as project:
        project.migrations.up()
    assert ran(wayra_database) == [1]


def test_the_word_applied_comes_after_the_commit(
    sandbox: Sandbox, wayra_database: Documents, wayra_server: ServerUnderTest
) -> None:
    """Elsewhere "Applied" is printed before it is known: here the record is there when the event comes."""
    add(sandbox, 1, 2)
    seen: list[str] = []

    class Looking(RecordingObserver):
        def __call__(self, event: Event) -> None:
            if isinstance(event, UnitFinished):
                found = wayra_database["_wayra_migrations"].find_one(sort=[("_id", -1)])
                seen.append(f"{event.name} {found and (found['_id'], found['state'])}")

    sandbox.observer = Looking()
    with sandbox.open() as project:
        project.migrations.up()
    assert seen == ["0001 step (1, 'applied')", "0002 step (2, 'applied')"]


def test_the_lock_is_on_and_only_its_owner_frees_it(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere off by default, taken by check-then-insert, or freed by whoever comes: here by owner and epoch."""
    deployment = Deployment(wayra_database.client, wayra_database.name)
    add(sandbox, 1)
    first = locking.acquire(deployment, "first", lease_seconds=10, timeout_seconds=0)
    with sandbox.open(environ={"WAYRA_LOCK_TIMEOUT": "0"}) as project, pytest.raises(LockHeldError):
        project.migrations.up()
    with locking.acquire(deployment, "second", lease_seconds=10, timeout_seconds=0, force=True) as second:
        with pytest.raises(LockLostError):
            first.write({"event": "late"})
        first.release()
        second.check()
        state = locking.read_state(deployment)
        assert state is not None
        assert state.what == "second"
    assert ran(wayra_database) == []


def test_a_failed_write_of_the_history_does_not_jam_the_lock(
    sandbox: Sandbox, wayra_database: Documents, wayra_server: ServerUnderTest
) -> None:
    """Elsewhere it stayed locked for ever, or until a person removed it."""
    add(sandbox, 1)
    with (
        sandbox.open() as project,
        wayra_server.fail_command("insert", error_code=96, app_name="wayra-db", times=None, skip=2),
        pytest.raises(WayraError),
    ):
        project.migrations.up()
    with sandbox.open(environ={"WAYRA_LOCK_TIMEOUT": "0"}) as project:
        project.migrations.up()
    assert ran(wayra_database) == [1]


def test_two_at_once_run_each_once(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere both ran all twenty, and exited with 0."""
    for version in range(1, 21):
        sandbox.migration(version, f"db.things.insert_one({{'version': {version}}})")
    failed: list[BaseException] = []

    def migrate() -> None:
        try:
            with sandbox.open() as project:
                project.migrations.up()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [one["version"] for one in wayra_database.things.find(sort=[("version", 1)])] == list(range(1, 21))


def test_a_killed_run_is_seen_and_never_silently_repeated(
    sandbox: Sandbox, wayra_database: Documents, tmp_path: Path
) -> None:
    """Elsewhere the half-done one was silently run again, or the lock held all back for minutes."""
    sandbox.migration(1, "import os\ndb.things.insert_one({})\nos._exit(9)", head="transactional = False")
    assert sandbox.run("migrate").returncode == 9
    with sandbox.open(environ={"WAYRA_LOCK_TIMEOUT": "0"}) as project:
        (status,) = project.migrations.status()
        assert status.verdict == "interrupted"
        with pytest.raises(InterruptedMigrationError, match="did not end"):
            project.migrations.up()
    assert wayra_database.things.count_documents({}) == 1


def test_a_server_that_is_down_is_two_lines(tmp_path: Path) -> None:
    """Elsewhere a traceback of a hundred lines, after half a minute."""
    sandbox = Sandbox(tmp_path, "mongodb://user:secret@127.0.0.1:1", "nothing")
    add(sandbox, 1)
    ended = sandbox.run("--server-selection-timeout", "0.1", "migrate")
    assert ended.returncode == 10
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["error[connection-failed]", "hint"]
    assert "secret" not in ended.stderr


def test_a_coroutine_is_awaited_or_refused(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Elsewhere `async def` was never awaited and recorded as applied."""
    sandbox.migration(1, f"await {ADD.format(1)}", is_async=True)
    with sandbox.open() as project:
        project.migrations.up()
        assert ran(wayra_database) == [1]
        sandbox.write("migrations/0002_step.py", "async def work(db):\n    pass\n\ndef up(db):\n    return work(db)\n")
        with pytest.raises(MigrationFailedError, match="awaited"):
            project.migrations.up()
