"""The aggregation that finds what a unique index refuses. Pure.

As the server does: a missing field counts as null, each item of an array is a key, a document may hold the same key
twice, and sparse and partial indexes leave documents out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def duplicate_stages(index: Mapping[str, Any], collect: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The stages that leave a document for each key that occurs more than once, with `_id: {k0, k1, ...}` and in how
    many `documents`; `collect` adds accumulators over their ids, at `$_id.document`.

    `index` is as `createIndexes` takes it.
    """
    fields = list(index["key"])
    stages: list[dict[str, Any]] = []
    if partial := index.get("partialFilterExpression"):
        stages.append({"$match": dict(partial)})
    if index.get("sparse"):
        stages.append({"$match": {"$or": [{field: {"$exists": True}} for field in fields]}})
    names = [f"k{number}" for number in range(len(fields))]
    stages.append({"$project": {name: f"${field}" for name, field in zip(names, fields, strict=True)}})
    stages += [{"$unwind": {"path": f"${name}", "preserveNullAndEmptyArrays": True}} for name in names]
    key = {name: {"$ifNull": [f"${name}", None]} for name in names}
    return [
        *stages,
        {"$group": {"_id": {"document": "$_id", **key}}},
        {"$group": {"_id": {name: f"$_id.{name}" for name in names}, "documents": {"$sum": 1}, **(collect or {})}},
        {"$match": {"documents": {"$gt": 1}}},
    ]
