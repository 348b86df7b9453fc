"""Counts and sizes of collections, from the server's own bookkeeping; no collection is scanned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated


@dataclass(frozen=True, slots=True)
class CollectionStats:
    """One collection; sizes in bytes, `data_size` uncompressed."""

    name: str
    documents: int
    data_size: int
    storage_size: int
    index_size: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "documents": self.documents,
            "dataSize": self.data_size,
            "storageSize": self.storage_size,
            "indexSize": self.index_size,
        }


def read_stats(deployment: Deployment, names: Iterable[str]) -> tuple[CollectionStats, ...]:
    """The statistics of existing collections, by name. One read a collection; writes nothing."""
    return tuple(_read(deployment, name) for name in sorted(names))


def _read(deployment: Deployment, name: str) -> CollectionStats:
    totals = {"count": 0, "size": 0, "storageSize": 0, "totalIndexSize": 0}
    # One document a shard.
    with translated(deployment.address):
        for part in deployment.database[name].aggregate([{"$collStats": {"storageStats": {}}}]):
            for key in totals:
                totals[key] += int(part["storageStats"].get(key, 0))
    return CollectionStats(name, totals["count"], totals["size"], totals["storageSize"], totals["totalIndexSize"])
