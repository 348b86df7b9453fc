"""The seeded database for tests: filled once, put back after each test, at less than it costs to fill it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.testing import SeededDatabase, ServerUnderTest, seeded_database

Documents = Database[dict[str, Any]]

DAMAGE: dict[str, tuple[tuple[str, ...], Callable[[Documents], object]]] = {
    "nothing": ((), lambda db: None),
    "one changed": (("users",), lambda db: db.users.update_one({}, {"$set": {"email": "other"}})),
    "all deleted": (("users",), lambda db: db.users.delete_many({})),
    "one more": (("users",), lambda db: db.users.insert_one({"email": "more"})),
    "dropped": (("users",), lambda db: db.users.drop()),
    "an index less": (("users",), lambda db: db.users.drop_index("email_1")),
    "an index more": (("users",), lambda db: db.users.create_index("name")),
    "another validator": (("users",), lambda db: db.command({"collMod": "users", "validator": {}})),
    "a collection more": ((), lambda db: db.more.insert_one({})),
    "the capped one": (("logs",), lambda db: db.logs.insert_one({"n": 2})),
    "the view": (("adults",), lambda db: db.adults.drop()),
    "the seeds": (("_wayra_seeds",), lambda db: db["_wayra_seeds"].delete_many({})),
}


@pytest.fixture(scope="module")
def seeded(wayra_server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeededDatabase]:
    """A project with a collection, a capped one, a view, two migrations and a seed."""
    sandbox = Sandbox(tmp_path_factory.mktemp("project"), None, "")
    sandbox.complete()
    sandbox.migration(
        3,
        """
        db.create_collection("logs", capped=True, size=100_000)
        db.logs.insert_one({"n": 1})
        db.create_collection("adults", viewOn="users", pipeline=[{"$match": {}}])
        """,
        head="transactional = False",
    )
    with seeded_database(sandbox.folder, wayra_server.uri) as made:
        yield made


def state(database: Documents) -> dict[str, Any]:
    """Options, indexes and documents of everything."""
    return {
        one["name"]: (
            one["options"],
            {} if one["type"] == "view" else database[one["name"]].index_information(),
            list(database[one["name"]].find({}, sort=[("_id", 1)])),
        )
        for one in database.list_collections()
        if not one["name"].startswith("system.")
    }


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_a_test_has_changed_is_put_back(seeded: SeededDatabase, kind: str) -> None:
    """Whatever it was, and nothing else is touched; a second time there is nothing left to do."""
    before = state(seeded.database)
    assert len(before["users"][2]) == 2
    changed, damage = DAMAGE[kind]
    damage(seeded.database)
    assert seeded.put_back() == changed
    assert state(seeded.database) == before
    assert seeded.put_back() == ()


def test_the_fixture(own_project: Path) -> None:
    """Each test of a project begins with the seeds, whatever the one before it did."""
    (own_project / "test_seeded.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', range(3))\n"
        "def test_it(wayra_seeded, n):\n"
        "    assert sorted(wayra_seeded.users.distinct('email')) == ['ada@example.com', 'grace@example.com']\n"
        "    wayra_seeded.users.delete_many({})\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_seeded.py"],
        cwd=own_project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.fixture
def own_project(tmp_path: Path, wayra_server: ServerUnderTest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, with its tests to run on the server of these."""
    monkeypatch.setenv("WAYRA_TEST_MONGODB_URI", wayra_server.uri)
    Sandbox(tmp_path, None, "").complete()
    return tmp_path
