"""How fast indexes are built and plans made, against what other tools do.

    .venv/bin/python benchmarks/indexes.py [--trips N] [--rounds N] [--disk] [--build-memory MB]

A server of its own, a replica set of one node with its data in memory or, by `--disk`, in the temporary folder. On N
trips (100,000; the figures in the pages are of 500,000), shaped as Wayra's, all of Wayra's indexes on `trips` are built
in two ways in turn: by `indexes apply`, which scans the collection once, and one after the other by `create_index`, as
the object mappers and index managers do that were looked at. The indexes are dropped before each.

How to read it: the machine is shared, so seconds say little and the ratio of the two within one round says much. `x one
by one` is the median of the rounds' ratios, below 1 when one pass is quicker. What `apply` does beside building is in
its time: the lock, the plan, the look for duplicates, the record, the log. The indexes of one pass share the memory
that the server gives to a build (--build-memory, 200 MB by default), so with many keys each of them sorts on disk
sooner. Where a collection is so small or so compressible that its scans cost nothing, that can cost more.

Then a plan with nothing to do, on Wayra's declarations: the commands that the server sees of it, and how long it takes
against as many plain `listIndexes`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bson import ObjectId
from pymongo.database import Database

from wayra_db import Collection, Deployment, Environment, Guard, IndexManager, SchemaManager
from wayra_db.events import Event
from wayra_db.schema.loader import load_collections
from wayra_db.testing import CommandCounter, temporary_server

ROOT = Path(__file__).parents[1]
BATCH = 5_000
DATABASE = "bench"
STATUSES = ("draft", "planned", "booked", "completed", "cancelled")
TAGS = ("beach", "city", "food", "hiking", "museum", "nature", "night", "road", "snow", "sun")


def trips(number: int) -> Iterator[list[dict[str, Any]]]:
    """So many trips, the same each time, in batches: the indexed fields, and a body of about a kilobyte."""
    chance = random.Random(7)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    people = [ObjectId() for _ in range(max(1, number // 10))]
    for first in range(0, number, BATCH):
        yield [_trip(chance, begin, people) for _ in range(min(BATCH, number - first))]


def _trip(chance: random.Random, begin: datetime, people: list[ObjectId]) -> dict[str, Any]:
    start = begin + timedelta(days=chance.randrange(1000))
    return {
        "owner": chance.choice(people),
        "title": f"Trip {chance.randrange(10**9)}",
        "destination": {"name": f"Place {chance.randrange(5000)}", "country": chance.choice("ABCDEFGH")},
        "dates": {"start": start, "end": start + timedelta(days=chance.randrange(1, 20))},
        "status": chance.choice(STATUSES),
        "tags": chance.sample(TAGS, chance.randrange(4)),
        "collaborators": [{"userId": chance.choice(people), "role": "viewer"} for _ in range(chance.randrange(4))],
        "createdAt": begin + timedelta(seconds=chance.randrange(10**7)),
        "notes": chance.randbytes(400).hex(),  # as text, it does not compress away
    }


def quiet(event: Event) -> None:
    """No output while something is measured."""


def manager(database: Database[dict[str, Any]], declared: list[Collection]) -> IndexManager:
    """The index manager of these declarations."""
    guard = Guard(Deployment(database.client, database.name), Environment.TEST, adopt=True, observer=quiet)
    return IndexManager(guard, SchemaManager(guard, declared))


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_by_one(database: Database[dict[str, Any]], collection: Collection) -> None:
    """As mongoose, Beanie's peers and most scripts do: a command, and a scan, for each index."""
    for index in collection.indexes:
        document = dict(index.document)
        database[collection.name].create_index(list(document.pop("key").items()), **document)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--disk", action="store_true")
    parser.add_argument("--build-memory", type=int, default=200, metavar="MB")
    given = parser.parse_args()
    declared = list(load_collections(ROOT / "wayra" / "collections"))
    plain = next(one for one in declared if one.name == "trips")
    # Without its validator: what is measured are the indexes.
    only = Collection("trips", indexes=plain.indexes)
    folder = Path(tempfile.gettempdir()) if given.disk else None
    memory = {"maxIndexBuildMemoryUsageMegabytes": given.build_memory}
    with temporary_server(directory=folder, set_parameters=memory) as server, server.client() as client:
        database = client[DATABASE]
        print(f"{given.trips:,} trips, {len(only.indexes)} indexes, MongoDB {client.server_info()['version']}")
        for batch in trips(given.trips):
            database.trips.insert_many(batch, ordered=False)
        _builds(database, only, given.rounds)
        client.drop_database(DATABASE)
        _plans(server.uri, database, declared)


def _builds(database: Database[dict[str, Any]], only: Collection, rounds: int) -> None:
    ratios, passes, singles = [], [], []
    apply = manager(database, [only]).apply
    for number in range(rounds):
        ways = [("one pass", apply), ("one by one", lambda: one_by_one(database, only))]
        took = {}
        for name, work in ways if number % 2 == 0 else reversed(ways):
            database.trips.drop_indexes()
            took[name] = seconds(work)
            assert len(database.trips.index_information()) == len(only.indexes) + 1
        passes.append(took["one pass"])
        singles.append(took["one by one"])
        ratios.append(took["one pass"] / took["one by one"])
    print(f"  {'one by one':<12} {median(singles):8.2f} s")
    print(f"  {'indexes apply':<12} {median(passes):7.2f} s   {median(ratios):.2f} x one by one")


def _plans(uri: str, database: Database[dict[str, Any]], declared: list[Collection]) -> None:
    from pymongo import MongoClient

    manager(database, declared).apply()
    counter = CommandCounter()
    with MongoClient[dict[str, Any]](uri, event_listeners=[counter]) as client:
        plan = manager(client[DATABASE], declared).plan
        assert plan().empty
        sent = list(counter.names)
        times = [seconds(plan) for _ in range(50)]
        floor = [
            seconds(lambda: [client[DATABASE].command("listIndexes", one.name) for one in declared]) for _ in range(50)
        ]
    print(f"a plan with nothing to do, {len(declared)} collections: {len(sent)} commands ({', '.join(sent)})")
    print(f"  {median(times) * 1000:.2f} ms, {median(times) / median(floor):.2f} x so many listIndexes")


if __name__ == "__main__":
    sys.exit(main())
