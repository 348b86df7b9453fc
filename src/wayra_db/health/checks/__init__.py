"""All checks, and what follows from facts by them. Pure: nothing here reads anything."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wayra_db.health.checks import data, load, project, replication, security, upkeep
from wayra_db.health.checks.model import Check, Context, Limits
from wayra_db.health.facts import Facts, Unreadable
from wayra_db.health.findings import Finding, ordered

__all__ = ["CHECKS", "Check", "Context", "Limits", "NotMade", "check_named", "not_made", "run_checks"]

CHECKS: tuple[Check, ...] = (
    *project.CHECKS,
    *replication.CHECKS,
    *upkeep.CHECKS[:3],
    *load.CHECKS,
    *security.CHECKS,
    *data.CHECKS,
    *upkeep.CHECKS[3:],
)


@dataclass(frozen=True, slots=True)
class NotMade:
    """A check whose facts could not be read, and why."""

    id: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"id": self.id, "reason": self.reason}


def check_named(id: str) -> Check | None:
    """The check with this id."""
    return next((check for check in CHECKS if check.id == id), None)


def run_checks(
    facts: Facts, context: Context, *, only: Collection[str] = (), at_a_glance: bool = False
) -> tuple[Finding, ...]:
    """What the checks find in these facts, the worst first; all of them, those that `status` makes, or those named.

    No finding names a command that would be refused: while every change is, what ends that is the way for all.
    """
    made = [check for check in CHECKS if (check.glance or not at_a_glance) and (not only or check.id in only)]
    findings = [replace(one, id=check.id) for check in made for one in check.find(facts, context)]
    return ordered(_possible(findings, facts, context))


def _possible(findings: Iterable[Finding], facts: Facts, context: Context) -> list[Finding]:
    gates = (gate for check in project.CHECKS if check.id in project.GATES for gate in check.find(facts, context))
    listed, gate = list(findings), next(gates, None)
    if gate is not None:
        return [
            replace(one, advice=gate.advice, command=gate.command) if one.command in project.CHANGING else one
            for one in listed
        ]
    if any(one.id.startswith("migrations-") and one.severity == "error" for one in listed):
        # None runs before the problem is solved.
        return [
            replace(one, command=project.LOOK) if one.id == "migrations-pending" and one.pending else one
            for one in listed
        ]
    return listed


def not_made(facts: Facts, *, only: Sequence[str] = ()) -> tuple[NotMade, ...]:
    """The checks that say nothing because a fact of theirs could not be read, each with the reason."""
    return tuple(
        NotMade(check.id, fact.reason)
        for check in CHECKS
        if not only or check.id in only
        for fact in [next((one for one in check.facts(facts) if isinstance(one, Unreadable)), None)]
        if fact is not None
    )
