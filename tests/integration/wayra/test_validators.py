"""Wayra's validators, indexes, migrations and seeds on a real server."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, WriteError

from wayra_db import Project
from wayra_db.testing import ServerUnderTest

WAYRA = Path(__file__).parents[3] / "wayra"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
MISSING = object()

USER: dict[str, Any] = {
    "firebaseUid": "uid",
    "email": "ada@example.com",
    "role": "user",
    "profile": {
        "displayName": "Ada",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "photoURL": "https://example.com/ada.png",
        "location": {"country": "UK", "city": "London", "timezone": "Europe/London"},
    },
    "preferences": {
        "budgetRange": {"min": 100, "max": 2000.5, "currency": "GBP"},
        "travelStyle": ["slow"],
        "interests": ["museums", "food"],
    },
    "settings": {"notifications": {"email": True}, "privacy": {"level": 3}, "ai": {}},
    "stats": {"tripsPlanned": 2, "tripsCompleted": Int64(1), "totalBudgetSaved": Decimal128("12.50")},
    "createdAt": NOW,
    "updatedAt": NOW,
    "lastLoginAt": NOW,
    "isActive": True,
}

TRIP: dict[str, Any] = {
    "title": "Peru",
    "description": "Two weeks",
    "destination": {"name": "Cusco", "country": "Peru", "coordinates": {"lat": -13.5, "lng": -72}},
    "dates": {"start": NOW, "end": datetime(2026, 12, 1, tzinfo=UTC), "flexible": False},
    "budget": {"total": 1000, "currency": "USD", "breakdown": {"food": 300}, "spent": 10, "remaining": 990},
    "travelers": {"adults": 2, "children": 1, "infants": 0},
    "owner": ObjectId(),
    "collaborators": [{"userId": ObjectId(), "role": "editor", "permissions": ["view", "edit"]}],
    "status": "planning",
    "visibility": "private",
    "aiGenerated": {"model": "any"},
    "customizations": [{"anything": 1}],
    "activityLog": [{"at": NOW}],
    "bookings": [{"ref": "X1"}],
    "tags": ["mountains"],
    "createdAt": NOW,
    "updatedAt": NOW,
}

ACCEPTED: list[tuple[str, str, Any]] = [
    *(("users", field, MISSING) for field in USER if field not in ("firebaseUid", "email", "createdAt", "updatedAt")),
    *(
        ("trips", field, MISSING)
        for field in TRIP
        if field not in ("title", "owner", "status", "createdAt", "updatedAt")
    ),
    *(("trips", "status", status) for status in ("planning", "booked", "completed", "cancelled")),
    *(("trips", "visibility", visibility) for visibility in ("private", "shared", "public")),
    *(("users", "role", role) for role in ("user", "admin")),
    ("trips", "destination.coordinates.lat", 90),
    ("trips", "destination.coordinates.lat", -90.0),
    ("trips", "destination.coordinates.lng", 180),
    ("trips", "destination.coordinates", MISSING),
    ("trips", "dates.start", MISSING),
    ("trips", "dates.end", MISSING),
    ("trips", "dates.end", NOW),
    ("trips", "budget.total", Decimal128("0")),
    ("trips", "budget.remaining", -5),
    ("trips", "budget.total", 10**15),
    ("trips", "collaborators", []),
    ("trips", "aiGenerated", {"nested": {"freely": [1, "two"]}}),
    ("users", "settings.ai", {"anything": {"goes": True}}),
    ("users", "preferences.budgetRange", {"min": 5, "max": 5, "currency": "EUR"}),
    ("users", "preferences.budgetRange.max", MISSING),
    ("users", "preferences.budgetRange.min", MISSING),
]

REFUSED: list[tuple[str, str, Any]] = [
    *(("users", field, MISSING) for field in ("firebaseUid", "email", "createdAt", "updatedAt")),
    *(("trips", field, MISSING) for field in ("title", "owner", "status", "createdAt", "updatedAt")),
    *(("users", field, 42) for field in USER),
    *(("trips", field, 42) for field in TRIP),
    ("trips", "status", "flying"),
    ("trips", "visibility", "secret"),
    ("users", "role", "emperor"),
    ("users", "email", "no address"),
    *(("users", "email", email) for email in ("a@b\n", "a@b\n\n", "a\n@b", "a b@c", "@b", "a@")),
    *(("trips", "budget.currency", currency) for currency in ("USD\n", "USD ", "US", "USDT")),
    ("users", "preferences.budgetRange.currency", "USD\n"),
    *(
        (collection, path, Decimal128(number) if decimal else float(number))
        for collection, path in (
            ("users", "preferences.budgetRange.min"),
            ("users", "preferences.budgetRange.max"),
            ("users", "stats.totalBudgetSaved"),
            ("users", "stats.tripsPlanned"),
            ("trips", "budget.total"),
            ("trips", "budget.spent"),
            ("trips", "budget.remaining"),
            ("trips", "travelers.adults"),
        )
        for number in ("Infinity", "-Infinity", "NaN")
        for decimal in (False, True)
    ),
    ("users", "firebaseUid", ""),
    ("trips", "title", ""),
    ("trips", "owner", "5eed00000000000000000001"),
    ("trips", "destination.name", MISSING),
    ("trips", "destination.coordinates.lat", 90.1),
    ("trips", "destination.coordinates.lat", -91),
    ("trips", "destination.coordinates.lng", 180.5),
    ("trips", "destination.coordinates.lng", MISSING),
    ("trips", "dates.end", datetime(2026, 11, 22, tzinfo=UTC)),
    ("trips", "dates.start", "2026-11-23"),
    ("trips", "budget.total", -1),
    ("trips", "budget.total", "1000"),
    ("trips", "budget.currency", "usd"),
    ("trips", "travelers.adults", -1),
    ("trips", "travelers.adults", 1.5),
    ("trips", "collaborators", [{"role": "editor"}]),
    ("trips", "collaborators", [{"userId": "somebody"}]),
    ("trips", "tags", ["fine", 7]),
    ("trips", "bookings", ["text"]),
    ("users", "preferences.budgetRange.min", -1),
    ("users", "preferences.budgetRange", {"min": 10, "max": 5, "currency": "EUR"}),
    ("users", "stats.tripsPlanned", -1),
    ("users", "isActive", "yes"),
    *((collection, "surprise", 1) for collection in ("users", "trips")),
    *(("users", f"{part}.surprise", 1) for part in ("profile", "profile.location", "preferences", "settings", "stats")),
    *(("trips", f"{part}.surprise", 1) for part in ("destination", "dates", "budget", "travelers")),
]


@pytest.fixture(scope="module")
def database(wayra_server: ServerUnderTest) -> Iterator[Database[dict[str, Any]]]:
    """Wayra's collections with validators and indexes; no documents."""
    name = "wayra_validators"
    client: MongoClient[dict[str, Any]] = wayra_server.client()
    client.drop_database(name)
    with Project.open(WAYRA, environ={"MONGODB_URI": wayra_server.uri, "WAYRA_DATABASE": name}) as project:
        project.initializer.run(quick=True)
    yield client[name]
    client.drop_database(name)
    client.close()


