from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.monitoring.histogram import BOUNDS, SHORTEST_MICROS, Histogram, Latency

DURATIONS = st.lists(st.integers(0, BOUNDS[-1]), min_size=1, max_size=200)


def of(durations: list[int]) -> Latency:
    """These durations, counted."""
    histogram = Histogram()
    for micros in durations:
        histogram.add(micros)
    return histogram.freeze()


@given(DURATIONS, st.floats(0, 1))
def test_a_quantile_is_off_by_a_bucket_at_most(durations: list[int], share: float) -> None:
    """A fifth of the true one, or the shortest bucket."""
    rank = max(1, math.ceil(share * len(durations)))
    true = sorted(durations)[rank - 1]
    found = of(durations).quantile(share) * 1e6
    assert abs(found - true) <= max(SHORTEST_MICROS, 0.2 * true)
    assert found <= max(durations)


@given(DURATIONS)
def test_nothing_is_lost(durations: list[int]) -> None:
    """Count, sum and longest are exact, and the cumulative buckets rise to the count."""
    latency = of(durations)
    assert (latency.count, latency.total_micros) == (len(durations), sum(durations))
    assert latency.longest_micros == max(durations)
    rows = latency.cumulative()
    assert [count for _, count in rows] == sorted(count for _, count in rows)
    assert rows[-1][1] == latency.count
    for bound, count in rows:
        assert count == sum(micros <= round(bound * 1e6) for micros in durations)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_of_none_there_is_no_quantile(share: float) -> None:
    """Zero, and no division by it."""
    assert Latency().quantile(share) == Latency().mean_seconds == 0.0


def test_what_takes_longer_than_all_buckets() -> None:
    """It is counted, its true length is the longest, and it stands in no finite bucket."""
    latency = of([10 * BOUNDS[-1]])
    assert latency.quantile(0.99) * 1e6 == pytest.approx(10 * BOUNDS[-1], rel=0.05)
    assert (latency.count, latency.cumulative()[-1][1]) == (1, 0)


def test_the_plain_form() -> None:
    """Milliseconds, by their usual names."""
    assert of([1000, 3000]).to_dict() == {
        "count": 2,
        "totalMilliseconds": 4.0,
        "meanMilliseconds": 2.0,
        "longestMilliseconds": 3.0,
        **{
            name: pytest.approx(value, rel=0.2)
            for name, value in {"p50": 1, "p90": 3, "p95": 3, "p99": 3, "p99.9": 3}.items()
        },
    }
