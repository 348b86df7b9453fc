"""A project's own code around a run."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.environment import Environment
from wayra_db.errors import CancelledError, HookFailedError, MigrationFailedError, MigrationLoadError
from wayra_db.stopping import Stop

Documents = Database[dict[str, Any]]

HOOKS = ("before_run", "before_each", "after_each", "after_run")


def write(sandbox: Sandbox, *, define: str = "def", **extra: str) -> None:
    """All four hooks, each noting what it is told, and doing something more; and two migrations."""
    wait = "await " if define == "async def" else ""
    text = "".join(
        f"{define} {name}(db, run):\n    {wait}db.said.insert_one({{'hook': '{name}', 'version': run.version, "
        f"'done': list(run.done), 'outcome': run.outcome, 'error': run.error}})\n    {extra.get(name, 'pass')}\n\n\n"
        for name in HOOKS
    )
    sandbox.write("migrations/_hooks.py", text)
    for version in (1, 2):
        document = f"{{'_id': {version}}}"
        sandbox.migration(version, f"db.things.insert_one({document})", f"db.things.delete_one({document})")


def said(database: Documents) -> list[tuple[Any, ...]]:
    """What was noted, in order."""
    return [(one["hook"], one["version"], one["done"], one["outcome"]) for one in database.said.find(sort=[("_id", 1)])]


@pytest.mark.parametrize("define", ["def", "async def"])
def test_their_order(sandbox: Sandbox, wayra_database: Documents, define: str) -> None:
    """Around the run and around each migration, up and down; none when there is nothing to run."""
    write(sandbox, define=define)
    with sandbox.open() as project:
        project.migrations.up()
        assert said(wayra_database) == [
            ("before_run", None, [], "running"),
            ("before_each", 1, [], "running"),
            ("after_each", 1, [1], "running"),
            ("before_each", 2, [1], "running"),
            ("after_each", 2, [1, 2], "running"),
            ("after_run", None, [1, 2], "succeeded"),
        ]
        project.migrations.up()
        assert len(said(wayra_database)) == 6
        project.migrations.rollback(steps=1)
        assert said(wayra_database)[-2:] == [("after_each", 2, [2], "running"), ("after_run", None, [2], "succeeded")]


@pytest.mark.parametrize(
    ("name", "things", "last"),
    [
        ("before_run", [], None),
        ("before_each", [], "failed"),
        ("after_each", [1], "failed"),
        ("after_run", [1, 2], None),
    ],
)
@pytest.mark.parametrize("define", ["def", "async def"])
def test_a_hook_that_fails(
    sandbox: Sandbox, wayra_database: Documents, define: str, name: str, things: list[int], last: str | None
) -> None:
    """The run ends there with the hook's own line; what was done before it stays and is named."""
    write(sandbox, define=define, **{name: "raise ValueError('no')"})
    with sandbox.open() as project:
        with pytest.raises(HookFailedError, match=rf"`{name}` failed at .*_hooks.py:\d+: ValueError: no") as caught:
            project.migrations.up()
        assert ("1" in caught.value.hint) == bool(things)
        assert sorted(one["_id"] for one in wayra_database.things.find()) == things
        if last is not None:
            assert said(wayra_database)[-1][0::3] == ("after_run", last)
        states = [one.verdict for one in project.migrations.status()]
        assert states == ["applied"] * len(things) + ["pending"] * (2 - len(things))


def test_after_run_is_told_of_a_failure_and_never_hides_it(
    sandbox: Sandbox, wayra_database: Documents, caplog: pytest.LogCaptureFixture
) -> None:
    """When it fails itself, what went wrong first is still what is raised."""
    write(sandbox, after_run="raise ValueError('second')")
    sandbox.migration(2, "raise KeyError('first')")
    with (
        sandbox.open() as project,
        caplog.at_level("WARNING"),
        pytest.raises(MigrationFailedError, match="first"),
    ):
        project.migrations.up()
    assert said(wayra_database)[-1] == ("after_run", None, [1], "failed")
    assert "second" in caplog.text


def test_a_stop_within_a_hook_is_a_stop(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A hook can be interrupted, as a signal does it: that is no failure of the hook."""
    write(sandbox, before_each="from wayra_db.errors import CancelledError; raise CancelledError('SIGTERM')")
    with sandbox.open() as project, pytest.raises(CancelledError):
        project.migrations.up()
    assert said(wayra_database)[-1] == ("after_run", None, [], "stopped")


def test_a_stop_between_two_migrations_is_told(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`after_run` runs, and knows."""
    write(sandbox)
    stop = Stop()
    sandbox.migration(1, "import __main__\n__main__.stop_of_this_test.request('SIGTERM')")
    import __main__

    __main__.stop_of_this_test = stop
    try:
        with sandbox.open(stop=stop) as project, pytest.raises(CancelledError):
            project.migrations.up()
    finally:
        del __main__.stop_of_this_test
    assert said(wayra_database)[-1] == ("after_run", None, [1], "stopped")


def test_production_repeats_no_values(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The driver's text may quote a document."""
    write(sandbox, before_run="db.things.insert_one({'_id': 'secret'}); db.things.insert_one({'_id': 'secret'})")
    with (
        sandbox.open(environ={"WAYRA_ENV": "production"}) as project,
        pytest.raises(HookFailedError, match="DuplicateKeyError") as caught,
    ):
        project.migrations.up()
    assert "secret" not in caught.value.message
    assert project.settings.environment is Environment.PRODUCTION


@pytest.mark.parametrize(
    ("text", "said_of_it"),
    [
        ("def before_runn(db, run):\n    pass\n", "Did you mean `before_run`?"),
        ("def after_everything(db, run):\n    pass\n", "after_run"),
        ("def before_run(db):\n    pass\n", "def before_run(db, run): ..."),
        ("def before_run(db, run)\n    pass\n", "Nothing has run."),
        ("import nothing_of_that_name\n\n\ndef before_run(db, run):\n    pass\n", "Nothing has run."),
    ],
)
def test_what_is_wrong_with_the_file_stops_the_run_before_the_first(
    sandbox: Sandbox, wayra_database: Documents, text: str, said_of_it: str
) -> None:
    """A name that is none, too few arguments, a file that cannot be read."""
    write(sandbox)
    sandbox.write("migrations/_hooks.py", text)
    with sandbox.open() as project, pytest.raises(MigrationLoadError, match="_hooks") as caught:
        project.migrations.up()
    assert said_of_it in caught.value.hint
    assert wayra_database.things.count_documents({}) == 0
