"""A database's state as one value, and the verdict that follows from it. Pure: reading is the caller's part.

A part that could not be read is None and its reason stands in `unreadable`; the rest of the status stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from wayra_db.health.collections import CollectionStats
from wayra_db.locking import LockState
from wayra_db.mongo.capabilities import Capabilities

Severity = Literal["problem", "pending", "note"]


class Reportable(Protocol):
    """Anything with a plain form."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""


class StatefulUnit(Reportable, Protocol):
    """A migration's or seed's status line: its state as a word and its name."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def verdict(self) -> str:
        """The state, as in `to_dict()`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing: a `problem` wants a person, `pending` work is done by a command, a `note` is neither."""

    severity: Severity
    message: str
    advice: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"severity": self.severity, "message": self.message, "advice": self.advice}


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """How many indexes are declared, how many of them live as declared, and what differs, in words."""

    declared: int
    live: int
    drift: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "declared": self.declared,
            "live": self.live,
            "drift": list(self.drift),
            "undeclared": list(self.undeclared),
        }


@dataclass(frozen=True, slots=True)
class SchemaSummary:
    """How many collections are declared, and what differs, in words: `drift` can be applied, `conflicts` cannot."""

    declared: int
    drift: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "declared": self.declared,
            "drift": list(self.drift),
            "undeclared": list(self.undeclared),
            "conflicts": list(self.conflicts),
        }


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that `status` tells.

    `stored_environment` is None when the database carries none, and `unclaimed_data` then says whether it holds
    somebody's data all the same. `resetting` is true while a reset has begun and not ended. The migrations are in the
    order of their versions.
    """

    address: str
    database: str
    environment: str
    embedded: bool
    stored_environment: str | None = None
    unclaimed_data: bool = False
    resetting: bool = False
    restoring: str = ""
    latency_milliseconds: float | None = None
    deployment: Capabilities | None = None
    lock: LockState | None = None
    migrations: Sequence[StatefulUnit] | None = None
    schema: SchemaSummary | None = None
    indexes: IndexSummary | None = None
    collections: Sequence[CollectionStats] | None = None
    seeds: Sequence[StatefulUnit] | None = None
    backups: Sequence[Reportable] | None = None
    unreadable: Mapping[str, str] | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The verdict's reasons, the worst first."""
        return verdict(self)

    @property
    def healthy(self) -> bool:
        """Whether nothing wants a person or a command."""
        return not any(finding.severity != "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "healthy": self.healthy,
            "findings": [finding.to_dict() for finding in self.findings],
            "address": self.address,
            "database": self.database,
            "environment": self.environment,
            "storedEnvironment": self.stored_environment,
            "unclaimedData": self.unclaimed_data,
            "resetting": self.resetting,
            "restoring": self.restoring,
            "embedded": self.embedded,
            "latencyMilliseconds": self.latency_milliseconds,
            "deployment": self.deployment.to_dict() if self.deployment else None,
            "lock": self.lock.to_dict() if self.lock else None,
            "migrations": _plain(self.migrations),
            "schema": self.schema.to_dict() if self.schema else None,
            "indexes": self.indexes.to_dict() if self.indexes else None,
            "collections": _plain(self.collections),
            "seeds": _plain(self.seeds),
            "backups": _plain(self.backups),
            "unreadable": dict(self.unreadable or {}),
        }


def _plain(parts: Sequence[Reportable] | None) -> list[dict[str, Any]] | None:
    return None if parts is None else [part.to_dict() for part in parts]


_LOOK = "wayra-db migrate status"
_MIGRATION_SEVERITY: Mapping[str, tuple[Severity, str]] = {
    "pending": ("pending", "wayra-db migrate"),
    "out of order": ("problem", "Renumber the file to come last, or run it: wayra-db migrate --allow-out-of-order"),
    "failed": ("problem", _LOOK),
    "running": ("note", ""),
    "stopped": ("pending", "wayra-db migrate"),
    "interrupted": ("problem", _LOOK),
    "edited": ("problem", _LOOK),
    "missing file": ("problem", _LOOK),
}
_SEED_SEVERITY: Mapping[str, tuple[Severity, str]] = {
    "pending": ("pending", "wayra-db seed"),
    "failed": ("problem", "wayra-db seed"),
    "changed since it ran": ("note", "wayra-db seed --again"),
}
_CHANGING = ("wayra-db init", "wayra-db migrate", "wayra-db seed", "wayra-db seed --again", "wayra-db indexes apply")


