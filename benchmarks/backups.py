"""How fast backups, clones, exports and imports are, against what they cannot be faster than and, where they are on
PATH, against mongodump, mongoexport and mongoimport.

    .venv/bin/python benchmarks/backups.py [MEGABYTES] [RUNS]

One server, the same data, all ways in turn within one run, medians. Each part has its floor, which comes first: of
`create` and `export` the same cursors drained to nowhere, with no file, no hash and no frame; of `import` the same
documents, ready in memory, inserted raw; of `clone` a copy that the server makes of its own, by `$out`. `create` is the
whole command's work: definitions, snapshot, hashes, files flushed to disk. Restores have a file of their own.
Needs about three times MEGABYTES (400) of memory for the server's data and as much disk for the copies.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from wayra_db.backups import BackupManager
from wayra_db.backups import definitions as catalog
from wayra_db.backups.batches import Run
from wayra_db.backups.clone import clone_database
from wayra_db.backups.create import create_backup
from wayra_db.backups.manifest import Codec
from wayra_db.backups.moment import choose_moment
from wayra_db.backups.redact import Masker
from wayra_db.backups.streaming import Streaming, make_sources
from wayra_db.backups.survey import READERS
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment
from wayra_db.testing import ServerUnderTest, temporary_server

DATABASE, CLONE, IMPORTED = "benchmark", "benchmark_clone", "imported"
COLLECTIONS = ("orders", "events")
CODECS: tuple[Codec, ...] = ("none", "zstd", "gzip")


@dataclass
class Bench:
    """The server with its data, and a folder for what is written."""

    server: ServerUnderTest
    deployment: Deployment
    folder: Path
    size: int
    documents: Sequence[Sequence[RawBSONDocument]] = ()

    @property
    def one(self) -> int:
        """The bytes of the first collection."""
        return sum(len(one.raw) for batch in self.documents for one in batch)

    @property
    def manager(self) -> BackupManager:
        """What a program calls."""
        return BackupManager(self.guard, self.folder)

    @property
    def guard(self) -> Guard:
        """The gate, with nobody watching."""
        return Guard(self.deployment, Environment.DEVELOPMENT, observer=lambda event: None)


Way = Callable[[Bench], int]


class Nowhere:
    """A sink that keeps nothing."""

    def put(self, run: Run) -> None:
        """Forget it."""

    def close(self) -> int:
        """Nothing to say."""
        return 0

    def abandon(self) -> None:
        """Nothing to undo."""


def drain(bench: Bench, names: Sequence[str] = COLLECTIONS) -> int:
    """The floor: what the backup reads, the same way, to nowhere."""
    definitions = tuple(one for one in catalog.read_definitions(bench.deployment) if one.name in names)
    stats = catalog.read_stats(bench.deployment, definitions)
    moment = choose_moment(bench.deployment, definitions)
    sources = make_sources(bench.deployment, definitions, stats, moment, {}, readers=READERS)
    nowhere = Streaming(
        bench.deployment, lambda one: Nowhere(), readers=READERS, masker=Masker(), on_look=lambda done: None
    )
    nowhere.run(sources)
    return bench.size


def create(codec: Codec) -> Way:
    """A whole backup; returns the size of its files."""

    def way(bench: Bench) -> int:
        target = bench.folder / "ours"
        result = create_backup(bench.guard, target, name="one", codec=codec, jobs=READERS)
        shutil.rmtree(target)
        return result.size

    return way


def mongodump(*options: str) -> Way:
    """The official tool's."""

    def way(bench: Bench) -> int:
        target = bench.folder / "theirs"
        command = ["mongodump", f"--uri={bench.server.uri}", f"--db={DATABASE}", f"--out={target}", "--quiet", *options]
        subprocess.run(command, check=True)
        size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        shutil.rmtree(target)
        return size

    return way


def ways_to_create() -> dict[str, Way]:
    """What is compared; the floor first."""
    ways: dict[str, Way] = {"drain to nowhere (floor)": drain}
    ways |= {f"backup create --codec {codec}": create(codec) for codec in CODECS}
    if shutil.which("mongodump"):
        ways |= {"mongodump": mongodump(f"-j={READERS}"), "mongodump --gzip": mongodump("--gzip", f"-j={READERS}")}
    return ways


def drain_one(bench: Bench) -> int:
    """The floor of an export."""
    drain(bench, COLLECTIONS[:1])
    return bench.one


def export(bench: Bench) -> int:
    """One collection as JSON, a line each; returns the size of the file."""
    return bench.manager.export_collection(COLLECTIONS[0], path=bench.folder / "ours.jsonl", force=True).bytes


def mongoexport(bench: Bench) -> int:
    """The official tool's."""
    path = bench.folder / "theirs.jsonl"
    target = [f"--uri={bench.server.uri}", f"--db={DATABASE}", f"--collection={COLLECTIONS[0]}"]
    subprocess.run(["mongoexport", *target, f"--out={path}", "--quiet"], check=True)
    return path.stat().st_size


def insert(bench: Bench) -> int:
    """The floor of an import: the documents are there already, raw, and nothing is compared."""
    database = bench.deployment.client[DATABASE]
    database.drop_collection(IMPORTED)
    collection = database.get_collection(IMPORTED, write_concern=WriteConcern(1))
    for batch in bench.documents:
        collection.insert_many(batch, ordered=False, bypass_document_validation=True)
    return bench.one


def import_(bench: Bench) -> int:
    """What `export` has written, in the place of what is there."""
    bench.manager.import_collection(bench.folder / "ours.jsonl", collection=IMPORTED, clear_existing=True)
    return bench.one


