"""What a check is, and by which limits it judges. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from wayra_db.health.facts import Facts
from wayra_db.health.findings import Finding

Area = Literal["connection", "project", "replication", "security", "data", "load", "versions", "backups"]


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is worth saying. Times in seconds, shares from 0 to 1, sizes in bytes."""

    lag_warning: float = 10.0
    lag_error: float = 60.0
    oplog_least: float = 24 * 3600.0
    oplog_backups: float = 3.0
    oplog_filled: float = 0.9
    cache_used: float = 0.95
    cache_dirty: float = 0.2
    connections: float = 0.8
    operation_long: float = 60.0
    slow_milliseconds: float = 100.0
    slow_operations: int = 100
    scan_ratio: float = 1000.0
    disk_warning: float = 0.85
    disk_error: float = 0.97
    fragmented: float = 0.5
    fragmented_least: int = 64_000_000
    clock_skew: float = 1.0
    ttl_overdue: float = 900.0
    invalid_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """What a judgement depends on besides facts: the environment, the limits, and how old a backup may be."""

    environment: str
    embedded: bool = False
    limits: Limits = field(default_factory=Limits)
    backup_max_age: timedelta = timedelta(days=1)

    @property
    def production(self) -> bool:
        """Whether this is meant seriously."""
        return self.environment == "production"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name for people and programs, why it matters, and the pure function that judges.

    `facts` names what it judges, for the list of checks that could not be made. `glance` checks are made by `status`
    too. `find` yields what it finds, and nothing where the facts are not known.
    """

    id: str
    area: Area
    title: str
    why: str
    find: Callable[[Facts, Context], Iterable[Finding]]
    facts: Callable[[Facts], tuple[Any, ...]] = lambda facts: ()
    glance: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"id": self.id, "area": self.area, "title": self.title, "why": self.why, "status": self.glance}
