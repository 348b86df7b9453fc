"""Counts and sizes of collections, from the server's own bookkeeping; no collection is scanned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wayra_db.mongo.catalog import read_storage_stats
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

SAMPLES = "_wayra_samples"
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Growth:
    """What has come since a kept sample, and the days between; negative where there is less now."""

    since: datetime
    documents: int
    data_size: int
    storage_size: int
    days: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "since": self.since.isoformat(),
            "documents": self.documents,
            "dataSize": self.data_size,
            "storageSize": self.storage_size,
            "days": round(self.days, 3),
        }


@dataclass(frozen=True, slots=True)
class CollectionStats:
    """One collection; sizes in bytes, `data_size` uncompressed. `free_size` is what its file holds and could give back.

    `growth` is None where no sample of it was kept.
    """

    name: str
    documents: int
    data_size: int
    storage_size: int
    index_size: int
    free_size: int = 0
    growth: Growth | None = None

    @property
    def fragmentation(self) -> float:
        """The share of the file that holds nothing, 0 to 1."""
        return self.free_size / self.storage_size if self.storage_size else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "documents": self.documents,
            "dataSize": self.data_size,
            "storageSize": self.storage_size,
            "indexSize": self.index_size,
            "freeSize": self.free_size,
            "fragmentation": round(self.fragmentation, 4),
            "growth": self.growth.to_dict() if self.growth else None,
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """A collection's size at an earlier moment, as maintenance keeps it in `_wayra_samples`."""

    at: datetime
    collection: str
    documents: int
    data_size: int
    storage_size: int


def read_stats(
    deployment: Deployment, names: Iterable[str], *, apart: Iterable[str] = ()
) -> tuple[CollectionStats, ...]:
    """The statistics of existing collections, by name; one that is gone is left out. Writes nothing.

    One read for all of them, and one for each of those that stand `apart`: time series cannot be asked with others.
    """
    return tuple(
        CollectionStats(
            name,
            _sum(parts, "count"),
            _sum(parts, "size"),
            _sum(parts, "storageSize"),
            _sum(parts, "totalIndexSize"),
            _sum(parts, "freeStorageSize"),
        )
        for name, parts in sorted(read_storage_stats(deployment, names, apart=apart).items())
    )


def _sum(parts: Iterable[Mapping[str, Any]], key: str) -> int:
    return sum(int(part.get(key, 0)) for part in parts)  # one part a shard


def read_samples(deployment: Deployment, collections: int) -> tuple[Sample, ...]:
    """The newest kept samples, at most two for each of so many collections, the newest first. One read by `_id`."""
    with translated(deployment.address):
        found = deployment.metadata[SAMPLES].find(sort=[("_id", -1)], limit=2 * collections + 2)
        return tuple(
            Sample(
                one["at"].astimezone(UTC),
                one["collection"],
                int(one["documents"]),
                int(one["data_bytes"]),
                int(one["storage_bytes"]),
            )
            for one in found
        )


def with_growth(
    stats: Iterable[CollectionStats], samples: Iterable[Sample], now: datetime
) -> tuple[CollectionStats, ...]:
    """The statistics with what has come since the newest sample of each collection. Pure."""
    newest: dict[str, Sample] = {}
    for sample in samples:
        if sample.collection not in newest or sample.at > newest[sample.collection].at:
            newest[sample.collection] = sample
    return tuple(_grown(one, newest.get(one.name), now) for one in stats)


def _grown(one: CollectionStats, sample: Sample | None, now: datetime) -> CollectionStats:
    if sample is None:
        return one
    growth = Growth(
        sample.at,
        one.documents - sample.documents,
        one.data_size - sample.data_size,
        one.storage_size - sample.storage_size,
        max(0.0, (now - sample.at).total_seconds() / SECONDS_PER_DAY),
    )
    return CollectionStats(
        one.name, one.documents, one.data_size, one.storage_size, one.index_size, one.free_size, growth
    )
