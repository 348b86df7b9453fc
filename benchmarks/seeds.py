"""How fast made-up documents get into a collection, as parts of what the same server takes at the most.

    .venv/bin/python benchmarks/seeds.py [DOCUMENTS] [--rounds N] [--indexes] [--without-rivals]

A server of its own, its data in memory. In each round every way in turn fills Wayra's trips, with its validator and,
by `--indexes`, with its six indexes; the collection is made anew before. `x limit` is the median over the rounds of a
way's speed against the limit of the same round: documents that are there as BSON, inserted in batches of a thousand.

`generate` is `Project.seeds.generate` as a whole: lock, records, notes for `seed clear`, planning and all. `templates`
is the same with 2,000 templates. `Faker` makes dictionaries of the same shape with Faker and inserts them; it takes
`pip install faker`. `mongo-seeding` imports the documents of the same collection from one JSON file, and the time to
write that file does not count; it takes npm. What is absent has its line, with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bson import json_util
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.database import Database

from wayra_db import Project
from wayra_db.schema.loader import load_collections
from wayra_db.seeds.generate.generator import Source
from wayra_db.testing import TemporaryServer, temporary_server

WAYRA = Path(__file__).parent.parent / "wayra"
USERS = 10_000
BATCH = 1000
TEMPLATES = 2000
MONGO_SEEDING = "mongo-seeding@4.0.2"

Documents = Database[dict[str, Any]]


class Bench:
    """What the ways share: the server, the project, the documents ready made."""

    def __init__(self, server: TemporaryServer, database: Documents, folder: Path, count: int, indexes: bool) -> None:
        self.server = server
        self.database = database
        self.folder = folder
        self.count = count
        self.indexes = indexes
        self.trips = next(one for one in load_collections(WAYRA / "collections") if one.name == "trips")
        source = Source(WAYRA / "collections", WAYRA / "scripts" / "generate.py")
        generator = source.generator()
        make = generator.maker("trips", 7, {"users": generator.target("users", 7, USERS)})
        self.ready = [make(number) for number in range(1, count + 1)]

    def project(self) -> Project:
        """Wayra's, on this server."""
        environ = {"MONGODB_URI": self.server.uri, "WAYRA_DATABASE": self.database.name}
        return Project.open(WAYRA, environ=environ, observer=lambda event: None)

    def empty(self) -> None:
        """The collection as it is declared, with nothing in it and nothing known of it."""
        self.database.trips.drop()
        self.database.create_collection("trips", validator=dict(self.trips.validator or {}))
        if self.indexes:
            self.database.trips.create_indexes(list(self.trips.indexes))
        for name in ("_wayra_seeds", "_wayra_seeded"):
            self.database[name].delete_many({"_id": {"$in": ["generated:trips"]}})
            self.database[name].delete_many({"_id.collection": "trips"})

    def insert(self, documents: list[Any]) -> None:
        """In batches, unordered, as everybody does."""
        trips = self.database.get_collection("trips", write_concern=WriteConcern(w=1))
        for start in range(0, len(documents), BATCH):
            trips.insert_many(documents[start : start + BATCH], ordered=False)

    def limit(self) -> None:
        """The most that an insert can do."""
        self.insert([RawBSONDocument(one) for one in self.ready])

    def generate(self, **options: Any) -> None:
        """Ours."""
        with self.project() as project:
            project.seeds.generate({"trips": self.count}, **options)

    def mongo_seeding(self) -> None:
        """mongo-seeding's import from the file that is there."""
        code = f"""
            const {{ Seeder }} = require("mongo-seeding");
            const seeder = new Seeder({{ database: "{self.server.uri}".replace("/?", "/{self.database.name}?") }});
            const found = seeder.readCollectionsFromPath("{self.folder}/data", {{
                extensions: ["json"], ejsonParseOptions: {{ relaxed: true }} }});
            seeder.import(found).then(() => process.exit(0), (error) => {{ console.error(error); process.exit(1); }});
        """
        subprocess.run(["node", "-e", code], cwd=self.folder, check=True, capture_output=True, text=True)


