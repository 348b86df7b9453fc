"""The audit log `_wayra_log`: append-only, numbered without gaps, each entry holding the hash of the one before it.

The number is the entry's `_id`, so an append succeeds only on top of the head that its writer has seen: a compare and
swap. Together with the rule that each lock holder's first act is an entry with its own epoch, this fences out a holder
that lost its lock without noticing: its next append, inside a transaction or not, meets a taken number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wayra_db.mongo import commands
from wayra_db.mongo.errors import translated

if TYPE_CHECKING:
    from wayra_db.mongo.client import Deployment

COLLECTION = "_wayra_log"
REFUSALS = "_wayra_refusals"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry of the log: its number (0 for an empty log), its hash, and the epoch of who wrote it."""

    sequence: int
    digest: str
    epoch: int


EMPTY = Head(0, "", 0)


def digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 over the BSON of an entry without its own `digest`, in hexadecimal."""
    import bson

    return hashlib.sha256(bson.encode({key: value for key, value in entry.items() if key != "digest"})).hexdigest()


def next_entry(head: Head, event: Mapping[str, Any], *, epoch: int, who: Mapping[str, Any]) -> dict[str, Any]:
    """The entry that follows `head`: what happened (`event`), who did it and when, chained and hashed."""
    now = datetime.now(UTC)
    entry: dict[str, Any] = {
        "_id": head.sequence + 1,
        "format": FORMAT,
        "at": now.replace(microsecond=now.microsecond // 1000 * 1000),
        "epoch": epoch,
        "who": dict(who),
        **event,
        "previous": head.digest,
    }
    return {**entry, "digest": digest(entry)}


def head_after(entry: Mapping[str, Any]) -> Head:
    """The head once `entry` is stored."""
    return Head(entry["_id"], entry["digest"], entry["epoch"])


def read_head(deployment: Deployment) -> Head:
    """The newest entry; one read."""
    entry = deployment.metadata[COLLECTION].find_one(sort=[("_id", -1)])
    return head_after(entry) if entry else EMPTY


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are meant: those whose event begins with `event`, of one migration version, since a moment, by one
    user; what is None does not count.
    """

    event: str | None = None
    version: int | None = None
    since: datetime | None = None
    user: str | None = None

    def query(self) -> dict[str, Any]:
        """The selection as a query. A baseline names all of its versions."""
        query: dict[str, Any] = {}
        if self.event is not None:
            query["event"] = {"$regex": f"^{re.escape(self.event)}"}
        if self.version is not None:
            query["$or"] = [{"version": self.version}, {"versions": self.version}]
        if self.since is not None:
            query["at"] = {"$gte": self.since}
        if self.user is not None:
            query["who.user"] = self.user
        return query


EVERYTHING = Selection()


def read_entries(
    deployment: Deployment, selection: Selection = EVERYTHING, *, newest: int | None = None
) -> Iterator[dict[str, Any]]:
    """The selected entries, the oldest first; with `newest` only so many of the last."""
    log, query = deployment.metadata[COLLECTION], selection.query()
    with translated(deployment.address):
        if newest is None:
            yield from log.find(query, sort=[("_id", 1)])
        else:
            yield from reversed(list(log.find(query, sort=[("_id", -1)], limit=newest)))


def first_broken(entries: Iterable[Mapping[str, Any]]) -> int | None:
    """The number of the first entry that was changed, removed or added by other hands; None when the chain holds.

    What was cut off at the end cannot be seen from the chain alone: keep the newest digest elsewhere to compare.
    """
    previous = EMPTY
    for entry in entries:
        follows = entry.get("_id") == previous.sequence + 1 and entry.get("previous") == previous.digest
        if not follows or digest(entry) != entry.get("digest"):
            return previous.sequence + 1
        previous = head_after(entry)
    return None


def refusal(event: Mapping[str, Any], who: Mapping[str, Any]) -> dict[str, Any]:
    """A refused action as it is kept in `_wayra_refusals`, beside the log.

    Whoever is refused holds no lock, and an entry in the log itself would take the lock from whoever does.
    """
    return {"format": FORMAT, "at": datetime.now(UTC), "who": dict(who), **event}


def read_refusals(deployment: Deployment, newest: int) -> list[dict[str, Any]]:
    """The newest refused actions, the oldest of them first. One read."""
    with translated(deployment.address):
        found = deployment.metadata[REFUSALS].find(sort=[("_id", -1)], limit=newest, projection={"_id": 0})
        return list(reversed(list(found)))


def append(*entries: Mapping[str, Any]) -> commands.Command:
    """The command that appends entries; it meets a duplicate key when somebody else appended first."""
    return commands.insert(COLLECTION, *entries)
