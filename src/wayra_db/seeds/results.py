"""What seeds report: counts of documents, what a run did, what a run would do, what clearing deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of the documents that were given.

    `kept` are those with a field that a person has edited and that was left alone; other fields of theirs may have
    changed, and then they count there too.
    """

    inserted: int = 0
    changed: int = 0
    kept: int = 0
    unchanged: int = 0

    def __add__(self, other: Upserted) -> Upserted:
        return Upserted(
            self.inserted + other.inserted,
            self.changed + other.changed,
            self.kept + other.kept,
            self.unchanged + other.unchanged,
        )

    def to_dict(self) -> dict[str, int]:
        """Plain JSON values."""
        return {
            "inserted": self.inserted,
            "changed": self.changed,
            "kept": self.kept,
            "unchanged": self.unchanged,
        }


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What a run did: each seed with its seconds, the optional ones that failed, and those that therefore did not run.

    `kept` says of how many documents a person's edits were left alone.
    """

    ran: tuple[tuple[str, float], ...]
    failed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    kept: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything ran."""
        return bool(self.ran)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "changed": self.changed,
            "ran": [{"name": name, "seconds": round(seconds, 4)} for name, seconds in self.ran],
            "failed": [{"name": name, "error": error} for name, error in self.failed],
            "skipped": [{"name": name, "reason": reason} for name, reason in self.skipped],
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a seed would do: documents inserted, changed, kept as a person edited them, deleted first by `fresh`.

    `unknown` says why it cannot be told, `error` why the seed would fail; then the numbers mean nothing.
    `collections` has the numbers of `ctx.upsert` and data files apart.
    """

    name: str
    atomic: bool
    inserted: int = 0
    changed: int = 0
    kept: int = 0
    unchanged: int = 0
    deleted: int = 0
    unknown: str = ""
    error: str = ""
    collections: Mapping[str, Upserted] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "atomic": self.atomic,
            "inserted": self.inserted,
            "changed": self.changed,
            "kept": self.kept,
            "unchanged": self.unchanged,
            "deleted": self.deleted,
            "unknown": self.unknown,
            "error": self.error,
            "collections": {name: counts.to_dict() for name, counts in self.collections.items()},
        }


@dataclass(frozen=True, slots=True)
class SeedPreview:
    """What a run would do, seed by seed, and the seeds that have changed since they ran and would be left alone."""

    environment: str
    seeds: tuple[Forecast, ...]
    changed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "environment": self.environment,
            "seeds": [seed.to_dict() for seed in self.seeds],
            "changed": list(self.changed),
        }


@dataclass(frozen=True, slots=True)
class Generated:
    """How many documents of a collection were made, and how many there are now that the same random seed makes."""

    made: int
    total: int

    def to_dict(self) -> dict[str, int]:
        """Plain JSON values."""
        return {"made": self.made, "total": self.total}


@dataclass(frozen=True, slots=True)
class GenerateResult:
    """What became of the documents that were asked for, by collection."""

    random_seed: int
    collections: Mapping[str, Generated]

    @property
    def made(self) -> int:
        """All documents that were made."""
        return sum(one.made for one in self.collections.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "randomSeed": self.random_seed,
            "made": self.made,
            "collections": {name: one.to_dict() for name, one in self.collections.items()},
        }


@dataclass(frozen=True, slots=True)
class SeedClearing:
    """How many documents each seed has made, or how many of them were deleted, by collection."""

    seeds: Mapping[str, Mapping[str, int]]

    @property
    def documents(self) -> int:
        """All of them."""
        return sum(sum(counts.values()) for counts in self.seeds.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "documents": self.documents,
            "seeds": [{"name": name, "collections": dict(counts)} for name, counts in self.seeds.items()],
        }
