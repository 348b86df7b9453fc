"""The nouns of seeds: a file, its record, what a run would do with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from wayra_db.environment import Environment

# A data file up to this size is read as a whole and goes into one transaction.
LARGE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class DataFile:
    """What the header of a data file says of its documents, and the size of the file."""

    header: Path
    collection: str
    key: tuple[str, ...]
    keep_edits: bool
    size_bytes: int

    @property
    def large(self) -> bool:
        """Whether it is too large for one transaction."""
        return self.size_bytes > LARGE_BYTES


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed file, read by `ast`, or a data file with its header. Its name is the file's, without the ending.

    `collections` are those that it may write to, empty for any. `version`, where there is one, says in the place of the
    `checksum` whether the seed has changed.
    """

    name: str
    path: Path
    checksum: str
    environments: tuple[Environment, ...]
    required: bool
    description: str
    is_async: bool
    takes_context: bool
    transactional: bool | None
    blockers: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    version: int | None = None
    data: DataFile | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "path": str(self.path),
            "environments": [environment.value for environment in self.environments],
            "required": self.required,
            "description": self.description,
            "dependsOn": list(self.depends_on),
            "collections": list(self.collections),
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class SeedRecord:
    """What the database knows of a seed: `done` is false when a run began or failed without ending well.

    `version` is what the seed said when it ran; one that said none counts as version 1.
    """

    name: str
    checksum: str
    done: bool
    at: datetime
    error: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True)
class GeneratedRecord:
    """What the database knows of the documents of a collection that were made up: those numbered 1 to `count`.

    `fingerprint` changes with how they are made; `done` is false when a run began and did not end well.
    Beyond the first `templates`, where there is such a number, the server made them as copies of these.
    """

    collection: str
    random_seed: int
    count: int
    fingerprint: str
    done: bool
    templates: int | None = None

    @property
    def name(self) -> str:
        """As it stands among the seeds; no file can have this name."""
        return generated_name(self.collection)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "collection": self.collection,
            "randomSeed": self.random_seed,
            "count": self.count,
            "templates": self.templates,
            "done": self.done,
        }


def generated_name(collection: str) -> str:
    """The name among the seeds of what is made up for a collection."""
    return f"generated:{collection}"


class SeedVerdict(StrEnum):
    """What a run would do with a seed, or why it would not."""

    PENDING = "pending"
    DONE = "done"
    CHANGED = "changed since it ran"
    OUTDATED = "newer version"
    FAILED = "failed"
    OTHER_ENVIRONMENT = "other environment"


@dataclass(frozen=True, slots=True)
class SeedStatus:
    """One seed as `seed status` shows it."""

    name: str
    verdict: SeedVerdict
    required: bool
    environments: tuple[Environment, ...]
    description: str
    at: datetime | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "state": self.verdict.value,
            "required": self.required,
            "environments": [environment.value for environment in self.environments],
            "description": self.description,
            "at": self.at.isoformat() if self.at else None,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class PlannedSeed:
    """A seed to run; `reason` says why it is not atomic, empty when it is."""

    seed: Seed
    atomic: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """The seeds of a run in their order, and those that have changed since they ran and are left alone."""

    environment: Environment
    run: tuple[PlannedSeed, ...]
    changed: tuple[Seed, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "environment": self.environment.value,
            "run": [
                {"name": planned.seed.name, "atomic": planned.atomic, "reason": planned.reason} for planned in self.run
            ],
            "changed": [seed.name for seed in self.changed],
        }
