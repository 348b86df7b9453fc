from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.support import Sandbox
from wayra_db import locking
from wayra_db.errors import (
    AuthenticationError,
    CancelledError,
    OutOfOrderError,
    RefusedError,
    UnsupportedDeploymentError,
)
from wayra_db.events import Event, Progress, UnitFinished
from wayra_db.migrations.rehearsal import Finding, RehearsalReport
from wayra_db.migrations.rehearsal import crash as crashing
from wayra_db.migrations.rehearsal.checks import count_duplicates
from wayra_db.migrations.rehearsal.model import Check, Down, Severity
from wayra_db.mongo.client import Deployment
from wayra_db.testing import ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]

GOOD_UP = 'db.users.update_many({}, {"$set": {"role": "user"}})'
DOWN_SCORE = 'db.users.update_many({}, {"$inc": {"score": -1}})'
GOOD_DOWN = 'db.users.update_many({}, {"$unset": {"role": 1}})'


def fill(database: Documents, number: int = 30) -> None:
    """Users, with an index, and a collection that no migration touches."""
    database.users.insert_many([{"_id": n, "email": f"{n}@example.com", "score": n} for n in range(number)])
    database.users.create_index("score")
    database.untouched.insert_one({"_id": 1})


def fingerprint(database: Documents) -> Mapping[str, Any]:
    """What the server itself says: a hash of the database, its collections, and which databases there are."""
    hashed = database.command("dbHash")
    return {
        "md5": hashed["md5"],
        "uuids": {name: str(uuid) for name, uuid in hashed["uuids"].items()},
        "collections": sorted(database.list_collection_names()),
        "indexes": {name: database[name].index_information() for name in database.list_collection_names()},
        "mine": scratch_names(database.client, database.name),
    }


def scratch_names(client: MongoClient[dict[str, Any]], name: str) -> list[str]:
    """The databases that begin like this one."""
    return [found for found in client.list_database_names() if found.startswith(name)]


def rehearse(sandbox: Sandbox, database: Documents, **options: Any) -> RehearsalReport:
    """Rehearse, and hold the real database to be as before, to the last byte."""
    before = fingerprint(database)
    with sandbox.open() as project:
        report = project.migrations.rehearse(**options)
    assert fingerprint(database) == before
    return report


def found(report: RehearsalReport, check: Check) -> Finding:
    """The one finding of this kind."""
    (one,) = [finding for finding in report.findings if finding.check is check]
    return one


@pytest.fixture
def unclaimed(sandbox: Sandbox, wayra_database: Documents) -> Sandbox:
    """A project on a database that was never initialised."""
    fill(wayra_database)
    return sandbox


@pytest.mark.parametrize("on", ["same", "embedded"])
def test_all_fine(unclaimed: Sandbox, wayra_database: Documents, on: str) -> None:
    """A migration with a true `down` is clean; times, counts and indexes are told; nothing is left anywhere."""
    unclaimed.migration(1, GOOD_UP, GOOD_DOWN)
    unclaimed.migration(
        2,
        'db.users.create_index("role", name="by_role")\ndb.users.drop_index("score_1")',
        'db.users.create_index("score")\ndb.users.drop_index("by_role")',
    )
    report = rehearse(unclaimed, wayra_database, on=on)
    assert report.clean, report.findings
    assert report.findings == ()
    first, second = report.migrations
    assert (first.down, second.down) == (Down.RESTORES, Down.RESTORES)
    assert dict(first.documents) == {"matched": 30, "modified": 30}
    assert second.changes.indexes_created == ("users.by_role",)
    assert second.changes.indexes_dropped == ("users.score_1",)
    assert (first.mode, second.mode) == ("atomic", "stepwise")
    assert first.estimate.seconds == first.seconds > 0
    assert [copy.name for copy in report.plan.copies] == ["users"]
    assert report.plan.elsewhere == ("untouched",)
    assert report.to_dict()["verdict"] == "clean"
    assert not unclaimed.observer.of(UnitFinished), "it would look as if the real database had been migrated"
    if on == "embedded":
        with unclaimed.open() as project, project.server.acquire() as lease:
            client: MongoClient[dict[str, Any]] = MongoClient(lease.uri)
            with client:
                assert scratch_names(client, wayra_database.name) == []
        with unclaimed.open() as project:
            project.server.stop()


