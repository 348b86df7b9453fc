"""`index-usage`, `suggestions` and `health`: what only looks, and tells what wants a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wayra_db.health import Diagnosis
from wayra_db.indexes import IndexManager
from wayra_db.indexes.usage.model import Kind
from wayra_db.locking import Lease
from wayra_db.maintenance.model import Done, PlannedTask, Request, Task
from wayra_db.maintenance.worker import counted

# Said of a young index; there is nothing to be done.
_QUIET_KINDS = frozenset({Kind.NOT_YET_USED})

Diagnose = Callable[[], Diagnosis]
"""Makes all health checks. Reads only."""


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

    diagnose: Diagnose

    def plan(self, request: Request) -> PlannedTask:
        """Always due."""
        return PlannedTask(Task.HEALTH, work=("make all health checks",))

    def run(self, planned: PlannedTask, lease: Lease) -> Done:
        """Make the checks, those that look at samples of documents among them. Reads only."""
        diagnosis = self.diagnose()
        found = [one for one in diagnosis.findings if one.severity != "info"]
        said = f"{counted(diagnosis.made, 'check')} made"
        if diagnosis.not_made:
            said += f", {len(diagnosis.not_made)} not (wayra-db doctor says why)"
        findings = tuple(f"{one.message}{f' → {one.next_step}' if one.next_step else ''}" for one in found)
        return Done(f"{said}: {counted(len(found), 'finding') if found else 'all is well'}", findings)
