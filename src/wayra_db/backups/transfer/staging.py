"""The temporary collection beside the one that is imported into, and the ways from there into its place.

Its name begins with `_wayra_import_`, so that nothing takes it for the user's. While documents go over one by one, a
record in `_wayra_meta` says so: a run that is cut off before the record leaves the target as it was, and the next
import drops what lies beside; after the record the next import brings it to its end.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from wayra_db import meta
from wayra_db.backups.transfer.conflicts import merging, unchanged
from wayra_db.errors import BackupError, DatabaseOperationError
from wayra_db.events import Notice, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.commands import MAJORITY
from wayra_db.mongo.errors import translated

if TYPE_CHECKING:
    from pymongo.collection import Collection as LiveCollection

    from wayra_db.mongo.client import Document

PREFIX = "_wayra_import_"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Merge:
    """What the record says: into which collection documents go over, how, and whether that is being undone."""

    staging: str
    target: str
    mode: str
    key: tuple[str, ...] = ("_id",)
    undo: bool = False

    def store(self) -> commands.Command:
        """The command that writes the record."""
        record = {"target": self.target, "mode": self.mode, "key": list(self.key), "undo": self.undo}
        return commands.replace(meta.COLLECTION, self.staging, record)

    def forget(self) -> commands.Command:
        """The command that takes the record away."""
        return {"delete": meta.COLLECTION, "deletes": [{"q": {"_id": self.staging}, "limit": 1}]}


def new_name() -> str:
    """A name for a temporary collection."""
    return f"{PREFIX}{secrets.token_hex(6)}"


def create(deployment: Deployment, name: str, options: Mapping[str, Any]) -> None:
    """Create a temporary collection with the options of a live one."""
    with translated(deployment.address):
        deployment.metadata.command({"create": name, **options, "writeConcern": MAJORITY})


def build_indexes(deployment: Deployment, name: str, indexes: Sequence[Mapping[str, Any]]) -> None:
    """Build indexes, given as `listIndexes` gives them."""
    if not indexes:
        return
    wanted = [{key: value for key, value in index.items() if key not in ("ns", "buildUUID")} for index in indexes]
    with translated(deployment.address):
        deployment.metadata.command({"createIndexes": name, "indexes": wanted, "writeConcern": MAJORITY})


def put_in_place(deployment: Deployment, lease: Lease, staging: str, target: str, documents: int) -> None:
    """Let the temporary collection take the target's place, in one step; the old one is gone with it.

    Until then the target stands untouched. Raises BackupError when not all documents are there.
    """
    with translated(deployment.address):
        found = deployment.metadata[staging].count_documents({})
        if found != documents:
            raise BackupError(
                f"{documents:,} documents were loaded and {found:,} are there: {target} was left as it was",
                hint="A TTL index or the size of a capped collection lets documents go: leave them out of the file.",
            )
        lease.check()
        database = deployment.database_name
        deployment.client.admin.command(
            {
                "renameCollection": f"{database}.{staging}",
                "to": f"{database}.{target}",
                "dropTarget": True,
                "writeConcern": MAJORITY,
            }
        )


def merge(deployment: Deployment, lease: Lease, record: Merge, event: Mapping[str, Any]) -> None:
    """Let the documents go over into the target, on the server. The record stands until they have.

    Inserting what an application has inserted meanwhile is undone as a whole. Raises DatabaseOperationError.
    """
    lease.write({**event, "event": "import started"}, record.store())
    try:
        _run(deployment, record, again=False)
    except DatabaseOperationError:
        if record.mode == "insert":
            undoing = replace(record, undo=True)
            lease.write({**event, "event": "import undone"}, undoing.store())
            _undo(deployment, undoing)
        lease.write({**event, "event": "import failed"}, record.forget())
        raise


def finish_leftovers(deployment: Deployment, lease: Lease) -> list[Merge]:
    """Bring to an end what imports that were cut off have left: drop what lies beside, finish what was going over.

    The caller holds the lock, so none of it is in use. Returns the merges that were finished or undone.
    """
    finished = []
    with translated(deployment.address):
        everything = set(deployment.metadata.list_collection_names())
        names = [name for name in everything if name.startswith(PREFIX)]
        records = {
            one["_id"]: one for one in deployment.metadata[meta.COLLECTION].find({"_id": {"$regex": f"^{PREFIX}"}})
        }
    for name in sorted(names):
        lease.check()
        # Where the target is gone, by a reset say, there is nothing left that it could be brought into.
        if name in records and records[name]["target"] in everything:
            found = records.pop(name)
            record = Merge(name, found["target"], found["mode"], tuple(found["key"]), found["undo"])
            if record.undo:
                _undo(deployment, record)
            else:
                _run(deployment, record, again=True)
            finished.append(record)
            what = "undone" if record.undo else "finished"
            lease.write({"event": f"import {what}", "collection": record.target, "staging": name}, record.forget())
        drop(deployment, name)
    for name in records:
        lease.write({"event": "import forgotten", "staging": name}, Merge(name, "", "").forget())
    return finished


def finish_imports(guard: Guard, lease: Lease) -> None:
    """As `finish_leftovers`, telling of each import that was finished or undone."""
    for one in finish_leftovers(guard.deployment, lease):
        text = f"an import into {one.target} that was cut off has been {'undone' if one.undo else 'finished'}"
        notify(guard.observer, Notice(text, "warning"))


def drop(deployment: Deployment, name: str) -> None:
    """Drop a temporary collection; none is fine."""
    with translated(deployment.address):
        deployment.metadata.drop_collection(name)


def ask(deployment: Deployment, staging: str, pipeline: list[Document], **options: Any) -> Iterator[list[Any]]:
    """The keys that a question of `conflicts` is answered with."""
    with translated(deployment.address):
        for found in _collection(deployment, staging).aggregate(pipeline, allowDiskUse=True, **options):
            yield found["k"]


def remove(deployment: Deployment, name: str, key: Sequence[str], keys: Sequence[Sequence[Any]]) -> int:
    """Take documents out of a temporary collection, by the values of their key; returns how many there were."""
    wanted = [dict(zip(key, values, strict=True)) for values in keys]
    with translated(deployment.address):
        return _collection(deployment, name).delete_many({"$or": wanted}).deleted_count


def batched(items: Iterable[Any], size: int = _BATCH) -> Iterator[list[Any]]:
    """Lists of `size` items."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _run(deployment: Deployment, record: Merge, *, again: bool) -> None:
    pipeline = merging(record.target, record.mode, record.key, again=again)
    with translated(deployment.address):
        _collection(deployment, record.staging).aggregate(pipeline, allowDiskUse=True).close()


def _undo(deployment: Deployment, record: Merge) -> None:
    """Take out again what is in the target as it is beside; what somebody has changed since is theirs."""
    for batch in batched(ask(deployment, record.staging, unchanged(record.target))):
        with translated(deployment.address):
            _collection(deployment, record.target).delete_many({"_id": {"$in": [key for (key,) in batch]}})


def _collection(deployment: Deployment, name: str) -> LiveCollection[Document]:
    """A collection whose keys are compared as stored: no date is too far off, no binary is made a UUID."""
    from wayra_db.backups.transfer.extjson import CODEC

    return deployment.metadata.get_collection(name, codec_options=CODEC)
