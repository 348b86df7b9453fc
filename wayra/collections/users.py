"""The people who use Wayra; they sign in through Firebase.

Every object whose fields are known is closed: a misspelt field is refused rather than kept for ever. Open are only the
three parts of `settings`, whose content belongs to the applications. Optional fields are absent when unknown, never
null, so that an index or a query has one way to say "none".
"""

from pymongo import ASCENDING, DESCENDING, IndexModel

from wayra_db import Collection, Mask

STRING = {"bsonType": "string"}
STRINGS = {"bsonType": "array", "items": STRING}
DATE = {"bsonType": "date"}
OPEN_OBJECT = {"bsonType": "object"}
# More than any trip costs in any currency; it keeps infinity out, which a `minimum` lets in.
LARGEST = 1_000_000_000_000_000
# Drivers send whole numbers as int, long or double, and money as double or decimal: `number` is any of them.
AMOUNT = {"bsonType": "number", "minimum": 0, "maximum": LARGEST}
BALANCE = {"bsonType": "number", "minimum": -LARGEST, "maximum": LARGEST}
COUNT = {"bsonType": "number", "minimum": 0, "multipleOf": 1}
# ISO 4217, as payment providers spell it: "USD", never "usd", or the index on it would hold one currency twice.
# (`$` alone would also end before a last line break.)
CURRENCY = {"bsonType": "string", "pattern": r"^[A-Z]{3}$(?!\n)"}

PROFILE = {
    "bsonType": "object",
    "additionalProperties": False,
    "properties": {
        "displayName": STRING,
        "firstName": STRING,
        "lastName": STRING,
        "photoURL": STRING,
        "location": {
            "bsonType": "object",
            "additionalProperties": False,
            "properties": {"country": STRING, "city": STRING, "timezone": STRING},
        },
    },
}

PREFERENCES = {
    "bsonType": "object",
    "additionalProperties": False,
    "properties": {
        "budgetRange": {
            "bsonType": "object",
            "additionalProperties": False,
            "properties": {"min": AMOUNT, "max": AMOUNT, "currency": CURRENCY},
        },
        "travelStyle": STRINGS,
        "interests": STRINGS,
    },
}

SETTINGS = {
    "bsonType": "object",
    "additionalProperties": False,
    "properties": {"notifications": OPEN_OBJECT, "privacy": OPEN_OBJECT, "ai": OPEN_OBJECT},
}

STATS = {
    "bsonType": "object",
    "additionalProperties": False,
    "properties": {
        "tripsPlanned": COUNT,
        "tripsCompleted": COUNT,
        # Below zero for somebody who spends more than planned.
        "totalBudgetSaved": BALANCE,
    },
}

users = Collection(
    "users",
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "additionalProperties": False,
            # The unique keys, since two documents without one would collide. A new user has no profile yet.
            "required": ["firebaseUid", "email", "createdAt", "updatedAt"],
            "properties": {
                "_id": {"bsonType": "objectId"},
                # Firebase allows 1 to 128 characters.
                "firebaseUid": {"bsonType": "string", "minLength": 1, "maxLength": 128},
                "email": {"bsonType": "string", "pattern": r"^[^@\s]+@[^@\s]+$(?!\n)"},
                # Optional, so that migration 3 can be undone; absent means an ordinary user.
                "role": {"enum": ["user", "admin"]},
                "profile": PROFILE,
                "preferences": PREFERENCES,
                "settings": SETTINGS,
                "stats": STATS,
                "isActive": {"bsonType": "bool"},
                "createdAt": DATE,
                "updatedAt": DATE,
                "lastLoginAt": DATE,
            },
        },
        # A missing `max` is no limit. A missing `min` is less than any number.
        "$expr": {
            "$lte": [
                "$preferences.budgetRange.min",
                {"$ifNull": ["$preferences.budgetRange.max", "$preferences.budgetRange.min"]},
            ]
        },
    },
    # Validators are applied before migrations run. `strict` would refuse a migration's update to any document that was
    # invalid for another reason, and so block the repair; new and valid documents are held to the rules either way.
    validation_level="moderate",
    indexes=[
        IndexModel([("firebaseUid", ASCENDING)], unique=True),
        IndexModel([("email", ASCENDING)], unique=True),
        IndexModel([("createdAt", DESCENDING)]),
        IndexModel([("lastLoginAt", DESCENDING)]),
        IndexModel([("preferences.budgetRange.currency", ASCENDING)]),
    ],
    # Who somebody is goes. Country, time zone and preferences stay: they are coarse, and what statistics are made of.
    sensitive={
        "firebaseUid": Mask.TOKEN,
        "email": Mask.EMAIL,
        "profile.displayName": Mask.REMOVE,
        "profile.firstName": Mask.REMOVE,
        "profile.lastName": Mask.REMOVE,
        "profile.photoURL": Mask.REMOVE,
        "profile.location.city": Mask.REMOVE,
        "settings": Mask.REMOVE,
        "lastLoginAt": Mask.REMOVE,
    },
)
