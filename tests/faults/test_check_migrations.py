"""A project's own migrations as pytest items, and `check_migrations` in a test of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import COLLECTIONS, Sandbox
from wayra_db.errors import MigrationLoadError
from wayra_db.migrations.rehearsal.model import Check
from wayra_db.testing import ServerUnderTest, check_migrations

Pytest = Callable[..., subprocess.CompletedProcess[str]]

CONFTEST = """
def pytest_wayra_prepare(database):
    database.users.insert_many([{"_id": number, "email": f"{number}@example.com"} for number in range(3)])
"""
GOOD = ('db.users.update_many({}, {"$set": {"role": "user"}})', 'db.users.update_many({}, {"$unset": {"role": 1}})')


@pytest.fixture
def project(sandbox: Sandbox) -> Sandbox:
    """A project with one true migration, and tests that fill a database for it."""
    sandbox.migration(1, *GOOD)
    sandbox.write("conftest.py", CONFTEST)
    sandbox.write("test_own.py", "def test_own(): pass\n")
    sandbox.write("pytest.ini", "[pytest]\nwayra_project = .\n")
    return sandbox


@pytest.fixture
def run_pytest(project: Sandbox, wayra_server: ServerUnderTest) -> Pytest:
    """A run of pytest in the project's folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rs", *arguments],
            cwd=project.folder,
            env={"PATH": os.environ["PATH"], "WAYRA_TEST_MONGODB_URI": wayra_server.uri},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_each_migration_is_an_item(project: Sandbox, run_pytest: Pytest) -> None:
    """In the order of versions, with the declarations last; a sound project passes."""
    project.migration(2, 'db.users.create_index("role")', 'db.users.drop_index("role_1")')
    project.write("collections/users.py", COLLECTIONS)
    ended = run_pytest()
    assert ended.returncode == 0, ended.stdout
    names = [line.split(" ")[0] for line in ended.stdout.splitlines() if "::" in line]
    assert names == [
        "test_own.py::test_own",
        "migrations/0001_step.py::up-down-up",
        "migrations/0002_step.py::up-down-up",
        "collections::declarations",
    ]


def test_what_is_wrong_fails_where_it_stands(project: Sandbox, run_pytest: Pytest) -> None:
    """The finding and its next step are the failure; what comes after a failed `up` is skipped and says why."""
    project.migration(2, 'db.users.update_many({}, {"$set": {"a": 1}})', "pass")
    project.migration(3, "raise ValueError('no')")
    project.migration(4, *GOOD)
    ended = run_pytest()
    assert ended.returncode == 1
    assert "2 failed, 2 passed, 1 skipped" in ended.stdout
    assert "down differs: after up and down, users is not as before: 3 documents changed" in ended.stdout
    assert "_id 0, 1, 2" in ended.stdout
    assert "ValueError: no" in ended.stdout
    assert "migration 3 stopped the rehearsal" in ended.stdout
    assert "runtest" not in ended.stdout, "a traceback through the plugin tells nobody anything"


@pytest.mark.parametrize(
    ("arguments", "items"),
    [
        (["test_own.py"], {"test_own"}),
        (["test_own.py", "--wayra-project", "."], {"test_own", "up-down-up"}),
        (["-k", "0001_step"], {"up-down-up"}),
        (["-k", "own and not up"], {"test_own"}),
    ],
)
def test_when_there_are_items(run_pytest: Pytest, arguments: list[str], items: set[str]) -> None:
    """Whoever names a test gets that test; the flag always adds them; -k chooses among them."""
    ended = run_pytest(*arguments)
    assert ended.returncode == 0, ended.stdout
    found = {line.split("::")[1].split(" ")[0] for line in ended.stdout.splitlines() if "::" in line}
    assert found == items


def test_without_a_project_nothing_is_added(project: Sandbox, run_pytest: Pytest) -> None:
    """The plugin is loaded in every project that has the package."""
    project.write("pytest.ini", "[pytest]\n")
    assert "1 passed" in run_pytest().stdout


def test_a_wrong_project_is_a_usage_error(project: Sandbox, run_pytest: Pytest) -> None:
    """A file that is no migration stops the run with its name and the fix."""
    project.write("migrations/0002_bad.py", "x = 1\n")
    ended = run_pytest()
    assert ended.returncode == 4
    assert "0002_bad.py: has no `up` function (Add `def up(db): ...`.)" in ended.stderr


def test_check_migrations(project: Sandbox, wayra_server: ServerUnderTest) -> None:
    """The report is the rehearsal's; without data a wrong `down` stays hidden; nothing is left on the server."""
    project.migration(2, 'db.users.update_many({}, {"$set": {"a": 1}})', "pass")
    with wayra_server.client() as client:
        before = client.list_database_names()

    def prepare(database: Database[dict[str, Any]]) -> None:
        database.users.insert_one({"_id": 1})

    assert check_migrations(project.folder, uri=wayra_server.uri).clean
    report = check_migrations(project.folder, uri=wayra_server.uri, prepare=prepare)
    assert [(one.version, one.check) for one in report.problems] == [(2, Check.DOWN_DIFFERS)]
    project.write("migrations/0003_bad.py", "x = 1\n")
    with pytest.raises(MigrationLoadError):
        check_migrations(project.folder, uri=wayra_server.uri)
    with wayra_server.client() as client:
        assert client.list_database_names() == before


def test_check_migrations_starts_a_server_of_its_own(project: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other is named."""
    monkeypatch.delenv("WAYRA_TEST_MONGODB_URI", raising=False)
    assert check_migrations(project.folder).clean
