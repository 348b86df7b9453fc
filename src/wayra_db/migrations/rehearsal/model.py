"""The nouns of a rehearsal: what will be copied, what was found, the report. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from wayra_db.migrations.model import MigrationPlan, Mode

Kind = Literal["collection", "view", "timeseries"]


class Severity(StrEnum):
    """A problem makes the verdict bad; a note is worth reading."""

    PROBLEM = "problem"
    NOTE = "note"


class Check(StrEnum):
    """What a finding is about."""

    UP_FAILED = "up failed"
    DOWN_FAILED = "down failed"
    DOWN_DIFFERS = "down differs"
    UP_DIFFERS = "up differs"
    IRREVERSIBLE = "irreversible"
    VALIDATOR = "validator"
    DUPLICATE_KEYS = "duplicate keys"
    CRASH = "crash"
    ESTIMATE = "estimate"
    NOT_REHEARSED = "not rehearsed"
    NOT_COPIED = "not copied"


class Down(StrEnum):
    """What a migration's `down` was seen to do."""

    RESTORES = "restores"
    DIFFERS = "differs"
    FAILED = "failed"
    NONE = "has none"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: about which migration and collection, where that is known, and the next step.

    `examples` holds `_id`s, never other values of documents.
    """

    severity: Severity
    check: Check
    message: str
    next: str = ""
    version: int | None = None
    collection: str = ""
    examples: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "severity": self.severity.value,
            "check": self.check.value,
            "version": self.version,
            "collection": self.collection,
            "message": self.message,
            "next": self.next,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True)
class PlannedCopy:
    """A collection to copy: `documents` of `of`, about `size_bytes`; with `left_out`, why its documents are not."""

    name: str
    kind: Kind
    options: Mapping[str, Any] = field(repr=False)
    of: int
    documents: int
    size_bytes: int
    left_out: str = ""

    @property
    def whole(self) -> bool:
        """Whether all documents are copied."""
        return self.documents == self.of

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "documents": self.documents,
            "of": self.of,
            "bytes": self.size_bytes,
            "leftOut": self.left_out,
        }


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """What a rehearsal will copy and run; it is shown, and then this same object is carried out.

    `unclear` says why all collections are copied, empty when the migrations' files name theirs; `elsewhere` holds those
    that no pending migration touches.
    """

    migrations: MigrationPlan
    copies: tuple[PlannedCopy, ...]
    elsewhere: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    sample: int | None = None

    @property
    def size_bytes(self) -> int:
        """About how much is copied, uncompressed and without indexes."""
        return sum(copy.size_bytes for copy in self.copies)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "versions": list(self.migrations.versions),
            "copies": [copy.to_dict() for copy in self.copies],
            "elsewhere": list(self.elsewhere),
            "unclear": list(self.unclear),
            "sample": self.sample,
            "bytes": self.size_bytes,
        }


@dataclass(frozen=True, slots=True)
class DeclaredValidator:
    """A validator that is declared and not live yet."""

    collection: str
    validator: Mapping[str, Any]
    level: str = "strict"
    action: str = "error"


@dataclass(frozen=True, slots=True)
class DeclaredIndex:
    """A unique index that is declared and not live yet, as `createIndexes` takes it."""

    collection: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Declared:
    """What the project's declarations will ask of the data once `init` applies them."""

    validators: Sequence[DeclaredValidator] = ()
    indexes: Sequence[DeclaredIndex] = ()

    @property
    def collections(self) -> frozenset[str]:
        """The collections that are concerned."""
        return frozenset([one.collection for one in self.validators] + [one.collection for one in self.indexes])


@dataclass(frozen=True, slots=True)
class Violations:
    """How many documents a validator refuses, and the BSON of some of their `_id`s."""

    documents: int
    examples: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Duplicates:
    """How many keys several documents share; `largest` holds how many share the most frequent of them."""

    keys: int
    largest: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What one run changed beside documents, each as `collection` or `collection.index`."""

    collections_created: tuple[str, ...] = ()
    collections_dropped: tuple[str, ...] = ()
    options_changed: tuple[str, ...] = ()
    indexes_created: tuple[str, ...] = ()
    indexes_dropped: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "collectionsCreated": list(self.collections_created),
            "collectionsDropped": list(self.collections_dropped),
            "optionsChanged": list(self.options_changed),
            "indexesCreated": list(self.indexes_created),
            "indexesDropped": list(self.indexes_dropped),
        }


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long `up` may take on the real data: `seconds`, and how that was worked out."""

    seconds: float
    basis: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"seconds": round(self.seconds, 3), "basis": self.basis}


@dataclass(frozen=True, slots=True)
class Crashes:
    """What came of killing a direction of a migration: `kills` of `moments` at which it can be killed."""

    direction: str
    moments: int
    kills: int
    resumed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "direction": self.direction,
            "moments": self.moments,
            "kills": self.kills,
            "resumed": self.resumed,
        }


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One migration in the rehearsal. `seconds` are those of its first `up`, `documents` what that wrote."""

    version: int
    name: str
    mode: Mode
    seconds: float
    estimate: Estimate
    documents: Mapping[str, int]
    changes: Changes
    down: Down
    down_seconds: float | None = None
    crashes: tuple[Crashes, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "version": self.version,
            "name": self.name,
            "mode": self.mode,
            "seconds": round(self.seconds, 4),
            "estimate": self.estimate.to_dict(),
            "documents": dict(self.documents),
            "changes": self.changes.to_dict(),
            "down": self.down.value,
            "downSeconds": None if self.down_seconds is None else round(self.down_seconds, 4),
            "crashes": [one.to_dict() for one in self.crashes],
        }


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """What a rehearsal found. `scratch` is the database it ran in, which is gone unless `kept`."""

    database: str
    scratch: str
    kept: bool
    plan: RehearsalPlan
    migrations: tuple[Rehearsed, ...]
    findings: tuple[Finding, ...]
    seconds: float
    hooks_skipped: bool = False

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that make the verdict bad."""
        return tuple(one for one in self.findings if one.severity is Severity.PROBLEM)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings that are only worth reading."""
        return tuple(one for one in self.findings if one.severity is Severity.NOTE)

    @property
    def clean(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    def of(self, version: int) -> tuple[Finding, ...]:
        """What was found about one migration."""
        return tuple(one for one in self.findings if one.version == version)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "verdict": "clean" if self.clean else "problems",
            "database": self.database,
            "scratch": self.scratch,
            "kept": self.kept,
            "findings": [one.to_dict() for one in (*self.problems, *self.notes)],
            "migrations": [one.to_dict() for one in self.migrations],
            "plan": self.plan.to_dict(),
            "hooksSkipped": self.hooks_skipped,
            "seconds": round(self.seconds, 3),
        }
