from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import COLLECTIONS, Sandbox
from wayra_db import audit, meta
from wayra_db.environment import Action
from wayra_db.errors import MigrationLoadError, RefusedError, StepFailedError
from wayra_db.events import Progress, SecurityEvent, StepFinished
from wayra_db.mongo.client import Deployment
from wayra_db.testing import CommandCounter

Documents = Database[dict[str, Any]]


@pytest.fixture
def shop(sandbox: Sandbox) -> Sandbox:
    """A project with a collection, two migrations and a seed."""
    sandbox.complete()
    return sandbox


def contents(database: Documents) -> dict[str, list[Any]]:
    """Every document of the database, the tool's own included, but for the record of what production refused."""
    return {
        name: sorted(database[name].find(), key=lambda one: str(one["_id"]))
        for name in sorted(database.list_collection_names())
        if name != audit.REFUSALS
    }


def test_init_makes_everything_and_the_second_changes_nothing(shop: Sandbox, wayra_database: Documents) -> None:
    """Collections, validators, migrations, indexes, seeds; then not one byte more, and no lock taken."""
    with shop.open() as project:
        report = project.initializer.run()
        assert [step.step for step in report.steps] == [
            "connection",
            "collections",
            "migrations",
            "indexes",
            "seeds",
            "health",
        ]
        assert report.changed
        assert all(step.seconds >= 0 for step in report.steps)
        before = contents(wayra_database)
        assert {"users", "trips", "_wayra_meta", "_wayra_log"} <= set(before)
        again = project.initializer.run()
    assert not again.changed
    assert contents(wayra_database) == before
    assert len(wayra_database.users.index_information()) == 2
    assert [event.step for event in shop.observer.of(StepFinished)][:6] == [step.step for step in report.steps]


def test_quick_runs_migrations_and_indexes_only(shop: Sandbox, wayra_database: Documents) -> None:
    """No seeds; a declared collection that is missing is still made as declared, before its indexes."""
    with shop.open() as project:
        report = project.initializer.run(quick=True)
    assert [step.step for step in report.steps] == ["connection", "migrations", "indexes", "health"]
    assert wayra_database.users.count_documents({}) == 0
    assert wayra_database.command("listCollections", filter={"name": "users"})["cursor"]["firstBatch"][0]["options"]


def test_a_changed_validator_and_a_new_index_arrive(shop: Sandbox, wayra_database: Documents) -> None:
    """The declarations are the source of truth: the next run brings the live collection up to them."""
    with shop.open() as project:
        project.initializer.run()
    text = COLLECTIONS.replace('["email"]', '["email", "name"]').replace(
        "unique=True)]", 'unique=True), IndexModel([("name", 1)])]'
    )
    shop.write("collections/users.py", text)
    with shop.open() as project:
        assert not project.status().healthy
        report = project.initializer.run()
        assert {step.step for step in report.steps if step.outcome == "changed"} == {"collections", "indexes"}
        assert project.status().healthy
    assert "name_1" in wayra_database.users.index_information()
    with pytest.raises(Exception, match="failed validation"):
        wayra_database.users.insert_one({"email": "x"})


def test_production_never_seeds(shop: Sandbox, wayra_database: Documents) -> None:
    """The library refuses as the command line does, and `init` leaves the seeds out."""
    with shop.open(environ={"WAYRA_ENV": "production"}) as project:
        report = project.initializer.run()
        assert {step.step: step.outcome for step in report.steps}["seeds"] == "skipped"
        for refused in (project.seeds.run, project.initializer.reset, project.initializer.clear):
            before = contents(wayra_database)
            with pytest.raises(RefusedError) as caught:
                refused()
            assert caught.value.environment == "production"
            assert caught.value.exit_code == 14
            assert contents(wayra_database) == before
        with pytest.raises(RefusedError, match="explicit permission"):
            project.migrations.rollback(version=2)
    assert wayra_database.users.count_documents({}) == 0
    assert len(shop.observer.of(SecurityEvent)) == 4
    with shop.open(environ={"WAYRA_ENV": "production"}, permitted=[Action.ROLLBACK]) as project:
        assert project.migrations.rollback(version=2).changed


@pytest.mark.parametrize("there", ["development", "test", "production"])
@pytest.mark.parametrize("here", ["development", "test", "production"])
def test_a_wrong_database_is_left_alone(shop: Sandbox, wayra_database: Documents, there: str, here: str) -> None:
    """A shell of one environment changes nothing in a database of another."""
    with shop.open(environ={"WAYRA_ENV": there}) as project:
        project.initializer.run()
    shop.migration(3, "db.trips.insert_one({})")
    if there == here:
        return
    before = contents(wayra_database)
    everything = tuple(Action)
    with shop.open(environ={"WAYRA_ENV": here}, permitted=everything, adopt=True) as project:
        for change in (
            project.initializer.run,
            project.initializer.reset,
            project.initializer.clear,
            project.migrations.up,
            project.seeds.run,
        ):
            with pytest.raises(RefusedError):
                change()
        assert any("belongs to" in finding.message for finding in project.status().findings)
    assert contents(wayra_database) == before


