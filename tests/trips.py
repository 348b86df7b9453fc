"""Users and trips as Wayra has them, and twenty questions asked of them, for tests of the index advisor.

The best index of each question is written down beside it by reasoning: what must equal something first, then the order,
then the range. Nothing here knows the advisor.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
from bson import ObjectId
from pymongo.collation import Collation
from pymongo.database import Database

Documents = Database[dict[str, Any]]

START = datetime(2025, 1, 1, tzinfo=UTC)
CASELESS = Collation("en", strength=2)
COUNTRIES = [f"country{number}" for number in range(40)]
STATUSES = ("planning", "booked", "completed", "cancelled")
OWNERS = [ObjectId(f"{number:024x}") for number in range(1, 101)]


def fill(database: Documents, *, trips: int = 3000, users: int = 1500) -> None:
    """Insert generated users and trips, always the same."""
    chance = random.Random(20)

    def moment() -> datetime:
        return START + timedelta(minutes=chance.randrange(500_000))

    database.users.insert_many(
        {
            "firebaseUid": f"uid{number}",
            "email": f"user{number}@example.com",
            "role": "admin" if number % 100 == 0 else "user",
            "profile": {
                "displayName": f"Name {chance.randrange(900)}",
                "location": {"country": chance.choice(COUNTRIES), "city": f"city{chance.randrange(300)}"},
            },
            "preferences": {
                "budgetRange": {
                    "min": 0,
                    "max": chance.randrange(9000),
                    "currency": chance.choice(("USD", "EUR", "PEN")),
                },
                "travelStyle": [f"style{chance.randrange(25)}" for _ in range(2)],
                "interests": [f"interest{chance.randrange(60)}" for _ in range(3)],
            },
            "settings": {"ai": {"state": "queued" if number % 40 == 0 else "idle"}},
            "stats": {"tripsPlanned": chance.randrange(400), "tripsCompleted": chance.randrange(50)},
            "isActive": chance.random() < 0.8,
            "createdAt": moment(),
            "updatedAt": moment(),
            "lastLoginAt": moment(),
        }
        for number in range(users)
    )
    database.trips.insert_many(
        {
            "title": f"Trip {number}",
            "owner": chance.choice(OWNERS),
            "status": chance.choice(STATUSES),
            "visibility": chance.choice(("private", "private", "private", "shared", "public")),
            "destination": {"name": f"place{chance.randrange(400)}", "country": chance.choice(COUNTRIES)},
            "dates": {"start": moment(), "end": moment(), "flexible": chance.random() < 0.5},
            "budget": {
                "total": chance.randrange(10_000),
                "spent": chance.randrange(5000),
                "currency": chance.choice(("USD", "EUR", "PEN", "CHF", "GBP", "BRL")),
            },
            "collaborators": [
                {"userId": chance.choice(OWNERS), "role": chance.choice(("viewer", "editor", "payer"))}
                for _ in range(chance.randrange(1, 4))
            ],
            "bookings": [{"reference": f"R{chance.randrange(5000)}", "kind": "hotel"}],
            "tags": [f"tag{chance.randrange(50)}" for _ in range(2)],
            "createdAt": moment(),
            "updatedAt": moment(),
        }
        for number in range(trips)
    )


def create_declared_indexes(database: Documents) -> None:
    """The indexes that Wayra declares."""
    database.users.create_index("firebaseUid", unique=True)
    database.users.create_index("email", unique=True)
    database.users.create_index([("createdAt", -1)])
    database.users.create_index([("lastLoginAt", -1)])
    database.users.create_index("preferences.budgetRange.currency")
    database.trips.create_index([("owner", 1), ("createdAt", -1)])
    database.trips.create_index("collaborators.userId")
    database.trips.create_index("destination.name")
    database.trips.create_index([("dates.start", 1), ("dates.end", 1)])
    database.trips.create_index("status")
    database.trips.create_index("tags")


@dataclass(frozen=True)
class Question:
    """What is asked, and the index that answers it best: fields that lead in any order, then the rest in order."""

    collection: str
    equal: set[str]
    tail: list[tuple[str, int]]
    ask: Callable[[Documents, random.Random], object]
    collation: bool = False


def _week(chance: random.Random) -> dict[str, datetime]:
    start = START + timedelta(minutes=chance.randrange(480_000))
    return {"$gte": start, "$lt": start + timedelta(days=3)}


def _list(collection: str, query: Callable[[random.Random], dict[str, Any]], **options: Any) -> Callable[..., object]:
    return lambda database, chance: list(database[collection].find(query(chance), **options))


QUESTIONS: dict[str, Question] = {
    "an owner's trips in one state, the newest first": Question(
        "trips", {"owner", "status"}, [("createdAt", -1)],
        _list("trips", lambda c: {"owner": c.choice(OWNERS), "status": c.choice(STATUSES)}, sort=[("createdAt", -1)]),
    ),
    "the newest public trips": Question(
        "trips", {"visibility"}, [("createdAt", -1)],
        _list("trips", lambda c: {"visibility": "public"}, sort=[("createdAt", -1)], limit=20),
    ),
    "cheap trips to a country": Question(
        "trips", {"destination.country"}, [("budget.total", 0)],
        _list("trips", lambda c: {
            "destination.country": c.choice(COUNTRIES), "budget.total": {"$lt": c.randrange(99, 900)},
        }),
    ),
    "the next trips to a country": Question(
        "trips", {"destination.country"}, [("dates.start", 1)],
        _list("trips", lambda c: {"destination.country": c.choice(COUNTRIES)}, sort=[("dates.start", 1)], limit=10),
    ),
    "how many trips in a state are seen by whom": Question(
        "trips", {"status", "visibility"}, [],
        lambda d, c: d.trips.count_documents({"status": c.choice(STATUSES), "visibility": "shared"}),
    ),
    "the newest trips with a tag": Question(
        "trips", {"tags"}, [("createdAt", -1)],
        _list("trips", lambda c: {"tags": f"tag{c.randrange(50)}"}, sort=[("createdAt", -1)], limit=10),
    ),
    "the trip of a booking": Question(
        "trips", {"bookings.reference"}, [],
        _list("trips", lambda c: {"bookings.reference": f"R{c.randrange(5000)}"}),
    ),
    "trips on which somebody has a role": Question(
        "trips", {"collaborators.userId", "collaborators.role"}, [],
        _list("trips", lambda c: {"collaborators": {"$elemMatch": {"userId": c.choice(OWNERS), "role": "payer"}}}),
    ),
    "countries of trips in a state": Question(
        "trips", {"status"}, [("destination.country", 0)],
        lambda d, c: d.trips.distinct("destination.country", {"status": c.choice(STATUSES)}),
    ),
    "trips in a state that end soon": Question(
        "trips", {"status"}, [("dates.end", 1)],
        lambda d, c: list(d.trips.aggregate([
            {"$match": {"status": c.choice(STATUSES), "dates.end": _week(c)}}, {"$sort": {"dates.end": 1}},
        ])),
    ),
    "trips that changed in some days": Question(
        "trips", set(), [("updatedAt", 0)], _list("trips", lambda c: {"updatedAt": _week(c)}),
    ),
    "much spent in a currency, or at a place": Question(
        "trips", {"budget.currency"}, [("budget.spent", 0)],
        _list("trips", lambda c: {"$or": [
            {"budget.currency": "CHF", "budget.spent": {"$gt": 4900}}, {"destination.name": f"place{c.randrange(400)}"},
        ]}),
    ),
    "old cancelled trips are put away": Question(
        "trips", {"status"}, [("updatedAt", 0)],
        lambda d, c: d.trips.update_many(
            {"status": "cancelled", "updatedAt": {"$lt": START + timedelta(days=c.randrange(9, 30))}},
            {"$set": {"visibility": "private"}},
        ),
    ),
    "who of a country was here last": Question(
        "users", {"profile.location.country", "isActive"}, [("lastLoginAt", -1)],
        _list("users", lambda c: {"profile.location.country": c.choice(COUNTRIES), "isActive": True},
              sort=[("lastLoginAt", -1)], limit=10),
    ),
    "somebody by name, in any case": Question(
        "users", {"profile.displayName"}, [],
        _list("users", lambda c: {"profile.displayName": f"NAME {c.randrange(900)}"}, collation=CASELESS),
        collation=True,
    ),
    "people with an interest": Question(
        "users", {"preferences.interests"}, [],
        _list("users", lambda c: {"preferences.interests": f"interest{c.randrange(60)}"}),
    ),
    "people with two styles": Question(
        "users", {"preferences.travelStyle"}, [],
        _list("users", lambda c: {
            "preferences.travelStyle": {"$all": [f"style{c.randrange(25)}", f"style{c.randrange(25)}"]},
        }),
    ),
    "how many administrators": Question(
        "users", {"role"}, [], lambda d, c: d.users.count_documents({"role": "admin"}),
    ),
    "who plans most": Question(
        "users", set(), [("stats.tripsPlanned", -1)],
        _list("users", lambda c: {"stats.tripsPlanned": {"$gte": 300}}, sort=[("stats.tripsPlanned", -1)], limit=10),
    ),
    "the next in the queue": Question(
        "users", {"settings.ai.state"}, [("createdAt", 1)],
        lambda d, c: d.users.find_one_and_update(
            {"settings.ai.state": "queued"},
            {"$set": {"settings.ai.seen": True}},
            sort=[("createdAt", pymongo.ASCENDING)],
        ),
    ),
}  # fmt: skip


def answers(question: Question, document: dict[str, Any]) -> bool:
    """Whether an index is the best one for a question, or holds it as its beginning."""
    key = list(document["key"].items())
    lead, rest = key[: len(question.equal)], key[len(question.equal) :]
    if {name for name, _ in lead} != question.equal or bool(document.get("collation")) is not question.collation:
        return False
    if [name for name, _ in rest[: len(question.tail)]] != [name for name, _ in question.tail]:
        return False
    turns = {order * wanted for (_, order), (_, wanted) in zip(rest, question.tail, strict=False) if wanted}
    return len(turns) <= 1
