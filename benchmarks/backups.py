"""How fast a backup is made, against what it cannot be faster than and, where it is on PATH, against mongodump.

    .venv/bin/python benchmarks/backups.py [MEGABYTES] [RUNS]

One server, the same data, all ways in turn within one run, medians. The floor is the same cursors drained to nowhere:
no file, no hash, no frame. `create` is the whole command's work: definitions, snapshot, hashes, files flushed to disk.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from wayra_db.backups import definitions as catalog
from wayra_db.backups.batches import Run
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

DATABASE = "benchmark"
COLLECTIONS = ("orders", "events")
CODECS: tuple[Codec, ...] = ("none", "zstd", "gzip")


@dataclass
class Bench:
    """The server with its data, and a folder for what is written."""

    server: ServerUnderTest
    deployment: Deployment
    folder: Path
    size: int

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


def drain(bench: Bench) -> int:
    """The floor: what the backup reads, the same way, to nowhere."""
    definitions = catalog.read_definitions(bench.deployment)
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
        yield Bench(server, Deployment(client, DATABASE), Path(folder), size)


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


def show(title: str, bench: Bench, found: Mapping[str, tuple[float, float, int]]) -> None:
    """The figures, each beside the floor, which comes first."""
    floor = next(iter(found.values()))[0]
    print(f"{title}: {bench.size / 1e6:,.0f} MB in {len(COLLECTIONS)} collections, {os.cpu_count()} processors")
    for name, (seconds, cpu, size) in found.items():
        rate = bench.size / 1e6 / seconds
        print(
            f"  {name:<30} {seconds:6.2f} s  {rate:6,.0f} MB/s  {floor / seconds:5.2f} of the floor  "
            f"{cpu:5.2f} s of processor  {size / 1e6:7,.0f} MB"
        )
    for ours, theirs in (("none", "mongodump"), ("zstd", "mongodump --gzip"), ("gzip", "mongodump --gzip")):
        if theirs in found:
            ratio = found[theirs][0] / found[f"backup create --codec {ours}"][0]
            print(f"  --codec {ours} against {theirs}: {ratio:.2f} x")


def main() -> None:
    """Measure and print."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with prepared(megabytes) as bench:
        show("create", bench, measure(bench, ways_to_create(), runs))
    print(f"  most memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")


if __name__ == "__main__":
    main()
