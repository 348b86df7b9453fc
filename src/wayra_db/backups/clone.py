"""Copies the database into an empty one, on this deployment or another, with no file between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from wayra_db.backups.manifest import Consistency, LeftOut
from wayra_db.backups.memory import give_back_large_blocks
from wayra_db.backups.moment import describe
from wayra_db.backups.redact import Masker
from wayra_db.backups.survey import READERS, Wish, read_all, survey, with_attempts
from wayra_db.backups.target import Target
from wayra_db.environment import Action, Environment
from wayra_db.errors import RefusedError, WayraError
from wayra_db.events import Notice, SecurityEvent, notify
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.schema.collection import Collection

TASK = "clone"


@dataclass(frozen=True, slots=True)
class CloneResult:
    """What was copied where, of which moment, and how long it took."""

    database: str
    address: str
    collections: tuple[str, ...]
    bytes: int
    consistency: Consistency
    redacted: bool
    left_out: tuple[LeftOut, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        at = self.consistency.at
        return {
            "database": self.database,
            "address": self.address,
            "collections": list(self.collections),
            "bytes": self.bytes,
            "consistency": {
                "kind": self.consistency.kind,
                "at": list(at) if at else None,
                "note": self.consistency.note,
            },
            "redacted": self.redacted,
            "leftOut": [{"name": one.name, "reason": one.reason} for one in self.left_out],
            "seconds": round(self.seconds, 3),
        }


def clone_database(
    guard: Guard,
    target: Deployment,
    *,
    collections: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    redact: bool = False,
    include_sensitive: bool = False,
    jobs: int | None = None,
    declared: Sequence[Collection] = (),
) -> CloneResult:
    """Copy the database into the empty database of `target`, all collections as of one moment.

    Only reads here, and takes no lock. There it creates the collections with their options, inserts raw documents, and
    builds the indexes when all are in. `redact` leaves sensitive fields out; in production it is that or
    `include_sensitive`. The copy keeps the environment that the database carries.

    Raises RefusedError, ConfigError and BackupError before anything is written, RestoreConflictError when the target
    is not empty. What fails later is dropped there again; a process that is killed leaves a mark that the next clone
    reports.
    """
    guard.require(Action.BACKUP_CREATE)
    if guard.environment is Environment.PRODUCTION and not redact and not include_sensitive:
        raise RefusedError(
            f"a clone of {guard.environment} with its sensitive fields needs to be asked for: nothing was written",
            rule="plaintext_backup",
            environment=guard.environment.value,
            allowed_by="Add --redact to leave them out, or --include-sensitive to copy them.",
        )
    give_back_large_blocks()
    wish = Wish(collections, exclude, redact, jobs or READERS, tuple(declared))
    there = Target(target)
    there.require_empty()
    with translated(guard.deployment.address):
        return with_attempts(
            guard, lambda: _attempt(guard, target, wish), nothing_left="what was copied is dropped again"
        )


def _attempt(guard: Guard, target: Deployment, wish: Wish) -> CloneResult:
    started, masker, there = time.monotonic(), Masker(), Target(target)
    known = survey(guard.deployment, wish, masker)
    what = f"clone to {target.database_name} at {target.address}"
    notify(guard.observer, SecurityEvent(Action.BACKUP_CREATE.value, "allowed", guard.environment.value, what))
    try:
        there.begin(known.definitions)
        _, reached = read_all(guard, known, there.sink, masker, readers=wish.readers, task=TASK)
        guard.stop.check()
        with guard.stop.protected():
            there.finish(known.definitions)
    except BaseException:
        with suppress(WayraError):  # the other end may be what failed
            there.undo()
        raise
    if reached.outside:
        reached = replace(reached, no_slice="a clone cannot bring them to one moment")
    kind, at, note = describe(reached, topology=guard.deployment.capabilities.topology)
    if note:
        notify(guard.observer, Notice(f"consistency: {note}", "warning"))
    notify(guard.observer, SecurityEvent(Action.BACKUP_CREATE.value, "done", guard.environment.value, what))
    return CloneResult(
        database=target.database_name,
        address=target.address,
        collections=tuple(one.name for one in known.definitions),
        bytes=known.size,
        consistency=Consistency(kind, at, note),
        redacted=known.redacted,
        left_out=known.left_out,
        seconds=time.monotonic() - started,
    )
