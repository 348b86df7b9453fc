"""A database's state as one value; the verdict follows from it by the checks. Pure: reading is the caller's part.

A part that could not be read is None and its reason stands in `unreadable`; the rest of the status stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from wayra_db.errors import WayraError
from wayra_db.health.collections import CollectionStats
from wayra_db.health.facts import BackupFact, Facts, ServerFacts, known
from wayra_db.health.findings import Finding
from wayra_db.locking import LockState
from wayra_db.mongo.capabilities import Capabilities


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
    """Everything that `status` tells, as it was `at` that moment.

    When the deployment cannot be reached, `failure` is the error that said so, there is a `connection` among the
    `unreadable`, and what is told is what was read before and what lies in the project's folder.

    `allowed` is what the environment says to each action, in a word. `stored_environment` is None when the database
    carries none, and `unclaimed_data` then says whether it holds somebody's data all the same. `resetting` is true
    while a reset has begun and not ended. `leftovers` are temporary collections of restores and imports. The migrations
    are in the order of their versions.
    """

    address: str
    database: str
    environment: str
    embedded: bool
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    allowed: Mapping[str, str] = field(default_factory=dict)
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
    leftovers: Sequence[str] = ()
    backup_facts: Sequence[BackupFact] = ()
    backup_max_age: timedelta = timedelta(days=1)
    server: ServerFacts = field(default_factory=ServerFacts)
    unreadable: Mapping[str, str] | None = None
    failure: WayraError | None = None

    @property
    def reachable(self) -> bool:
        """Whether the deployment could be asked at all."""
        return self.failure is None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The verdict's reasons, the worst first."""
        from wayra_db.health.checks import Context, run_checks

        context = Context(self.environment, self.embedded, backup_max_age=self.backup_max_age)
        return run_checks(Facts(self.at, self), context, at_a_glance=True)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong and no work waits for its command; a mere warning does not count."""
        return not any(finding.stands_in_the_way for finding in self.findings)

    @property
    def latest_backup(self) -> BackupFact | None:
        """The newest backup that could bring this database back."""
        whole = [one for one in self.backup_facts if one.whole and not one.damaged]
        return max(whole, key=lambda one: one.created_at, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `docs/reference/status.md` says what each means."""
        findings, latest = self.findings, self.latest_backup
        replication, load = known(self.server.replication), known(self.server.load)
        disk, clock = known(self.server.disk), known(self.server.clock)
        return {
            "healthy": not any(one.stands_in_the_way for one in findings),
            "at": self.at.isoformat(),
            "findings": [finding.to_dict() for finding in findings],
            "reachable": self.reachable,
            "address": self.address,
            "database": self.database,
            "environment": self.environment,
            "allowed": [{"action": action, "decision": word} for action, word in self.allowed.items()],
            "storedEnvironment": self.stored_environment,
            "unclaimedData": self.unclaimed_data,
            "resetting": self.resetting,
            "restoring": self.restoring,
            "embedded": self.embedded,
            "latencyMilliseconds": self.latency_milliseconds,
            "deployment": self.deployment.to_dict() if self.deployment else None,
            "replication": replication.to_dict() if replication else None,
            "load": load.to_dict() if load else None,
            "disk": disk.to_dict() if disk else None,
            "clock": clock.to_dict() if clock else None,
            "lock": self.lock.to_dict() if self.lock else None,
            "migrations": _plain(self.migrations),
            "schema": self.schema.to_dict() if self.schema else None,
            "indexes": self.indexes.to_dict() if self.indexes else None,
            "collections": _plain(self.collections),
            "seeds": _plain(self.seeds),
            "backups": _plain(self.backups),
            "leftovers": list(self.leftovers),
            "latestBackup": latest.name if latest else None,
            "unreadable": dict(self.unreadable or {}),
        }


def _plain(parts: Sequence[Reportable] | None) -> list[dict[str, Any]] | None:
    return None if parts is None else [part.to_dict() for part in parts]


@dataclass(frozen=True, slots=True)
class FileUnit:
    """A migration or seed of which only the file could be read."""

    name: str
    version: int | None = None
    verdict: str = "unknown"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"version": self.version, "name": self.name, "state": self.verdict}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor` found: the findings, the worst first, and the checks that could not be made."""

    at: datetime
    status: Status
    findings: tuple[Finding, ...]
    not_made: tuple[Reportable, ...]
    made: int
    versions: Mapping[str, str]

    @property
    def healthy(self) -> bool:
        """Whether no finding is an error or pending work."""
        return not any(finding.stands_in_the_way for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "healthy": self.healthy,
            "at": self.at.isoformat(),
            "reachable": self.status.reachable,
            "address": self.status.address,
            "database": self.status.database,
            "environment": self.status.environment,
            "versions": [{"name": name, "version": version} for name, version in self.versions.items()],
            "made": self.made,
            "findings": [finding.to_dict() for finding in self.findings],
            "notMade": [one.to_dict() for one in self.not_made],
        }
