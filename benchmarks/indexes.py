"""How fast indexes are built and plans made, against what other tools do.

    .venv/bin/python benchmarks/indexes.py [--trips N] [--rounds N] [--disk]

A server of its own, a replica set of one node with its data in memory or, by `--disk`, in the temporary folder. On N
trips (100,000; the figures in the pages are of 500,000), shaped as Wayra's, all of Wayra's indexes on `trips` are built
in three ways in turn: by one bare `createIndexes`, which is the floor; by `indexes apply`, which sends the same and
looks after it; and one after the other by `create_index`, as the object mappers and index managers do that were looked
at. The indexes are dropped before each.

How to read it: the machine is shared, so seconds say little and the ratios within one round say much. They are the
median of the rounds' ratios, with the least and the most; `x one by one` is below 1 when one pass is quicker. What
`apply` does beside building is in its time: the lock, the plan, the look for duplicates, the record, the log. The
documents hold text that does not compress away: over ones that do, a scan costs next to nothing, and there is little to
save.

Then a plan with nothing to do, on Wayra's declarations: the commands that the server sees of it, against the floor of
one `listIndexes` a collection, in number and in time.
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
    given = parser.parse_args()
    declared = list(load_collections(ROOT / "wayra" / "collections"))
    plain = next(one for one in declared if one.name == "trips")
    # Without its validator: what is measured are the indexes.
    only = Collection("trips", indexes=plain.indexes)
    folder = Path(tempfile.gettempdir()) if given.disk else None
    with temporary_server(directory=folder) as server, server.client() as client:
        database = client[DATABASE]
        print(f"{given.trips:,} trips, {len(only.indexes)} indexes, MongoDB {client.server_info()['version']}")
        for batch in trips(given.trips):
            database.trips.insert_many(batch, ordered=False)
        _builds(database, only, given.rounds)
        client.drop_database(DATABASE)
        _plans(server.uri, database, declared)


def _builds(database: Database[dict[str, Any]], only: Collection, rounds: int) -> None:
    apply = manager(database, [only]).apply
    documents = [dict(one) for one in only.index_documents()]
    ways: list[tuple[str, Callable[[], object]]] = [
        ("createIndexes", lambda: database.command("createIndexes", only.name, indexes=documents)),
        ("indexes apply", apply),
        ("one by one", lambda: one_by_one(database, only)),
    ]
    took: dict[str, list[float]] = {name: [] for name, _ in ways}
    for number in range(rounds):
        for name, work in (*ways[number % 3 :], *ways[: number % 3]):
            database.trips.drop_indexes()
            took[name].append(seconds(work))
            assert len(database.trips.index_information()) == len(only.indexes) + 1
    floor, passes, singles = took.values()
    print(f"  {'createIndexes':<14} {median(floor):8.2f} s   the floor")
    print(
        f"  {'indexes apply':<14} {median(passes):8.2f} s   {_ratio(passes, floor)} x the floor, "
        f"{_ratio(passes, singles)} x one by one"
    )
    print(f"  {'one by one':<14} {median(singles):8.2f} s   {_ratio(singles, floor)} x the floor")


def _ratio(ones: list[float], others: list[float]) -> str:
    ratios = [one / other for one, other in zip(ones, others, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


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
    print(
        f"  the floor is {len(declared)}, one listIndexes a collection: {len(sent) / len(declared):.2f} x in number, "
        f"{median(times) / median(floor):.2f} x in time ({median(times) * 1000:.2f} ms)"
    )


if __name__ == "__main__":
    sys.exit(main())
