"""Many collections asked at once: round trips do not grow with their number.

One aggregate asks the first collection, and the others through `$unionWith`, whose pipeline may begin with a stage that
reads the server's own bookkeeping. Where that is refused (an older server, a collection that has just gone), each
collection is asked by itself. Nothing here reads a document of a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import NAMESPACE_NOT_FOUND, UNAUTHORIZED, translated

# The server takes 1000 stages; the plan of a pipeline grows with each.
AT_ONCE = 400
NOT_SUPPORTED_ON_VIEW = 166
_STATS: Sequence[Mapping[str, Any]] = (
    {"$collStats": {"storageStats": {}}},
    {
        "$project": {
            f"storageStats.{field}": 1
            for field in ("count", "size", "storageSize", "totalIndexSize", "freeStorageSize")
        }
    },
)


def read_storage_stats(
    deployment: Deployment, names: Iterable[str], *, apart: Iterable[str] = ()
) -> dict[str, list[Mapping[str, Any]]]:
    """What the server keeps of the size of each collection, one entry a shard; a collection that is gone is left out.

    Time series stand `apart`: no pipeline may ask them among others. One read for 400 collections, and one for each
    time series.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    alone = set(apart)
    for part in _ask(deployment, [name for name in names if name not in alone], _STATS):
        found.setdefault(part["collection"], []).append(part["storageStats"])
    for name in sorted(alone):
        for part in _ask_one(deployment, name, _STATS):
            found.setdefault(name, []).append(part["storageStats"])
    return found


def read_index_documents(
    deployment: Deployment, names: Iterable[str], *, apart: Iterable[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """The indexes of existing collections as `listIndexes` would tell them, with `buildUUID` while they are built.

    One read for 400 collections from MongoDB 6.0 on, one a collection before, and one for each of those `apart` (time
    series). One that does not exist has none.
    """
    wanted, alone = list(names), set(apart)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    together = [name for name in wanted if name not in alone]
    if len(together) > 1 and deployment.capabilities.server_version >= (6, 0):
        read: dict[str, list[dict[str, Any]]] = {}
        for part in _ask(deployment, together, ({"$listCatalog": {}},), one_by_one=False):
            read.setdefault(part["collection"], _of_catalog(part))  # of several shards, the first
        found |= read
        together = [name for name in together if name not in read]
    for name in (*together, *sorted(alone)):
        found[name] = _list_indexes(deployment, name)
    return found


def _of_catalog(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    stored = entry["md"]
    indexes = [
        {**one["spec"], "buildUUID": one["buildUUID"]} if "buildUUID" in one else dict(one["spec"])
        for one in stored["indexes"]
    ]
    if isinstance(clustered := stored["options"].get("clusteredIndex"), Mapping):
        indexes.append({**clustered, "clustered": True})
    return indexes


def _list_indexes(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    from pymongo.errors import OperationFailure

    with translated(deployment.address):
        try:
            reply = deployment.database.command({"listIndexes": name, "includeBuildUUIDs": True, "cursor": {}})
        except OperationFailure as error:
            if error.code == NAMESPACE_NOT_FOUND:
                return []
            raise
    return [
        {**one["spec"], "buildUUID": one["buildUUID"]} if "spec" in one else one
        for one in reply["cursor"]["firstBatch"]
    ]


def _ask(
    deployment: Deployment, names: Sequence[str], stages: Sequence[Mapping[str, Any]], *, one_by_one: bool = True
) -> list[dict[str, Any]]:
    """The replies of all collections, each with its `collection`; with nothing of a group that was refused as a whole,
    unless its collections may be asked one by one.
    """
    from pymongo.errors import OperationFailure

    found: list[dict[str, Any]] = []
    for start in range(0, len(names), AT_ONCE):
        first, *others = names[start : start + AT_ONCE]
        unions = [{"$unionWith": {"coll": other, "pipeline": _named(other, stages)}} for other in others]
        with translated(deployment.address):
            try:
                found += _aggregate(deployment, first, [*_named(first, stages), *unions])
            except OperationFailure as error:
                if error.code == UNAUTHORIZED:
                    raise
                if one_by_one:
                    for name in (first, *others):
                        found += _ask_one(deployment, name, stages)
    return found


def _ask_one(deployment: Deployment, name: str, stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    from pymongo.errors import OperationFailure

    with translated(deployment.address):
        try:
            return _aggregate(deployment, name, _named(name, stages))
        except OperationFailure as error:
            if error.code in (NAMESPACE_NOT_FOUND, NOT_SUPPORTED_ON_VIEW):  # since it was listed
                return []
            raise


def _aggregate(deployment: Deployment, name: str, stages: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return list(deployment.database[name].aggregate(stages, batchSize=10 * AT_ONCE))


def _named(name: str, stages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [*stages, {"$set": {"collection": {"$literal": name}}}]