def verdict(status: Status) -> tuple[Finding, ...]:
    """What follows from a status: problems first, then pending work, then notes.

    No advice names a command that would refuse. While every change is refused, what ends that is the advice for all.
    """
    found: list[Finding] = []
    for part, reason in (status.unreadable or {}).items():
        found.append(Finding("problem", f"{part} could not be read: {reason}"))
    gate = _of_environment(status) if status.deployment is not None else None
    if status.deployment is not None:
        found += _of_deployment(status.deployment)
        found += [gate] if gate else []
    found += _of_migrations(status.migrations or ())
    if status.schema:
        found += [Finding("pending", drift, "wayra-db init") for drift in status.schema.drift]
        moved = "Correct the declaration, or move the data into a new collection in a migration."
        found += [Finding("problem", conflict, moved) for conflict in status.schema.conflicts]
        found += [Finding("note", f"collection {name} is not declared") for name in status.schema.undeclared]
    if status.indexes:
        found += [Finding("pending", drift, "wayra-db indexes apply") for drift in status.indexes.drift]
        found += [Finding("note", f"index {name} is not declared") for name in status.indexes.undeclared]
    found += _of_units("seed", [(unit.name, unit.verdict) for unit in status.seeds or ()], _SEED_SEVERITY)
    if gate:
        found = [replace(one, advice=gate.advice) if one.advice in _CHANGING else one for one in found]
    order: Sequence[Severity] = ("problem", "pending", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def _of_deployment(deployment: Capabilities) -> list[Finding]:
    found = []
    if not deployment.writable_primary:
        found.append(Finding("problem", "no writable primary answers", "Check the replica set: rs.status()."))
    if not deployment.transactions:
        found.append(
            Finding(
                "note",
                "a standalone server has no transactions: a migration that is cut off is not undone",
                "Run it as a replica set, even of one node.",
            )
        )
    return found


def _of_environment(status: Status) -> Finding | None:
    """What the database says of itself, as far as that stands in the way of a change."""
    if "environment" in (status.unreadable or {}):
        return None  # which is not to say that there is none
    if status.stored_environment is None and status.unclaimed_data:
        return Finding(
            "problem", "the database holds data and belongs to no environment yet", "wayra-db init --adopt claims it"
        )
    if status.stored_environment is None:
        return Finding("pending", "the database was never initialised", "wayra-db init")
    if status.stored_environment != status.environment:
        return Finding(
            "problem",
            f"the database belongs to {status.stored_environment}, this shell to {status.environment}: every change is "
            "refused",
            "Check MONGODB_URI and WAYRA_ENV.",
        )
    if status.resetting:
        return Finding(
            "problem", "a reset was cut off: nothing else is done before it is finished", "wayra-db reset finishes it"
        )
    if status.restoring:
        return Finding(
            "problem",
            f"a restore of {status.restoring} was cut off while it was swapped in, and some collections are still the "
            "old ones: nothing else is done before it is finished",
            "wayra-db backup restore --continue",
        )
    return None


def _of_migrations(migrations: Sequence[StatefulUnit]) -> list[Finding]:
    applied = [number for number, unit in enumerate(migrations) if unit.verdict == "applied"]
    newest = max(applied, default=-1)
    units = [
        (unit.name, "out of order" if unit.verdict == "pending" and number < newest else unit.verdict)
        for number, unit in enumerate(migrations)
    ]
    found = _of_units("migration", units, _MIGRATION_SEVERITY)
    if any(one.severity == "problem" for one in found):
        # None runs before the problem is solved.
        found = [replace(one, advice=_LOOK) if one.severity == "pending" else one for one in found]
    return found


def _of_units(
    kind: str, units: Sequence[tuple[str, str]], severities: Mapping[str, tuple[Severity, str]]
) -> list[Finding]:
    found = []
    for state, (severity, advice) in severities.items():
        names = [name for name, verdict in units if verdict == state]
        if names:
            several = "s" if len(names) > 1 else ""
            found.append(Finding(severity, f"{len(names)} {kind}{several} {state}: {', '.join(names)}", advice))
    return found
