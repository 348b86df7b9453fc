"""What the data says of planned indexes: duplicates, documents that would expire, shard keys. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from wayra_db.indexes.spec import IndexDocument, seconds
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import MAX_TIME_EXPIRED, translated
from wayra_db.schema.duplicates import duplicate_stages

FIRST = 5
IDS = 5
COUNTING_MILLISECONDS = 60_000


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """A key that occurs more than once: its values in the order of the index's fields, how often, some ids."""

    values: tuple[Any, ...]
    documents: int
    ids: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """How many keys a unique index would meet more than once, and the first of them, the largest before."""

    keys: int
    first: tuple[DuplicateGroup, ...]


@dataclass(frozen=True, slots=True)
class Expiry:
    """How many documents of how many a lifetime would delete at once; None where counting took too long."""

    documents: int | None
    of: int


def find_duplicates(deployment: Deployment, collection: str, index: IndexDocument, *, first: int = FIRST) -> Duplicates:
    """The keys that a unique index would meet more than once. Reads the whole collection once, on disk if need be.

    `index` is as `createIndexes` takes it: without a collation of its own it has the collection's.
    """
    names = [f"k{number}" for number in range(len(index["key"]))]
    stages = [
        *duplicate_stages(index, _ids(deployment)),
        {"$sort": {"documents": -1, "_id": 1}},
        {"$facet": {"all": [{"$count": "keys"}], "first": [{"$limit": first}]}},
    ]
    with translated(deployment.address):
        counted = deployment.database[collection].aggregate(stages, **_options(index))
        found: Mapping[str, Any] = next(iter(counted), {"all": [], "first": []})
    return Duplicates(
        keys=found["all"][0]["keys"] if found["all"] else 0,
        first=tuple(_group(one, names) for one in found["first"]),
    )


def every_duplicate(deployment: Deployment, collection: str, index: IndexDocument) -> Iterator[DuplicateGroup]:
    """All of them, streamed, in the order of their keys. Reads the whole collection once."""
    names = [f"k{number}" for number in range(len(index["key"]))]
    stages = [*duplicate_stages(index, _ids(deployment)), {"$sort": {"_id": 1}}]
    with translated(deployment.address):
        for one in deployment.database[collection].aggregate(stages, **_options(index)):
            yield _group(one, names)


def count_expired(deployment: Deployment, collection: str, index: IndexDocument) -> Expiry:
    """How many documents a lifetime would delete at its first pass, by the server's clock.

    Reads the whole collection where no index helps, for a minute at most.
    """
    from pymongo.errors import OperationFailure

    field, life = next(iter(index["key"])), seconds(index) or 0
    with translated(deployment.address):
        now = deployment.client.admin.command("hello")["localTime"]
        documents = deployment.database[collection]
        total = documents.estimated_document_count()
        query: dict[str, Any] = {field: {"$lt": now - timedelta(seconds=life)}}
        if partial := index.get("partialFilterExpression"):
            query = {"$and": [query, dict(partial)]}
        try:
            return Expiry(documents.count_documents(query, maxTimeMS=COUNTING_MILLISECONDS) if total else 0, total)
        except OperationFailure as error:
            if error.code != MAX_TIME_EXPIRED:
                raise
            return Expiry(None, total)


def holds_documents(deployment: Deployment, collection: str) -> bool:
    """Whether the collection has any document."""
    with translated(deployment.address):
        return deployment.database[collection].find_one({}, {"_id": True}) is not None


def read_shard_keys(deployment: Deployment, collections: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The shard keys of those collections that are sharded; nothing is asked where no cluster is."""
    if not deployment.capabilities.sharded:
        return {}
    names = {f"{deployment.database_name}.{collection}": collection for collection in collections}
    with translated(deployment.address):
        found = deployment.client["config"]["collections"].find({"_id": {"$in": list(names)}, "dropped": {"$ne": True}})
        return {names[one["_id"]]: one["key"] for one in found}


def _ids(deployment: Deployment) -> dict[str, Any]:
    """Some of the ids; servers before 5.2 can keep two, short of all."""
    if deployment.capabilities.server_version >= (5, 2):
        return {"ids": {"$minN": {"n": IDS, "input": "$_id.document"}}}
    return {"least": {"$min": "$_id.document"}, "most": {"$max": "$_id.document"}}


def _group(found: Mapping[str, Any], names: list[str]) -> DuplicateGroup:
    ids = found["ids"] if "ids" in found else (found["least"], found["most"])
    return DuplicateGroup(tuple(found["_id"].get(name) for name in names), found["documents"], tuple(ids))


def _options(index: IndexDocument) -> dict[str, Any]:
    options: dict[str, Any] = {"allowDiskUse": True}
    if index.get("collation"):
        options["collation"] = dict(index["collation"])
    return options