@pytest.mark.parametrize(
    ("up", "down", "words", "examples"),
    [
        (GOOD_UP, 'db.users.update_many({"_id": {"$gt": 1}}, {"$unset": {"role": 1}})', "2 documents changed", 2),
        ('db.users.insert_one({"_id": 99, "email": "x"})', "pass", "1 document extra", 1),
        ('db.users.delete_one({"_id": 3})', "pass", "1 document missing", 1),
        ('db.users.delete_one({"_id": 3})', 'db.users.insert_one({"_id": 3})', "1 document changed", 1),
        ('db.users.create_index("email")', "pass", "indexes extra: email_1", 0),
        ('db.users.drop_index("score_1")', "pass", "indexes missing: score_1", 0),
        (
            'db.users.drop_index("score_1")',
            'db.users.create_index("score", sparse=True)',
            "indexes with other options: score_1",
            0,
        ),
        ('db.command("collMod", "users", validator={"_id": {"$gt": -1}})', "pass", "validator differs", 0),
        ('db.create_collection("more").insert_one({})', "pass", "is there with 1 document, and was not", 0),
        ("db.users.drop()", "pass", "is gone, with 30 documents", 0),
    ],
)
def test_a_wrong_down_is_found(
    unclaimed: Sandbox, wayra_database: Documents, up: str, down: str, words: str, examples: int
) -> None:
    """Whatever is not as it was: which collection, in what, and the `_id`s of some documents."""
    unclaimed.migration(1, up, down)
    with_up_again = rehearse(unclaimed, wayra_database)
    finding = next(one for one in with_up_again.problems if one.check is Check.DOWN_DIFFERS)
    assert words in finding.message
    assert finding.version == 1
    assert len(finding.examples) == examples
    assert finding.next
    assert with_up_again.migrations[0].down is Down.DIFFERS


@pytest.mark.parametrize(
    ("up", "down", "words"),
    [
        (
            'db.users.update_many({}, {"$rename": {"email": "mail"}})',
            'db.users.update_many({}, {"$rename": {"mail": "email"}})',
            "same fields in another order",
        ),
        ('db.more.insert_one({"_id": 1})', 'db.more.delete_one({"_id": 1})', "is there with 0 documents"),
    ],
)
def test_what_nobody_misses_is_only_a_note(
    unclaimed: Sandbox, wayra_database: Documents, up: str, down: str, words: str
) -> None:
    """The order of fields, or an empty collection that stays, makes no bad verdict."""
    unclaimed.migration(1, up, down)
    report = rehearse(unclaimed, wayra_database)
    assert report.clean
    assert words in found(report, Check.DOWN_DIFFERS).message


