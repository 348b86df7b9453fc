"""The nouns of migrations: a file, its record in the history, a planned step, a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

Direction = Literal["up", "down"]
Retry = Literal["safe", "manual"]
Mode = Literal["atomic", "batched", "stepwise"]

# What to do when the batches of a migration are not those in which it stopped; a command follows.
OTHER_WALK = "Put the old collection, filter and key back; or, if beginning again is right"


@dataclass(frozen=True, slots=True)
class DirectionHeader:
    """What is known of a migration's `up` or `down` without running it.

    `blockers` are the operations seen in it that cannot join a transaction, each as `name (line N)`; `batched` tells
    whether it goes over a collection with `ctx.batches`.
    """

    line: int
    is_async: bool
    takes_context: bool
    blockers: tuple[str, ...] = ()
    batched: bool = False


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file, read by `ast`. `transactional` and `retry` are None where the file leaves them open."""

    version: int
    name: str
    path: Path
    checksum: str
    up: DirectionHeader
    down: DirectionHeader | None = None
    transactional: bool | None = None
    retry: Retry | None = None


class RecordState(StrEnum):
    """The state of a version in the history."""

    STARTED = "started"
    STOPPED = "stopped"
    APPLIED = "applied"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class Record:
    """What the database knows of one version. An `atomic` run that failed has left nothing behind; a `baseline` was
    declared to be applied and never ran here.

    Of one that failed, `line` is that of its file and `traceback` the way to it; `other_walk` says that its batches are
    not those that it stopped in. `file` is the name of the file, empty where an older release wrote the record.
    """

    version: int
    name: str
    checksum: str
    state: RecordState
    direction: Direction
    atomic: bool
    at: datetime
    seconds: float | None = None
    host: str = ""
    error: str = ""
    line: int | None = None
    traceback: str = ""
    other_walk: bool = False
    file: str = ""
    baseline: bool = False

    @property
    def is_in_effect(self) -> bool:
        """Whether the version's change is in the database: applied, or its rollback failed without leaving a trace."""
        if self.state is RecordState.APPLIED:
            return True
        return self.state is RecordState.FAILED and self.atomic and self.direction == "down"

    @property
    def is_half_done(self) -> bool:
        """Whether a run that is not atomic began and did not end well."""
        begun = self.state in (RecordState.STARTED, RecordState.STOPPED)
        return begun or (self.state is RecordState.FAILED and not self.atomic)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one walk of a batched migration is: `documents` in `batches` are done, up to and with the key `last`.

    `last` and `doubt` hold one key, or none; `doubt` is the end of a batch that a deployment without transactions may
    or may not have done. `written` is what the writes of these batches found and changed, as far as it is known.
    """

    version: int
    direction: Direction
    number: int
    collection: str
    done: bool = False
    documents: int = 0
    batches: int = 0
    total: int | None = None
    last: tuple[Any, ...] = ()
    doubt: tuple[Any, ...] = ()
    written: Mapping[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """How far it is, for people."""
        of = f" of about {self.total:,}" if self.total and not self.done else ""
        batches = f"{self.batches:,} batch{'' if self.batches == 1 else 'es'}"
        doubt = f", and batch {self.batches + 1} may or may not be done" if self.doubt else ""
        return f"{self.documents:,}{of} documents of {self.collection} are done in {batches}{doubt}"


Checkpoints = Mapping[int, Sequence[Checkpoint]]


class Verdict(StrEnum):
    """What a status line says of a version."""

    APPLIED = "applied"
    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    EDITED = "edited"
    MISSING = "missing file"


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One version as `migrate status` shows it; `next` is the command that goes on where something is to be done.

    `error`, `line` and `traceback` are those of its last run, if that failed.
    """

    version: int
    name: str
    verdict: Verdict
    at: datetime | None = None
    seconds: float | None = None
    detail: str = ""
    next: str = ""
    error: str = ""
    line: int | None = None
    traceback: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "version": self.version,
            "name": self.name,
            "state": self.verdict.value,
            "at": self.at.isoformat() if self.at else None,
            "seconds": self.seconds,
            "detail": self.detail,
            "next": self.next,
            "error": self.error,
            "line": self.line,
            "traceback": self.traceback,
        }


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One migration to run in one direction; `reason` says why it is not atomic, empty when it is."""

    migration: Migration
    direction: Direction
    header: DirectionHeader
    atomic: bool
    reason: str = ""
    resumes: bool = False

    @property
    def mode(self) -> Mode:
        """One transaction; a transaction a batch; or each operation by itself."""
        return "atomic" if self.atomic else "batched" if self.header.batched else "stepwise"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "version": self.migration.version,
            "name": self.migration.name,
            "direction": self.direction,
            "mode": self.mode,
            "atomic": self.atomic,
            "reason": self.reason,
            "resumes": self.resumes,
        }


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The steps of a run in their order; a dry run prints this same object. `grouped` says that all of them run in one
    transaction.
    """

    direction: Direction
    steps: tuple[PlannedStep, ...]
    grouped: bool = False

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions in the order in which they run."""
        return tuple(step.migration.version for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "direction": self.direction,
            "grouped": self.grouped,
            "steps": [step.to_dict() for step in self.steps],
        }
