"""Five travellers to develop with: different countries, currencies, habits, and one who has left.

What is there already is left alone, so a developer's own edits survive the next run.
"""

from datetime import UTC, datetime

from bson import ObjectId
from pymongo import UpdateOne

environments = ["development"]
required = False
description = "Sample travellers"


def user(number, first_name, last_name, created, *, country, city, timezone, **fields):
    name = first_name.lower()
    return {
        "_id": ObjectId(f"5eed000000000000000001{number:02}"),
        "firebaseUid": f"seed-{name}",
        "email": f"{name}@wayra.example",
        "role": "user",
        "profile": {
            "displayName": f"{first_name} {last_name}",
            "firstName": first_name,
            "lastName": last_name,
            "photoURL": f"https://images.wayra.example/{name}.jpg",
            "location": {"country": country, "city": city, "timezone": timezone},
        },
        "isActive": True,
        "createdAt": created,
        "updatedAt": created,
        **fields,
    }


USERS = [
    user(
        1, "Ana", "Quispe", datetime(2026, 1, 12, 15, 20, tzinfo=UTC),
        country="Peru", city="Cusco", timezone="America/Lima",
        preferences={
            "budgetRange": {"min": 500, "max": 2500, "currency": "USD"},
            "travelStyle": ["adventure", "budget"],
            "interests": ["hiking", "photography", "history"],
        },
        settings={
            "notifications": {"email": True, "push": True},
            "privacy": {"profile": "public"},
            "ai": {"suggestions": True, "tone": "friendly"},
        },
        stats={"tripsPlanned": 3, "tripsCompleted": 1, "totalBudgetSaved": 180.5},
        lastLoginAt=datetime(2026, 11, 20, 9, 5, tzinfo=UTC),
    ),
    user(
        2, "Ben", "Okafor", datetime(2026, 2, 3, 10, 0, tzinfo=UTC),
        country="United Kingdom", city="Leeds", timezone="Europe/London",
        preferences={
            "budgetRange": {"min": 1000, "max": 6000, "currency": "GBP"},
            "travelStyle": ["family"],
            "interests": ["beaches", "museums"],
        },
        settings={"notifications": {"email": True, "push": False}, "privacy": {"profile": "friends"}, "ai": {}},
        stats={"tripsPlanned": 3, "tripsCompleted": 1, "totalBudgetSaved": -75},
        lastLoginAt=datetime(2026, 11, 18, 21, 40, tzinfo=UTC),
    ),
    user(
        3, "Chloe", "Martin", datetime(2026, 3, 21, 7, 45, tzinfo=UTC),
        country="France", city="Lyon", timezone="Europe/Paris",
        preferences={
            "budgetRange": {"min": 2000, "currency": "EUR"},
            "travelStyle": ["luxury", "relaxed"],
            "interests": ["food", "wine", "art"],
        },
        settings={"notifications": {"email": False}, "privacy": {"profile": "private"}, "ai": {"suggestions": False}},
        stats={"tripsPlanned": 2, "tripsCompleted": 1, "totalBudgetSaved": 0},
        lastLoginAt=datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
    ),
    # Signed up a moment ago: only what the application always writes.
    user(
        4, "Daiki", "Sato", datetime(2026, 11, 1, 23, 30, tzinfo=UTC),
        country="Japan", city="Osaka", timezone="Asia/Tokyo",
    ),
    user(
        5, "Elena", "Rossi", datetime(2026, 1, 30, 12, 0, tzinfo=UTC),
        country="Italy", city="Turin", timezone="Europe/Rome",
        stats={"tripsPlanned": 1, "tripsCompleted": 0, "totalBudgetSaved": 0},
        isActive=False,
        lastLoginAt=datetime(2026, 5, 2, 6, 15, tzinfo=UTC),
    ),
]  # fmt: skip


def seed(db):
    db.users.bulk_write(
        [UpdateOne({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True) for document in USERS]
    )
