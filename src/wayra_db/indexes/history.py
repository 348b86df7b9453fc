"""What was done to indexes, in `_wayra_indexes`: enough to say how far a run came, and to undo it.

Each run has one document, written as "running" before it begins and completed when it ends. Definitions are kept as
extended JSON: the order of their fields and the kinds of their numbers count, and filters hold names with dollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from wayra_db.indexes.spec import IndexDocument
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

COLLECTION = "_wayra_indexes"
FORMAT = 1

State = Literal["running", "watching", "done", "failed", "interrupted", "undone"]


@dataclass(frozen=True, slots=True)
class Change:
    """One index before and after a step; None where there was or is none."""

    collection: str
    step: str
    before: IndexDocument | None
    after: IndexDocument | None

    @property
    def name(self) -> str:
        """The index's name, as it is now or was."""
        return str((self.after or self.before or {})["name"])

    @property
    def namespace(self) -> str:
        """`collection.index`."""
        return f"{self.collection}.{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the definitions as extended JSON."""
        return {
            "collection": self.collection,
            "step": self.step,
            "name": self.name,
            "before": _written(self.before),
            "after": _written(self.after),
        }


@dataclass(frozen=True, slots=True)
class Record:
    """One run. `changes` are those that were done, or while it runs those that are planned."""

    id: str
    command: str
    state: State
    epoch: int
    started_at: datetime
    changes: tuple[Change, ...]
    ended_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "command": self.command,
            "state": self.state,
            "startedAt": self.started_at.isoformat(),
            "endedAt": self.ended_at.isoformat() if self.ended_at else None,
            "changes": [change.to_dict() for change in self.changes],
        }


def new_record(command: str, epoch: int, changes: Sequence[Change]) -> Record:
    """A run that begins now."""
    from bson import ObjectId

    return Record(str(ObjectId()), command, "running", epoch, datetime.now(UTC), tuple(changes))


def ended(record: Record, state: State, changes: Sequence[Change]) -> Record:
    """The record of a run that has come so far."""
    now = None if state in ("running", "watching") else datetime.now(UTC)
    return Record(record.id, record.command, state, record.epoch, record.started_at, tuple(changes), now)


def store(record: Record) -> commands.Command:
    """The command that writes a record, or writes it anew."""
    from bson import ObjectId

    document = {
        "format": FORMAT,
        "command": record.command,
        "state": record.state,
        "epoch": record.epoch,
        "startedAt": record.started_at,
        "endedAt": record.ended_at,
        "changes": [change.to_dict() for change in record.changes],
    }
    return commands.replace(COLLECTION, ObjectId(record.id), document)


def forget_all() -> commands.Command:
    """The command that empties the history, for a database that begins anew."""
    return {"delete": COLLECTION, "deletes": [{"q": {}, "limit": 0}]}


def read_unfinished(deployment: Deployment) -> list[Record]:
    """The runs that have begun and not ended, the oldest first. One read; writes nothing."""
    return _read(deployment, {"state": "running"}, sort=[("_id", 1)])


def read_watched(deployment: Deployment, collection: str, name: str) -> Record | None:
    """The retirement of an index that is hidden and watched, None when there is none. One read."""
    found = _read(deployment, {"state": "watching"}, sort=[("_id", -1)])
    return next((one for one in found for change in one.changes if change.namespace == f"{collection}.{name}"), None)


def read_undoable(deployment: Deployment, id: str | None = None) -> Record | None:
    """The newest run that changed something and was not undone, or the one called `id`, which may itself have undone
    another. One read.
    """
    query: dict[str, Any] = {
        "state": {"$in": ["done", "failed", "interrupted", "watching"]},
        "changes.0": {"$exists": True},
        **({} if id else {"command": {"$ne": "undo"}}),
    }
    found = _read(deployment, query, sort=[("_id", -1)], limit=0 if id else 1)
    return next((one for one in found if id in (None, one.id)), None)


def read_all(deployment: Deployment, newest: int = 20) -> list[Record]:
    """The newest runs, the newest first. One read."""
    return _read(deployment, {}, sort=[("_id", -1)], limit=newest)


def _read(deployment: Deployment, query: Mapping[str, Any], **options: Any) -> list[Record]:
    with translated(deployment.address):
        return [_record(found) for found in deployment.metadata[COLLECTION].find(query, **options)]


def _record(found: Mapping[str, Any]) -> Record:
    return Record(
        id=str(found["_id"]),
        command=found["command"],
        state=found["state"],
        epoch=found["epoch"],
        started_at=found["startedAt"],
        ended_at=found.get("endedAt"),
        changes=tuple(
            Change(one["collection"], one["step"], _parsed(one["before"]), _parsed(one["after"]))
            for one in found["changes"]
        ),
    )


def _written(document: IndexDocument | None) -> str | None:
    from bson import json_util

    if document is None:
        return None
    return json_util.dumps(dict(document), json_options=json_util.CANONICAL_JSON_OPTIONS)


def _parsed(text: str | None) -> IndexDocument | None:
    from bson import json_util

    if text is None:
        return None
    document: IndexDocument = json_util.loads(text)
    return document
