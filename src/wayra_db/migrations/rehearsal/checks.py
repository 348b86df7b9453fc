"""What the server says of data: documents that a validator refuses, keys that a unique index refuses. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wayra_db.migrations.rehearsal.model import Duplicates, Violations
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.schema.duplicates import duplicate_stages

EXAMPLES = 5


def count_violations(deployment: Deployment, collection: str, validator: Mapping[str, Any]) -> Violations:
    """The documents of a collection that do not match a validator. Reads the whole collection once."""
    import bson

    refused = {"$nor": [dict(validator)]}
    with translated(deployment.address):
        found = deployment.database[collection]
        number = found.count_documents(refused)
        examples = found.find(refused, {"_id": True}, limit=EXAMPLES) if number else ()
        return Violations(number, tuple(bson.encode({"_id": one["_id"]}) for one in examples))


def count_duplicates(deployment: Deployment, collection: str, index: Mapping[str, Any]) -> Duplicates:
    """The keys that a unique index would meet more than once. Reads the whole collection once, on disk if need be.

    `index` is as `createIndexes` takes it: without a collation of its own it has the collection's.
    """
    options: dict[str, Any] = {"allowDiskUse": True}
    if index.get("collation"):
        options["collation"] = dict(index["collation"])
    with translated(deployment.address):
        found = next(iter(deployment.database[collection].aggregate(pipeline(index), **options)))
    keys = found["all"][0]["keys"] if found["all"] else 0
    return Duplicates(keys, tuple(one["documents"] for one in found["largest"]))


def pipeline(index: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The aggregation that counts what a unique index refuses, with the largest groups."""
    return [
        *duplicate_stages(index),
        {"$sort": {"documents": -1}},
        {"$facet": {"all": [{"$count": "keys"}], "largest": [{"$limit": EXAMPLES}, {"$project": {"_id": False}}]}},
    ]