def changed(collection: str, path: str, value: Any) -> dict[str, Any]:
    """A valid document with one value changed or left out."""
    document = copy.deepcopy(USER if collection == "users" else TRIP)
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return document


def keep_nothing(database: Database[dict[str, Any]], collection: str, document: dict[str, Any]) -> None:
    """Insert a document and take it out again."""
    inserted = database[collection].insert_one(document).inserted_id
    database[collection].delete_one({"_id": inserted})


@pytest.mark.parametrize("collection", ["users", "trips"])
def test_the_full_document_is_accepted(database: Database[dict[str, Any]], collection: str) -> None:
    """Every field that the schema knows, with numbers of every kind."""
    keep_nothing(database, collection, copy.deepcopy(USER if collection == "users" else TRIP))


@pytest.mark.parametrize(("collection", "path", "value"), ACCEPTED)
def test_what_the_schema_allows_is_accepted(
    database: Database[dict[str, Any]], collection: str, path: str, value: Any
) -> None:
    """Optional fields may be absent; each enumerated value, each edge of a range, open objects."""
    keep_nothing(database, collection, changed(collection, path, value))


@pytest.mark.parametrize(("collection", "path", "value"), REFUSED)
def test_what_the_schema_forbids_is_refused(
    database: Database[dict[str, Any]], collection: str, path: str, value: Any
) -> None:
    """Missing, of a wrong type, out of range, not enumerated, unknown where the schema is closed."""
    with pytest.raises(WriteError) as caught:
        database[collection].insert_one(changed(collection, path, value))
    assert caught.value.code == 121


