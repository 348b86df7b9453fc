"""What a monitor costs an application, against the same operations without one.

    .venv/bin/python benchmarks/monitoring.py [OPERATIONS]

10,000 operations each, one at a time on one connection, by _id and small, which is where overhead weighs most. The
ways take turns every 200 operations, in another order each time, so that a drifting machine meets them alike. Medians
over the turns: of the wall time, of this process's CPU time, and of the differences to the turn without a listener
beside it. The floor of any listener is one that does nothing, since the driver makes its events for it as well.
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

TURN = 200
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
    for number in range(TURN):
        work(collection, number)
    each = 1e6 / TURN
    return (time.perf_counter() - wall) * each, (time.process_time() - cpu) * each


def main() -> None:
    """Measure on a server of its own."""
    operations = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with temporary_server() as server:
        clients = {name: MongoClient[dict[str, Any]](server.uri, event_listeners=make()) for name, make in WAYS.items()}
        clients["without"].shop.things.insert_many([{"_id": number, "n": 0} for number in range(DOCUMENTS)])
        for work in (find, update):
            turns: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
            for turn in range(operations // TURN + 3):
                for name in random.sample(list(WAYS), len(WAYS)):
                    measured = measure(clients[name].shop.things, work)
                    if turn >= 3:  # the first warm up
                        turns[name].append(measured)
            print(f"{operations:,} of {work.__name__}, in turns of {TURN}; medians, microseconds each")
            for name, taken in turns.items():
                print(f"  {name:<32}" + "".join(_told(turns["without"], taken, kind) for kind in (0, 1)))
        for client in clients.values():
            client.close()


def _told(without: list[tuple[float, float]], taken: list[tuple[float, float]], kind: int) -> str:
    """The median, the median difference and ratio to the turns without; of the wall (0) or the CPU time (1)."""
    pairs = [(one[kind], other[kind]) for one, other in zip(without, taken, strict=True)]
    middle = statistics.median(after for _, after in pairs)
    more = statistics.median(after - before for before, after in pairs)
    ratio = statistics.median(after / before for before, after in pairs)
    return f"   {('wall', 'CPU')[kind]} {middle:6.1f}  {more:+6.1f}  {ratio:5.3f} x"


if __name__ == "__main__":
    main()
