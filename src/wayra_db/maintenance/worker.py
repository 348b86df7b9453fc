"""What every task is: a part of the plan, and the work that carries that part out."""

from __future__ import annotations

from typing import Protocol, TypeVar

from wayra_db.locking import Lease
from wayra_db.maintenance.model import Done, PlannedTask, Request

P = TypeVar("P", bound=PlannedTask)


class Worker(Protocol[P]):
    """One task."""

    def plan(self, request: Request) -> P:
        """What is to be done. Reads only. Raises RefusedError for what is asked for by name and not allowed."""

    def run(self, planned: P, lease: Lease) -> Done:
        """Do what was planned, as far as it is still to be done, under the run's lease.

        Signals are remembered meanwhile and not acted on: long work looks for a stop by itself, and raises
        CancelledError at a safe point.
        """


def counted(number: int, noun: str, nouns: str = "") -> str:
    """`1 index`, `2 indexes`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
