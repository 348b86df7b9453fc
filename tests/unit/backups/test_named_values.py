from __future__ import annotations

from typing import Any

import pytest

from wayra_db.backups.definitions import Definition
from wayra_db.backups.named_values import naming_values

SENSITIVE = {"users": ("email", "profile.name")}


def named(validator: dict[str, Any]) -> bool:
    """Whether a validator of users is said to name values of sensitive fields."""
    return list(naming_values([Definition("users", "collection", b"", {"validator": validator}, ())], SENSITIVE)) != []


@pytest.mark.parametrize(
    "validator",
    [
        {"email": "a@b.c"},
        {"email": {"$ne": "a@b.c"}},
        {"email": {"$not": {"$regex": "corp$"}}},
        {"$or": [{"x": 1}, {"email": {"$in": ["a@b.c"]}}]},
        {"profile": {"name": "Ada"}},
        {"profile.name.first": "Ada"},
        {"profile": {"$elemMatch": {"name": "Ada"}}},
        {"$expr": {"$eq": ["$email", "a@b.c"]}},
        {"$expr": {"$eq": ["$$ROOT.profile.name", "Ada"]}},
        {"$jsonSchema": {"properties": {"email": {"enum": ["a@b.c"]}}}},
        {"$jsonSchema": {"properties": {"profile": {"properties": {"name": {"pattern": "^A"}}}}}},
        {"$jsonSchema": {"properties": {"profile": {"items": {"anyOf": [{"properties": {"name": {"enum": [1]}}}]}}}}},
    ],
)
def test_a_value_of_a_sensitive_field(validator: dict[str, Any]) -> None:
    """Is found in every form that a validator has."""
    assert named(validator)


@pytest.mark.parametrize(
    "validator",
    [
        {},
        {"emails": "a@b.c", "profile.age": 3, "x.email": 1},
        {"email": {"$exists": True, "$type": "string"}},
        {"email": None},
        {"$expr": {"$gt": ["$age", 3]}},
        {"$expr": {"$eq": ["$status", "email"]}},
        {"$jsonSchema": {"required": ["email"], "properties": {"email": {"bsonType": "string", "description": "x"}}}},
        {"$jsonSchema": {"properties": {"role": {"enum": ["user"]}, "profile": {"bsonType": "object"}}}},
    ],
)
def test_what_names_none(validator: dict[str, Any]) -> None:
    """Other fields, and what says only that there is a value or of which type."""
    assert not named(validator)
