"""What the collections of a database are: kind, uuid, options and indexes, and how much they hold. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.backups.manifest import Kind

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db.mongo.client import Deployment

BUCKETS = "system.buckets."
_KEPT_OF_THE_SERVER = frozenset({"system.js"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A collection or view. `options` and `indexes` are as the server reports them, decoded; `uuid` is None for views.

    `source` is the collection that is read for its documents: the buckets of a time series, nothing of a view.
    """

    name: str
    kind: Kind
    uuid: bytes | None
    options: Mapping[str, Any]
    indexes: tuple[Mapping[str, Any], ...]

    @property
    def source(self) -> str | None:
        """Where its documents lie."""
        if self.kind == "view":
            return None
        return BUCKETS + self.name if self.kind == "timeseries" else self.name

    @property
    def capped(self) -> bool:
        """Whether it is capped: read in its own order, and by most servers never at a snapshot."""
        return bool(self.options.get("capped"))


@dataclass(frozen=True, slots=True)
class Stats:
    """How many documents a collection holds, and their size in bytes, as the server believes."""

    documents: int
    size: int


def read_definitions(deployment: Deployment) -> tuple[Definition, ...]:
    """Every collection and view of the database but the server's own, sorted by name. One read, and one for each."""
    database = _database(deployment)
    listed = {found["name"]: found for found in database.list_collections()}
    return tuple(_definition(database, listed, name) for name in sorted(listed) if is_kept(name))


def is_kept(name: str) -> bool:
    """Whether a collection belongs into a backup at all; the server's own come back with what they are made for."""
    return not name.startswith("system.") or name in _KEPT_OF_THE_SERVER


def read_uuids(deployment: Deployment) -> dict[str, bytes | None]:
    """The uuid of every collection by its name, None for views. One read."""
    found: dict[str, bytes | None] = {}
    for one in _database(deployment).list_collections():
        uuid = one["info"].get("uuid")
        found[one["name"]] = None if uuid is None else bytes(uuid)
    return found


def read_stats(deployment: Deployment, definitions: Iterable[Definition]) -> dict[str, Stats]:
    """How much each collection holds, by name. One read for each."""
    from pymongo.errors import OperationFailure

    database, stats = deployment.database, {}
    for one in definitions:
        if one.source is None:
            continue
        try:
            parts = list(database[one.source].aggregate([{"$collStats": {"storageStats": {}}}]))
        except OperationFailure:
            parts = []  # gone meanwhile, or not to be asked: an estimate is all that is lost
        found = [part["storageStats"] for part in parts]
        documents = sum(part.get("count") or part.get("timeseries", {}).get("bucketCount", 0) for part in found)
        stats[one.name] = Stats(documents, sum(part.get("size", 0) for part in found))
    return stats


def same(first: Iterable[Definition], second: Iterable[Definition]) -> bool:
    """Whether two lists tell of the same collections, down to the order of keys."""
    return [_value(one) for one in first] == [_value(one) for one in second]


def gone(definitions: Iterable[Definition], uuids: Mapping[str, bytes | None]) -> tuple[str, ...]:
    """Which of the collections are not there any more under their name, by a later list."""
    return tuple(one.name for one in definitions if one.source is not None and uuids.get(one.source) != one.uuid)


def _value(one: Definition) -> tuple[Any, ...]:
    import bson

    return (one.name, one.kind, one.uuid, bson.encode(one.options), [bson.encode(index) for index in one.indexes])


def _database(deployment: Deployment) -> Database[dict[str, Any]]:
    """The database with its values as they are: times that Python has no word for, and the order of keys."""
    from bson.codec_options import CodecOptions, DatetimeConversion

    return deployment.client.get_database(
        deployment.database_name,
        codec_options=CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO),
    )


def _definition(database: Database[dict[str, Any]], listed: Mapping[str, Any], name: str) -> Definition:
    from pymongo.errors import OperationFailure

    found = listed[name]
    kind: Kind = found["type"]
    info = listed.get(BUCKETS + name, {}).get("info", {}) if kind == "timeseries" else found["info"]
    uuid = info.get("uuid")
    indexes: list[dict[str, Any]] = []
    if kind != "view":
        try:
            indexes = [dict(index) for index in database[name].list_indexes()]
        except OperationFailure as error:
            if error.code != _NAMESPACE_NOT_FOUND:  # dropped meanwhile: the next list will tell
                raise
    return Definition(name, kind, None if uuid is None else bytes(uuid), dict(found["options"]), tuple(indexes))


_NAMESPACE_NOT_FOUND = 26
