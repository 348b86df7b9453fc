"""The one moment at which all collections are read, and what a read needs to say to be of that moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.backups.definitions import Definition
from wayra_db.backups.manifest import ConsistencyKind

if TYPE_CHECKING:
    from wayra_db.mongo.client import Deployment

Position = tuple[int, int]

# What the server says when a read cannot be of the moment any more (manual, Read Concern "snapshot").
SNAPSHOT_TOO_OLD = 239
SNAPSHOT_UNAVAILABLE = 246
NAMESPACE_NOT_FOUND = 26
UUID_MISMATCH = 361
PLAN_KILLED = 175
MOVED = frozenset({SNAPSHOT_UNAVAILABLE, NAMESPACE_NOT_FOUND, UUID_MISMATCH, PLAN_KILLED})


@dataclass(frozen=True, slots=True)
class Moment:
    """How documents are read: all as of `at`; or, without it, as the majority has them when their turn comes."""

    at: Position | None = None
    majority: bool = False
    with_uuid: bool = False

    def read_concern(self) -> Mapping[str, Any]:
        """What goes into a command."""
        if self.at is not None:
            from bson.timestamp import Timestamp

            return {"readConcern": {"level": "snapshot", "atClusterTime": Timestamp(*self.at)}}
        return {"readConcern": {"level": "majority"}} if self.majority else {}

    def without_snapshot(self) -> Moment:
        """As the majority has it at its time."""
        return Moment(None, True, self.with_uuid)


def choose_moment(deployment: Deployment, definitions: tuple[Definition, ...]) -> Moment:
    """The moment of now: a snapshot where the deployment has them. One read at the most."""
    capabilities = deployment.capabilities
    with_uuid = capabilities.server_version >= (6, 0)  # manual, find: collectionUUID
    replicated = capabilities.topology != "standalone"
    if not capabilities.snapshot_reads:
        return Moment(None, replicated, with_uuid)
    at = None
    for one in definitions:
        if one.source is not None and not one.capped and at is None:
            reply = deployment.database.command(
                {"find": one.source, "limit": 1, "projection": {"_id": 1}, "readConcern": {"level": "snapshot"}}
            )
            at = reply["cursor"]["atClusterTime"]
    return Moment(None if at is None else (at.time, at.inc), replicated, with_uuid)


@dataclass(frozen=True, slots=True)
class Reached:
    """What became of the moment.

    `outside` was read outside the snapshot, and may differ from what it was at the moment; of that, `late` was to be
    read in it and came too late. `before` says whether the rest of it was read before the moment, so that entries of
    the oplog bring it there. `sliced` is what a slice that was taken brings to `slice_end`, and `no_slice` why there is
    none for the others.
    """

    moment: Moment
    outside: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    before: bool = False
    sliced: tuple[str, ...] = ()
    slice_end: Position | None = None
    no_slice: str = ""

    @property
    def apart(self) -> tuple[str, ...]:
        """What is of a time of its own."""
        return tuple(name for name in self.outside if name not in self.sliced)


def describe(reached: Reached, *, topology: str) -> tuple[ConsistencyKind, Position | None, str]:
    """Kind, moment and note of the manifest's consistency; the kind is that of all collections but those apart."""
    moment = reached.moment
    if moment.at is not None and not reached.outside:
        return "snapshot", moment.at, ""
    if moment.at is None and topology == "standalone":
        return "none", None, "a standalone server has no snapshots and no oplog: each collection is of its own time"
    if moment.at is None and not reached.outside:
        return "none", None, "there was nothing to read"
    if moment.at is None:
        why = "this deployment has no snapshots"
        if reached.slice_end is not None:
            return "oplog", reached.slice_end, why
        return "none", None, f"{why}; {reached.no_slice or 'no oplog slice was taken'}"
    reasons = []
    if reached.late:
        names = ", ".join(reached.late)
        reasons.append(f"the server's window for snapshots ended before these were read: {names}")
    if capped := [name for name in reached.outside if name not in reached.late]:
        reasons.append(f"capped collections cannot be read at a snapshot: {', '.join(capped)}")
    if reached.apart:
        why_not = reached.no_slice or "no oplog slice was taken"
        reasons.append(f"of a time of their own: {', '.join(reached.apart)} ({why_not})")
    at = moment.at if reached.slice_end is None else reached.slice_end
    return "oplog" if reached.sliced else "snapshot", at, "; ".join(reasons)
