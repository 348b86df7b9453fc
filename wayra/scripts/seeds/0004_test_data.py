"""Two users and three trips that automated tests may rely on, down to the last value."""

from datetime import UTC, datetime

from bson import ObjectId
from pymongo import UpdateOne

environments = ["test"]
required = False
description = "Small, known data for automated tests"

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
STAMPS = {"createdAt": CREATED, "updatedAt": CREATED}
ACTIVE_USER = {"role": "user", "isActive": True, **STAMPS}
OWNER = ObjectId("5eed00000000000000000301")
GUEST = ObjectId("5eed00000000000000000302")

USERS = [
    {"_id": OWNER, "firebaseUid": "test-owner", "email": "owner@wayra.test", **ACTIVE_USER},
    {"_id": GUEST, "firebaseUid": "test-guest", "email": "guest@wayra.test", **ACTIVE_USER},
]
TRIPS = [
    {
        "_id": ObjectId("5eed00000000000000000401"),
        "title": "Test trip, planned",
        "destination": {"name": "Cusco", "country": "Peru", "coordinates": {"lat": -13.5, "lng": -72.0}},
        "dates": {
            "start": datetime(2026, 6, 1, tzinfo=UTC),
            "end": datetime(2026, 6, 10, tzinfo=UTC),
            "flexible": False,
        },
        "budget": {"total": 1000, "currency": "USD", "spent": 250, "remaining": 750},
        "travelers": {"adults": 2, "children": 1, "infants": 0},
        "owner": OWNER,
        "collaborators": [{"userId": GUEST, "role": "viewer", "permissions": ["view"]}],
        "status": "planning",
        "visibility": "shared",
        "tags": ["test"],
        **STAMPS,
    },
    {
        "_id": ObjectId("5eed00000000000000000402"),
        "title": "Test trip, completed",
        "owner": OWNER,
        "status": "completed",
        "visibility": "public",
        **STAMPS,
    },
    {
        "_id": ObjectId("5eed00000000000000000403"),
        "title": "Test trip, cancelled",
        "owner": GUEST,
        "status": "cancelled",
        "visibility": "private",
        **STAMPS,
    },
]


def seed(db):
    for collection, documents in ((db.users, USERS), (db.trips, TRIPS)):
        collection.bulk_write(
            [UpdateOne({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True) for document in documents]
        )
