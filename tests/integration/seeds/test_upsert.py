"""`ctx.upsert` and `ctx.ref` on a real server: what is inserted, changed, and kept because a person edited it."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db import Project
from wayra_db.errors import SeedFailedError
from wayra_db.testing import CommandCounter, ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]


def upserting(documents: str, *, head: str = "", key: str = "'email'", is_async: bool = False, more: str = "") -> str:
    """A seed that upserts into `users`."""
    define, wait = ("async def", "await ") if is_async else ("def", "")
    body = f"{wait}ctx.upsert('users', {documents}, key={key}{more})"
    return f"environments = ['development']\n{head}\n{define} seed(db, ctx):\n    {body}\n"


def users(database: Documents) -> list[dict[str, Any]]:
    """The users without their `_id`s, by email."""
    return list(database.users.find({}, {"_id": 0}, sort=[("email", 1)]))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("head", ["", "transactional = False"])
def test_a_seed_that_changed_reaches_what_nobody_edited(
    sandbox: Sandbox, wayra_database: Documents, is_async: bool, head: str
) -> None:
    """Field by field: an edited one is kept, others change, one that is no longer named goes."""
    path = sandbox.write(
        "scripts/seeds/0001_users.py",
        upserting("[{'email': f'{n}@x', 'name': n, 'age': 1, 'old': 1} for n in 'abc']", head=head, is_async=is_async),
    )
    with sandbox.open() as project:
        project.seeds.run()
        before = wayra_database.users.distinct("_id")
        wayra_database.users.update_one({"email": "a@x"}, {"$set": {"name": "Anna"}})
        wayra_database.users.update_one({"email": "b@x"}, {"$set": {"lastLogin": 5}})
        path.write_text(
            upserting(
                "[{'email': f'{n}@x', 'name': n.upper(), 'age': 2} for n in 'abcd']", head=head, is_async=is_async
            )
        )
        (forecast,) = project.seeds.preview(again=True).seeds
        if not head:
            told = (forecast.inserted, forecast.changed, forecast.kept, forecast.unchanged)
            assert told == (1, 3, 1, 0), forecast
        result = project.seeds.run(again=True)
        assert result.kept == 1
        assert users(wayra_database) == [
            {"email": "a@x", "name": "Anna", "age": 2},
            {"email": "b@x", "name": "B", "age": 2, "lastLogin": 5},
            {"email": "c@x", "name": "C", "age": 2},
            {"email": "d@x", "name": "D", "age": 2},
        ]
        assert set(before) < set(wayra_database.users.distinct("_id"))
        assert project.seeds.run(again=True).kept == 1
        assert wayra_database.users.find_one({"email": "a@x"}, {"_id": 0}) == {
            "email": "a@x",
            "name": "Anna",
            "age": 2,
        }


def test_without_keeping_edits_the_seed_wins(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`keep_edits=False` sets every field of the seed and leaves the others."""
    sandbox.write(
        "scripts/seeds/0001_users.py", upserting("[{'email': 'a@x', 'name': 'a'}]", more=", keep_edits=False")
    )
    wayra_database.users.insert_one({"email": "a@x", "name": "Anna", "city": "Cusco"})
    with sandbox.open(adopt=True) as project:
        project.seeds.run()
    assert users(wayra_database) == [{"email": "a@x", "name": "a", "city": "Cusco"}]


