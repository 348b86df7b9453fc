"""The trips that users plan.

Every object whose fields are known is closed: a misspelt field is refused rather than kept for ever. Open are the parts
that other services fill in their own shapes: `budget.breakdown`, `aiGenerated`, and the elements of `customizations`,
`activityLog` and `bookings`. Optional fields are absent when unknown, never null.
"""

from pymongo import ASCENDING, DESCENDING, IndexModel

from wayra_db import Collection, Mask

STRING = {"bsonType": "string"}
STRINGS = {"bsonType": "array", "items": STRING}
DATE = {"bsonType": "date"}
OPEN_OBJECT = {"bsonType": "object"}
OPEN_OBJECTS = {"bsonType": "array", "items": OPEN_OBJECT}
# More than any trip costs in any currency; it keeps infinity out, which a `minimum` lets in.
LARGEST = 1_000_000_000_000_000
# Drivers send whole numbers as int, long or double, and money as double or decimal: `number` is any of them.
AMOUNT = {"bsonType": "number", "minimum": 0, "maximum": LARGEST}
BALANCE = {"bsonType": "number", "minimum": -LARGEST, "maximum": LARGEST}
COUNT = {"bsonType": "number", "minimum": 0, "multipleOf": 1}
# ISO 4217, as payment providers spell it: "USD", never "usd".
# (`$` alone would also end before a last line break.)
CURRENCY = {"bsonType": "string", "pattern": r"^[A-Z]{3}$(?!\n)"}

DESTINATION = {
    "bsonType": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"bsonType": "string", "minLength": 1},
        "country": STRING,
        "coordinates": {
            "bsonType": "object",
            "additionalProperties": False,
            # Half a coordinate is no place.
            "required": ["lat", "lng"],
            "properties": {
                "lat": {"bsonType": "number", "minimum": -90, "maximum": 90},
                "lng": {"bsonType": "number", "minimum": -180, "maximum": 180},
            },
        },
    },
}

DATES = {
    "bsonType": "object",
    "additionalProperties": False,
    # None required: somebody whose dates are flexible may know only one of them, or neither.
    "properties": {"start": DATE, "end": DATE, "flexible": {"bsonType": "bool"}},
}

BUDGET = {
    "bsonType": "object",
    "additionalProperties": False,
    "properties": {
        "total": AMOUNT,
        "currency": CURRENCY,
        "breakdown": OPEN_OBJECT,
        "spent": AMOUNT,
        # Below zero once more is spent than planned.
        "remaining": BALANCE,
    },
}

TRAVELERS = {
    "bsonType": "object",
    "additionalProperties": False,
    # No adult is required: parents plan trips on which their children travel alone.
    "properties": {"adults": COUNT, "children": COUNT, "infants": COUNT},
}

COLLABORATOR = {
    "bsonType": "object",
    "additionalProperties": False,
    "required": ["userId"],
    "properties": {"userId": {"bsonType": "objectId"}, "role": STRING, "permissions": STRINGS},
}

trips = Collection(
    "trips",
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "additionalProperties": False,
            # What a trip is from its first moment. Where, when and for how much may come later: that is planning.
            "required": ["title", "owner", "status", "createdAt", "updatedAt"],
            "properties": {
                "_id": {"bsonType": "objectId"},
                "title": {"bsonType": "string", "minLength": 1},
                "description": STRING,
                "destination": DESTINATION,
                "dates": DATES,
                "budget": BUDGET,
                "travelers": TRAVELERS,
                "owner": {"bsonType": "objectId"},
                "collaborators": {"bsonType": "array", "items": COLLABORATOR},
                "status": {"enum": ["planning", "booked", "completed", "cancelled"]},
                # Optional, so that migration 2 can be undone; absent means private.
                "visibility": {"enum": ["private", "shared", "public"]},
                "aiGenerated": OPEN_OBJECT,
                "customizations": OPEN_OBJECTS,
                "activityLog": OPEN_OBJECTS,
                "bookings": OPEN_OBJECTS,
                "tags": STRINGS,
                "createdAt": DATE,
                "updatedAt": DATE,
            },
        },
        # A trip may begin and end on one day. A missing start is less than any end; a missing end is no limit.
        "$expr": {"$lte": ["$dates.start", {"$ifNull": ["$dates.end", "$dates.start"]}]},
    },
    # Validators are applied before migrations run. `strict` would refuse a migration's update to any document that was
    # invalid for another reason, and so block the repair; new and valid documents are held to the rules either way.
    validation_level="moderate",
    indexes=[
        IndexModel([("owner", ASCENDING), ("createdAt", DESCENDING)]),
        IndexModel([("collaborators.userId", ASCENDING)]),
        IndexModel([("destination.name", ASCENDING)]),
        IndexModel([("dates.start", ASCENDING), ("dates.end", ASCENDING)]),
        IndexModel([("status", ASCENDING)]),
        IndexModel([("tags", ASCENDING)]),
    ],
    # Free text and what people or partners wrote about them goes. Owner and collaborators stay: the ids mean nothing
    # without `users`, and the references between the two collections are worth keeping. So do place, dates and money.
    sensitive={
        "title": Mask.TEXT,
        "description": Mask.REMOVE,
        "aiGenerated": Mask.REMOVE,
        "customizations": Mask.REMOVE,
        "activityLog": Mask.REMOVE,
        "bookings": Mask.REMOVE,
        "tags": Mask.REMOVE,
    },
)
