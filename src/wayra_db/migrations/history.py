"""The history of migrations in the database: `_wayra_migrations`, one document per version with its current state.

What happened over time stands in the audit log beside it; both are written together (see `Lease.write`).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wayra_db.migrations.model import Migration, PlannedStep, Record, RecordState
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

COLLECTION = "_wayra_migrations"
FORMAT = 1
OF_FAILURE = ("error", "line", "traceback", "otherWalk")  # what a record holds of a run that failed
BATCH = 100_000  # the server's own choice, 101, would make a second round trip of nearly every read


def read_records(deployment: Deployment) -> dict[int, Record]:
    """Every version that the database knows. One find, whatever their number; writes nothing."""
    with translated(deployment.address):
        found = deployment.metadata[COLLECTION].find(batch_size=BATCH)
        return {document["_id"]: _record(document) for document in found}


def _record(document: Mapping[str, Any]) -> Record:
    return Record(
        version=document["_id"],
        name=document["name"],
        checksum=document["checksum"],
        state=RecordState(document["state"]),
        direction=document["direction"],
        atomic=document["atomic"],
        at=document["at"],
        seconds=document.get("seconds"),
        host=document.get("host", ""),
        error=document.get("error", ""),
        line=document.get("line"),
        traceback=document.get("traceback", ""),
        other_walk=document.get("otherWalk", False),
        file=document.get("file", ""),
        baseline=document.get("baseline", False),
    )


def record_of(
    step: PlannedStep, state: RecordState, *, epoch: int, seconds: float | None = None, **facts: Any
) -> commands.Command:
    """The command that puts a step's new state into the history; `facts` are those of an end that is none."""
    return _replace(
        step.migration,
        state,
        direction=step.direction,
        atomic=step.atomic,
        epoch=epoch,
        seconds=seconds,
        **facts,
    )


def still_applied(step: PlannedStep, *, epoch: int, **facts: Any) -> commands.Command:
    """The command that records that an atomic `down` failed; the version stays applied, and since when."""
    now = {"state": RecordState.FAILED.value, "direction": step.direction, "atomic": True, "epoch": epoch, **facts}
    former = {key: "" for key in OF_FAILURE if key not in facts}
    return {
        "update": COLLECTION,
        "updates": [{"q": {"_id": step.migration.version}, "u": {"$set": now, "$unset": former}}],
    }


def marked_applied(migration: Migration, *, epoch: int) -> commands.Command:
    """The command that records a version as applied because a person said so."""
    return _replace(migration, RecordState.APPLIED, direction="up", atomic=False, epoch=epoch)


def edit_accepted(migration: Migration, *, epoch: int) -> commands.Command:
    """The command that takes a version's file as it is now; when it was applied, and how long it took, stays."""
    taken = {"name": migration.name, "file": migration.path.name, "checksum": migration.checksum, "epoch": epoch}
    return {"update": COLLECTION, "updates": [{"q": {"_id": migration.version}, "u": {"$set": taken}}]}


def baselined(migration: Migration, *, epoch: int) -> commands.Command:
    """The command that records a version as applied that never ran here."""
    return _replace(migration, RecordState.APPLIED, direction="up", atomic=False, epoch=epoch, baseline=True)


def forget(version: int) -> commands.Command:
    """The command that forgets one version."""
    return {"delete": COLLECTION, "deletes": [{"q": {"_id": version}, "limit": 1}]}


def _replace(migration: Migration, state: RecordState, **fields: Any) -> commands.Command:
    document = {
        "format": FORMAT,
        "name": migration.name,
        "file": migration.path.name,
        "checksum": migration.checksum,
        "state": state.value,
        "at": datetime.now(UTC),
        "host": socket.gethostname(),
        **{key: value for key, value in fields.items() if value is not None and value != ""},
    }
    return commands.replace(COLLECTION, migration.version, document)


def forget_all() -> commands.Command:
    """The command that forgets every version, once their changes are gone with the data."""
    return {"delete": COLLECTION, "deletes": [{"q": {}, "limit": 0}]}


def event_of(step: PlannedStep, what: str, **facts: Any) -> dict[str, Any]:
    """The audit log's words for what happened to a step."""
    return {
        "event": f"migration {what}",
        "version": step.migration.version,
        "name": step.migration.name,
        "direction": step.direction,
        "checksum": step.migration.checksum,
        **facts,
    }
