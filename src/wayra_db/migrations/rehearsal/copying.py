"""Copies collections into the scratch database: options, documents, indexes. The real database is only read."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from wayra_db.events import Observer, Progress, notify
from wayra_db.meta import is_user_collection
from wayra_db.migrations import checkpoints, history
from wayra_db.migrations.rehearsal.model import PlannedCopy
from wayra_db.migrations.rehearsal.snapshot import decoded, hash_of, raw_documents
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import NAMESPACE_NOT_FOUND, translated

BATCH = 1000
# What planning reads: what was applied, and how far half-done migrations are.
METADATA = (history.COLLECTION, checkpoints.COLLECTION)
# `$out` refuses these.
COPIED_BY_HAND = frozenset({"capped", "clusteredIndex"})
TIME_SERIES = "a time series is made anew and empty"


def read_collections(deployment: Deployment) -> dict[str, Mapping[str, Any]]:
    """The user's collections as `listCollections` has them. One read; writes nothing."""
    with translated(deployment.address):
        listed = deployment.database.list_collections()
        return {found["name"]: found for found in listed if is_user_collection(found["name"])}


def looked_at(listed: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> set[str]:
    """What the views among `names` look at, and what those look at in turn: without it they would show nothing."""
    found: set[str] = set()
    for name in names:
        while listed[name]["type"] == "view" and (below := listed[name]["options"]["viewOn"]) in listed:
            found.add(below)
            name = below
    return found


def plan_copy(deployment: Deployment, listed: Mapping[str, Any], sample: int | None) -> PlannedCopy:
    """What copying one collection takes; one read, which costs the server nothing."""
    from pymongo.errors import OperationFailure

    name, kind, options = listed["name"], listed["type"], listed["options"]
    if kind == "view":
        return PlannedCopy(name, kind, options, 0, 0, 0)
    with translated(deployment.address):
        try:
            stats = deployment.database.command("collStats", name)
        except OperationFailure as error:
            if error.code != NAMESPACE_NOT_FOUND:
                raise
            stats = {}
    documents, size = int(stats.get("count", 0)), int(stats.get("size", 0))
    if kind == "timeseries":
        return PlannedCopy(name, kind, options, documents, 0, 0, TIME_SERIES)
    copied = documents if sample is None else min(sample, documents)
    return PlannedCopy(name, kind, options, documents, copied, size * copied // documents if documents else 0)


def free_bytes(deployment: Deployment) -> int | None:
    """The free space of the server's disk, None where it does not say."""
    with translated(deployment.address):
        stats = deployment.database.command("dbStats")
    total, used = stats.get("fsTotalSize"), stats.get("fsUsedSize")
    return None if not total or used is None else int(total - used)


def copy_collections(
    source: Deployment,
    target: Deployment,
    copies: Sequence[PlannedCopy],
    *,
    observer: Observer,
    check: Callable[[], None],
) -> None:
    """Make every collection of `copies` in `target`, and fill it; `check` is called between batches and may raise.

    On one deployment the server copies whole collections by itself; else, and for samples, documents go through as raw
    BSON. Views come last, since they need what they look at.
    """
    with translated(target.address):
        for copy in sorted(copies, key=lambda one: one.kind == "view"):
            check()
            _create(target, copy)
            if copy.documents:
                task = f"copy {copy.name}"
                notify(observer, Progress(task, 0, copy.documents, "documents"))
                if copy.whole and source.client is target.client and not COPIED_BY_HAND & set(copy.options):
                    _out(source, target, copy.name)
                    notify(observer, Progress(task, copy.documents, copy.documents, "documents"))
                else:
                    for done in _insert(source, target, copy):
                        check()
                        notify(observer, Progress(task, min(done, copy.documents), copy.documents, "documents"))
            if copy.kind == "collection":
                check()
                _create_indexes(source, target, copy.name)


def copy_history(source: Deployment, target: Deployment) -> None:
    """Copy what planning reads, so that the scratch database has the same migrations pending."""
    with translated(target.address):
        for name in METADATA:
            for batch in _batches(map(decoded, raw_documents(source, name))):
                target.metadata[name].insert_many(batch)


def _create(target: Deployment, copy: PlannedCopy) -> None:
    target.metadata.command({"create": copy.name, **copy.options})


def _out(source: Deployment, target: Deployment, name: str) -> None:
    """The server copies by itself. Documents that the validator would refuse today are copied as well."""
    stages = [{"$out": {"db": target.database_name, "coll": name}}]
    source.metadata[name].aggregate(stages, bypassDocumentValidation=True)


def _insert(source: Deployment, target: Deployment, copy: PlannedCopy) -> Iterable[int]:
    done = 0
    into = target.metadata[copy.name]
    for batch in _batches(map(decoded, _sampled(source, copy))):
        into.insert_many(batch, ordered=False, bypass_document_validation=True)
        done += len(batch)
        yield done


def _sampled(source: Deployment, copy: PlannedCopy) -> Iterable[bytes]:
    """The documents to copy. A sample is of those whose `_id` hashes lowest, so that each run takes the same."""
    if copy.whole:
        yield from raw_documents(source, copy.name)
        return
    listed = raw_documents(source, copy.name, projection={"_id": True}, sort=[("_id", 1)])
    lowest = heapq.nsmallest(copy.documents, ((hash_of(identifier), identifier) for identifier in listed))
    for chosen in _batches(identifier for _, identifier in lowest):
        yield from raw_documents(source, copy.name, {"_id": {"$in": [decoded(one)["_id"] for one in chosen]}})


def _create_indexes(source: Deployment, target: Deployment, name: str) -> None:
    # A live index that has no collation is without one; in a command it would take the collection's.
    indexes = [
        {"collation": {"locale": "simple"}, **{key: value for key, value in index.items() if key != "ns"}}
        for index in source.database[name].list_indexes()
        if index["name"] != "_id_" and not index.get("clustered")
    ]
    if indexes:
        target.metadata.command({"createIndexes": name, "indexes": indexes})


def _batches(items: Iterable[Any]) -> Iterable[list[Any]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch
