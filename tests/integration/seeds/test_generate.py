"""Made-up documents on a real server: what is made, made again, refused, referred to and cleared."""

from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db import Project
from wayra_db.environment import Action
from wayra_db.errors import CancelledError, GenerateError, RefusedError, SeedFailedError
from wayra_db.events import Progress
from wayra_db.schema.loader import load_collections
from wayra_db.seeds.run import SeedDataError
from wayra_db.stopping import Stop

Documents = Database[dict[str, Any]]

WAYRA = Path(__file__).parents[3] / "wayra"

COLLECTIONS = """
from pymongo import IndexModel
from wayra_db import Collection

users = Collection(
    "users",
    validator={"$jsonSchema": {"required": ["email"], "properties": {"email": {"bsonType": "string"}}}},
    indexes=[IndexModel([("email", 1)], unique=True)],
)
trips = Collection(
    "trips",
    validator={
        "$jsonSchema": {
            "required": ["owner", "n"],
            "properties": {
                "owner": {"bsonType": "objectId"},
                "guests": {"bsonType": "array", "items": {"bsonType": "objectId"}},
                "n": {"bsonType": "int", "minimum": 0, "maximum": 9},
            },
        },
        "$expr": {"$lt": ["$n", 10]},
    },
)
"""
RULES = """
from wayra_db.seeds.generate import Length, Ref

random_seed = 7
profiles = {"demo": {"trips": 30, "users": 10}}
rules = {"trips": {"owner": Ref("users"), "guests": Length(0, 3, of=Ref("users"))}}
"""


@pytest.fixture
def made(sandbox: Sandbox) -> Sandbox:
    """A project of two collections that are there, with rules for one of them."""
    sandbox.write("collections/all.py", COLLECTIONS)
    sandbox.write("scripts/generate.py", RULES)
    with sandbox.open() as project:
        project.schema.apply()
        project.indexes.apply()
    return sandbox


def digest(database: Documents, *names: str) -> str:
    """A hash of all documents, bytes for bytes."""
    found = hashlib.sha256()
    for name in names:
        for one in (
            database.get_collection(name)
            .with_options(codec_options=database.codec_options.with_options(document_class=RawBSONDocument))
            .find(sort=[("_id", 1)])
        ):
            found.update(one.raw)
    return found.hexdigest()


def orphans(database: Documents, field: str) -> int:
    """How many references of trips go to no user."""
    pipeline: list[dict[str, Any]] = [
        {"$unwind": f"${field.split('.')[0]}"},
        {"$lookup": {"from": "users", "localField": field, "foreignField": "_id", "as": "found"}},
        {"$match": {"found": []}},
        {"$count": "n"},
    ]
    return sum(one["n"] for one in database.trips.aggregate(pipeline))


def test_the_same_random_seed_makes_the_same_documents(made: Sandbox, wayra_database: Documents) -> None:
    """Twice it does nothing, in parts and by several processes it makes the same, and another one makes others."""
    with made.open() as project:
        first = project.seeds.generate({"trips": 2500, "users": 1200})
        assert {name: one.made for name, one in first.collections.items()} == {"users": 1200, "trips": 2500}
        found = digest(wayra_database, "users", "trips")
        log = wayra_database["_wayra_log"].count_documents({})
        assert project.seeds.generate({"trips": 2500, "users": 1200}).made == 0
        assert wayra_database["_wayra_log"].count_documents({}) == log
        one = project.seeds.generated_document("trips", 1811)
        assert one == wayra_database.trips.find_one({"_id": one["_id"]})
        assert (orphans(wayra_database, "owner"), orphans(wayra_database, "guests")) == (0, 0)
        assert wayra_database.trips.count_documents({"$expr": {"$in": ["$owner", {"$ifNull": ["$guests", []]}]}}) == 0
        cleared = project.seeds.clear(["generated:users", "generated:trips"])
        assert cleared.documents == 3700
        assert wayra_database.users.count_documents({}) == wayra_database.trips.count_documents({}) == 0
        project.seeds.generate({"users": 700})
        assert project.seeds.generate({"users": 1200}).made == 500
        project.seeds.generate({"trips": 2500}, workers=2)
        assert digest(wayra_database, "users", "trips") == found
        project.seeds.clear()
        project.seeds.generate({"trips": 2500, "users": 1200}, random_seed=8)
        assert digest(wayra_database, "users", "trips") != found


