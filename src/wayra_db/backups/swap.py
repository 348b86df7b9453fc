"""Putting restored collections in the place of the live ones, and the journal that lets any command finish it.

Everything is loaded beside the live data. Then one write of the journal, into the document by which the database says
whose it is, decides: before it, nothing has happened and the temporary collections are rubbish; after it, the restore
is true and only has to be carried out. Each step may be repeated: a temporary collection that is gone has been used.
While a journal stands there the gate lets nothing through but the restore's end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wayra_db import meta
from wayra_db.backups.extended import from_bson, to_bson
from wayra_db.backups.insert import insert_run
from wayra_db.backups.live import BUCKETS, TEMPORARY, leftovers
from wayra_db.backups.load import create_indexes
from wayra_db.backups.source import Chunk
from wayra_db.environment import Action
from wayra_db.events import Progress, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.meta import Marker
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.commands import MAJORITY
from wayra_db.mongo.errors import NAMESPACE_NOT_FOUND, translated

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db.mongo.client import Document

FORMAT = 1
BATCH = 100  # of buckets, which may have 125 kB each
ATTEMPTS = 3

# rename: in one step. copy: what no rename can move. view: made from its definition. drop: it has no place any more.
Kind = Literal["rename", "copy", "view", "drop"]


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one collection. `options` are those of `create`, `indexes` those of a copy: BSON values."""

    kind: Kind
    target: str
    temporary: str = ""
    options: Mapping[str, Any] | None = None
    indexes: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Journal:
    """A swap that has begun: which backup it comes from, and all its steps."""

    id: str
    backup: str
    steps: tuple[Step, ...]

    @property
    def temporaries(self) -> tuple[str, ...]:
        """The temporary collections that it needs."""
        return tuple(step.temporary for step in self.steps if step.temporary)

    def to_document(self) -> dict[str, Any]:
        """As it is stored. Definitions are text: they hold field names that not every server stores."""
        return {
            "format": FORMAT,
            "id": self.id,
            "backup": self.backup,
            "steps": [
                {
                    "kind": step.kind,
                    "target": step.target,
                    "temporary": step.temporary,
                    "definition": json.dumps(
                        {
                            "options": from_bson(step.options or {}),
                            "indexes": [from_bson(index) for index in step.indexes],
                        }
                    ),
                }
                for step in self.steps
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Journal:
        """The journal that is stored."""
        steps = []
        for one in document["steps"]:
            definition = json.loads(one["definition"])
            steps.append(
                Step(
                    one["kind"],
                    one["target"],
                    one["temporary"],
                    to_bson(definition["options"]),
                    [to_bson(index) for index in definition["indexes"]],
                )
            )
        return cls(document["id"], document["backup"], tuple(steps))


def swap(guard: Guard, lease: Lease, journal: Journal, event: Mapping[str, Any]) -> None:
    """Write the journal and carry it out; `event` is what the audit log says of it. Under the caller's lease.

    From the journal on, a stop is not acted on. A failure leaves the journal, and the next command goes on.
    """
    with guard.stop.protected():
        marker = Marker(guard.environment.value, restoring=journal.to_document())
        lease.write({**event, "event": "restore swapping"}, meta.store_marker(marker))
        _carry_out(guard, lease, journal, event)


def finish(guard: Guard) -> str | None:
    """Carry out a swap that was cut off; returns the name of its backup, None when there is nothing to finish.

    Locks and writes only when there is. Raises LockHeldError, and RefusedError when the database is another
    environment's.
    """
    marker = meta.read_marker(guard.deployment)
    if marker is None or marker.restoring is None:
        return None
    with guard.changing(Action.FINISH_RESTORE, "backup restore --continue") as lease, guard.stop.protected():
        marker = meta.read_marker(guard.deployment)  # another runner may have finished it meanwhile
        if marker is None or marker.restoring is None:
            return None
        journal = Journal.from_document(marker.restoring)
        _carry_out(guard, lease, journal, {"backup": journal.backup, "finished": "by another command"})
        return journal.backup


def drop_leftovers(guard: Guard, lease: Lease) -> list[str]:
    """Drop what killed restores have left; returns the names. Not while a journal stands."""
    names = leftovers(guard.deployment)
    with translated(guard.deployment.address):
        for name in names:
            lease.check()
            guard.deployment.metadata.drop_collection(name)
    return names


def _carry_out(guard: Guard, lease: Lease, journal: Journal, event: Mapping[str, Any]) -> None:
    for number, step in enumerate(journal.steps):
        _attempt(guard, lease, step)
        notify(guard.observer, Progress("swapping in", number + 1, len(journal.steps), "collections"))
    lease.write({**event, "event": "restored"}, meta.store_marker(Marker(guard.environment.value)))


def _attempt(guard: Guard, lease: Lease, step: Step) -> None:
    """Once more where the connection was lost: the step may or may not have been done, and may be repeated."""
    from pymongo.errors import ConnectionFailure

    for left in reversed(range(ATTEMPTS)):
        lease.check()
        with translated(guard.deployment.address):
            try:
                _do(guard, lease, step)
                return
            except ConnectionFailure:
                if not left:
                    raise


def _do(guard: Guard, lease: Lease, step: Step) -> None:
    database = guard.deployment.metadata
    match step.kind:
        case "rename":
            _rename(database, step)
        case "copy":
            _copy(guard.deployment, lease, step)
        case "view":
            _make_view(database, step)
        case "drop":
            database.drop_collection(step.target)


def _rename(database: Database[Document], step: Step) -> None:
    """The new collection takes the old one's place in one step of the server, with its indexes and options."""
    from pymongo.errors import OperationFailure

    if _kind(database, step.temporary) is None:
        return
    if _kind(database, step.target) in ("view", "timeseries"):  # which no rename replaces
        database.drop_collection(step.target)
    prefix = f"{database.name}."
    command = {"renameCollection": prefix + step.temporary, "to": prefix + step.target, "dropTarget": True}
    try:
        database.client.admin.command({**command, "writeConcern": MAJORITY})
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:
            raise


def _copy(deployment: Deployment, lease: Lease, step: Step) -> None:
    """Move what cannot be renamed: make it anew and copy the documents; begun again from the start when it was cut
    off, as long as the temporary collection is there.
    """
    database, series = deployment.metadata, "timeseries" in (step.options or {})
    if _kind(database, step.temporary) is None:
        return
    if step.target == "system.js":  # which cannot be dropped
        database[step.target].delete_many({})
    else:
        database.drop_collection(step.target)
        database.command({"create": step.target, **(step.options or {}), "writeConcern": MAJORITY})
    prefix = BUCKETS if series else ""
    target = database[prefix + step.target]
    batches: Iterator[Any] = database[prefix + step.temporary].find_raw_batches({}, batch_size=BATCH)
    for batch in batches:
        lease.check()
        insert_run(target, _chunk(batch))
    if step.indexes:
        create_indexes(deployment, step.target, step.indexes)
    database.drop_collection(step.temporary)


def _make_view(database: Database[Document], step: Step) -> None:
    options = dict(step.options or {})
    found = next(iter(database.list_collections(filter={"name": step.target})), None)
    if found is not None:
        if found["type"] == "view" and found["options"] == options:
            return
        database.drop_collection(step.target)
    database.command({"create": step.target, **options, "writeConcern": MAJORITY})


def _kind(database: Database[Document], name: str) -> str | None:
    found = next(iter(database.list_collections(filter={"name": name})), None)
    return None if found is None else str(found["type"])


def _chunk(batch: bytes) -> Chunk:
    from wayra_db.backups.documents import count

    return Chunk(batch, count(batch), "", 0)


def temporary_name(restore: str, number: int) -> str:
    """The name of a temporary collection: short, since a namespace has 255 bytes, and out of the user's sight."""
    return f"{TEMPORARY}{restore}_{number}"
