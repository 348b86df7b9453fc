"""`rebuild-indexes`: build anew the indexes whose files are mostly empty; none is missing for a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.environment import Action
from wayra_db.events import Progress, notify
from wayra_db.guard import Guard
from wayra_db.indexes.charts import size
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.usage.read import read_names
from wayra_db.locking import Lease
from wayra_db.maintenance import rebuilding, space, twins
from wayra_db.maintenance.model import Done, PlannedTask, Rebuild, Request, Task
from wayra_db.maintenance.space import CollectionSpace, Limits
from wayra_db.maintenance.worker import counted
from wayra_db.schema.index_rules import MOST_INDEXES

# Since then filters are part of what an index is (manual, Partial Indexes), so that a twin can stand beside it.
OLDEST_SERVER = (5, 0)
# Of the free disk no more is taken for twins.
DISK_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class RebuildPlan(PlannedTask):
    """The indexes to be built anew, by collection."""

    indexes: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass
class Rebuilds:
    """Rebuilds indexes whose files are empty enough, or `all`, by what the primary says of its files."""

    guard: Guard
    limits: Limits = space.DEFAULT

    def plan(self, request: Request) -> RebuildPlan:
        """Which indexes. Two reads a collection."""
        self.guard.require(Action.REBUILD_INDEXES)
        deployment = self.guard.deployment
        found = deployment.capabilities
        if found.sharded or found.server_version < OLDEST_SERVER:
            what = "a sharded cluster keeps" if found.sharded else f"MongoDB {found.version} allows"
            return RebuildPlan(Task.REBUILD_INDEXES, skipped=f"{what} no twin beside an index while it is built anew")
        names = read_names(deployment)
        return decide(
            space.read(deployment, names),
            read_indexes(deployment, names),
            which=request.rebuild or "bloated",
            free_disk=space.read_free_disk(deployment),
            limits=self.limits,
        )

    def run(self, planned: RebuildPlan, lease: Lease) -> Done:
        """Rebuild, one collection after another. What can't be any more is left alone. See `rebuilding.rebuild`."""
        names = [name for name, _ in planned.indexes]
        before = _sizes(space.read(self.guard.deployment, names), planned)
        rebuilt = 0
        for number, (collection, indexes) in enumerate(planned.indexes, 1):
            self.guard.stop.check()
            rebuilt += len(rebuilding.rebuild(self.guard, lease, collection, indexes))
            notify(self.guard.observer, Progress("rebuilding indexes", number, len(planned.indexes), "collections"))
        after = _sizes(space.read(self.guard.deployment, names), planned)
        return Done(
            f"{counted(rebuilt, 'index', 'indexes')} built anew: {size(before)} before, {size(after)} now",
            changed=bool(rebuilt),
        )


def decide(
    spaces: Sequence[CollectionSpace],
    live: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    which: Rebuild,
    free_disk: int | None = None,
    limits: Limits = space.DEFAULT,
) -> RebuildPlan:
    """The plan for what is live and how full its files are. Pure.

    The twins of a collection are there at once: their number and their size may be too much for it.
    """
    work, notes, chosen = [], [], []
    for one in spaces:
        documents = {str(document["name"]): document for document in live.get(one.name, ())}
        names: list[str] = []
        beside = 0
        for name, file in one.indexes.items():
            document = documents.get(name)
            if document is None or twins.is_twin(document) or not (which == "all" or file.is_worth(limits)):
                continue
            reason = twins.why_not(document, live[one.name])
            if not reason and len(documents) + len(names) >= MOST_INDEXES:
                reason = "left for the next time: no more twins have room"
            if not reason and free_disk is not None and beside + file.size > free_disk * DISK_SHARE:
                reason = f"its twin has no room on the disk, of which {size(free_disk)} are free"
            if not reason:
                names.append(name)
                beside += file.size
                work.append(f"build {one.name}.{name} anew: {size(file.free)} of {size(file.size)} are empty")
            elif reason != twins.OF_THE_SERVER:
                notes.append(f"{one.name}.{name} is left alone: {reason}")
        if names:
            chosen.append((one.name, tuple(names)))
    if not chosen and not notes:
        notes.append("no index is empty enough; --rebuild-indexes all takes every one")
    return RebuildPlan(Task.REBUILD_INDEXES, tuple(work), tuple(notes), indexes=tuple(chosen))


def _sizes(spaces: Sequence[CollectionSpace], planned: RebuildPlan) -> int:
    chosen = dict(planned.indexes)
    return sum(file.size for one in spaces for name, file in one.indexes.items() if name in chosen.get(one.name, ()))
