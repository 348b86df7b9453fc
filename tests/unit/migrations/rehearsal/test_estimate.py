from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.migrations.model import Mode
from wayra_db.migrations.rehearsal.estimate import estimate, spread, too_long
from wayra_db.migrations.rehearsal.model import Estimate, PlannedCopy


def copy(name: str, documents: int, of: int, left_out: str = "") -> PlannedCopy:
    """A collection of which so many documents were copied."""
    return PlannedCopy(name, "collection", {}, of, documents, 0, left_out)


@pytest.mark.parametrize(
    ("copies", "touched", "seconds", "basis"),
    [
        ([copy("users", 10, 10)], ["users"], 2.0, "measured on all documents"),
        ([copy("users", 10, 1000)], ["users"], 200.0, "1,000 documents instead of 10"),
        ([copy("users", 10, 1000), copy("trips", 10, 10)], ["trips"], 2.0, "measured on all documents"),
        ([copy("users", 10, 30), copy("trips", 10, 10)], ["trips", "users"], 4.0, "40 documents instead of 20"),
        ([copy("users", 10, 1000)], [], 2.0, "it touches no documents that are there"),
        ([copy("users", 0, 0)], ["users"], 2.0, "it touches no documents that are there"),
        ([copy("times", 0, 1000, "a time series")], ["times"], 2.0, "it touches no documents that are there"),
    ],
)
def test_time_grows_with_the_documents_that_are_touched(
    copies: list[PlannedCopy], touched: list[str], seconds: float, basis: str
) -> None:
    """Only those of the collections that the migration names; it says how it was worked out."""
    found = estimate(2.0, copies, touched)
    assert found.seconds == pytest.approx(seconds)
    assert found.basis.startswith(basis)


@pytest.mark.parametrize(
    ("mode", "seconds", "warned"), [("atomic", 59.0, False), ("atomic", 61.0, True), ("batched", 6100.0, False)]
)
def test_a_transaction_that_would_be_too_long(mode: Mode, seconds: float, warned: bool) -> None:
    """The server ends it after a minute; batches have no such limit."""
    assert bool(too_long(1, mode, Estimate(seconds, ""))) is warned


@given(st.integers(0, 500), st.integers(0, 200))
def test_kills_are_spread_evenly(points: int, most: int) -> None:
    """No more than allowed, each once, in order, with no gap twice as large as another."""
    chosen = spread(points, most)
    assert len(chosen) == min(points, most)
    assert list(chosen) == sorted(set(chosen))
    assert all(1 <= one <= points for one in chosen)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (1, points)
        gaps = [after - before for before, after in itertools.pairwise(chosen)]
        assert max(gaps) - min(gaps) <= 1
