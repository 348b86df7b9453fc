"""Was a hidden index needed after all? Judged from what the members counted before and since. Pure.

A query that has lost its index scans the collection, which the server counts for each collection; one that another
index still serves, only worse, shows in the latency of reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ENOUGH_READS = 20
SLOWER_TIMES = 3.0
SLOWER_BY_MICROSECONDS = 5_000


@dataclass(frozen=True, slots=True)
class Counters:
    """What one member has counted on a collection since it was started."""

    collection_scans: int
    reads: int
    read_microseconds: int


@dataclass(frozen=True, slots=True)
class Window:
    """The same counters, by what they rose within some seconds."""

    seconds: float
    collection_scans: int
    reads: int
    read_microseconds: int

    @property
    def mean_microseconds(self) -> float:
        """How long a read took."""
        return self.read_microseconds / self.reads if self.reads else 0.0


def between(before: Counters, after: Counters, seconds: float) -> Window:
    """By how much counters rose; a member that was restarted meanwhile counts from nothing."""
    restarted = after.reads < before.reads or after.collection_scans < before.collection_scans
    start = Counters(0, 0, 0) if restarted else before
    return Window(
        seconds,
        after.collection_scans - start.collection_scans,
        after.reads - start.reads,
        after.read_microseconds - start.read_microseconds,
    )


def why_needed(baseline: Mapping[str, Window], hidden: Mapping[str, Window]) -> str:
    """Why the index was needed, by any of the members; empty when nothing speaks for it.

    Without a baseline of a member, any collection scan there speaks for it.
    """
    for member, now in hidden.items():
        before = baseline.get(member, Window(0, 0, 0, 0))
        expected = before.collection_scans / before.seconds * now.seconds if before.seconds else 0.0
        # Twice what was usual, and at least one whole scan more: a nightly report is no proof.
        if now.collection_scans > 2 * expected + (1 if expected else 0):
            usual = f", {expected:.0f} were usual" if expected else ""
            return f"{now.collection_scans:,} collection scans in {now.seconds:.0f} s on {member}{usual}"
        if before.reads >= ENOUGH_READS and now.reads >= ENOUGH_READS:
            slower = now.mean_microseconds - before.mean_microseconds
            if slower > SLOWER_BY_MICROSECONDS and now.mean_microseconds > SLOWER_TIMES * before.mean_microseconds:
                return (
                    f"reads on {member} take {now.mean_microseconds / 1000:.1f} ms, and took "
                    f"{before.mean_microseconds / 1000:.1f} ms"
                )
    return ""
