"""The part of a replica set's oplog that was written while collections were read: it brings them to one moment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.backups.budget import Budget
from wayra_db.backups.moment import Moment, Position
from wayra_db.backups.packing import FrameFile
from wayra_db.backups.reading import Reading, read_directly

if TYPE_CHECKING:
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


def capture(deployment: Deployment, begin: Position, end: Position, names: Iterable[str], file: FrameFile) -> None:
    """Write the entries of these collections, from `begin` to `end`, both included.

    Raises NoSliceError when the oplog may not be read, or does not reach back to `begin` any more.
    """
    from pymongo.errors import OperationFailure

    from wayra_db.backups.definitions import BUCKETS

    database = deployment.database_name
    spaces = [f"{database}.{name}" for name in names]
    spaces += [f"{database}.{BUCKETS}{name}" for name in names] + [f"{database}.$cmd"]
    local = deployment.client["local"]
    reading = Reading(COLLECTION, None, Moment(None, majority=True), filter=_filter(begin, end, database, spaces))
    try:
        for run in read_directly(local, reading, FIRST_BATCH, Budget(OPLOG_BYTES)):
            file.put(run)
        # Looked at last: had it reached back only at the start, entries may have gone while they were read.
        first = local[COLLECTION].find_one({}, {"ts": 1}, sort=[("$natural", 1)])
    except OperationFailure as error:
        raise NoSliceError(f"the oplog cannot be read (code {error.code})") from error
    if first is None or (first["ts"].time, first["ts"].inc) > begin:
        raise NoSliceError("the oplog is too small: what was written at the beginning is gone from it already")


def _filter(begin: Position, end: Position, database: str, spaces: list[str]) -> dict[str, Any]:
    from bson.timestamp import Timestamp

    inside = re.compile(f"^{re.escape(database)}\\.")
    return {
        "ts": {"$gte": Timestamp(*begin), "$lte": Timestamp(*end)},
        "$or": [
            {"ns": {"$in": spaces}},
            {"ns": "admin.$cmd", "o.applyOps.ns": inside},
            {"ns": "admin.$cmd", "o.commitTransaction": {"$exists": True}},
        ],
    }