def test_what_was_there_before_belongs_to_its_maker(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Its values are kept, missing ones are added, and clearing the seeds does not delete it."""
    sandbox.write("scripts/seeds/0001_users.py", upserting("[{'email': 'a@x', 'name': 'a', 'age': 1}]"))
    wayra_database.users.insert_one({"email": "a@x", "name": "Anna"})
    with sandbox.open(adopt=True) as project:
        project.seeds.run()
        assert users(wayra_database) == [{"email": "a@x", "name": "Anna", "age": 1}]
        assert project.seeds.clear().documents == 0
    assert wayra_database.users.count_documents({}) == 1


def test_references_are_looked_up_by_natural_key(sandbox: Sandbox, wayra_database: Documents) -> None:
    """In lists and objects, as parts of a key, and to documents of the same call."""
    sandbox.write("scripts/seeds/0001_users.py", upserting("[{'email': 'a@x'}, {'email': 'b@x'}]"))
    sandbox.write(
        "scripts/seeds/0002_trips.py",
        textwrap.dedent("""\
            environments = ["development"]
            depends_on = ["0001_users"]

            def seed(db, ctx):
                a, b = (ctx.ref("users", email=f"{name}@x") for name in "ab")
                ctx.upsert("trips", [{"title": "T", "owner": a, "friends": [{"user": b}]}], key=["owner", "title"])
                ctx.upsert(
                    "tags",
                    [{"name": "child", "parent": ctx.ref("tags", name="root")}, {"name": "root"}],
                    key="name",
                )
            """),
    )
    with sandbox.open() as project:
        project.seeds.run()
        project.seeds.run(again=True)
    ids = {one["email"]: one["_id"] for one in wayra_database.users.find()}
    (trip,) = wayra_database.trips.find({}, {"_id": 0})
    assert trip == {"title": "T", "owner": ids["a@x"], "friends": [{"user": ids["b@x"]}]}
    tags = {one["name"]: one for one in wayra_database.tags.find()}
    assert tags["child"]["parent"] == tags["root"]["_id"]
    assert str(ids["a@x"]).startswith("5eed")


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("[{'name': 'x'}]", "document 1: it has no 'email', which is its key"),
        ("[{'email': None}]", "its key 'email' is null"),
        ("[{'email': 'a'}, {'email': 'b'}, {'email': 'a'}]", "document 3: has the same key as document 1: email 'a'"),
        ("[{'email': 'a', 'x': object()}]", "document 1: cannot be stored"),
        ("[{'email': 'a', 'boss': ctx.ref('people', name='z')}]", "refers to people(name='z'), which does not exist"),
        ("{'email': 'a'}", "takes a list of documents, not one"),
        ("[{'email': 'a'}, {'email': 'b', 'age': 'old'}]", "document 2: users refuses it (code 121)"),
    ],
)
def test_what_cannot_be_put_there_is_named(
    sandbox: Sandbox, wayra_database: Documents, documents: str, message: str
) -> None:
    """With the file and line of the call, the document, and what is wrong; nothing is kept."""
    wayra_database.create_collection("users", validator={"age": {"$not": {"$type": "string"}}})
    path = sandbox.write("scripts/seeds/0001_users.py", upserting(documents, head="required = True"))
    with sandbox.open(adopt=True) as project, pytest.raises(SeedFailedError) as caught:
        project.seeds.run()
    assert message in caught.value.message
    assert (caught.value.path, caught.value.line) == (path, 4)
    assert wayra_database.users.count_documents({}) == 0
    assert wayra_database["_wayra_seeded"].count_documents({}) == 0


def test_two_documents_with_one_key_are_refused(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Nobody could say which of them is meant."""
    wayra_database.users.insert_many([{"email": "a@x"}, {"email": "a@x"}])
    sandbox.write("scripts/seeds/0001_users.py", upserting("[{'email': 'a@x'}]", head="required = True"))
    with sandbox.open(adopt=True) as project, pytest.raises(SeedFailedError, match="more than one document with email"):
        project.seeds.run()


def test_an_upsert_that_nobody_awaits_is_an_error(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Or its work would silently not be done."""
    text = upserting("[{'email': 'a@x'}]", head="required = True", is_async=True).replace("await ", "_ = ")
    sandbox.write("scripts/seeds/0001_users.py", text)
    with sandbox.open() as project, pytest.raises(SeedFailedError, match="not awaited"):
        project.seeds.run()
    assert wayra_database.users.count_documents({}) == 0


def test_a_driver_call_that_nobody_awaits_is_an_error(sandbox: Sandbox, wayra_database: Documents) -> None:
    """As in a migration: with the line, and nothing of the seed is kept."""
    head = "environments = ['development']\nrequired = True\n"
    text = f"{head}async def seed(db):\n    await db.users.insert_one({{}})\n    db.users.insert_one({{}})\n"
    path = sandbox.write("scripts/seeds/0001_users.py", text)
    with sandbox.open() as project, pytest.raises(SeedFailedError, match=r"insert_one` was never awaited") as caught:
        project.seeds.run()
    assert (caught.value.path, caught.value.line) == (path, 5)
    assert "Write `await`" in caught.value.hint
    assert wayra_database.users.count_documents({}) == 0


def test_round_trips_do_not_grow_with_the_documents(
    sandbox: Sandbox, wayra_server: ServerUnderTest, wayra_database: Documents
) -> None:
    """A batch of new documents: what is there, what is known, two inserts. Unchanged ones: the two reads."""
    documents = "[{'email': f'{n}@x', 'boss': ctx.ref('users', email='boss@x')} for n in range(900)]"
    sandbox.write("scripts/seeds/0001_boss.py", upserting("[{'email': 'boss@x'}]"))
    sandbox.write("scripts/seeds/0002_users.py", upserting(documents))
    counter = CommandCounter()
    with MongoClient[dict[str, Any]](wayra_server.uri, event_listeners=[counter]) as client:
        project = Project.open(sandbox.folder, environ=sandbox.environ(), client=client, observer=sandbox.observer)
        project.seeds.run(["0001_boss"])
        counter.clear()
        project.seeds.run()
        first = list(counter.names)
        counter.clear()
        project.seeds.run(["0002_users"], again=True)
        again = list(counter.names)
        counter.clear()
        assert not project.seeds.run().changed
        idle = list(counter.names)
    # Beside the lock and the log: references, users, ledger; users and ledger inserted.
    assert first.count("insert") == 4, first
    assert len(first) <= 22, first
    assert again.count("insert") == 2, again
    assert again.count("update") == first.count("update"), again
    assert idle.count("insert") == 0
    assert len(idle) <= 7, idle


def test_many_documents_in_batches_with_progress(sandbox: Sandbox, wayra_database: Documents) -> None:
    """An iterable of unknown length, more than a batch."""
    from wayra_db.events import Progress

    sandbox.write("scripts/seeds/0001_users.py", upserting("({'email': str(n)} for n in range(2500))"))
    with sandbox.open() as project:
        project.seeds.run()
    assert wayra_database.users.count_documents({}) == 2500
    assert [event.done for event in sandbox.observer.of(Progress)] == [1000, 2000, 2500]


def test_on_a_standalone_each_batch_stands_by_itself(wayra_standalone: TemporaryServer, sandbox: Sandbox) -> None:
    """Without transactions the same seeds end the same, and data files can be compared beforehand."""
    own = Sandbox(sandbox.folder, wayra_standalone.uri, sandbox.database)
    own.write("scripts/seeds/0001_users.py", upserting("[{'email': 'a@x', 'name': 'a'}]"))
    own.write("scripts/seeds/0002_more.csv", "email,name\na@x,b\nb@x,b\n")
    own.write("scripts/seeds/0002_more.toml", 'environments = ["development"]\ncollection = "users"\nkey = "email"\n')
    with own.open() as project, wayra_standalone.client() as client:
        told = {one.name: one for one in project.seeds.preview().seeds}
        assert "no transactions" in told["0001_users"].unknown
        assert told["0002_more"].inserted == 2
        assert not client[own.database]["users"].count_documents({})
        assert len(project.seeds.run().ran) == 2
        assert users(client[own.database]) == [{"email": "a@x", "name": "a"}, {"email": "b@x", "name": "b"}]
        assert project.seeds.clear().to_dict()["seeds"] == [
            {"name": "0002_more", "collections": {"users": 1}},
            {"name": "0001_users", "collections": {"users": 1}},
        ]
        client.drop_database(own.database)
