"""What a restore meets in the database that it restores into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.backups.manifest import Kind
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db.mongo.client import Document

TEMPORARY = "_wayra_restore_"
BUCKETS = "system.buckets."


@dataclass(frozen=True, slots=True)
class LiveCollection:
    """A collection as it is now; `documents` about how many it has, 0 only when it is empty."""

    name: str
    kind: Kind
    options: Mapping[str, Any]
    documents: int = 0
    sharded: bool = False


def read_live(deployment: Deployment) -> dict[str, LiveCollection]:
    """All collections but the server's own, the tool's among them. One read, and a count for each; writes nothing."""
    database = deployment.metadata
    with translated(deployment.address):
        sharded = _sharded(deployment)
        found = {}
        for one in database.list_collections():
            name, kind = one["name"], one.get("type", "collection")
            if name.startswith("system.") and name != "system.js":
                continue
            documents = 0 if kind == "view" else _count(database, name, kind)
            found[name] = LiveCollection(name, kind, one.get("options", {}), documents, name in sharded)
    return found


def read_index_specs(database: Database[Document], name: str) -> list[dict[str, Any]]:
    """The indexes of a collection as `createIndexes` takes them, without the one on _id."""
    return [
        {key: value for key, value in index.items() if key not in ("ns", "background")}
        for index in database[name].list_indexes()
        if not index.get("clustered") and dict(index["key"]) != {"_id": 1}
    ]


def read_writes(deployment: Deployment, live: Iterable[LiveCollection]) -> dict[str, object]:
    """A mark for each collection that changes when somebody writes to it. One read each; writes nothing.

    It counts operations since the server has started, so a change back is seen as well.
    """
    database = deployment.metadata
    marks: dict[str, object] = {}
    with translated(deployment.address):
        for one in live:
            if one.kind == "timeseries":
                statistics = database.command("collStats", one.name)
                marks[one.name] = statistics.get("timeseries", {}).get("numMeasurementsCommitted"), one.documents
            elif one.kind == "collection":
                pipeline: list[dict[str, Any]] = [{"$collStats": {"latencyStats": {}, "count": {}}}]
                marks[one.name] = sorted(
                    (shard.get("shard", ""), shard["latencyStats"]["writes"]["ops"], shard.get("count", 0))
                    for shard in database[one.name].aggregate(pipeline)
                )
    return marks


def leftovers(deployment: Deployment, *, keep: Iterable[str] = ()) -> list[str]:
    """The temporary collections that killed restores have left, but those in `keep`. One read."""
    kept = set(keep)
    with translated(deployment.address):
        names = deployment.metadata.list_collection_names(filter={"name": {"$regex": f"^{TEMPORARY}"}})
    return sorted(set(names) - kept)


def _count(database: Database[Document], name: str, kind: str) -> int:
    # The statistics that a quick count reads may be wrong after a crash, but never call a collection with documents
    # empty for certain; so a 0 is looked at.
    collection = database[f"{BUCKETS}{name}" if kind == "timeseries" else name]
    return collection.estimated_document_count() or int(collection.find_one({}, {"_id": 1}) is not None)


def _sharded(deployment: Deployment) -> set[str]:
    if not deployment.capabilities.sharded:
        return set()
    prefix = f"{deployment.database_name}."
    found = deployment.client["config"]["collections"].find(
        {"_id": {"$gte": prefix, "$lt": f"{deployment.database_name}/"}, "dropped": {"$ne": True}}, {"_id": 1}
    )
    return {one["_id"].removeprefix(prefix) for one in found}
