"""Latencies in fixed buckets, each 19 % wider than the one before: any quantile to within a bucket, in 700 bytes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PER_OCTAVE = 4
SHORTEST_MICROS = 64
OCTAVES = 20

# The upper bounds in microseconds, from 64 µs to 67 s; one more bucket takes what is longer.
BOUNDS: tuple[int, ...] = tuple(
    round(SHORTEST_MICROS * 2 ** (step / PER_OCTAVE)) for step in range(OCTAVES * PER_OCTAVE + 1)
)


class Histogram:
    """Counts durations. Not thread-safe: whoever owns it holds a lock."""

    __slots__ = ("_counts", "_longest", "_total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._total = 0
        self._longest = 0

    def add(self, micros: int) -> None:
        """Count one duration, in microseconds."""
        self._counts[bisect_left(BOUNDS, micros)] += 1
        self._total += micros
        if micros > self._longest:
            self._longest = micros

    def freeze(self) -> Latency:
        """The counts as they are now."""
        return Latency(tuple(self._counts), self._total, self._longest)


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations by bucket of `BOUNDS`, their sum and the longest, in microseconds."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    total_micros: int = 0
    longest_micros: int = 0

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    @property
    def mean_seconds(self) -> float:
        """Their mean, 0 where there were none."""
        count = self.count
        return self.total_micros / count / 1e6 if count else 0.0

    def quantile(self, share: float) -> float:
        """The duration in seconds that this `share` (0 to 1) of them does not exceed; 0 where there were none.

        Off by no more than the bucket that it falls into, which is 19 % wide.
        """
        wanted = share * self.count
        seen, lower = 0, 0
        for bound, found in zip((*BOUNDS, self.longest_micros), self.counts, strict=True):
            if found and seen + found >= wanted:
                upper = min(bound, self.longest_micros)
                return (lower + (upper - lower) * max(0.0, wanted - seen) / found) / 1e6
            seen, lower = seen + found, bound
        return self.longest_micros / 1e6

    def cumulative(self, every: int = PER_OCTAVE) -> Sequence[tuple[float, int]]:
        """Upper bounds in seconds with how many did not exceed each, for each `every`th bound; without the infinite."""
        seen, rows = 0, []
        for number, bound in enumerate(BOUNDS):
            seen += self.counts[number]
            if number % every == 0:
                rows.append((bound / 1e6, seen))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; times in milliseconds."""
        shown = {f"p{share:g}": round(self.quantile(share / 100) * 1000, 3) for share in (50, 90, 95, 99, 99.9)}
        return {
            "count": self.count,
            "totalMilliseconds": round(self.total_micros / 1000, 3),
            "meanMilliseconds": round(self.mean_seconds * 1000, 3),
            "longestMilliseconds": round(self.longest_micros / 1000, 3),
            **shown,
        }
