"""Wayra's own migrations, up, down and up again, over its seeds as they were before the first migration."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from wayra_db.migrations.rehearsal import crash
from wayra_db.migrations.rehearsal.model import Check
from wayra_db.testing import ServerUnderTest, check_migrations

WAYRA = Path(__file__).parents[3] / "wayra"


def before_the_first(database: Database[dict[str, Any]]) -> None:
    """The seeds' documents without what the migrations add."""
    for path in sorted((WAYRA / "scripts" / "seeds").glob("*.py")):
        runpy.run_path(str(path))["seed"](database)
    database.trips.update_many({}, {"$unset": {"budget.remaining": "", "visibility": ""}})
    database.users.update_many({}, {"$unset": {"role": ""}})


def test_wayras_migrations_are_sound(wayra_server: ServerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `down` restores, kills do no harm, and the migrated data meets what is declared."""
    monkeypatch.setattr(crash, "MOST_KILLS", 60)
    report = check_migrations(WAYRA, uri=wayra_server.uri, prepare=before_the_first, crash=True)
    assert report.clean, report.problems
    assert [one.version for one in report.migrations] == [1, 2, 3]
    assert all(sum(one.documents.values()) for one in report.migrations), "each of them had something to do"


def test_a_role_that_was_there_before_is_lost_by_going_down(wayra_server: ServerUnderTest) -> None:
    """Which migration 3 does on purpose, and the check makes visible."""

    def with_an_administrator(database: Database[dict[str, Any]]) -> None:
        before_the_first(database)
        database.users.update_one({}, {"$set": {"role": "admin"}})

    (problem,) = check_migrations(WAYRA, uri=wayra_server.uri, prepare=with_an_administrator).problems
    assert (problem.version, problem.check, problem.collection) == (3, Check.DOWN_DIFFERS, "users")
    assert len(problem.examples) == 1
