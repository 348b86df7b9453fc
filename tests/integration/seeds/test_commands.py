"""Dependencies, versions, previews, clearing, data files and stops, on a real server."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.environment import Environment
from wayra_db.errors import (
    CancelledError,
    RefusedError,
    SeedFailedError,
    SeedLoadError,
    SeedNotFoundError,
)
from wayra_db.events import Progress
from wayra_db.stopping import Stop

Documents = Database[dict[str, Any]]

HEADER = 'environments = ["development"]\ncollection = "users"\nkey = "email"\n'


def seed(body: str, *, head: str = "") -> str:
    """A seed for development and test with a context."""
    return f'environments = ["development", "test"]\n{head}\n\ndef seed(db, ctx):\n    {body}\n'


def state(database: Documents) -> dict[str, Any]:
    """Every document of every collection, the tool's own included."""
    return {name: list(database[name].find(sort=[("_id", 1)])) for name in sorted(database.list_collection_names())}


def test_seeds_run_behind_what_they_depend_on(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Also when only one is asked for; what does not depend on an optional one that failed goes on."""
    sandbox.write("scripts/seeds/0001_trips.py", seed("db.ran.insert_one({'n': 'trips'})", head="depends_on=['users']"))
    sandbox.write("scripts/seeds/0002_other.py", seed("db.ran.insert_one({'n': 'other'})"))
    path = sandbox.write("scripts/seeds/users.py", seed("raise ValueError('no')"))
    with sandbox.open() as project:
        result = project.seeds.run()
        assert [name for name, _ in result.ran] == ["0002_other"]
        assert [name for name, _ in result.failed] == ["users"]
        assert result.skipped[0][0] == "0001_trips"
        assert "depends on users" in result.skipped[0][1]
        path.write_text(seed("db.ran.insert_one({'n': 'users'})"))
        assert [name for name, _ in project.seeds.run(["0001_trips"]).ran] == ["users", "0001_trips"]
        with pytest.raises(SeedNotFoundError, match="no seed 'user'") as caught:
            project.seeds.run(["user"])
        assert caught.value.hint == "Did you mean 'users'?"
    assert [one["n"] for one in wayra_database.ran.find()] == ["other", "users", "trips"]


def test_a_required_seed_says_what_was_done_before_it(sandbox: Sandbox, wayra_database: Documents) -> None:
    """And with what failed below it, it cannot be left out."""
    sandbox.write("scripts/seeds/0001_good.py", seed("db.things.insert_one({})"))
    sandbox.write("scripts/seeds/0002_bad.py", seed("raise ValueError('no')"))
    head = "required = True\ndepends_on = ['0002_bad']"
    sandbox.write("scripts/seeds/0003_needy.py", seed("pass", head=head))
    with sandbox.open() as project, pytest.raises(SeedFailedError, match="depends on 0002_bad") as caught:
        project.seeds.run()
    assert "Before it ran and stay: 0001_good." in caught.value.hint


def test_a_newer_version_runs_by_itself(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Where a seed says its version, other changes of its text do not count."""
    path = sandbox.write("scripts/seeds/0001_a.py", seed("db.things.insert_one({})"))
    with sandbox.open() as project:
        for head, runs, verdict in (
            ("", True, "done"),
            ("version = 1  # said for the first time", False, "done"),
            ("version = 2", True, "done"),
            ("version = 2  # a comment", False, "done"),
            ("version = 1", False, "changed since it ran"),
        ):
            path.write_text(seed("db.things.insert_one({})", head=head))
            assert project.seeds.run().changed is runs, head
            assert [one.verdict for one in project.seeds.status()] == [verdict], head
    assert wayra_database.things.count_documents({}) == 2


@pytest.mark.parametrize("head", ["", "transactional = False"])
def test_clear_deletes_what_seeds_made_and_nothing_else(sandbox: Sandbox, wayra_database: Documents, head: str) -> None:
    """Inserted by whatever call; what was there, and what a person added, stays. The next run makes it again."""
    body = """db.things.insert_many([{"_id": n} for n in range(3)])
    db.things.update_one({"_id": 3}, {"$set": {"x": 1}}, upsert=True)
    db.things.find_one_and_update({"_id": 4}, {"$set": {"x": 1}}, upsert=True)
    db.things.update_one({"_id": "person"}, {"$set": {"x": 1}}, upsert=True)
    ctx.upsert("users", [{"email": str(n)} for n in range(1500)], key="email")"""
    sandbox.write("scripts/seeds/0001_a.py", seed(body, head=head))
    wayra_database.things.insert_one({"_id": "person"})
    with sandbox.open(adopt=True) as project:
        project.seeds.run()
        wayra_database.users.insert_one({"email": "new"})
        assert project.seeds.clearable().to_dict() == {
            "documents": 1505,
            "seeds": [{"name": "0001_a", "collections": {"things": 5, "users": 1500}}],
        }
        assert project.seeds.clear().documents == 1505
        assert [one["_id"] for one in wayra_database.things.find()] == ["person"]
        assert wayra_database.users.distinct("email") == ["new"]
        assert wayra_database["_wayra_seeded"].count_documents({}) == 0
        assert project.seeds.clear().documents == 0
        with pytest.raises(SeedNotFoundError):
            project.seeds.clear(["0001_a"])
        assert project.seeds.run().changed


def test_fresh_makes_the_documents_anew(sandbox: Sandbox, wayra_database: Documents) -> None:
    """In one transaction with their deletion, so that a failure leaves the old ones; edits are gone, ids the same."""
    text = seed("ctx.upsert('users', [{'email': n, 'name': n} for n in 'ab'], key='email')", head="required = True")
    path = sandbox.write("scripts/seeds/0001_a.py", text)
    sandbox.write("scripts/seeds/0002_b.py", seed("db.things.insert_one({})"))
    with sandbox.open() as project:
        project.seeds.run()
        users = list(wayra_database.users.find())
        wayra_database.users.update_one({"email": "a"}, {"$set": {"name": "edited"}})
        (forecast,) = project.seeds.preview(["0001_a"], fresh=True).seeds
        assert (forecast.deleted, forecast.inserted, forecast.kept) == (2, 2, 0)
        project.seeds.run(["0001_a"], fresh=True)
        assert list(wayra_database.users.find()) == users
        project.seeds.run(fresh=True)
        assert wayra_database.things.count_documents({}) == 1
        path.write_text(text + "    raise ValueError('no')\n")
        with pytest.raises(SeedFailedError):
            project.seeds.run(fresh=True)
        assert list(wayra_database.users.find()) == users


@pytest.mark.parametrize("is_async", [False, True])
def test_a_preview_writes_nothing_and_tells_what_a_run_then_does(
    sandbox: Sandbox, wayra_database: Documents, is_async: bool
) -> None:
    """Also of plain calls, of a seed that needs another's documents, and of one that would fail."""
    define, wait = ("async def", "await ") if is_async else ("def", "")

    def written(name: str, body: str, head: str = "") -> None:
        text = f"environments = ['development']\n{head}\n{define} seed(db, ctx):\n    {body}\n"
        sandbox.write(f"scripts/seeds/{name}.py", text)

    written("0001_users", f"{wait}ctx.upsert('users', [{{'email': n}} for n in 'abc'], key='email')")
    written("0002_bad", f"{wait}db.things.insert_one({{'_id': 1}}); raise ValueError('no')")
    written("0003_needs", "pass", "depends_on = ['0002_bad']")
    written("0004_plain", f"{wait}db.users.update_many({{}}, {{'$set': {{'x': 1}}}})")
    written("0005_outside", f"{wait}db.things.drop()")
    wayra_database.users.insert_one({"email": "a"})
    with sandbox.open(adopt=True) as project:
        before = state(wayra_database)
        told = {one.name: one for one in project.seeds.preview().seeds}
        assert state(wayra_database) == before
        assert (told["0001_users"].inserted, told["0001_users"].unchanged) == (2, 1)
        assert told["0002_bad"].error == "ValueError: no"
        assert "0002_bad" in told["0003_needs"].unknown
        assert told["0004_plain"].changed == 3
        assert "drop (line 4)" in told["0005_outside"].unknown
        result = project.seeds.run()
        assert [name for name, _ in result.ran] == ["0001_users", "0004_plain", "0005_outside"]
    assert wayra_database.users.count_documents({"x": 1}) == 3


def test_production_refuses_everything_in_the_library(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Running, trying and clearing; nothing is written, not even a lock."""
    sandbox.write("scripts/seeds/0001_a.py", seed("db.things.insert_one({})"))
    with sandbox.open(environ={"WAYRA_ENV": Environment.PRODUCTION.value}) as project:
        for refused in (project.seeds.run, project.seeds.preview, project.seeds.clear):
            with pytest.raises(RefusedError):
                refused()
    assert wayra_database.list_collection_names() == []


def test_data_files_are_seeds(sandbox: Sandbox, wayra_database: Documents) -> None:
    """With references, edits kept, and a preview."""
    sandbox.write("scripts/seeds/0001_users.csv", "email,name,age:int\na@x,a,1\nb@x,b,2\n")
    sandbox.write("scripts/seeds/0001_users.toml", HEADER)
    trips = '[{"title": "T", "owner": {"$seedRef": {"users": {"email": "b@x"}}}}]'
    sandbox.write("scripts/seeds/0002_trips.json", trips)
    header = HEADER.replace("users", "trips").replace("email", "title") + 'depends_on = ["0001_users"]\n'
    sandbox.write("scripts/seeds/0002_trips.toml", header)
    with sandbox.open() as project:
        assert [one.inserted for one in project.seeds.preview().seeds] == [2, 1]
        project.seeds.run()
        wayra_database.users.update_one({"email": "a@x"}, {"$set": {"name": "edited"}})
        sandbox.write("scripts/seeds/0001_users.csv", "email,name,age:int\na@x,A,1\nb@x,B,2\n")
        (forecast, _) = project.seeds.preview(again=True).seeds
        assert (forecast.changed, forecast.kept) == (1, 1)
        project.seeds.run(again=True)
    assert wayra_database.users.distinct("name") == ["B", "edited"]
    owner = wayra_database.users.find_one({"email": "b@x"})
    trip = wayra_database.trips.find_one()
    assert owner is not None
    assert trip is not None
    assert trip["owner"] == owner["_id"]


def test_a_data_file_points_at_its_line(sandbox: Sandbox, wayra_database: Documents) -> None:
    """What cannot be read stops everything before the first seed; what the server refuses fails the seed."""
    sandbox.write("scripts/seeds/0001_first.py", seed("db.things.insert_one({})"))
    path = sandbox.write("scripts/seeds/0002_users.csv", "email,age:int\na@x,1\nb@x,old\n")
    sandbox.write("scripts/seeds/0002_users.toml", HEADER + "required = true\n")
    wayra_database.create_collection("users", validator={"age": {"$gt": 0}})
    with sandbox.open(adopt=True) as project:
        with pytest.raises(SeedLoadError, match=r"0002_users\.csv:3: column 'age:int': 'old' does not fit"):
            project.seeds.run()
        assert wayra_database.things.count_documents({}) == 0
        path.write_text("email,age:int\na@x,1\nb@x,-1\n")
        with pytest.raises(SeedFailedError, match=r"0002_users\.csv:3: users refuses it \(code 121\)") as caught:
            project.seeds.run()
    assert (caught.value.path, caught.value.line) == (path, 3)
    assert wayra_database.users.count_documents({}) == 0


def test_a_seed_is_held_to_the_collections_that_it_names(sandbox: Sandbox, wayra_database: Documents) -> None:
    """What it writes elsewhere is not kept."""
    body = "db.users.insert_one({}); db.trips.insert_one({})"
    sandbox.write("scripts/seeds/0001_a.py", seed(body, head="required = True\ncollections = ['users']"))
    with sandbox.open() as project, pytest.raises(SeedFailedError, match="it wrote to trips, which its `collections`"):
        project.seeds.run()
    assert wayra_database.users.count_documents({}) == wayra_database.trips.count_documents({}) == 0


@pytest.mark.parametrize(("head", "left"), [("", 0), ("transactional = False", 2000)])
def test_a_stop_leaves_whole_batches(sandbox: Sandbox, wayra_database: Documents, head: str, left: int) -> None:
    """In a transaction none of them; the next run goes on to the same end."""
    body = "ctx.upsert('users', [{'email': n} for n in range(5000)], key='email')"
    sandbox.write("scripts/seeds/0001_a.py", seed(body, head=head))
    stop = Stop()
    with sandbox.open(stop=stop) as project:
        seen: list[int] = []

        def watch(event: object) -> None:
            if isinstance(event, Progress):
                seen.append(event.done)
                if event.done == 2000:
                    stop.request("SIGINT")

        project.guard.observer = watch
        with pytest.raises(CancelledError, match="seed 0001_a: stopped by SIGINT"):
            project.seeds.run()
        assert seen == [1000, 2000]
    assert wayra_database.users.count_documents({}) == left
    with sandbox.open() as project:
        assert project.seeds.run().changed
        assert project.seeds.clearable().documents == 5000
    assert wayra_database.users.count_documents({}) == 5000


def test_clear_of_the_whole_database_forgets_what_seeds_made(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Or a later `seed clear` would go by documents that are no longer the seeds'."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
        assert wayra_database["_wayra_seeded"].count_documents({}) == 1
        project.initializer.clear()
        assert wayra_database["_wayra_seeded"].count_documents({}) == 0
        project.initializer.run()
        project.initializer.reset()
        assert project.seeds.clearable().documents == 2