def test_the_declared_indexes_are_live_and_unique_where_they_should_be(database: Database[dict[str, Any]]) -> None:
    """Eleven, with the keys and directions of the specification."""
    users = {name: spec["key"] for name, spec in database.users.index_information().items()}
    trips = {name: spec["key"] for name, spec in database.trips.index_information().items()}
    assert sorted(map(tuple, users.values())) == [
        (("_id", 1),),
        (("createdAt", -1),),
        (("email", 1),),
        (("firebaseUid", 1),),
        (("lastLoginAt", -1),),
        (("preferences.budgetRange.currency", 1),),
    ]
    assert sorted(map(tuple, trips.values())) == [
        (("_id", 1),),
        (("collaborators.userId", 1),),
        (("dates.start", 1), ("dates.end", 1)),
        (("destination.name", 1),),
        (("owner", 1), ("createdAt", -1)),
        (("status", 1),),
        (("tags", 1),),
    ]
    for field in ("email", "firebaseUid"):
        first, second = copy.deepcopy(USER), copy.deepcopy(USER)
        second.update({"email": "other@example.com", "firebaseUid": "other", field: first[field]})
        inserted = database.users.insert_one(first).inserted_id
        with pytest.raises(DuplicateKeyError):
            database.users.insert_one(second)
        database.users.delete_one({"_id": inserted})


@pytest.mark.parametrize("environment", ["development", "test"])
def test_seeds_are_valid_and_their_references_hold(wayra_server: ServerUnderTest, environment: str) -> None:
    """Owners and collaborators exist; a second run adds nothing; the server's validator accepts every document."""
    name = f"wayra_seeds_{environment}"
    environ = {"MONGODB_URI": wayra_server.uri, "WAYRA_DATABASE": name, "WAYRA_ENV": environment}
    with wayra_server.client() as client, Project.open(WAYRA, environ=environ) as project:
        client.drop_database(name)
        project.initializer.run()
        database = client[name]
        users = set(database.users.distinct("_id"))
        assert len(users) >= 3
        assert set(database.trips.distinct("owner")) <= users
        # The index answers None for a trip without collaborators.
        assert set(database.trips.distinct("collaborators.userId")) - {None} <= users
        before = [list(database[one].find()) for one in ("users", "trips")]
        project.seeds.run(again=True)
        assert [list(database[one].find()) for one in ("users", "trips")] == before
        for collection in ("users", "trips"):
            validator = database[collection].options()["validator"]
            assert database[collection].count_documents({"$nor": [validator]}) == 0
        if environment == "development":
            assert set(database.trips.distinct("status")) == {"planning", "booked", "completed", "cancelled"}
            assert set(database.trips.distinct("visibility")) == {"private", "shared", "public"}
        client.drop_database(name)


def test_migrations_up_down_up(wayra_server: ServerUnderTest) -> None:
    """On documents of the time before, each `down` gives back what was there, and `up` again what came of it."""
    name = "wayra_migrations"
    environ = {"MONGODB_URI": wayra_server.uri, "WAYRA_DATABASE": name}
    with wayra_server.client() as client, Project.open(WAYRA, environ=environ, adopt=True) as project:
        client.drop_database(name)
        database = client[name]
        user = {key: value for key, value in USER.items() if key != "role"}
        trip = {key: value for key, value in copy.deepcopy(TRIP).items() if key != "visibility"}
        del trip["budget"]["remaining"]
        shared = {**copy.deepcopy(TRIP), "visibility": "shared"}
        database.users.insert_one(copy.deepcopy(user))
        database.trips.insert_many([trip, shared])

        def documents() -> list[Any]:
            return [sorted(database[one].find(), key=lambda found: str(found["_id"])) for one in ("trips", "users")]

        before = documents()
        project.schema.apply()
        project.migrations.up()
        after = documents()
        assert {one["visibility"] for one in after[0]} == {"private", "shared"}
        assert [one["budget"]["remaining"] for one in after[0]] == [990, 990]
        assert [one["role"] for one in after[1]] == ["user"]
        project.migrations.rollback(everything=True)
        down = documents()
        assert down[1] == before[1]
        assert [one.get("visibility") for one in down[0]] == [one.get("visibility") for one in before[0]]
        project.migrations.up()
        assert documents() == after
        client.drop_database(name)
