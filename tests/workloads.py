"""Random collections, and random queries on them as applications ask: for the index advisor's tests and benchmark.

Nothing here knows the advisor. The grammar is that of INDEX questions: equality, lists, ranges, patterns, arrays and
their elements, sorts with limits, `$or`, collations, counts, distinct values, updates, deletes, aggregations.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo.collection
from pymongo.collation import Collation
from pymongo.database import Database

START = datetime(2025, 1, 1, tzinfo=UTC)
WORDS = [
    f"{first}{second}" for first in ("al", "be", "ka", "mo", "ri", "su") for second in ("ba", "ne", "to", "vi", "x")
]
ENGLISH = Collation("en", strength=2)

Collection = pymongo.collection.Collection[dict[str, Any]]
Ask = Callable[[random.Random, Database[dict[str, Any]]], object]
# Field: how many different values it has.
NUMBERS = {"n2": 8, "n20": 20, "n500": 500, "n5000": 5000}
STRINGS = {"s10": 10, "s200": 200}
DATES = ("created", "updated")


def fill(database: Database[dict[str, Any]], name: str, documents: int, seed: int) -> None:
    """Insert documents made by `seed`."""
    chance = random.Random(seed)
    database[name].insert_many(
        {
            **{field: chance.randrange(number) for field, number in NUMBERS.items()},
            **{field: f"{WORDS[chance.randrange(30)]}{chance.randrange(number)}" for field, number in STRINGS.items()},
            **{field: START + timedelta(minutes=chance.randrange(500_000)) for field in DATES},
            "name": chance.choice(WORDS) + str(chance.randrange(300)),
            "tags": [f"t{chance.randrange(60)}" for _ in range(chance.randrange(1, 4))],
            "codes": [chance.randrange(400) for _ in range(chance.randrange(1, 3))],
            "items": [
                {"sku": f"k{chance.randrange(200)}", "qty": chance.randrange(50)} for _ in range(chance.randrange(1, 4))
            ],
            "place": {"city": f"c{chance.randrange(80)}", "zip": chance.randrange(900)},
        }
        for _ in range(documents)
    )


class Workload:
    """`shapes` random query shapes on collections filled by `fill`; `run` executes each `times` with new values."""

    def __init__(self, collections: list[str], seed: int, shapes: int) -> None:
        self._chance = random.Random(seed)
        self._collections = collections
        self.makers = [self._shape() for _ in range(shapes)]

    def run(self, database: Database[dict[str, Any]], times: int, seed: int) -> None:
        """Execute every shape so often."""
        chance = random.Random(seed)
        for _ in range(times):
            for maker in self.makers:
                maker(chance, database)

    def _shape(self) -> Ask:
        chance, name = self._chance, self._chance.choice(self._collections)
        fields = chance.sample(self._conditions(), chance.choice((1, 1, 2, 2, 3)))
        kind = chance.choices(
            ("find", "sorted", "or", "count", "distinct", "update", "delete", "aggregate", "collation", "modify"),
            (6, 8, 2, 2, 1, 2, 1, 3, 2, 1),
        )[0]

        def conditions(values: random.Random) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for condition in fields:
                for field, value in condition(values).items():
                    found.setdefault(field, value)
            return found

        order = [
            (field, chance.choice((1, -1)))
            for field in chance.sample(("created", "updated", "n5000", "name"), chance.choice((1, 1, 2)))
        ]
        limit = chance.choice((1, 10, 20))
        second = chance.choice(self._conditions())
        key = chance.choice(("n20", "s10", "place.city"))

        def asked(values: random.Random, collection: Collection) -> object:
            query = conditions(values)
            match kind:
                case "find":
                    return list(collection.find(query).limit(50))
                case "sorted":
                    return list(collection.find(query).sort(order).limit(limit))
                case "or":
                    return list(collection.find({"$or": [query, second(values)]}).limit(50))
                case "count":
                    return collection.count_documents(query)
                case "distinct":
                    return collection.distinct(key, query)
                case "update":
                    return collection.update_one(query, {"$set": {"touched": 1}})
                case "delete":
                    # The value is out of reach, so that the data stays as it is.
                    return collection.delete_many({**query, "n5000": -1})
                case "aggregate":
                    stages: list[dict[str, Any]] = [{"$match": query}, {"$sort": dict(order)}, {"$limit": limit}]
                    return list(collection.aggregate(stages))
                case "collation":
                    word = values.choice(WORDS).upper() + str(values.randrange(300))
                    return list(collection.find({"name": word}, collation=ENGLISH).sort(order[:1]).limit(limit))
                case _:
                    return collection.find_one_and_update(query, {"$set": {"touched": 2}}, sort=order)

        return lambda values, database: asked(values, database[name])

    @staticmethod
    def _conditions() -> list[Callable[[random.Random], dict[str, Any]]]:
        def number(field: str) -> Callable[[random.Random], dict[str, Any]]:
            return lambda values: {field: values.randrange(NUMBERS[field])}

        def within(field: str) -> Callable[[random.Random], dict[str, Any]]:
            def condition(values: random.Random) -> dict[str, Any]:
                start = START + timedelta(minutes=values.randrange(480_000))
                return {field: {"$gte": start, "$lt": start + timedelta(minutes=4000)}}

            return condition

        return [
            number("n20"),
            number("n500"),
            number("n5000"),
            lambda values: {"n500": {"$in": [values.randrange(500) for _ in range(4)]}},
            lambda values: {"s10": f"{values.choice(WORDS)}{values.randrange(10)}"},
            lambda values: {"s200": f"{values.choice(WORDS)}{values.randrange(200)}"},
            within("created"),
            within("updated"),
            lambda values: {"n5000": {"$gt": 4800 + values.randrange(100)}},
            lambda values: {"name": {"$regex": f"^{values.choice(WORDS)}1"}},
            # A pattern without a beginning finds nothing by key; applications ask for one among few documents.
            lambda values: {"place.city": f"c{values.randrange(80)}", "name": re.compile(f"{values.choice(WORDS)}7")},
            lambda values: {"tags": f"t{values.randrange(60)}"},
            lambda values: {"codes": values.randrange(400)},
            lambda values: {"tags": {"$all": [f"t{values.randrange(60)}", f"t{values.randrange(60)}"]}},
            lambda values: {
                "items": {"$elemMatch": {"sku": f"k{values.randrange(200)}", "qty": {"$gte": values.randrange(40)}}}
            },
            lambda values: {"items.sku": f"k{values.randrange(200)}"},
            lambda values: {"place.city": f"c{values.randrange(80)}"},
            lambda values: {"place.city": f"c{values.randrange(80)}", "place.zip": {"$lt": values.randrange(100, 900)}},
            lambda values: {"n2": {"$ne": values.randrange(8)}, "place.zip": values.randrange(900)},
        ]
