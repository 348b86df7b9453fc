"""Questions to the server about documents that lie beside: which would it refuse in their collection? Pure pipelines.

Each runs over the temporary collection and gives, as `k`, the values of the key fields of every document that would be
refused. Their own fields stand under `d`, so that no field of theirs can be taken for one of the pipeline's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Pipeline = list[dict[str, Any]]

_NESTED: dict[str, Any] = {"$replaceWith": {"d": "$$ROOT"}}
_FOUND: dict[str, Any] = {"$match": {"m.0": {"$exists": True}}}


def known_ids(target: str) -> Pipeline:
    """The documents whose _id is in the target already."""
    lookup = {"from": target, "localField": "d._id", "foreignField": "_id", "as": "m"}
    return [_NESTED, {"$lookup": lookup}, _FOUND, _keys(["_id"])]


def taken_keys(target: str, index: Mapping[str, Any], key: Sequence[str], *, replacing: bool) -> Pipeline:
    """The documents whose key in a unique index another document of the target has.

    When `replacing`, the target's document of the same `key` does not count: it is what is replaced. Needs MongoDB 5.0.
    A compound key is found where its later fields are there and are no arrays.
    """
    first, *rest = index["key"]
    variables = {f"v{number}": f"$d.{name}" for number, name in enumerate(rest)}
    same = [{"$eq": [f"${name}", f"$$v{number}"]} for number, name in enumerate(rest)]
    variables |= {f"k{number}": f"$d.{name}" for number, name in enumerate(key)}
    replaced = [{"$eq": [f"${name}", f"$$k{number}"]} for number, name in enumerate(key)] if replacing else []
    indexed = in_index(index)
    matches: list[dict[str, Any]] = [indexed] if indexed else []
    if same or replaced:
        others = [{"$not": [{"$and": replaced}]}] if replaced else []
        matches.append({"$expr": {"$and": [*same, *others]}})
    lookup = {
        "from": target,
        "localField": f"d.{first}",
        "foreignField": first,
        "let": variables,
        "pipeline": [*({"$match": match} for match in matches), {"$limit": 1}, {"$project": {"_id": 1}}],
        "as": "m",
    }
    return [*([{"$match": indexed}] if indexed else []), _NESTED, {"$lookup": lookup}, _FOUND, _keys(key)]


def in_index(index: Mapping[str, Any]) -> dict[str, Any]:
    """The query that finds the documents which an index has: all, unless it is partial or sparse."""
    if "partialFilterExpression" in index:
        return dict(index["partialFilterExpression"])
    if index.get("sparse"):
        return {"$or": [{name: {"$exists": True}} for name in index["key"]]}
    return {}


def invalid_when_merged(target: str, key: Sequence[str], validator: Mapping[str, Any]) -> Pipeline:
    """The documents that would make one of the target's, or a new one, break its validator once they are merged.

    Needs MongoDB 5.0.
    """
    first, *rest = key
    variables = {f"v{number}": f"$d.{name}" for number, name in enumerate(rest)}
    same = [{"$eq": [f"${name}", f"$$v{number}"]} for number, name in enumerate(rest)]
    lookup = {
        "from": target,
        "localField": f"d.{first}",
        "foreignField": first,
        "let": variables,
        "pipeline": [*([{"$match": {"$expr": {"$and": same}}}] if same else []), {"$limit": 1}],
        "as": "m",
    }
    merged = {"$mergeObjects": ["$$known", "$d", {"_id": {"$ifNull": ["$$known._id", "$d._id"]}}]}
    return [
        _NESTED,
        {"$lookup": lookup},
        {"$replaceWith": {"$let": {"vars": {"known": {"$arrayElemAt": ["$m", 0]}}, "in": merged}}},
        {"$match": {"$nor": [dict(validator)]}},
        _keys(key, ""),
    ]


def unchanged(target: str) -> Pipeline:
    """The documents that stand in the target exactly as they are here."""
    lookup = {"from": target, "localField": "d._id", "foreignField": "_id", "as": "m"}
    same = {"$match": {"$expr": {"$eq": [{"$arrayElemAt": ["$m", 0]}, "$d"]}}}
    return [_NESTED, {"$lookup": lookup}, same, _keys(["_id"])]


def merging(target: str, mode: str, key: Sequence[str], *, again: bool = False) -> Pipeline:
    """The stage that puts the documents into the target.

    `insert` refuses an _id that is there; `again`, after a run that was cut off, it passes over what is there. `upsert`
    replaces the document of the same key, `merge` sets its fields; both keep the _id that is there.
    """
    base = {"upsert": "$$new", "merge": "$$ROOT"}
    when: Any = "keepExisting" if again else "fail"
    if mode != "insert":
        parts = [base[mode], *(["$$new"] if mode == "merge" else []), {"_id": "$_id"}]
        if mode == "upsert":
            # The _id goes first, where the server keeps it.
            parts = [{"_id": "$_id"}, *parts]
        when = [{"$replaceWith": {"$mergeObjects": parts}}]
    on = list(key) if mode != "insert" else ["_id"]
    return [{"$merge": {"into": target, "on": on, "whenMatched": when, "whenNotMatched": "insert"}}]


def _keys(names: Sequence[str], prefix: str = "d.") -> dict[str, Any]:
    return {"$project": {"_id": 0, "k": [f"${prefix}{name}" for name in names]}}