def test_what_is_there_otherwise_is_cleared_first(made: Sandbox) -> None:
    """Documents of another random seed, or of other rules, would lie among them."""
    with made.open() as project:
        project.seeds.generate({"users": 10, "trips": 10})
        with pytest.raises(GenerateError, match="with the random seed 7, and not 8") as caught:
            project.seeds.generate({"users": 20}, random_seed=8)
        assert caught.value.hint == "Take them away first: wayra-db seed clear generated:users"
        made.write(
            "scripts/generate.py",
            RULES + "\nfrom wayra_db.seeds.generate import OneOf, Sometimes\nrules['trips']['n'] = OneOf([1, 2])\n",
        )
        with pytest.raises(GenerateError, match="trips holds documents that were made when"):
            project.seeds.generate({"trips": 20})
        project.seeds.clear(["generated:trips"])
        assert project.seeds.generate({"trips": 20, "users": 10}).made == 20


def test_documents_of_people_are_referred_to_where_none_are_made_up(made: Sandbox, wayra_database: Documents) -> None:
    """And where there are none at all, that is said before anything is written."""
    with made.open() as project:
        with pytest.raises(GenerateError, match=r"trips\.owner: it refers to users, where there is nothing"):
            project.seeds.generate({"trips": 10})
        assert wayra_database["_wayra_seeds"].count_documents({}) == 0
        ids = wayra_database.users.insert_many([{"email": f"{n}@x"} for n in range(4)]).inserted_ids
        project.seeds.generate({"trips": 50})
        assert set(wayra_database.trips.distinct("owner")) == set(ids)
        assert project.seeds.clear().documents == 50
        assert wayra_database.users.count_documents({}) == 4


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"user": 1}, "no collection 'user' is declared"),
        ({"users": -1}, "a count is a whole number"),
        ({"other": 1}, "the collection other does not exist yet"),
    ],
)
def test_what_cannot_be_made_is_said_beforehand(
    made: Sandbox, wayra_database: Documents, counts: dict[str, int], said: str
) -> None:
    """Nothing is written."""
    made.write("collections/more.py", "from wayra_db import Collection\nother = Collection('other')\n")
    before = wayra_database["_wayra_log"].count_documents({})
    with made.open() as project, pytest.raises(GenerateError, match=said):
        project.seeds.generate(counts)
    assert wayra_database["_wayra_log"].count_documents({}) == before


def test_a_document_that_the_server_refuses_is_named(made: Sandbox, wayra_database: Documents) -> None:
    """By its number and the command that shows it; the batches before it stay, and so do those beside it."""
    wayra_database.command({"collMod": "trips", "validator": {"n": {"$ne": 3}}})
    with made.open() as project:
        project.seeds.generate({"users": 10})
        numbers = [project.seeds.generated_document("trips", number)["n"] for number in range(1, 101)]
        with pytest.raises(SeedDataError) as caught:
            project.seeds.generate({"trips": 100})
    refused = numbers.index(3) + 1
    assert f"trips refuses the made-up document {refused} (code 121)" in caught.value.message
    assert f"seed generate trips --only {refused}" in caught.value.hint
    assert wayra_database.trips.count_documents({}) == sum(n != 3 for n in numbers)


def test_a_stop_leaves_whole_batches_and_the_next_run_goes_on(made: Sandbox, wayra_database: Documents) -> None:
    """What was edited meanwhile stays, what was deleted comes back, and the end is the same."""
    stop = Stop()

    def observe(event: object) -> None:
        if isinstance(event, Progress) and event.done >= 2000:
            stop.request("a test")

    with Project.open(made.folder, environ=made.environ(), observer=observe, stop=stop) as project:
        with pytest.raises(CancelledError, match=r"users: stopped by a test") as caught:
            project.seeds.generate({"users": 5000})
        assert "The whole batches that were written stay." in caught.value.hint
    assert wayra_database.users.count_documents({}) == 2000
    kept = wayra_database.users.find_one(sort=[("_id", 1)])
    assert kept is not None
    wayra_database.users.update_one({"_id": kept["_id"]}, {"$set": {"email": "edited"}})
    wayra_database.users.delete_many({"_id": {"$gt": kept["_id"]}, "email": {"$regex": "7"}})
    with made.open() as project:
        with pytest.raises(GenerateError, match="are not all there: their run was cut off"):
            project.seeds.generate({"trips": 5})
        project.seeds.generate({"users": 5000})
    assert wayra_database.users.count_documents({}) == 5000
    assert wayra_database.users.count_documents({"email": "edited"}) == 1


