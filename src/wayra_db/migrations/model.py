"""The nouns of migrations: a file, its record in the history, a planned step, a status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

Direction = Literal["up", "down"]
Retry = Literal["safe", "manual"]


@dataclass(frozen=True, slots=True)
class DirectionHeader:
    """What is known of a migration's `up` or `down` without running it.

    `blockers` are the operations seen in it that cannot join a transaction, each as `name (line N)`.
    """

    line: int
    is_async: bool
    takes_context: bool
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file, read by `ast`. `transactional` is None when the file leaves the choice to the planner."""

    version: int
    name: str
    path: Path
    checksum: str
    up: DirectionHeader
    down: DirectionHeader | None = None
    transactional: bool | None = None
    retry: Retry = "manual"


class RecordState(StrEnum):
    """The state of a version in the history."""

    STARTED = "started"
    APPLIED = "applied"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class Record:
    """What the database knows of one version. An `atomic` run that failed has left nothing behind."""

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

    @property
    def is_in_effect(self) -> bool:
        """Whether the version's change is in the database: applied, or its rollback failed without leaving a trace."""
        if self.state is RecordState.APPLIED:
            return True
        return self.state is RecordState.FAILED and self.atomic and self.direction == "down"

    @property
    def is_half_done(self) -> bool:
        """Whether a run that is not atomic began and did not end well."""
        return self.state is RecordState.STARTED or (self.state is RecordState.FAILED and not self.atomic)


class Verdict(StrEnum):
    """What a status line says of a version."""

    APPLIED = "applied"
    PENDING = "pending"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    EDITED = "edited"
    MISSING = "missing file"


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One version as `migrate status` shows it."""

    version: int
    name: str
    verdict: Verdict
    at: datetime | None = None
    seconds: float | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "version": self.version,
            "name": self.name,
            "state": self.verdict.value,
            "at": self.at.isoformat() if self.at else None,
            "seconds": self.seconds,
            "detail": self.detail,
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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "version": self.migration.version,
            "name": self.migration.name,
            "direction": self.direction,
            "atomic": self.atomic,
            "reason": self.reason,
            "resumes": self.resumes,
        }


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The steps of a run in their order; a dry run prints this same object."""

    direction: Direction
    steps: tuple[PlannedStep, ...]

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions in the order in which they run."""
        return tuple(step.migration.version for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"direction": self.direction, "steps": [step.to_dict() for step in self.steps]}
