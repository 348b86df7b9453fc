"""`compact`: give empty space in files back to the disk, on secondaries one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from wayra_db.environment import Action
from wayra_db.errors import UnsupportedDeploymentError
from wayra_db.events import Notice, Progress, notify
from wayra_db.guard import Guard
from wayra_db.indexes.charts import size
from wayra_db.locking import Lease
from wayra_db.maintenance import space
from wayra_db.maintenance.members import Member, is_primary, read_members, wait_until_caught_up
from wayra_db.maintenance.model import Done, PlannedTask, Request, Task
from wayra_db.maintenance.operation import run_on
from wayra_db.maintenance.space import CollectionSpace, Limits, Space
from wayra_db.maintenance.worker import counted
from wayra_db.mongo.errors import NAMESPACE_NOT_FOUND, translated


@dataclass(frozen=True, slots=True)
class Compaction:
    """One collection on one member, with what its files leave empty."""

    member: Member
    collection: str
    free: Space


@dataclass(frozen=True, slots=True)
class CompactPlan(PlannedTask):
    """The collections to be compacted, in the order of work. `force` says that the primary may be."""

    compactions: tuple[Compaction, ...] = ()
    force: bool = False


@dataclass
class Compact:
    """Compacts the collections whose files are empty enough, by what each member says of its own."""

    guard: Guard
    limits: Limits = space.DEFAULT

    def plan(self, request: Request) -> CompactPlan:
        """Which collections on which members. A member that is down, or a sharded cluster, passes all of it over."""
        self.guard.require(Action.COMPACT)
        if request.force_primary:
            self.guard.require(Action.COMPACT_PRIMARY)
        deployment = self.guard.deployment
        try:
            members = read_members(deployment)
        except UnsupportedDeploymentError as error:
            return CompactPlan(Task.COMPACT, skipped=f"{error.message}. {error.hint}")
        names = compactable(self.guard)
        found = [(member, space.read(deployment, names, member.address)) for member in members]
        return decide(found, force=request.force_primary, limits=self.limits)

    def run(self, planned: CompactPlan, lease: Lease) -> Done:
        """Compact, one collection at a time; after each member wait until it has caught up with the primary.

        A member that has become primary meanwhile is left alone, unless that was allowed. A stop kills the operation,
        which leaves the collection as it was or a part smaller.
        """
        deployment, total = self.guard.deployment, len(planned.compactions)
        freed = done = 0
        findings: list[str] = []
        for member, group in groupby(planned.compactions, key=lambda one: one.member):
            for one in group:
                self.guard.stop.check()
                now = is_primary(deployment, member.address)
                if now and not planned.force:
                    findings.append(f"{member.address} has become the primary: {one.collection} was left alone there")
                    continue
                freed += self._compact(lease, one, force=now and bool(member.address))
                done += 1
                notify(self.guard.observer, Progress("compacting", done, total, "collections"))
            if not is_primary(deployment, member.address):
                wait_until_caught_up(self.guard, lease, member.address)
        return Done(
            f"{counted(done, 'collection')} compacted, {size(freed)} given back", tuple(findings), changed=bool(done)
        )

    def _compact(self, lease: Lease, one: Compaction, *, force: bool) -> int:
        """The bytes that were freed. The server itself refuses a primary that is not forced."""
        from pymongo.errors import OperationFailure

        forced = {"force": True} if force else {}
        with translated(self.guard.deployment.address):
            try:
                reply = run_on(self.guard, lease, one.member.address, {"compact": one.collection, **forced})
            except OperationFailure as error:
                if error.code != NAMESPACE_NOT_FOUND:
                    raise
                notify(self.guard.observer, Notice(f"{one.collection} is gone from {one.member.words}"))
                return 0
        return int(reply.get("bytesFreed", 0))


def decide(
    found: Sequence[tuple[Member, Sequence[CollectionSpace]]], *, force: bool, limits: Limits = space.DEFAULT
) -> CompactPlan:
    """The plan for what each member says of its files, the primary last. Pure."""
    compactions, notes = [], []
    for member, collections in found:
        free = [(one.name, _whole(one)) for one in collections]
        worth = [(name, whole) for name, whole in free if whole.is_worth(limits)]
        gain = size(sum(whole.free for _, whole in worth))
        if not worth:
            notes.append(f"{member.words}: no file is empty enough")
        elif member.primary and not force:
            notes.append(f"{member.words}: {gain} could be given back, by --force-primary only")
        else:
            compactions += [Compaction(member, name, whole) for name, whole in worth]
    work = tuple(
        f"compact {one.collection} on {one.member.words}: about {size(one.free.free)} of {size(one.free.size)}"
        for one in compactions
    )
    return CompactPlan(Task.COMPACT, work, tuple(notes), compactions=tuple(compactions), force=force)


def _whole(one: CollectionSpace) -> Space:
    """What compacting a collection works on: its own file and those of its indexes."""
    spaces = [one.data, *one.indexes.values()]
    return Space(sum(each.size for each in spaces), sum(each.free for each in spaces))


def compactable(guard: Guard) -> list[str]:
    """The user's collections that hold documents themselves: no views; no time series, which are views as well."""
    from wayra_db.schema.live import read_collections

    return sorted(name for name, found in read_collections(guard.deployment).items() if found.kind == "collection")
