"""How much of their files collections and indexes leave empty, and whether that is worth the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.maintenance.operation import preference_of
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import NAMESPACE_NOT_FOUND, translated


@dataclass(frozen=True, slots=True)
class Limits:
    """From what on empty space is worth the work: a share of the file, and so many bytes."""

    smallest_share: float = 0.2
    smallest_bytes: int = 1_000_000


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Space:
    """A file's size and what of it is free for reuse, in bytes."""

    size: int
    free: int

    @property
    def share(self) -> float:
        """The free part of the file."""
        return self.free / self.size if self.size else 0.0

    def is_worth(self, limits: Limits = DEFAULT) -> bool:
        """Whether giving it back is worth the work."""
        return self.free >= limits.smallest_bytes and self.share >= limits.smallest_share


@dataclass(frozen=True, slots=True)
class CollectionSpace:
    """A collection's own file, and that of each of its indexes by name."""

    name: str
    data: Space
    indexes: Mapping[str, Space]


def from_stats(name: str, stats: Mapping[str, Any]) -> CollectionSpace:
    """What `$collStats` says of one collection's files."""
    indexes = {}
    for index, details in stats.get("indexDetails", {}).items():
        manager = details.get("block-manager") or {}
        size = int(manager.get("file size in bytes", stats.get("indexSizes", {}).get(index, 0)))
        indexes[index] = Space(size, int(manager.get("file bytes available for reuse", 0)))
    return CollectionSpace(name, Space(int(stats.get("storageSize", 0)), int(stats.get("freeStorageSize", 0))), indexes)


def read(deployment: Deployment, names: Sequence[str], address: str = "") -> list[CollectionSpace]:
    """The files of these collections on one member, the primary unless told otherwise. One read a collection.

    One that is gone, or not there yet, is left out.
    """
    database = deployment.client.get_database(deployment.database_name, read_preference=preference_of(address))
    found = []
    with translated(deployment.address):
        for name in names:
            for part in _parts(database, name):
                found.append(from_stats(name, part["storageStats"]))
    return found


def read_free_disk(deployment: Deployment) -> int | None:
    """The bytes that are free where the primary keeps this database; None where it does not tell. One read."""
    with translated(deployment.address):
        stats = deployment.metadata.command("dbStats")
    if "fsTotalSize" not in stats or "fsUsedSize" not in stats:
        return None
    return int(stats["fsTotalSize"] - stats["fsUsedSize"])


def _parts(database: Any, name: str) -> list[Mapping[str, Any]]:
    from pymongo.errors import OperationFailure

    try:
        return list(database[name].aggregate([{"$collStats": {"storageStats": {}}}]))
    except OperationFailure as error:
        if error.code == NAMESPACE_NOT_FOUND:
            return []
        raise