def test_up_that_is_not_the_same_each_time_is_a_note(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """Values of the clock differ between two runs; `down` is true all the same."""
    unclaimed.migration(1, 'db.users.update_many({}, {"$currentDate": {"at": True}})', GOOD_DOWN.replace("role", "at"))
    report = rehearse(unclaimed, wayra_database)
    assert report.clean
    assert found(report, Check.UP_DIFFERS).version == 1


def test_a_failing_up_stops_the_rehearsal(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """The error is the finding; those after it are named as not reached."""
    unclaimed.migration(1, GOOD_UP, GOOD_DOWN)
    unclaimed.migration(2, "db.users.find_one()['nothing']")
    unclaimed.migration(3, GOOD_UP)
    report = rehearse(unclaimed, wayra_database)
    assert "KeyError" in found(report, Check.UP_FAILED).message
    assert found(report, Check.NOT_REHEARSED).version == 3
    assert [one.version for one in report.migrations] == [1]


def test_a_failing_down(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """An atomic one has changed nothing, and the next migration is rehearsed; a half-done one ends it."""
    unclaimed.migration(1, GOOD_UP, "raise ValueError('no')")
    unclaimed.migration(2, 'db.users.create_index("email")', 'db.users.drop_index("email_1")\nraise ValueError("no")')
    unclaimed.migration(3, GOOD_UP)
    report = rehearse(unclaimed, wayra_database)
    assert [one.version for one in report.problems if one.check is Check.DOWN_FAILED] == [1, 2]
    assert [one.down for one in report.migrations] == [Down.FAILED, Down.FAILED]
    assert found(report, Check.NOT_REHEARSED).version == 3


def test_without_down(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """It is said, and no problem."""
    unclaimed.migration(1, GOOD_UP)
    report = rehearse(unclaimed, wayra_database)
    assert report.clean
    assert found(report, Check.IRREVERSIBLE).severity is Severity.NOTE
    assert report.migrations[0].down is Down.NONE


VALIDATOR = '{"$jsonSchema": {"required": ["email", "name"]}}'


@pytest.mark.parametrize(("level", "is_problem"), [("strict", True), ("moderate", False)])
def test_a_too_strict_validator_of_a_migration_is_found(
    unclaimed: Sandbox, wayra_database: Documents, level: str, is_problem: bool
) -> None:
    """How many documents, which ones, and of which migration; `moderate` spares existing documents and is a note."""
    wayra_database.users.update_many({"_id": {"$gte": 4}}, {"$set": {"name": "x"}})
    unclaimed.migration(
        1,
        f'db.command("collMod", "users", validator={VALIDATOR}, validationLevel="{level}")',
        'db.command("collMod", "users", validator={}, validationLevel="strict")',
    )
    report = rehearse(unclaimed, wayra_database)
    finding = found(report, Check.VALIDATOR)
    assert finding.message.startswith("4 documents of users do not match the validator that migration 1 sets")
    assert (finding.version, finding.collection, finding.examples) == (1, "users", ("0", "1", "2", "3"))
    assert report.clean is not is_problem


def test_what_breaks_the_rules_today_is_only_a_note(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """A validator that the data did not meet before either; the copy takes such documents over."""
    wayra_database.command("collMod", "users", validator={"name": {"$exists": True}})
    unclaimed.migration(1, 'db.things.insert_one({"_id": 1})\ndb.users.count_documents({})', "db.things.drop()")
    report = rehearse(unclaimed, wayra_database)
    assert report.clean
    assert "as it is today" in found(report, Check.VALIDATOR).message


COLLECTION = """
from pymongo import IndexModel
from wayra_db import Collection

users = Collection(
    "users",
    validator={"$jsonSchema": {"required": ["email", "role"]}},
    indexes=[IndexModel([("email", 1)], unique=True)],
)
"""


def test_declared_validators_and_unique_indexes_are_held_against_the_migrated_data(
    unclaimed: Sandbox, wayra_database: Documents
) -> None:
    """What the migration mends is fine; what it leaves is found, with counts and no values."""
    unclaimed.write("collections/users.py", COLLECTION)
    unclaimed.migration(1, GOOD_UP, GOOD_DOWN)
    assert rehearse(unclaimed, wayra_database).clean
    wayra_database.users.insert_many([{"_id": 100 + n, "email": "twice@example.com"} for n in range(3)])
    wayra_database.users.insert_one({"_id": 200})
    report = rehearse(unclaimed, wayra_database)
    twice, invalid = found(report, Check.DUPLICATE_KEYS), found(report, Check.VALIDATOR)
    assert "1 value of email stands in several documents (the most frequent in 3)" in twice.message
    assert "its declared validator" in invalid.message
    assert invalid.examples == ("200",)
    assert "twice@" not in str(report.to_dict())


def test_declarations_alone_are_rehearsed_too(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """With nothing pending, `init` may still fail on the data."""
    unclaimed.write("collections/users.py", COLLECTION)
    wayra_database.users.insert_one({"email": "1@example.com", "role": "user"})
    report = rehearse(unclaimed, wayra_database)
    assert {one.check for one in report.problems} == {Check.VALIDATOR, Check.DUPLICATE_KEYS}


UNIQUE = 'db.users.create_index("email", unique=True)'


def test_a_duplicate_key_for_a_unique_index_of_a_migration_is_found(
    unclaimed: Sandbox, wayra_database: Documents
) -> None:
    """The migration fails, and beside the error stands how many keys are in the way."""
    wayra_database.users.insert_many([{"email": "1@example.com"}, {"email": "2@example.com"}])
    unclaimed.migration(1, UNIQUE, 'db.users.drop_index("email_1")')
    report = rehearse(unclaimed, wayra_database)
    finding = found(report, Check.DUPLICATE_KEYS)
    assert "2 values of email stand in several documents (the most frequent in 2, 2)" in finding.message
    assert finding.version == found(report, Check.UP_FAILED).version == 1


def test_a_sample_does_not_hide_duplicates(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """They hardly ever meet in a sample, so the real collection is asked as well."""
    wayra_database.users.insert_one({"_id": 1000, "email": "1@example.com"})
    unclaimed.migration(1, UNIQUE, 'db.users.drop_index("email_1")')
    report = rehearse(unclaimed, wayra_database, sample=2)
    assert "of the real database, of which only a sample was copied" in found(report, Check.DUPLICATE_KEYS).message


def test_a_sample_is_of_the_wanted_size_and_always_the_same(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """So that two rehearsals can be compared; the estimate grows in proportion."""
    unclaimed.migration(1, 'seen = sorted(db.users.distinct("_id"))\nprint(seen)\n' + GOOD_UP, GOOD_DOWN)
    unclaimed.migration(2, 'raise ValueError(sorted(db.users.distinct("_id")))')
    messages = set()
    for _ in range(2):
        report = rehearse(unclaimed, wayra_database, sample=5)
        messages.add(found(report, Check.UP_FAILED).message)
        first = report.migrations[0]
        assert dict(first.documents) == {"matched": 5, "modified": 5}
        assert first.estimate.seconds == pytest.approx(first.seconds * 6)
        assert "30 documents instead of 5" in first.estimate.basis
    assert len(messages) == 1


def test_options_validators_and_kinds_of_collections_are_copied(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """Collation, capped, clustered, views and every kind of index; a time series comes empty and says so."""
    database = wayra_database
    database.create_collection("sorted", collation={"locale": "en", "strength": 2})
    database.sorted.insert_many([{"_id": "a"}, {"_id": Int64(3)}, {"_id": ObjectId()}, {"_id": {"x": 1}}])
    database.sorted.create_index([("text", "text")], collation={"locale": "simple"})
    database.sorted.create_index([("place", "2dsphere")], sparse=True, name="where")
    database.sorted.create_index("n", partialFilterExpression={"n": {"$gt": 1}}, hidden=True)
    database.create_collection("capped", capped=True, size=4096)
    database.capped.insert_many([{"_id": n} for n in (3, 1, 2)])
    database.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True})
    database.clustered.insert_one({"_id": 1})
    database.create_collection("seen", viewOn="users", pipeline=[{"$match": {"_id": 1}}])
    database.create_collection("measured", timeseries={"timeField": "at"})
    unclaimed.migration(1, "db.list_collection_names()\ndb.things.insert_one({})", "db.things.drop()")
    with unclaimed.open() as project:
        report = project.migrations.rehearse(keep=True)
        assert report.clean, report.problems
        copy = wayra_database.client[report.scratch]
        try:
            for name in ("sorted", "capped", "clustered", "seen", "users"):
                assert copy[name].options() == database[name].options()
                assert list(copy[name].find(sort=[("$natural", 1)])) == list(
                    database[name].find(sort=[("$natural", 1)])
                )
                if name != "seen":
                    assert copy[name].index_information() == database[name].index_information()
            assert "1_step.py:3:" in report.plan.unclear[0]
            assert found(report, Check.NOT_COPIED).collection == "measured"
            assert project.migrations.rehearse().clean
            assert report.scratch in wayra_database.client.list_database_names(), "kept means kept"
        finally:
            wayra_database.client.drop_database(report.scratch)


def test_only_what_is_pending_runs_and_only_up_to_the_version(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The history is copied; nothing pending is nothing to rehearse; what `migrate` refuses is refused."""
    sandbox.migration(1, "db.things.insert_one({'_id': 1})")
    with sandbox.open() as project:
        project.migrations.up()
        assert project.migrations.rehearse().migrations == ()
    sandbox.migration(3, "db.things.insert_one({'_id': 3})", "db.things.delete_one({'_id': 3})")
    sandbox.migration(4, "db.things.insert_one({'_id': 4})", "db.things.delete_one({'_id': 4})")
    report = rehearse(sandbox, wayra_database, to=3)
    assert [one.version for one in report.migrations] == [3]
    with sandbox.open() as project:
        project.migrations.up()
        sandbox.migration(2, "pass")
        with pytest.raises(OutOfOrderError):
            project.migrations.rehearse()


def test_a_batched_migration_that_stopped_is_rehearsed_from_where_it_stands(
    sandbox: Sandbox, wayra_database: Documents
) -> None:
    """Its checkpoint is copied; `down` has nothing to be compared with."""
    fill(wayra_database, 25)
    body = """
        for batch in ctx.batches("users", size=10):
            if not db.sign.find_one() and batch.number == 2:
                raise ValueError("stop")
            batch.update_many({"$inc": {"score": 1000}})
    """
    sandbox.write("migrations/0001_step.py", f"def up(db, ctx):{body}")
    with sandbox.open(adopt=True) as project:
        with pytest.raises(Exception, match="stop"):
            project.migrations.up()
        wayra_database.sign.insert_one({"_id": 1})
        report = project.migrations.rehearse()
        assert report.clean
        assert dict(report.migrations[0].documents) == {"matched": 15, "modified": 15}
        assert found(report, Check.NOT_REHEARSED).version == 1


def test_hooks_are_not_run(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """They may speak to the world outside; the report says that they were left out."""
    unclaimed.write("migrations/_hooks.py", "def before_run(db, run):\n    raise SystemExit\n")
    unclaimed.migration(1, GOOD_UP, GOOD_DOWN)
    report = rehearse(unclaimed, wayra_database)
    assert report.clean
    assert report.hooks_skipped


def test_the_copy_is_dropped_when_the_rehearsal_is_stopped(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """Ctrl-C between two steps leaves nothing on the server."""
    unclaimed.migration(1, GOOD_UP, GOOD_DOWN)
    before = fingerprint(wayra_database)
    with unclaimed.open() as project:

        def stop_at_the_copy(event: Event) -> None:
            if isinstance(event, Progress):
                project.guard.stop.request("SIGINT")

        project.guard.observer = stop_at_the_copy
        with pytest.raises(CancelledError):
            project.migrations.rehearse()
    assert fingerprint(wayra_database) == before


def test_leftovers_of_killed_rehearsals_are_dropped_by_the_next_and_living_ones_stay(
    unclaimed: Sandbox, wayra_database: Documents
) -> None:
    """Whoever works in a scratch database holds its lock; a dead holder's is taken over and dropped."""
    client, name = wayra_database.client, wayra_database.name
    unclaimed.migration(1, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    killed = unclaimed.run("migrate", "rehearse")
    assert killed.returncode == -9, killed.stderr
    (left,) = [found for found in scratch_names(client, name) if found != name]
    living = f"{name}_wayra_rehearsal_0123abcd"
    unclaimed.migration(1, GOOD_UP, GOOD_DOWN)
    with locking.acquire(Deployment(client, living), "look", lease_seconds=30, timeout_seconds=0):
        rehearse_names = set(scratch_names(client, name))
        with unclaimed.open() as project:
            assert project.migrations.rehearse().clean
        assert set(scratch_names(client, name)) == rehearse_names - {left}
    client.drop_database(living)


def test_errors_of_production_quote_no_document(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Neither values nor `_id`s that may be values; the embedded server is no place for that data."""
    wayra_database.users.insert_many([{"_id": "ada@example.com"}, {"_id": "grace@example.com"}])
    sandbox.migration(1, 'db.users.update_one({}, {"$set": {"x": 1}})', "pass")
    sandbox.migration(2, 'db.users.insert_one({"_id": "ada@example.com"})')
    with sandbox.open(environ={"WAYRA_ENV": "production"}) as project:
        report = project.migrations.rehearse()
        assert "ada@" not in str(report.to_dict())
        assert next(one for one in report.findings if one.check is Check.DOWN_DIFFERS).examples == ("<str>",)
        with pytest.raises(RefusedError) as caught:
            project.migrations.rehearse(on="embedded")
    assert "--on same" in caught.value.hint


def test_the_environment_of_the_database_counts(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Rehearsing production under the name of development would show what production hides."""
    sandbox.migration(1, "db.things.insert_one({})")
    with sandbox.open(environ={"WAYRA_ENV": "production"}) as project:
        project.migrations.up()
    with sandbox.open() as project, pytest.raises(RefusedError):
        project.migrations.rehearse()


def test_a_program_with_its_own_client_can_rehearse_but_not_kill(
    unclaimed: Sandbox, wayra_server: ServerUnderTest, wayra_database: Documents
) -> None:
    """A child process needs a URI to connect by itself."""
    unclaimed.migration(1, GOOD_UP, GOOD_DOWN)
    with wayra_server.client() as client, unclaimed.open(client=client) as project:
        assert project.migrations.rehearse().clean
        with pytest.raises(UnsupportedDeploymentError):
            project.migrations.rehearse(crash=True)


def test_an_async_migration(unclaimed: Sandbox, wayra_database: Documents) -> None:
    """It runs as the ordinary runner runs it."""
    unclaimed.migration(1, f"await {GOOD_UP}", f"await {GOOD_DOWN}", is_async=True)
    report = rehearse(unclaimed, wayra_database)
    assert report.clean, report.findings
    assert report.migrations[0].down is Down.RESTORES


@pytest.mark.parametrize(
    ("options", "documents"),
    [
        ({}, [{"a": 1}, {"a": 2}]),
        ({}, [{"a": 1}, {"a": 1.0}]),
        ({}, [{"a": None}, {}]),
        ({}, [{}, {}]),
        ({}, [{"a": [1, 2]}, {"a": [2, 3]}]),
        ({}, [{"a": [1, 1]}, {"a": [2]}]),
        ({}, [{"a": [1, 2]}, {"a": 3}]),
        ({}, [{"a": "x"}, {"a": "X"}]),
        ({"collation": {"locale": "en", "strength": 2}}, [{"a": "x"}, {"a": "X"}]),
        ({"sparse": True}, [{}, {}]),
        ({"sparse": True}, [{"a": None}, {"a": None}]),
        ({"partialFilterExpression": {"b": 1}}, [{"a": 1, "b": 1}, {"a": 1, "b": 2}]),
        ({"partialFilterExpression": {"b": 1}}, [{"a": 1, "b": 1}, {"a": 1, "b": 1}]),
        ({"key": {"a.b": 1}}, [{"a": [{"b": 1}, {"b": 2}]}, {"a": {"b": 2}}]),
        ({"key": {"a": 1, "b": -1}}, [{"a": 1, "b": 1}, {"a": 1, "b": 2}]),
        ({"key": {"a": 1, "b": -1}}, [{"a": 1, "b": 1}, {"a": 1, "b": 1}]),
    ],
)
def test_duplicates_are_what_the_server_refuses(
    wayra_database: Documents, options: dict[str, Any], documents: list[dict[str, Any]]
) -> None:
    """A unique index can be built exactly when no duplicates are counted."""
    wayra_database.users.insert_many(documents)
    index = {"key": {"a": 1}, "name": "x", "unique": True, **options}
    counted = count_duplicates(Deployment(wayra_database.client, wayra_database.name), "users", index)
    try:
        wayra_database.command("createIndexes", "users", indexes=[index])
    except OperationFailure:
        assert counted.keys == 1
    else:
        assert counted.keys == 0


@pytest.mark.parametrize("crash", [False, True])
def test_on_a_standalone_server(
    unclaimed: Sandbox, wayra_standalone: ServerUnderTest, monkeypatch: pytest.MonkeyPatch, crash: bool
) -> None:
    """Without transactions nothing is atomic there, and kills show it."""
    monkeypatch.setattr(crashing, "MOST_KILLS", 30)
    unclaimed.uri = wayra_standalone.uri
    with wayra_standalone.client() as client:
        fill(client[unclaimed.database])
        unclaimed.migration(1, 'db.users.update_many({}, {"$inc": {"score": 1}})', DOWN_SCORE)
        before = client.list_database_names(), client[unclaimed.database].command("dbHash")["md5"]
        with unclaimed.open() as project:
            report = project.migrations.rehearse(crash=crash)
        assert report.migrations[0].mode == "stepwise"
        assert {one.check for one in report.problems} == ({Check.CRASH} if crash else set())
        assert (client.list_database_names(), client[unclaimed.database].command("dbHash")["md5"]) == before
        client.drop_database(unclaimed.database)


def test_a_user_who_may_not_make_databases_is_told_what_is_missing(
    sandbox: Sandbox, wayra_auth_server: TemporaryServer
) -> None:
    """Which roles, or the other way."""
    with wayra_auth_server.client() as client:
        roles = [{"role": role, "db": sandbox.database} for role in ("readWrite", "dbAdmin")]
        client.admin.command("createUser", "only", pwd="only", roles=roles)
        fill(client[sandbox.database])
    root = f"{wayra_auth_server.username}:{wayra_auth_server.password}@"
    sandbox.uri = wayra_auth_server.uri.replace(root, "only:only@")
    sandbox.migration(1, GOOD_UP, GOOD_DOWN)
    with sandbox.open() as project, pytest.raises(AuthenticationError) as caught:
        project.migrations.rehearse()
    assert "readWriteAnyDatabase" in caught.value.hint
    sandbox.uri = wayra_auth_server.uri
    with sandbox.open() as project:
        assert project.migrations.rehearse().clean
