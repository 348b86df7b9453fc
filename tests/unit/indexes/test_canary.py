from __future__ import annotations

import pytest

from wayra_db.indexes.canary import Counters, Window, between, why_needed

QUIET = Window(10, 0, 0, 0)


@pytest.mark.parametrize(
    ("baseline", "hidden", "said"),
    [
        ({}, {"a": QUIET}, ""),
        ({"a": QUIET}, {"a": QUIET}, ""),
        ({"a": QUIET}, {"a": Window(10, 1, 5, 50)}, "1 collection scans in 10 s on a"),
        ({}, {"a": Window(10, 1, 5, 50)}, "1 collection scans in 10 s on a"),
        ({"a": QUIET, "b": QUIET}, {"a": QUIET, "b": Window(5, 3, 5, 50)}, "on b"),
        # Three scans in ten seconds were usual: six in ten are no proof, nor one more.
        ({"a": Window(10, 3, 9, 90)}, {"a": Window(10, 7, 9, 90)}, ""),
        ({"a": Window(10, 3, 9, 90)}, {"a": Window(10, 8, 9, 90)}, "8 collection scans in 10 s on a, 3 were usual"),
        ({"a": Window(10, 3, 9, 90)}, {"a": Window(100, 60, 9, 90)}, ""),
        # Reads that became slower, by much and by several times.
        ({"a": Window(10, 0, 50, 50_000)}, {"a": Window(10, 0, 50, 500_000)}, "take 10.0 ms, and took 1.0 ms"),
        ({"a": Window(10, 0, 50, 5_000)}, {"a": Window(10, 0, 50, 50_000)}, ""),
        ({"a": Window(10, 0, 50, 500_000)}, {"a": Window(10, 0, 50, 900_000)}, ""),
        ({"a": Window(10, 0, 2, 2_000)}, {"a": Window(10, 0, 50, 500_000)}, ""),
        ({"a": Window(10, 0, 50, 50_000)}, {"a": Window(10, 0, 3, 500_000)}, ""),
    ],
)
def test_why_needed(baseline: dict[str, Window], hidden: dict[str, Window], said: str) -> None:
    """Scans beyond the usual and much slower reads speak for an index, on any member; little speaks for nothing."""
    found = why_needed(baseline, hidden)
    assert said in found
    assert bool(found) is bool(said)


def test_a_restarted_member_counts_from_nothing() -> None:
    """Its counters are lower than they were; what it has counted since is taken."""
    assert between(Counters(10, 100, 1000), Counters(12, 130, 1900), 5) == Window(5, 2, 30, 900)
    assert between(Counters(10, 100, 1000), Counters(1, 3, 40), 5) == Window(5, 1, 3, 40)