KINDS = """
from pymongo import IndexModel
from wayra_db import Collection

kinds = Collection(
    "kinds",
    validator={
        "$jsonSchema": {
            "required": ["at", "until", "code", "place", "height", "boss", "parts", "maybe"],
            "properties": {
                "at": {"bsonType": "date"},
                "code": {"bsonType": "string", "pattern": "^[A-Z]{2}[0-9]{3}x$"},
                "place": {"bsonType": "int", "minimum": 5},
                "height": {"bsonType": "double", "minimum": 0, "maximum": 4000},
                "seen": {"bsonType": "date"},
                "email": {"bsonType": "string"},
                "boss": {"bsonType": "objectId"},
                "own": {"bsonType": "objectId"},
                "maybe": {"bsonType": ["date", "string", "null"]},
                "parts": {
                    "bsonType": "array",
                    "items": {"bsonType": "object", "properties": {"at": {"bsonType": "date"}, "who": {}}},
                },
            },
        }
    },
    indexes=[IndexModel(name, unique=True) for name in ("code", "place", "height", "seen", "email", "own")],
)
"""
KINDS_RULES = """
from wayra_db.seeds.generate import After, Length, Ref, Sometimes

rules = {
    "kinds": {
        "until": After("at"),
        "boss": Ref("users"),
        "parts": Length(0, 3),
        "parts.at": After("at"),
        "parts.who": Sometimes(0.5, Ref("users")),
    }
}
"""


def test_the_server_makes_the_copies_that_python_makes(made: Sandbox, wayra_database: Documents) -> None:
    """Of every kind of field; unique ones stay unique, dates in their order, references lead somewhere."""
    made.write("collections/kinds.py", KINDS)
    made.write("scripts/generate.py", KINDS_RULES)
    with made.open() as project:
        project.schema.apply()
        project.indexes.apply()
        project.seeds.generate({"users": 700})
        assert project.seeds.generate({"kinds": 1000}, templates=60).made == 1000
        assert project.seeds.generate({"kinds": 1500}, templates=60).made == 500
        found = {int(str(one["_id"])[12:]): one for one in wayra_database.kinds.find()}
        assert set(found) == set(range(1, 1501))
        for number in (1, 60, 61, 120, 121, 777, 1000, 1001, 1500):
            assert project.seeds.generated_document("kinds", number) == found[number], number
        assert sum(one["at"] > one["until"] for one in found.values()) == 0
        assert sum(part["at"] < one["at"] for one in found.values() for part in one["parts"] if "at" in part) == 0
        users = set(wayra_database.users.distinct("_id"))
        assert {one["boss"] for one in found.values()} <= users
        for one in found.values():
            who = [one["boss"], *(part["who"] for part in one["parts"] if "who" in part)]
            assert len(set(who)) == len(who)
        with pytest.raises(GenerateError, match="from 60 templates, and not one by one"):
            project.seeds.generate({"kinds": 2000})
        wayra_database.kinds.delete_many({"place": {"$mod": [3, 0]}})
        wayra_database["_wayra_seeds"].update_one({"_id": "generated:kinds"}, {"$set": {"done": False}})
        project.seeds.generate({"kinds": 1500}, templates=60)
        assert {int(str(one["_id"])[12:]): one for one in wayra_database.kinds.find()} == found
        assert project.seeds.clear(["generated:kinds"]).documents == 1500


