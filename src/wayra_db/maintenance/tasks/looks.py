"""`index-usage`, `suggestions` and `health`: what only looks, and tells what wants a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wayra_db.indexes import IndexManager
from wayra_db.indexes.usage.model import Kind
from wayra_db.locking import Lease
from wayra_db.maintenance.model import Done, PlannedTask, Request, Task
from wayra_db.maintenance.worker import counted

# Said of a young index; there is nothing to be done.
_QUIET_KINDS = frozenset({Kind.NOT_YET_USED})
_QUIET_SEVERITIES = frozenset({"note", "info"})


class HealthFinding(Protocol):
    """One thing that a health check has found."""

    @property
    def severity(self) -> str:
        """A word for how bad it is; `note` and `info` are not told."""

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""

    @property
    def advice(self) -> str:
        """What to do, or empty."""


HealthChecks = Callable[[], Sequence[HealthFinding]]
"""Looks at the database and returns what it finds. Reads only."""


@dataclass
class IndexUse:
    """What speaks against indexes that are live."""

    indexes: IndexManager

    def plan(self, request: Request) -> PlannedTask:
        """Always due."""
        return PlannedTask(Task.INDEX_USAGE, work=("look for unused, redundant and oversized indexes",))

    def run(self, planned: PlannedTask, lease: Lease) -> Done:
        """Judge every live index by its use. Reads only."""
        report = self.indexes.usage()
        findings = tuple(
            f"{one.collection}.{one.index} is {one.kind.value}: {one.evidence} → {one.next}"
            for one in report.findings
            if one.kind not in _QUIET_KINDS
        )
        if report.unreachable:
            findings = (*findings, f"{', '.join(report.unreachable)} could not be asked how much indexes are used")
        return Done(f"{counted(len(report.indexes), 'index', 'indexes')} looked at", findings)


@dataclass
class Suggestions:
    """Indexes that recorded queries ask for."""

    indexes: IndexManager

    def plan(self, request: Request) -> PlannedTask:
        """Always due: whether anything was recorded is found out by reading it."""
        return PlannedTask(Task.SUGGESTIONS, work=("look through what the profiler has recorded",))

    def run(self, planned: PlannedTask, lease: Lease) -> Done:
        """Propose indexes for what was recorded. Reads only, and builds none."""
        recorded = self.indexes.advisor.recorded()
        if not recorded.operations:
            return Done("the profiler has recorded nothing: wayra-db indexes profile on --for 1h")
        found = self.indexes.advisor.suggest(recorded)
        findings = tuple(
            f"{one.collection} asks for {one.declaration}: {counted(one.count, 'operation')}, "
            f"{counted(one.wasted, 'document')} read in vain → wayra-db indexes suggest"
            for one in found.proposals
        )
        return Done(f"{counted(len(recorded.operations), 'recorded operation')} looked at", findings)


@dataclass
class Health:
    """The health checks."""

    checks: HealthChecks

    def plan(self, request: Request) -> PlannedTask:
        """Always due."""
        return PlannedTask(Task.HEALTH, work=("check the database's health",))

    def run(self, planned: PlannedTask, lease: Lease) -> Done:
        """Run the checks. Reads only."""
        found = [one for one in self.checks() if one.severity not in _QUIET_SEVERITIES]
        findings = tuple(f"{one.message}{f' → {one.advice}' if one.advice else ''}" for one in found)
        return Done("all is well" if not found else counted(len(found), "finding"), findings)
