from __future__ import annotations

from typing import Any

import pytest

from wayra_db.dashboard.growth import POINTS, Growth
from wayra_db.dashboard.rates import Rates, between


def status(seconds: float, operations: int, **more: Any) -> dict[str, Any]:
    """An answer after so many seconds of uptime, with so many queries."""
    return {
        "host": "a:1",
        "pid": 7,
        "uptimeMillis": seconds * 1000,
        "opcounters": {"query": operations, "insert": 2 * operations},
        "opLatencies": {"reads": {"ops": operations, "latency": operations * 500}},
        "network": {"bytesIn": operations * 100},
        "connections": {"current": 5, "available": 95, "active": 2, "totalCreated": operations},
        **more,
    }


def test_rates_by_the_servers_clock() -> None:
    """Differences over its own uptime; latencies of what ended in between."""
    found = between(status(10, 100), status(12, 160))
    assert found is not None
    assert found["operations"] == {"query": 30, "insert": 60, "getmore": 0, "update": 0, "delete": 0, "command": 0}
    assert (found["total"], found["seconds"], found["bytesIn"], found["connectionsOpened"]) == (90, 2, 3000, 30)
    assert found["latencyMilliseconds"] == {"reads": 0.5, "writes": None, "commands": None}


@pytest.mark.parametrize(
    "after",
    [status(9, 200), status(10, 100), status(12, 160, host="b:1"), status(12, 160, pid=8)],
    ids=["it was restarted", "no time passed", "another member", "another process"],
)
def test_where_there_is_no_rate(after: dict[str, Any]) -> None:
    """A counter that begins anew makes no rate, least of all a negative one."""
    assert between(status(10, 100), after) is None


def test_the_first_look_has_no_rates() -> None:
    """What holds now is known at once."""
    rates = Rates()
    first = rates.add(status(1, 10))
    assert (first["rates"], first["connections"]) == (None, {"current": 5, "active": 2, "limit": 100})
    assert first["operations"]["insert"] == 20
    assert rates.add(status(2, 20))["rates"]["operations"]["query"] == 10


def test_a_server_that_says_little() -> None:
    """A mongos has no cache, and a user with few rights sees few sections."""
    found = Rates().add({"host": "a:1", "uptime": 3})
    assert (found["cache"], found["memoryMegabytes"], found["uptimeSeconds"]) == (None, None, 3.0)
    assert found["queued"] == {"readers": 0, "writers": 0}


def test_growth() -> None:
    """Since a collection was first seen; its curve has an end, and one that is gone is forgotten."""
    growth = Growth()

    def see(at: float, **documents: int) -> list[dict[str, Any]]:
        rows = [{"name": name, "documents": count, "dataSize": count * 10} for name, count in documents.items()]
        return growth.add(at, rows)

    assert see(0, a=5)[0]["watched"] == {"seconds": 0, "documents": 0, "dataSize": 0}
    found = see(60, a=8, b=1)
    assert found[0]["watched"] == {"seconds": 60, "documents": 3, "dataSize": 30}
    assert (found[0]["curve"], found[1]["curve"]) == ([5, 8], [1])
    see(70, b=1)
    assert see(80, a=20, b=1)[0]["watched"]["documents"] == 0
    for second in range(100):
        found = see(100 + second, a=second, b=1)
    assert len(found[0]["curve"]) == POINTS