@pytest.mark.parametrize(
    ("field", "index", "said"),
    [
        ({"bsonType": "decimal"}, "x", "kinds.x: the server cannot multiply decimals"),
        ({"bsonType": "binData"}, "x", "cannot multiply binary data"),
        ({"bsonType": "array", "items": {"bsonType": "string"}}, "x", "a unique field in an array"),
    ],
)
def test_what_the_server_cannot_multiply_is_said(
    made: Sandbox, wayra_database: Documents, field: dict[str, Any], index: str, said: str
) -> None:
    """Before anything is written; without templates it can be made."""
    made.write(
        "collections/kinds.py",
        f"from pymongo import IndexModel\nfrom wayra_db import Collection\n"
        f"kinds = Collection('kinds', validator={{'$jsonSchema': {{'properties': {{'x': {field!r}}}}}}},"
        f" indexes=[IndexModel({index!r}, unique=True)])\n",
    )
    with made.open() as project:
        project.schema.apply()
        with pytest.raises(GenerateError, match=said):
            project.seeds.generate({"kinds": 20}, templates=10)
        assert wayra_database.kinds.count_documents({}) == 0
        assert project.seeds.generate({"kinds": 20}).made == 20


def test_production_refuses(made: Sandbox) -> None:
    """In the library too, and for a single document as well."""
    with made.open(environ={"WAYRA_ENV": "production"}, permitted=frozenset(Action)) as project:
        for call in (
            lambda: project.seeds.generate({"users": 1}),
            lambda: project.seeds.generated_document("users", 1),
        ):
            with pytest.raises(RefusedError):
                call()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("head", ["", "transactional = False"])
def test_a_seed_has_documents_made_up(made: Sandbox, wayra_database: Documents, is_async: bool, head: str) -> None:
    """References go to those of the same seed; run again it adds nothing; cleared they are gone."""
    define, wait = ("async def", "await ") if is_async else ("def", "")
    made.write(
        "scripts/seeds/0001_many.py",
        textwrap.dedent(f"""\
            environments = ["development"]
            required = True
            {head}

            {define} seed(db, ctx):
                users = {wait}ctx.generate("users", count=1500)
                trips = {wait}ctx.generate("trips", count=100, random_seed=9)
                {wait}db.counts.insert_one({{"users": users.made, "trips": trips.made}})
            """),
    )
    with made.open() as project:
        project.seeds.run()
        project.seeds.run(again=True)
        assert [(one["users"], one["trips"]) for one in wayra_database.counts.find(sort=[("_id", 1)])] == [
            (1500, 100),
            (0, 0),
        ]
        assert orphans(wayra_database, "owner") == 0
        assert project.seeds.clearable().seeds["0001_many"]["users"] == 1500
        project.seeds.clear()
    assert wayra_database.users.count_documents({}) == wayra_database.trips.count_documents({}) == 0


def test_a_transaction_takes_only_so_many(made: Sandbox, wayra_database: Documents) -> None:
    """With what to write into the seed instead; and `seed plan` counts what would be made and leaves nothing."""
    path = made.write(
        "scripts/seeds/0001_many.py",
        'environments = ["development"]\nrequired = True\n\n\ndef seed(db, ctx):\n'
        '    ctx.generate("users", count=100)\n',
    )
    with made.open() as project:
        (forecast,) = project.seeds.preview().seeds
        assert forecast.inserted == 100
        assert wayra_database.users.count_documents({}) == 0
        path.write_text(path.read_text().replace("100", "10_001"))
        with pytest.raises(SeedFailedError, match="at most 10,000 documents in a transaction") as caught:
            project.seeds.run()
        assert "transactional = False" in caught.value.hint
        assert wayra_database.users.count_documents({}) == 0


def test_wayra_s_own_rules(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Its demo: every document passes the validator and every reference leads somewhere."""
    for name in ("collections/users.py", "collections/trips.py", "scripts/generate.py"):
        sandbox.write(name, (WAYRA / name).read_text())
    with sandbox.open() as project:
        project.schema.apply()
        project.indexes.apply()
        for profile in ("demo", "test"):
            project.seeds.generate(project.seeds.profile(profile))
    for collection in load_collections(WAYRA / "collections"):
        found = wayra_database[collection.name]
        assert found.count_documents({}) == {"users": 50, "trips": 200}[collection.name]
        assert found.count_documents({"$nor": [dict(collection.validator or {})]}) == 0
    assert (orphans(wayra_database, "owner"), orphans(wayra_database, "collaborators.userId")) == (0, 0)
    assert wayra_database.trips.count_documents({"$expr": {"$gt": ["$createdAt", "$updatedAt"]}}) == 0
    assert wayra_database.trips.count_documents({"bookings.0": {"$exists": True}}) > 20
