"""Documents made up from declarations of all kinds are accepted by the server."""

from __future__ import annotations

from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import IndexModel
from pymongo.database import Database

from tests.declarations import Schema, documents
from wayra_db import Collection
from wayra_db.errors import GenerateError
from wayra_db.seeds.generate.generator import Generator

Documents = Database[dict[str, Any]]


def made(collection: Collection, random_seed: int, count: int) -> list[bytes]:
    """The first documents of a collection."""
    make = Generator([collection]).maker(collection.name, random_seed, {})
    return [make(number) for number in range(1, count + 1)]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(schema=documents(), random_seed=st.integers(0, 1000))
def test_the_server_accepts_what_is_made_of_any_declaration(
    wayra_database: Documents, schema: Schema, random_seed: int
) -> None:
    """With the keywords that the documentation names, in any combination; and the same documents come twice.

    The schema is asked as a query, which is what a validator is, and costs no new collection.
    """
    collection = Collection("wild", validator={"$jsonSchema": schema})
    found = made(collection, random_seed, 25)
    pipeline: list[dict[str, Any]] = [
        {"$documents": [{"made": {"$literal": RawBSONDocument(one)}} for one in found]},
        {"$replaceWith": "$made"},
        {"$match": {"$nor": [{"$jsonSchema": schema}]}},
    ]
    assert list(wayra_database.aggregate(pipeline)) == []
    assert made(collection, random_seed, 25) == found


@pytest.mark.parametrize("path", ["key", "inner.key", "list", "list.key"])
@pytest.mark.parametrize("other", [False, True])
def test_unique_indexes_never_collide(wayra_database: Documents, path: str, other: bool) -> None:
    """Of a field, of one inside an object, of the elements of an array, of objects in one; alone or with another."""
    first, _, rest = path.partition(".")
    key = {"bsonType": "string", "pattern": "^[A-Z]{3}$"}
    inside = {"bsonType": "object", "properties": {"key": key}} if rest else key
    value = {"bsonType": "array", "items": inside} if first == "list" else inside
    schema = {"bsonType": "object", "properties": {first: value, "other": {"bsonType": "bool"}}}
    collection = Collection(
        "unique",
        validator={"$jsonSchema": schema},
        indexes=[IndexModel([(path, 1), ("other", -1)] if other else [(path, 1)], unique=True)],
    )
    wayra_database.create_collection("unique", validator=dict(collection.validator or {}))
    wayra_database.unique.create_indexes(list(collection.indexes))
    count = 26**3 // (3 if first == "list" else 1)
    Generator([collection]).require_room("unique", 1, count)
    wayra_database.unique.insert_many([RawBSONDocument(one) for one in made(collection, 1, count)])
    assert wayra_database.unique.count_documents({}) == count
    with pytest.raises(GenerateError, match="different values"):
        Generator([collection]).require_room("unique", 1, count + 1)