def faker_way(bench: Bench) -> Callable[[], None] | str:
    """Dictionaries of the same shape, made by Faker; or why not."""
    try:
        from faker import Faker
    except ImportError:
        return "absent: pip install faker"
    fake = Faker()
    chance = fake.random
    users = [RawBSONDocument(one)["owner"] for one in bench.ready[:1000]]

    def trip() -> dict[str, Any]:
        made = fake.date_time_between(start_date="-2y")
        return {
            "title": fake.sentence(nb_words=4),
            "description": fake.sentence(),
            "destination": {
                "name": fake.city(),
                "country": fake.country(),
                "coordinates": {"lat": float(fake.latitude()), "lng": float(fake.longitude())},
            },
            "dates": {"start": made, "end": made, "flexible": fake.boolean()},
            "budget": {"total": chance.uniform(150, 5000), "currency": fake.currency_code(), "spent": 10.5},
            "travelers": {"adults": chance.randint(1, 4), "children": 0, "infants": 0},
            "owner": chance.choice(users),
            "collaborators": [
                {"userId": chance.choice(users), "role": "editor", "permissions": ["view"]}
                for _ in range(chance.randint(0, 3))
            ],
            "status": chance.choice(["planning", "booked"]),
            "visibility": "private",
            "bookings": [{"type": fake.word(), "price": chance.randint(40, 900)} for _ in range(chance.randint(0, 3))],
            "activityLog": [{"action": "created", "at": made}],
            "tags": [fake.word() for _ in range(chance.randint(0, 3))],
            "createdAt": made,
            "updatedAt": made,
        }

    return lambda: bench.insert([trip() for _ in range(bench.count)])


def mongo_seeding_way(bench: Bench) -> Callable[[], None] | str:
    """mongo-seeding with the same documents as JSON; or why not."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "absent: there is no npm on this machine"
    command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", ".", MONGO_SEEDING]
    if subprocess.run(command, cwd=bench.folder, capture_output=True, check=False).returncode:
        return f"absent: npm could not install {MONGO_SEEDING}"
    path = bench.folder / "data" / "trips" / "trips.json"
    path.parent.mkdir(parents=True)
    decoded = [RawBSONDocument(one) for one in bench.ready]
    options = json_util.RELAXED_JSON_OPTIONS
    path.write_text(json.dumps([json.loads(json_util.dumps(one, json_options=options)) for one in decoded]))
    return bench.mongo_seeding


def main() -> None:
    """Interleaved rounds; prints the median of each ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", nargs="?", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--indexes", action="store_true")
    parser.add_argument("--without-rivals", action="store_true")
    given = parser.parse_args()
    with temporary_server() as server, server.client() as client, tempfile.TemporaryDirectory() as folder:
        bench = Bench(server, client["bench"], Path(folder), given.documents, given.indexes)
        with bench.project() as project:
            project.schema.apply()
            project.seeds.generate({"users": USERS})
        ways: dict[str, Callable[[], None] | str] = {
            "limit: ready BSON": bench.limit,
            "generate": bench.generate,
            "generate, 2 workers": lambda: bench.generate(workers=2),
            f"generate, {TEMPLATES:,} templates": lambda: bench.generate(templates=TEMPLATES),
        }
        if not given.without_rivals:
            ways |= {"Faker, dictionaries": faker_way(bench), "mongo-seeding, JSON": mongo_seeding_way(bench)}
        speeds: dict[str, list[float]] = {}
        for number in range(given.rounds):
            for name, way in ways.items():
                if isinstance(way, str) or (name.startswith("Faker") and number >= 2):
                    continue
                bench.empty()
                started = time.perf_counter()
                way()
                speeds.setdefault(name, []).append(given.documents / (time.perf_counter() - started))
                found = client["bench"].trips.count_documents({})
                if found != given.documents:
                    sys.exit(f"{name}: {found:,} documents")
            print(f"round {number + 1}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    size = sum(map(len, bench.ready)) / len(bench.ready)
    print(f"{given.documents:,} trips of {size:.0f} bytes, {'six indexes' if given.indexes else 'no index but _id'}")
    limits = speeds["limit: ready BSON"]
    for name, way in ways.items():
        if isinstance(way, str):
            print(f"  {name:<28} {way}")
            continue
        found_ = speeds[name]
        ratio = statistics.median(one / limit for one, limit in zip(found_, limits, strict=False))
        lowest, highest = min(found_), max(found_)
        print(f"  {name:<28} {ratio:5.2f} x limit   {statistics.median(found_):8,.0f}/s ({lowest:,.0f}-{highest:,.0f})")


if __name__ == "__main__":
    main()
