"""How collections grow while somebody looks. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

# Points of a small curve; older ones give way.
POINTS = 60


class Growth:
    """Keeps the last sizes of each collection that is there."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int, int]]] = {}

    def add(self, at: float, collections: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Each collection with its growth since it was first seen, and its curve; `at` in seconds of any clock.

        Collections that are gone are forgotten.
        """
        names = {one["name"] for one in collections}
        self._seen = {name: points for name, points in self._seen.items() if name in names}
        return [self._grown(at, one) for one in collections]

    def _grown(self, at: float, one: Mapping[str, Any]) -> dict[str, Any]:
        points = self._seen.setdefault(one["name"], deque(maxlen=POINTS))
        points.append((at, one["documents"], one["dataSize"]))
        first = points[0]
        return {
            **one,
            "watched": {
                "seconds": round(at - first[0], 1),
                "documents": one["documents"] - first[1],
                "dataSize": one["dataSize"] - first[2],
            },
            "curve": [documents for _, documents, _ in points],
        }