def mongoimport(bench: Bench) -> int:
    """The official tool's, which drops what is there before it begins."""
    target = [f"--uri={bench.server.uri}", f"--db={DATABASE}", f"--collection={IMPORTED}", "--drop"]
    subprocess.run(["mongoimport", *target, f"--file={bench.folder / 'ours.jsonl'}", "--quiet"], check=True)
    return bench.one


def out(bench: Bench) -> int:
    """The floor of a clone: no byte leaves the server."""
    bench.deployment.client.drop_database(CLONE)
    for name in COLLECTIONS:
        bench.deployment.client[DATABASE][name].aggregate([{"$out": {"db": CLONE, "coll": name}}])
    return bench.size


def clone(bench: Bench) -> int:
    """Into another database of the same server."""
    bench.deployment.client.drop_database(CLONE)
    clone_database(bench.guard, bench.deployment.beside(CLONE), collections=COLLECTIONS)
    return bench.size


def where_there(name: str, way: Way) -> dict[str, Way]:
    """A way of an official tool, where it is on PATH."""
    return {name: way} if shutil.which(name) else {}


def fill(client: MongoClient[dict[str, Any]], megabytes: int) -> int:
    """Nested documents of about 1.3 kB, in two collections; returns their size in bytes."""
    maker = random.Random(1)
    words = ["".join(maker.choices("abcdefghijklmnopqrstuvwxyz", k=maker.randint(3, 9))) for _ in range(4000)]

    def text(count: int) -> str:
        return " ".join(maker.choices(words, k=count))

    bodies = [
        bson.encode(
            {
                "name": text(3),
                "email": f"{text(1)}@example.com",
                "profile": {"score": maker.random(), "tags": maker.choices(words, k=8)},
                "body": text(90),
                "items": [{"sku": text(1), "count": maker.randrange(100), "price": maker.random()} for _ in range(8)],
            }
        )
        for _ in range(2000)
    ]
    total = 0
    for name in COLLECTIONS:
        collection = client[DATABASE].get_collection(name, write_concern=WriteConcern(1))
        size = 0
        while size < megabytes * 1_000_000 // len(COLLECTIONS):
            batch = [
                RawBSONDocument(bson.encode({"_id": bson.ObjectId(), "body": RawBSONDocument(maker.choice(bodies))}))
                for _ in range(2000)
            ]
            collection.insert_many(batch, ordered=False)
            size += sum(len(one.raw) for one in batch)
        total += size
    return total


@contextmanager
def prepared(megabytes: int) -> Iterator[Bench]:
    """A server of its own with the data."""
    with temporary_server() as server, server.client() as client, tempfile.TemporaryDirectory() as folder:
        client.admin.command({"setParameter": 1, "wiredTigerEngineRuntimeConfig": "cache_size=1G"})
        size = fill(client, megabytes)
        bench = Bench(server, Deployment(client, DATABASE), Path(folder), size)
        # An import touches no database that nobody has claimed.
        client[DATABASE]["_wayra_meta"].insert_one({"_id": "database", "environment": "development", "format": 1})
        raw = client[DATABASE].get_collection(COLLECTIONS[0], codec_options=CodecOptions(RawBSONDocument))
        documents = list(raw.find())
        bench.documents = [documents[begin : begin + 1000] for begin in range(0, len(documents), 1000)]
        yield bench


def measure(bench: Bench, ways: Mapping[str, Way], runs: int) -> dict[str, tuple[float, float, int]]:
    """The median seconds of each way, of the processor's seconds of this process and its children, and the size."""
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, way in ways.items():
            started, cpu = time.perf_counter(), _processor_seconds()
            size = way(bench)
            if run:
                found[name].append((time.perf_counter() - started, _processor_seconds() - cpu, size))
    return {
        name: (statistics.median(one[0] for one in all_), statistics.median(one[1] for one in all_), all_[0][2])
        for name, all_ in found.items()
    }


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def show(
    title: str, documents: int, found: Mapping[str, tuple[float, float, int]], against: Sequence[tuple[str, str]]
) -> None:
    """The figures for so many bytes of documents, each beside the floor, which comes first; `against` are pairs."""
    floor = next(iter(found.values()))[0]
    print(f"{title}: {documents / 1e6:,.0f} MB, {os.cpu_count()} processors")
    for name, (seconds, cpu, size) in found.items():
        rate = documents / 1e6 / seconds
        print(
            f"  {name:<30} {seconds:6.2f} s  {rate:6,.0f} MB/s  {floor / seconds:5.2f} of the floor  "
            f"{cpu:5.2f} s of processor  {size / 1e6:7,.0f} MB"
        )
    for ours, theirs in against:
        if theirs in found:
            print(f"  {ours} against {theirs}: {found[theirs][0] / found[ours][0]:.2f} x")


def main() -> None:
    """Measure and print."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with prepared(megabytes) as bench:
        pairs = [("none", "mongodump"), ("zstd", "mongodump --gzip"), ("gzip", "mongodump --gzip")]
        against = [(f"backup create --codec {codec}", theirs) for codec, theirs in pairs]
        show("create", bench.size, measure(bench, ways_to_create(), runs), against)
        ways = {"drain to nowhere (floor)": drain_one, "backup export": export}
        ways |= where_there("mongoexport", mongoexport)
        show("export", bench.one, measure(bench, ways, runs), [("backup export", "mongoexport")])
        ways = {"insert raw documents (floor)": insert, "backup import": import_}
        ways |= where_there("mongoimport", mongoimport)
        show("import", bench.one, measure(bench, ways, runs), [("backup import", "mongoimport")])
        ways = {"$out by the server (floor)": out, "backup clone": clone}
        show("clone", bench.size, measure(bench, ways, runs), [])
    print(f"  most memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")


if __name__ == "__main__":
    main()
