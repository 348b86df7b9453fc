from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.errors import MigrationFailedError, RefusedError, SeedFailedError, SeedLoadError
from wayra_db.events import Notice

Documents = Database[dict[str, Any]]


def seed(body: str, *, environments: str = '["development"]', required: bool = False, is_async: bool = False) -> str:
    """The text of a seed."""
    define = "async def" if is_async else "def"
    return f"environments = {environments}\nrequired = {required}\n\n{define} seed(db):\n    {body}\n"


def test_a_seed_runs_once_and_again_when_asked(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Unchanged it is not run twice, changed it is named and left alone, `again` runs it."""
    path = sandbox.write("scripts/seeds/0001_one.py", seed("db.things.insert_one({})"))
    with sandbox.open() as project:
        assert project.seeds.run().changed
        assert not project.seeds.run().changed
        path.write_text(path.read_text() + "# changed\n")
        assert [one.name for one in project.seeds.plan().changed] == ["0001_one"]
        assert not project.seeds.run().changed
        assert project.seeds.run(again=True).changed
    assert wayra_database.things.count_documents({}) == 2


def test_only_the_seeds_of_the_environment_run(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Each environment has its own; production has none."""
    sandbox.write("scripts/seeds/0001_dev.py", seed("db.things.insert_one({'of': 'dev'})"))
    sandbox.write("scripts/seeds/0002_test.py", seed("db.things.insert_one({'of': 'test'})", environments='["test"]'))
    with sandbox.open(environ={"WAYRA_ENV": "production"}) as project, pytest.raises(RefusedError):
        project.seeds.run()
    assert wayra_database.list_collection_names() == []
    with sandbox.open(environ={"WAYRA_ENV": "test"}) as project:
        assert [name for name, _ in project.seeds.run().ran] == ["0002_test"]
        assert [one.verdict for one in project.seeds.status()] == ["other environment", "done"]
    assert wayra_database.things.distinct("of") == ["test"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failing_optional_seed_is_reported_and_the_rest_goes_on(
    sandbox: Sandbox, wayra_database: Documents, is_async: bool
) -> None:
    """What it wrote is gone with its transaction; the next run tries it again."""
    wait = "await " if is_async else ""
    body = f"{wait}db.things.insert_one({{'_id': 1}}); raise ValueError('no')"
    path = sandbox.write("scripts/seeds/0001_bad.py", seed(body, is_async=is_async))
    sandbox.write("scripts/seeds/0002_good.py", seed("db.things.insert_one({'_id': 2})"))
    with sandbox.open() as project:
        result = project.seeds.run()
        assert [name for name, _ in result.failed] == ["0001_bad"]
        assert [name for name, _ in result.ran] == ["0002_good"]
        assert [one.verdict for one in project.seeds.status()] == ["failed", "done"]
        assert any("0001_bad.py:5" in event.message for event in sandbox.observer.of(Notice))
        assert wayra_database.things.distinct("_id") == [2]
        path.write_text(seed("db.things.insert_one({'_id': 1})"))
        assert [name for name, _ in project.seeds.run().ran] == ["0001_bad"]


def test_a_failing_required_seed_stops_with_file_and_line(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Those after it do not run."""
    path = sandbox.write("scripts/seeds/0001_bad.py", seed("raise ValueError('no')", required=True))
    sandbox.write("scripts/seeds/0002_good.py", seed("db.things.insert_one({})"))
    with sandbox.open() as project, pytest.raises(SeedFailedError, match="ValueError: no") as caught:
        project.seeds.run()
    assert (caught.value.path, caught.value.line) == (path, 5)
    assert wayra_database.things.count_documents({}) == 0


def test_a_broken_file_stops_everything_before_the_first(sandbox: Sandbox, wayra_database: Documents) -> None:
    """An import error of a later seed is found before an earlier one has run."""
    sandbox.write("scripts/seeds/0001_good.py", seed("db.things.insert_one({})"))
    sandbox.write("scripts/seeds/0002_bad.py", "import missing_module_xyz\n" + seed("pass"))
    with sandbox.open() as project, pytest.raises(SeedLoadError, match=r"0002_bad\.py:1"):
        project.seeds.run()
    assert wayra_database.things.count_documents({}) == 0


def test_production_errors_carry_no_document(sandbox: Sandbox, wayra_database: Documents) -> None:
    """What the server says of a refused write may quote documents: development shows it, production does not."""
    sandbox.write(
        "migrations/0001_step.py",
        "def up(db):\n    db.things.insert_many([{'_id': 'ada@example.com'}, {'_id': 'ada@example.com'}])\n",
    )
    for environment, shown in (("production", False), ("test", True)):
        wayra_database.client.drop_database(wayra_database.name)
        with (
            sandbox.open(environ={"WAYRA_ENV": environment}) as project,
            pytest.raises(MigrationFailedError, match="BulkWriteError") as caught,
        ):
            project.migrations.up()
        told = str(caught.value) + str(sandbox.observer.events)
        assert ("ada@example.com" in told) is shown
        stored = str(list(wayra_database["_wayra_log"].find())) + str(list(wayra_database["_wayra_migrations"].find()))
        assert "ada@example.com" not in stored
        sandbox.observer.events.clear()
