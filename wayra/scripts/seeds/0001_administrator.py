"""The account that can do everything, without which nobody can log in to the back office."""

from datetime import UTC, datetime

from bson import ObjectId

environments = ["development", "test"]
required = True
description = "The administrator's account"

CREATED = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def seed(db):
    db.users.update_one(
        {"_id": ObjectId("5eed00000000000000000001")},
        {
            "$setOnInsert": {
                "firebaseUid": "seed-admin",
                "email": "admin@wayra.example",
                "role": "admin",
                "profile": {"displayName": "Wayra Admin"},
                "isActive": True,
                "createdAt": CREATED,
                "updatedAt": CREATED,
            }
        },
        upsert=True,
    )
