"""Large collections are read in several ranges of `_id` side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wayra_db.backups.definitions import Definition, Stats
from wayra_db.backups.moment import Moment

if TYPE_CHECKING:
    from wayra_db.mongo.client import Deployment

SMALLEST_RANGE = 32 * 1024 * 1024
_SAMPLES_PER_RANGE = 20


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to before `high`, both as `{_id: ...}`; None has no end.

    `greatest` is the greatest possible `_id` alone, MaxKey: the server takes it for the end of a range without an end,
    and leaves it out.
    """

    low: Mapping[str, Any] | None = None
    high: Mapping[str, Any] | None = None
    greatest: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is all of the collection."""
        return self.low is None and self.high is None and not self.greatest


EVERYTHING = Range()
WHOLE: tuple[Range, ...] = (EVERYTHING,)


def how_many(size: int, total: int, readers: int) -> int:
    """Into how many ranges a collection of `size` bytes is split when `total` bytes are read by so many. Pure."""
    fair_share = max(total / readers, SMALLEST_RANGE)
    return max(1, min(readers, round(size / fair_share)))


def may_split(definition: Definition, *, sharded: bool) -> bool:
    """Whether its `_id` index can carry ranges. Pure.

    A capped collection has an order of its own; a clustered one and a time series have no index on `_id` to name; under
    a collation the bounds would be compared in another way.
    """
    special = definition.capped or "clusteredIndex" in definition.options or "collation" in definition.options
    return definition.kind == "collection" and not special and not sharded and _has_id_index(definition)


def _has_id_index(definition: Definition) -> bool:
    return any(dict(index["key"]) == {"_id": 1} for index in definition.indexes)


def between(bounds: Sequence[Mapping[str, Any]]) -> tuple[Range, ...]:
    """The ranges that the bounds make, which are in order. Pure."""
    if not bounds:
        return WHOLE
    return (*(Range(low, high) for low, high in pairwise([None, *bounds, None])), Range(greatest=True))


def split(
    deployment: Deployment, definition: Definition, stats: Stats, parts: int, moment: Moment
) -> tuple[Range, ...]:
    """Ranges of about equal numbers of documents, from a sample. One read; the whole where it cannot be told.

    Only where `_id` grows with time: elsewhere its order is not that of the disk, and a cold collection would be read
    all over the place.
    """
    from bson import Int64, ObjectId
    from pymongo.errors import OperationFailure

    wanted = parts * _SAMPLES_PER_RANGE
    if parts < 2 or stats.documents < 20 * wanted:  # a sample of more than 5 % is a scan (manual, $sample)
        return WHOLE
    command = {
        "aggregate": definition.name,
        "pipeline": [{"$sample": {"size": wanted}}, {"$project": {"_id": 1}}, {"$sort": {"_id": 1}}],
        "cursor": {"batchSize": wanted},
        **moment.read_concern(),
    }
    try:
        found = deployment.database.command(command)["cursor"]["firstBatch"]
    except OperationFailure:
        return WHOLE
    if not all(isinstance(one["_id"], (ObjectId, int, Int64)) and not isinstance(one["_id"], bool) for one in found):
        return WHOLE
    bounds: list[Mapping[str, Any]] = []
    for part in range(1, parts):
        bound = found[len(found) * part // parts]
        if not bounds or bounds[-1] != bound:
            bounds.append(bound)
    return between(bounds)