def test_a_database_with_data_is_not_taken_over_by_accident(shop: Sandbox, wayra_database: Documents) -> None:
    """Data that was never initialised is left alone without `adopt`, and reset refuses it even then."""
    wayra_database.legacy.insert_one({"_id": 1})
    with shop.open() as project:
        with pytest.raises(RefusedError, match="belongs to no environment"):
            project.initializer.run()
        assert wayra_database.list_collection_names() == ["legacy"]
    with shop.open(adopt=True) as project:
        with pytest.raises(RefusedError):
            project.initializer.reset()
        assert project.initializer.run().changed
    assert wayra_database.legacy.count_documents({}) == 1


def test_a_runner_that_starts_at_the_same_moment_is_no_stranger(
    shop: Sandbox, wayra_database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another `init` claims the database between this one's look for a claim and its look for data: no refusal."""
    look = meta.read_marker
    looked: list[object] = []

    def read_marker(deployment: Deployment) -> meta.Marker | None:
        found = look(deployment)
        looked.append(found)
        if len(looked) == 1:
            assert found is None
            with shop.open() as other:
                other.initializer.run()
        return found

    with shop.open() as project:
        monkeypatch.setattr(meta, "read_marker", read_marker)
        project.guard.require(Action.APPLY_SCHEMA)
    assert len(looked) > 2


def test_reset_drops_everything_and_makes_it_anew(shop: Sandbox, wayra_database: Documents) -> None:
    """Afterwards the database is as after the first init, and the audit log has seen it."""
    with shop.open() as project:
        project.initializer.run()
        wayra_database.stray.insert_one({})
        wayra_database.users.insert_one({"email": "extra@example.com"})
        report = project.initializer.reset()
        assert [step.step for step in report.steps[1:3]] == ["safety", "reset"]
        assert project.status().healthy
    assert "stray" not in wayra_database.list_collection_names()
    assert wayra_database.users.count_documents({}) == 2
    events = [entry["event"] for entry in wayra_database["_wayra_log"].find(sort=[("_id", 1)])]
    assert events.count("reset") == 1


def test_reset_reads_every_file_before_it_drops_anything(shop: Sandbox, wayra_database: Documents) -> None:
    """A migration that cannot be read is found while the data is still there."""
    with shop.open() as project:
        project.initializer.run()
    shop.write("migrations/0003_broken.py", "def up(db:\n")
    with shop.open() as project, pytest.raises(MigrationLoadError):
        project.initializer.reset()
    assert wayra_database.users.count_documents({}) == 2


def test_clear_keeps_structure_and_history(shop: Sandbox, wayra_database: Documents) -> None:
    """Documents of declared collections go; indexes, validators and migrations stay; seeds run again."""
    with shop.open() as project:
        project.initializer.run()
        report = project.initializer.clear()
        assert dict(report.deleted) == {"users": 2}
        assert wayra_database.trips.count_documents({}) == 1
        assert [one.verdict for one in project.migrations.status()] == ["applied", "applied"]
        assert len(wayra_database.users.index_information()) == 2
        assert project.seeds.run().changed
    assert wayra_database.users.count_documents({}) == 2


def test_clear_empties_capped_and_time_series_collections(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The kinds that cannot lose single documents come back empty, with options and indexes."""
    sandbox.write(
        "collections/kinds.py",
        "from pymongo import IndexModel\nfrom wayra_db import Collection\n"
        "ring = Collection('ring', capped={'size': 4096}, indexes=[IndexModel('n')])\n"
        "weather = Collection('weather', timeseries={'timeField': 'at'})\n",
    )
    with sandbox.open() as project:
        project.initializer.run()
        wayra_database.ring.insert_many([{"n": 1}, {"n": 2}])
        assert dict(project.initializer.clear().deleted) == {"ring": 2, "weather": 0}
        assert project.status().healthy
    assert wayra_database.ring.options()["capped"]
    assert "n_1" in wayra_database.ring.index_information()


def test_a_failing_step_says_where_it_stands(shop: Sandbox, wayra_database: Documents) -> None:
    """The steps before are done, those after are not, and the same command goes on once it is mended."""
    shop.migration(3, "raise ValueError('no')")
    with shop.open() as project, pytest.raises(StepFailedError) as caught:
        project.initializer.run()
    assert caught.value.step == "migrations"
    assert caught.value.done == ("Collections and validators",)
    assert caught.value.not_done == ("Indexes", "Seeds")
    assert "0003_step.py" in caught.value.message
    assert "goes on from here" in caught.value.hint
    shop.migration(3, "db.trips.insert_one({'title': 'third'})")
    with shop.open() as project:
        project.initializer.run()
        assert project.status().healthy


def test_what_cannot_work_is_found_before_anything_changes(shop: Sandbox, wayra_database: Documents) -> None:
    """A broken seed file stops the run while the database is still empty."""
    shop.write("scripts/seeds/0002_broken.py", "def seed(db:\n")
    with shop.open() as project, pytest.raises(StepFailedError) as caught:
        project.initializer.run()
    assert caught.value.step == "seeds"
    assert "Nothing was changed" in caught.value.hint
    assert wayra_database.list_collection_names() == []


def test_status_reads_only(shop: Sandbox, wayra_database: Documents) -> None:
    """On an empty server it creates nothing, and tells what is to be done."""
    with shop.open() as project:
        status = project.status()
        assert not status.healthy
        assert wayra_database.list_collection_names() == []
        messages = [finding.message for finding in status.findings]
        assert "the database was never initialised" in messages
        assert "collection users does not exist" in messages
        assert status.to_dict()["indexes"]["live"] == 0
        project.initializer.run()
        before = contents(wayra_database)
        assert project.status().healthy
        assert contents(wayra_database) == before


def test_status_tells_the_rest_when_a_part_is_broken(shop: Sandbox) -> None:
    """A broken migration file does not hide the collections."""
    with shop.open() as project:
        project.initializer.run()
    shop.write("migrations/0003_broken.py", "def up(db:\n")
    with shop.open() as project:
        status = project.status()
    assert "0003_broken.py" in (status.unreadable or {})["migrations"]
    assert status.collections is not None
    assert not status.healthy


def test_every_step_of_an_idle_init_tells_its_time(shop: Sandbox) -> None:
    """In the report and as an event, in the order of the steps, each measured."""
    with shop.open() as project:
        project.initializer.run()
        shop.observer.events.clear()
        report = project.initializer.run()
    finished = shop.observer.of(StepFinished)
    assert not report.changed
    assert [(one.title, one.seconds, one.summary) for one in finished] == [
        (step.title, step.seconds, step.summary) for step in report.steps
    ]
    assert len(finished) == 6
    assert all(step.seconds > 0 for step in report.steps)


def test_round_trips_of_status_and_of_an_idle_init(shop: Sandbox) -> None:
    """Counted, so that they do not grow unseen; neither writes."""
    counter = CommandCounter()
    client: MongoClient[dict[str, Any]] = MongoClient(shop.uri, event_listeners=[counter])
    with client, shop.open(client=client) as project:
        project.initializer.run()
        counter.clear()
        project.status()
        assert counter.count <= 12
        written = {"insert", "update", "delete", "findAndModify", "create", "createIndexes", "collMod", "drop"}
        assert not written & set(counter.names)
        counter.clear()
        project.initializer.run()
        assert counter.count <= 8
        assert not written & set(counter.names)


def test_the_environment_can_be_changed_only_from_its_own(shop: Sandbox, wayra_database: Documents) -> None:
    """A copy of production becomes a development database by a deliberate, logged step."""
    with shop.open(environ={"WAYRA_ENV": "production"}) as project:
        project.initializer.run()
    with shop.open() as project, pytest.raises(RefusedError):
        project.set_environment("development")
    with shop.open(environ={"WAYRA_ENV": "production"}) as project:
        project.set_environment("development")
    with shop.open() as project:
        assert project.initializer.run().changed
    assert wayra_database["_wayra_log"].count_documents({"event": "environment set"}) == 2


def test_a_client_given_by_the_program_stays_open(shop: Sandbox, tmp_path: Path) -> None:
    """The caller keeps its client; the project uses it and closes nothing."""
    client: MongoClient[dict[str, Any]] = MongoClient(shop.uri)
    with shop.open(client=client) as project:
        assert project.initializer.run().changed
    assert client.admin.command("ping")["ok"] == 1
    client.close()


def test_clear_goes_in_batches(shop: Sandbox, wayra_database: Documents) -> None:
    """Many documents are deleted piece by piece, each reported."""
    with shop.open() as project:
        project.initializer.run()
        wayra_database.users.insert_many({"email": f"{number}@example.com"} for number in range(25_000))
        assert dict(project.initializer.clear().deleted) == {"users": 25_002}
    assert [event.done for event in shop.observer.of(Progress)] == [10_000, 20_000, 25_002]
    assert wayra_database.users.count_documents({}) == 0


def test_an_index_build_can_be_watched(shop: Sandbox, wayra_database: Documents) -> None:
    """While a build runs, its progress is reported from the server's own count."""
    shop.write("collections/users.py", COLLECTIONS)
    admin = wayra_database.client.admin
    with shop.open() as project:
        project.initializer.run()
        wayra_database.users.drop_indexes()
        fail_point = "hangAfterStartingIndexBuild"
        admin.command({"configureFailPoint": fail_point, "mode": "alwaysOn"})
        try:
            building = threading.Thread(target=project.indexes.apply)
            building.start()
            deadline = time.monotonic() + 20
            while not shop.observer.of(Progress) and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            admin.command({"configureFailPoint": fail_point, "mode": "off"})
            building.join()
    assert shop.observer.of(Progress)[0].task == "indexes of users, reading"
    assert shop.observer.of(Progress)[0].total == 2
