"""What a monitor costs an application, against the same operations without one.

    .venv/bin/python benchmarks/monitoring.py [RUNS]

10,000 operations a run, one at a time on one connection, by _id and small, which is where overhead weighs most. The
ways take turns so that a drifting machine meets them alike, in another order each time; medians of the wall time and of
this process's CPU time. The floor of any listener is one that does nothing: the driver makes its events for it as well.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from pymongo import MongoClient, monitoring
from pymongo.collection import Collection

from wayra_db.monitoring import Limits, Monitor
from wayra_db.testing import temporary_server

OPERATIONS = 10_000
DOCUMENTS = 1_000


class Nothing(monitoring.CommandListener):
    """Hears every command and does nothing."""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Nothing."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing."""


def find(collection: Collection[dict[str, Any]], number: int) -> None:
    """One document by its key."""
    collection.find_one({"_id": number % DOCUMENTS})


def update(collection: Collection[dict[str, Any]], number: int) -> None:
    """One field of one document."""
    collection.update_one({"_id": number % DOCUMENTS}, {"$set": {"n": number}})


WAYS: dict[str, Callable[[], list[Any]]] = {
    "without": list,
    "a listener that does nothing": lambda: [Nothing()],
    "Monitor()": lambda: Monitor().listeners,
    "Monitor, every operation slow": lambda: Monitor(Limits(slow_milliseconds=0)).listeners,
}


def measure(
    collection: Collection[dict[str, Any]], work: Callable[[Collection[dict[str, Any]], int], None]
) -> tuple[float, float]:
    """Microseconds of wall and of CPU time an operation."""
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(OPERATIONS):
        work(collection, number)
    each = 1e6 / OPERATIONS
    return (time.perf_counter() - wall) * each, (time.process_time() - cpu) * each


def main() -> None:
    """Measure on a server of its own."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with temporary_server() as server:
        clients = {name: MongoClient[dict[str, Any]](server.uri, event_listeners=make()) for name, make in WAYS.items()}
        clients["without"].shop.things.insert_many([{"_id": number, "n": 0} for number in range(DOCUMENTS)])
        for work in (find, update):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
            for run in range(runs + 1):
                for name in random.sample(list(WAYS), len(WAYS)):
                    measured = measure(clients[name].shop.things, work)
                    if run:  # the first one warms up
                        found[name].append(measured)
            print(f"{OPERATIONS:,} of {work.__name__} a run, medians of {runs} interleaved runs, microseconds each")
            floor = [statistics.median(times) for times in zip(*found["without"], strict=True)]
            for name, taken in found.items():
                wall, cpu = (statistics.median(times) for times in zip(*taken, strict=True))
                print(
                    f"  {name:<32} wall {wall:6.1f}  +{wall - floor[0]:5.1f}  {wall / floor[0]:5.3f} x"
                    f"   CPU {cpu:6.1f}  +{cpu - floor[1]:5.1f}  {cpu / floor[1]:5.3f} x"
                )
        for client in clients.values():
            client.close()


if __name__ == "__main__":
    main()
