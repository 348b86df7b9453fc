"""The part of a replica set's oplog that was written while collections were read: it brings them to one moment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.backups.budget import Budget
from wayra_db.backups.definitions import BUCKETS, Definition
from wayra_db.backups.moment import Moment, Position
from wayra_db.backups.packing import FrameFile
from wayra_db.backups.reading import Reading, read_directly

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db.mongo.client import Deployment

COLLECTION = "oplog.rs"
FIRST_BATCH = 1000
OPLOG_BYTES = 16 * 1024 * 1024


class NoSliceError(Exception):
    """The slice cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a slice must begin to be enough; `why_not` when it cannot be known."""

    at: Position | None
    why_not: str = ""


def find_beginning(deployment: Deployment, moment: Moment) -> Beginning:
    """Where the slice for reads that begin now must begin. Two reads.

    A transaction that is larger than one oplog entry has some of its entries before its commit, so the beginning is
    before that of the oldest one under way.
    """
    from pymongo.errors import OperationFailure

    if deployment.capabilities.topology != "replica set":
        return Beginning(None, "only a replica set's oplog can be read")
    at = moment.at or last_majority(deployment)
    try:
        oldest = deployment.client["config"]["transactions"].find_one(
            {"state": {"$in": ["prepared", "inProgress"]}}, {"startOpTime": 1}, sort=[("startOpTime", 1)]
        )
    except OperationFailure as error:
        return Beginning(None, f"the user may not read the oplog (code {error.code})")
    started = (oldest or {}).get("startOpTime", {}).get("ts")
    return Beginning(at if started is None else min(at, (started.time, started.inc)))


def last_majority(deployment: Deployment) -> Position:
    """The newest position that a majority has. One read."""
    stamp = deployment.database.command("hello")["lastWrite"]["majorityOpTime"]["ts"]
    return (stamp.time, stamp.inc)


def capture(
    deployment: Deployment,
    begin: Position,
    end: Position,
    definitions: Iterable[Definition],
    file: FrameFile,
    *,
    alone: bool = False,
) -> None:
    """Write the entries of these collections, from `begin` to `end`, both included. `alone` keeps out every entry that
    tells of other collections as well, and that of `begin`.

    Raises NoSliceError when the oplog may not be read, does not reach back to `begin` any more, or has an entry that
    tells of others but may not.
    """
    from pymongo.errors import OperationFailure

    collections = tuple(definitions)
    database, local = deployment.database_name, deployment.client["local"]
    entries = list(_alone(database, collections) if alone else _all(database, collections))
    between = _between(begin, end, from_begin=not alone)
    reading = Reading(COLLECTION, None, Moment(None, majority=True), filter={**between, "$or": entries})
    try:
        if alone and local[COLLECTION].find_one({**between, **_mixed(database, collections)}):
            raise NoSliceError("an operation on them was one with operations on others")
        for run in read_directly(local, reading, FIRST_BATCH, Budget(OPLOG_BYTES)):
            file.put(run)
        _require_begin(local, begin)
    except OperationFailure as error:
        raise NoSliceError(f"the oplog cannot be read (code {error.code})") from error


def changed(deployment: Deployment, begin: Position, end: Position, definitions: Iterable[Definition]) -> set[str]:
    """Which of these collections the oplog tells of after `begin`, up to `end`. A read for each.

    All of them where it does not reach so far back, or may not be read.
    """
    from pymongo.errors import OperationFailure
    from pymongo.read_concern import ReadConcern

    collections, local = tuple(definitions), deployment.client["local"]
    database = deployment.database_name
    majority = local.get_collection(COLLECTION, read_concern=ReadConcern("majority"))
    found = set()
    try:
        for one in collections:
            either = {"$or": [*_alone(database, (one,)), _mixed(database, (one,))]}
            if majority.find_one({**_between(begin, end, from_begin=False), **either}, {"_id": 1}) is not None:
                found.add(one.name)
        _require_begin(local, begin)
    except (OperationFailure, NoSliceError):
        return {one.name for one in collections}
    return found


def _require_begin(local: Database[dict[str, Any]], begin: Position) -> None:
    # Looked at last: had it reached back only at the start, entries may have gone while they were read.
    first = local[COLLECTION].find_one({}, {"ts": 1}, sort=[("$natural", 1)])
    if first is None or (first["ts"].time, first["ts"].inc) > begin:
        raise NoSliceError("the oplog is too small: what was written at the beginning is gone from it already")


def _between(begin: Position, end: Position, *, from_begin: bool) -> dict[str, Any]:
    from bson.timestamp import Timestamp

    return {"ts": {"$gte" if from_begin else "$gt": Timestamp(*begin), "$lte": Timestamp(*end)}}


def _all(database: str, definitions: Sequence[Definition]) -> Iterator[dict[str, Any]]:
    """Everything that may tell of these collections, among it commands and transactions that tell of others."""
    spaces = [f"{database}.{one.name}" for one in definitions]
    spaces += [f"{database}.{BUCKETS}{one.name}" for one in definitions] + [f"{database}.$cmd"]
    inside = re.compile(f"^{re.escape(database)}\\.")
    yield {"ns": {"$in": spaces}}
    yield {"ns": "admin.$cmd", "o.applyOps.ns": inside}
    yield {"ns": "admin.$cmd", "o.commitTransaction": {"$exists": True}}


def _alone(database: str, definitions: Sequence[Definition]) -> Iterator[dict[str, Any]]:
    """What tells of these collections and of nothing else. A command carries the uuid of its collection."""
    spaces = [f"{database}.{one.source}" for one in definitions]
    yield {"ns": {"$in": spaces}}
    yield {"ns": f"{database}.$cmd", "ui": {"$in": [_uuid(one) for one in definitions]}}
    only = {"$elemMatch": {"ns": {"$in": spaces}}, "$not": {"$elemMatch": {"ns": {"$nin": spaces}}}}
    yield {"ns": "admin.$cmd", "o.applyOps": only}


def _mixed(database: str, definitions: Sequence[Definition]) -> dict[str, Any]:
    """What tells of these collections and of others in one. No transaction may write to a capped collection, but
    `applyOps` may.
    """
    spaces = [f"{database}.{one.source}" for one in definitions]
    both = {"$and": [{"o.applyOps.ns": {"$in": spaces}}, {"o.applyOps": {"$elemMatch": {"ns": {"$nin": spaces}}}}]}
    return {"ns": "admin.$cmd", **both}


def _uuid(one: Definition) -> Any:
    from bson.binary import UUID_SUBTYPE, Binary

    return Binary(one.uuid or b"", UUID_SUBTYPE)
