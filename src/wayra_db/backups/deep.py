"""Verifying a backup by restoring it: into a scratch database, whose collections are then compared with the backup.

Documents are compared as a set in which one may stand several times, by a sum of their hashes: their order does not
count, and no document is kept. Nothing is decoded.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from wayra_db.backups.batches import next_batch_size
from wayra_db.backups.budget import Budget
from wayra_db.backups.documents import LARGEST, split
from wayra_db.backups.manifest import CollectionEntry
from wayra_db.backups.moment import Moment
from wayra_db.backups.reading import Reading, read
from wayra_db.backups.report import Finding
from wayra_db.backups.source import BackupSource
from wayra_db.backups.structure import lenient_options
from wayra_db.events import Observer, Progress, log_observer, notify
from wayra_db.meta import is_user_collection
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.stopping import Stop

_MODULUS = 1 << 256
# Where an index's keys stand in this order, it is another index; elsewhere the order of fields does not count.
_ORDERED = frozenset({"key", "weights"})

Restore = Callable[[BackupSource, str], None]
"""Restores everything of a backup, as it is, into the database of this name, which does not exist yet."""


@dataclass(frozen=True, slots=True)
class Contents:
    """How many documents, and the sum of their hashes."""

    documents: int = 0
    total: int = 0

    def add(self, data: bytes | memoryview) -> Contents:
        """These, and a run of documents more."""
        documents, total = self.documents, self.total
        view = memoryview(data)
        for beginning, end in split(view):
            total += int.from_bytes(hashlib.sha256(view[beginning:end]).digest())
            documents += 1
        return Contents(documents, total % _MODULUS)


def verify_deep(
    source: BackupSource,
    deployment: Deployment,
    restore: Restore,
    *,
    observer: Observer = log_observer,
    stop: Stop | None = None,
) -> tuple[Finding, ...]:
    """Restore a backup into a scratch database of `deployment`, compare all of it, and drop that database again.

    Writes nothing outside the scratch database, whose name begins with `wayra_verify_`. Raises what `restore` raises.
    """
    scratch = deployment.beside(f"wayra_verify_{secrets.token_hex(8)}")
    try:
        restore(source, scratch.database_name)
        return tuple(compare(source, scratch, observer=observer, stop=stop))
    finally:
        with translated(deployment.address):
            deployment.client.drop_database(scratch.database_name)


def compare(
    source: BackupSource, deployment: Deployment, *, observer: Observer = log_observer, stop: Stop | None = None
) -> Iterator[Finding]:
    """Where the database differs from the backup: collections, kinds, options, indexes, documents. Reads only.

    What the tool keeps for itself in a database does not count. Collections that a slice of the oplog speaks of are
    told as a warning, and their documents not compared: replaying it has changed them.
    """
    stop = stop or Stop()
    live = _read_collections(deployment)
    expected = [one for one in source.collections if is_user_collection(one.name) or one.name == "system.js"]
    restored = []
    for one in expected:
        stop.check()
        found = live.pop(one.name, None)
        if found is None:
            yield Finding("", f"collection {one.name} was not restored")
        else:
            yield from _compare_definition(one, found, deployment)
            if one.kind != "view" and found["type"] == one.kind:
                restored.append(one)
    for name in sorted(live):
        yield Finding("", f"collection {name} is in no backup and was restored")
    replayed = _replayed(source, stop)
    for one in restored:
        if one.name in replayed:
            what = f"documents of {one.name} were not compared: the slice of the oplog changes them"
            yield Finding(one.data or "", what, severity="warning")
    restored = [one for one in restored if one.name not in replayed]
    stored = _backed_up(source, restored, observer, stop)
    for one in restored:
        actual, due = _sum(deployment, one, stop), stored[one.name]
        if actual.documents < due.documents and _expires(one):
            what = (
                f"{one.name} has {due.documents - actual.documents:,} documents less; the server deletes old ones of it"
            )
            yield Finding(one.data or "", what, severity="warning")
        elif actual.documents != due.documents:
            what = f"{one.name} has {actual.documents:,} documents instead of {due.documents:,}"
            yield Finding(one.data or "", what)
        elif actual != due:
            yield Finding(one.data or "", f"{one.name} has other documents than the backup")


def _replayed(source: BackupSource, stop: Stop) -> set[str]:
    """The collections that the entries of the oplog slice speak of."""
    import bson

    found: set[str] = set()
    for chunk in source.oplog():
        stop.check()
        for beginning, end in split(chunk.data):
            entry: dict[str, Any] = bson.decode(chunk.data[beginning:end], lenient_options())
            found |= set(_spoken_of(entry))
    return {name.removeprefix("system.buckets.") for name in found}


def _spoken_of(entry: Mapping[str, Any]) -> Iterator[str]:
    """The collections that one entry of an oplog speaks of: of a transaction those of its operations."""
    operation = entry.get("o")
    if isinstance(operation, Mapping) and isinstance(operation.get("applyOps"), list):
        for one in operation["applyOps"]:
            yield from _spoken_of(one)
    elif entry.get("op") == "c" and isinstance(operation, Mapping):
        for value in operation.values():  # the command's collection; of a rename both names, with the database
            if isinstance(value, str):
                yield value
                yield value.partition(".")[2]
    else:
        yield str(entry.get("ns", "")).partition(".")[2]


def _expires(one: CollectionEntry) -> bool:
    """Whether the server deletes documents of a collection by their age, also while they are being compared."""
    return "expireAfterSeconds" in one.options or any("expireAfterSeconds" in index for index in one.indexes)


def _backed_up(
    source: BackupSource, collections: Sequence[CollectionEntry], observer: Observer, stop: Stop
) -> dict[str, Contents]:
    """The contents of collections in the backup, in one pass over it."""
    found = {one.name: Contents() for one in collections}
    done, total = 0, sum(one.documents for one in collections)
    for one, chunk in source.stream(collections):
        stop.check()
        found[one.name] = found[one.name].add(chunk.data)
        done += chunk.documents
        del chunk
        notify(observer, Progress(f"compare {source.name}", min(done, total), total or None, "documents"))
    return found


def _compare_definition(one: CollectionEntry, found: Mapping[str, Any], deployment: Deployment) -> Iterator[Finding]:
    """Kind, options and indexes; the uuid is another after every restore."""
    if found["type"] != one.kind:
        yield Finding(one.metadata, f"{one.name} was restored as a {found['type']} instead of a {one.kind}")
        return
    if differing := _differing(one.options, _extended(found.get("options", {}))):
        yield Finding(one.metadata, f"{one.name} has other options: {', '.join(differing)}")
    if one.kind == "view":
        return
    expected = {index["name"]: _comparable(index) for index in one.indexes}
    with translated(deployment.address):
        listed = list(deployment.database[one.name].list_indexes())
    actual = {index["name"]: _comparable(_extended(index)) for index in listed}
    for name in sorted({*expected, *actual}):
        if name not in actual:
            yield Finding(one.metadata, f"{one.name} lacks the index {name}")
        elif name not in expected:
            yield Finding(one.metadata, f"{one.name} has an index {name} that is not in the backup")
        elif expected[name] != actual[name]:
            yield Finding(one.metadata, f"{one.name} has another index {name}")


def _differing(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Sequence[str]:
    names = sorted({*expected, *actual})
    return [name for name in names if expected.get(name) != actual.get(name)]


def _comparable(index: Mapping[str, Any]) -> dict[str, Any]:
    """An index without the namespace that servers before 4.4 wrote into it."""
    return {
        key: list(value.items()) if key in _ORDERED and isinstance(value, Mapping) else value
        for key, value in index.items()
        if key != "ns"
    }


def _extended(value: Any) -> Any:
    """As canonical Extended JSON, as manifests have it."""
    from bson import json_util

    return json.loads(json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS))


def _read_collections(deployment: Deployment) -> dict[str, Mapping[str, Any]]:
    with translated(deployment.address):
        found = list(deployment.database.list_collections())
    return {one["name"]: one for one in found if is_user_collection(one["name"]) or one["name"] == "system.js"}


def _sum(deployment: Deployment, one: CollectionEntry, stop: Stop) -> Contents:
    """What a collection holds; of a time series its raw buckets."""
    name = f"system.buckets.{one.name}" if one.kind == "timeseries" else one.name
    contents, budget = Contents(), Budget(LARGEST)
    reading = Reading(name, None, Moment(), first_bytes=min(one.bytes, LARGEST))
    runs = read(deployment, reading, next_batch_size(one.documents, one.bytes), budget)
    with translated(deployment.address), closing(runs):
        for run in runs:
            stop.check()
            contents = contents.add(run.data)
            del run
    return contents
