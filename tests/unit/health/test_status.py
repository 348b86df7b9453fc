from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wayra_db.health.collections import CollectionStats
from wayra_db.health.facts import BackupFact
from wayra_db.health.status import IndexSummary, SchemaSummary, Status
from wayra_db.mongo.capabilities import Capabilities

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
REPLICA_SET = Capabilities("replica set", (6, 0, 5), "6.0", "rs0", ("localhost:27017",), True)
STANDALONE = Capabilities("standalone", (6, 0, 5), "6.0", None, (), True)


@dataclass(frozen=True)
class Unit:
    """A migration or a seed in a state."""

    name: str
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"name": self.name, "state": self.verdict}


WELL = Status(
    address="mongodb://localhost",
    database="wayra",
    environment="test",
    embedded=False,
    stored_environment="test",
    deployment=REPLICA_SET,
    migrations=[Unit("roles", "applied")],
    schema=SchemaSummary(2),
    indexes=IndexSummary(11, 11),
    collections=[CollectionStats("users", 3, 100, 4096, 8192)],
    seeds=[Unit("users", "done"), Unit("demo", "other environment")],
    backups=[],
    at=NOW,
    backup_facts=[BackupFact("nightly", NOW - timedelta(hours=3), 5.0, whole=True, verified=True, damaged=False)],
)

# A change of the healthy status, what is found then, and whether the database still counts as healthy.
TABLE: dict[str, tuple[dict[str, Any], list[tuple[str, str]], bool]] = {
    "all is well": ({}, [], True),
    "nothing declared": ({"migrations": [], "seeds": [], "schema": SchemaSummary(0)}, [], True),
    "a pending migration": (
        {"migrations": [Unit("a", "applied"), Unit("b", "pending")]},
        [("warning", "1 migration pending: b")],
        False,
    ),
    "two pending migrations": (
        {"migrations": [Unit("a", "pending"), Unit("b", "pending")]},
        [("warning", "2 migrations pending: a, b")],
        False,
    ),
    "a failed migration": ({"migrations": [Unit("a", "failed")]}, [("error", "1 migration failed: a")], False),
    "an interrupted one": (
        {"migrations": [Unit("a", "interrupted")]},
        [("error", "1 migration interrupted: a")],
        False,
    ),
    "an edited one": ({"migrations": [Unit("a", "edited")]}, [("error", "1 migration edited: a")], False),
    "a missing file": (
        {"migrations": [Unit("a", "missing file")]},
        [("error", "1 migration missing file: a")],
        False,
    ),
    "a pending seed": ({"seeds": [Unit("a", "pending")]}, [("warning", "1 seed pending: a")], False),
    "a failed seed": ({"seeds": [Unit("a", "failed")]}, [("error", "1 seed failed: a")], False),
    "a changed seed": (
        {"seeds": [Unit("a", "changed since it ran")]},
        [("info", "1 seed changed since it ran: a")],
        True,
    ),
    "schema drift": (
        {"schema": SchemaSummary(2, ("collection users does not exist",))},
        [("warning", "collection users does not exist")],
        False,
    ),
    "a collection that cannot be changed": (
        {"schema": SchemaSummary(2, (), (), ("collection users: it is a view",))},
        [("error", "collection users: it is a view")],
        False,
    ),
    "an undeclared collection": (
        {"schema": SchemaSummary(2, (), ("legacy",))},
        [("info", "collection legacy is not declared")],
        True,
    ),
    "index drift": (
        {"indexes": IndexSummary(11, 10, ("index users.email_1 is missing",))},
        [("warning", "index users.email_1 is missing")],
        False,
    ),
    "an undeclared index": (
        {"indexes": IndexSummary(11, 11, (), ("users.old_1",))},
        [("info", "index users.old_1 is not declared")],
        True,
    ),
    "never initialised": (
        {"stored_environment": None},
        [("warning", "the database was never initialised")],
        False,
    ),
    "data that nobody has claimed": (
        {"stored_environment": None, "unclaimed_data": True},
        [("error", "the database holds data and belongs to no environment yet")],
        False,
    ),
    "an environment that cannot be read": (
        {"stored_environment": None, "unreadable": {"environment": "not authorized"}},
        [("error", "environment could not be read: not authorized")],
        False,
    ),
    "a reset that was cut off": (
        {"resetting": True},
        [("error", "a reset was cut off: nothing else is done before it is finished")],
        False,
    ),
    "a migration out of order": (
        {"migrations": [Unit("a", "pending"), Unit("b", "applied"), Unit("c", "pending")]},
        [("error", "1 migration out of order: a"), ("warning", "1 migration pending: c")],
        False,
    ),
    "another environment": (
        {"stored_environment": "production"},
        [("error", "the database belongs to production, this shell to test: every change is refused")],
        False,
    ),
    "no primary": (
        {"deployment": replace(REPLICA_SET, writable_primary=False)},
        [("error", "no writable primary answers")],
        False,
    ),
    "a standalone": (
        {"deployment": STANDALONE},
        [("info", "a standalone server has no transactions: a migration that is cut off is not undone")],
        True,
    ),
    "an unreadable part": (
        {"schema": None, "indexes": None, "unreadable": {"schema": "users.py:3: broken", "indexes": "likewise"}},
        [
            ("error", "schema could not be read: users.py:3: broken"),
            ("error", "indexes could not be read: likewise"),
        ],
        False,
    ),
    "the worst comes first": (
        {
            "stored_environment": None,
            "seeds": [Unit("a", "changed since it ran"), Unit("b", "pending")],
            "migrations": [Unit("c", "edited")],
        },
        [
            ("error", "1 migration edited: c"),
            ("warning", "the database was never initialised"),
            ("warning", "1 seed pending: b"),
            ("info", "1 seed changed since it ran: a"),
        ],
        False,
    ),
}


@pytest.mark.parametrize(("changes", "expected", "healthy"), TABLE.values(), ids=TABLE)
def test_verdict(changes: dict[str, Any], expected: list[tuple[str, str]], healthy: bool) -> None:
    """What follows from a status, in which order, and whether anything is to be done."""
    status = replace(WELL, **changes)
    assert [(finding.severity, finding.message) for finding in status.findings] == expected
    assert status.healthy is healthy


@pytest.mark.parametrize("name", [name for name, (_, found, _) in TABLE.items() if found])
def test_what_a_person_must_do_comes_with_advice(name: str) -> None:
    """Every pending finding names a command; so does every problem that a command explains."""
    status = replace(WELL, **TABLE[name][0])
    assert all(finding.next_step for finding in status.findings if finding.pending)


PENDING: dict[str, Any] = {
    "migrations": [Unit("a", "applied"), Unit("b", "pending")],
    "schema": SchemaSummary(2, ("collection users does not exist",)),
    "indexes": IndexSummary(11, 10, ("index users.email_1 is missing",)),
    "seeds": [Unit("a", "failed"), Unit("b", "changed since it ran")],
}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        (
            {},
            {
                "wayra-db migrate",
                "wayra-db init",
                "wayra-db indexes apply",
                "wayra-db seed",
                "wayra-db seed --again",
            },
        ),
        (
            {"stored_environment": None, "unclaimed_data": True},
            {
                "Claim it, if it is the one you mean: wayra-db init --adopt",
            },
        ),
        (
            {"stored_environment": "production"},
            {"Check MONGODB_URI and WAYRA_ENV."},
        ),
        (
            {"resetting": True},
            {
                "Finish it: wayra-db reset",
            },
        ),
    ],
)
def test_no_advice_names_a_command_that_refuses(changes: dict[str, Any], advice: set[str]) -> None:
    """While every change is refused, what ends that is the advice for everything that a command would do."""
    status = replace(WELL, **PENDING, **changes)
    assert {finding.next_step for finding in status.findings} == advice


@pytest.mark.parametrize("state", ["failed", "interrupted", "edited", "missing file"])
def test_pending_migrations_behind_a_problem(state: str) -> None:
    """`migrate` may refuse: the state of each is what to look at first."""
    status = replace(WELL, migrations=[Unit("a", state), Unit("b", "pending")])
    assert {finding.next_step for finding in status.findings} == {"wayra-db migrate status"}


@pytest.mark.parametrize("name", TABLE)
def test_a_status_is_plain_data(name: str) -> None:
    """Whole or with unreadable parts, it is JSON, and its verdict is in it."""
    status = replace(WELL, **TABLE[name][0])
    written = json.loads(json.dumps(status.to_dict()))
    assert written["healthy"] is status.healthy
    assert len(written["findings"]) == len(status.findings)
    assert written["database"] == "wayra"


def test_a_part_that_was_not_read_is_none_and_an_empty_one_is_empty() -> None:
    """A program can tell the two apart."""
    written = replace(WELL, seeds=None).to_dict()
    assert written["seeds"] is None
    assert written["backups"] == []
