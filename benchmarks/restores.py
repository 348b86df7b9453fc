"""How fast a backup is restored, against what it cannot be faster than and, where it is on PATH, against mongorestore.

    .venv/bin/python benchmarks/restores.py [MEGABYTES] [RUNS]

One server, the same data, all ways in turn within one run, medians. The floor is documents that lie ready in memory as
raw BSON, inserted by `insert_many` on as many threads, and the same indexes built side by side after them: no file, no
unpacking, no hash, no comparison, no swap. A restore is the whole command's work: every file's hash, load, indexes,
every document read back and compared, the swap over what was there. Needs about four times MEGABYTES (300) of memory.
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
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from wayra_db.backups.create import create_backup
from wayra_db.backups.load import THREADS
from wayra_db.backups.manager import BackupManager
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment
from wayra_db.testing import temporary_server

DATABASE = "benchmark"
BATCH = 1000
INDEXES: list[dict[str, Any]] = [
    {"key": {"name": 1}, "name": "name"},
    {"key": {"created": -1}, "name": "created"},
    {"key": {"address.city": 1, "amount": 1}, "name": "city"},
    {"key": {"tags": 1}, "name": "tags"},
    {"key": {"number": 1}, "name": "number", "unique": True},
]


@dataclass
class Bench:
    """The server, the data in memory, and the folder with its backups."""

    client: MongoClient[dict[str, Any]]
    uri: str
    pid: int
    folder: Path
    collections: tuple[str, ...]
    batches: dict[str, list[list[RawBSONDocument]]] = field(default_factory=dict)
    size: int = 0

    @property
    def guard(self) -> Guard:
        """The gate, with nobody watching."""
        return Guard(Deployment(self.client, DATABASE), Environment.DEVELOPMENT, observer=lambda event: None)

    def server_seconds(self) -> float:
        """The processor time that the server has used: the figure that other programs on the machine disturb least."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def empty(self) -> None:
        """Drop the collections, and let the server write out what it has pending."""
        for name in self.collections:
            self.client[DATABASE].drop_collection(name)
        self.client.admin.command("fsync")


def make(megabytes: int, collections: tuple[str, ...]) -> tuple[dict[str, list[list[RawBSONDocument]]], int]:
    """Nested documents of about 1.1 kB, as raw BSON, in batches; and their size in bytes."""
    maker = random.Random(1)
    words = ["".join(maker.choices("abcdefghijklmnopqrstuvwxyz", k=maker.randint(3, 9))) for _ in range(4000)]

    def text(count: int) -> str:
        return " ".join(maker.choices(words, k=count))

    batches: dict[str, list[list[RawBSONDocument]]] = {}
    size = 0
    for name in collections:
        batches[name] = []
        filled, number = 0, 0
        while filled < megabytes * 1_000_000 / len(collections):
            batch = []
            for _ in range(BATCH):
                number += 1
                document = {
                    "_id": bson.ObjectId(),
                    "number": number,
                    "name": text(2),
                    "created": maker.randint(0, 10**9),
                    "amount": maker.random() * 1000,
                    "tags": maker.sample(words[:200], 3),
                    "address": {"city": words[maker.randint(0, 400)], "street": text(4), "note": text(20)},
                    "lines": [{"what": text(4), "price": maker.random(), "count": n} for n in range(8)],
                }
                batch.append(RawBSONDocument(bson.encode(document)))
            batches[name].append(batch)
            filled += sum(len(one.raw) for one in batch)
        size += filled
    return batches, size


def floor(bench: Bench) -> None:
    """Insert what lies ready, then build the indexes."""
    database = bench.client.get_database(DATABASE, write_concern=WriteConcern(w=1))
    work = [(name, batch) for name in bench.collections for batch in bench.batches[name]]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda one: database[one[0]].insert_many(one[1], ordered=False), work))
    with ThreadPoolExecutor(THREADS) as pool:
        builds = [(name, index) for name in bench.collections for index in INDEXES]
        list(pool.map(lambda one: database.command("createIndexes", one[0], indexes=[one[1]]), builds))


def ours(name: str) -> Callable[[Bench], None]:
    """A whole restore of one of the backups."""

    def way(bench: Bench) -> None:
        BackupManager(bench.guard, bench.folder).restore(name, safety_backup=False)

    return way


def mongorestore(name: str, *options: str) -> Callable[[Bench], None]:
    """The official tool's."""

    def way(bench: Bench) -> None:
        source = bench.folder / name / DATABASE
        command = ["mongorestore", f"--uri={bench.uri}", f"--db={DATABASE}", "--drop", "--quiet", *options, str(source)]
        subprocess.run(command, check=True)

    return way


@contextmanager
def peak_of_memory(found: list[int]) -> Iterator[None]:
    """The largest memory of this process within the block, above what it had before, in bytes."""
    ended = threading.Event()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    before = resident()
    largest = [0]

    def watch() -> None:
        while not ended.wait(0.02):
            largest[0] = max(largest[0], resident() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        found.append(largest[0])


def measure(bench: Bench, ways: dict[str, Callable[[Bench], None]], runs: int) -> None:
    """All ways in turn, after a round that does not count, and their medians."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    processors: dict[str, list[float]] = {name: [] for name in ways}
    servers: dict[str, list[float]] = {name: [] for name in ways}
    peaks: dict[str, list[int]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, way in ways.items():
            bench.empty()
            with peak_of_memory(peaks[name]):
                started, processor, server = time.perf_counter(), time.process_time(), bench.server_seconds()
                way(bench)
                taken = time.perf_counter() - started
            if run:
                times[name].append(taken)
                processors[name].append(time.process_time() - processor)
                servers[name].append(bench.server_seconds() - server)
    least = statistics.median(times["insert what lies ready (floor)"])
    print(f"{len(bench.collections)} collections, {bench.size / 1e6:.0f} MB, medians of {runs} interleaved runs")
    print(f"{'':<36} {'time':>8} {'MB/s':>6} {'of floor':>9} {'CPU':>7} {'server':>7} {'memory':>8}")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(
            f"{name:<36} {median:6.2f} s {bench.size / 1e6 / median:6.0f} {least / median:7.2f} x "
            f"{statistics.median(processors[name]):5.2f} s {statistics.median(servers[name]):5.2f} s "
            f"{max(peaks[name]) / 1e6:5.0f} MB"
        )


def main() -> None:
    """Measure with one collection, and with several."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for collections in (("orders",), ("orders", "events")):
        with tempfile.TemporaryDirectory() as temporary, temporary_server() as server:
            client: MongoClient[dict[str, Any]] = MongoClient(server.uri)
            batches, size = make(megabytes, collections)
            client.admin.command({"setParameter": 1, "wiredTigerEngineRuntimeConfig": "cache_size=1G"})
            bench = Bench(client, server.uri, server.nodes[0].pid, Path(temporary), collections, batches, size)
            floor(bench)
            for codec in ("none", "zstd", "gzip"):
                create_backup(bench.guard, bench.folder, name=codec, codec=codec)
            bench.client.drop_database(DATABASE)
            ways: dict[str, Callable[[Bench], None]] = {"insert what lies ready (floor)": floor}
            ways |= {f"backup restore, {codec}": ours(codec) for codec in ("none", "zstd", "gzip")}
            if shutil.which("mongorestore"):
                ways |= {"mongorestore": mongorestore("none"), "mongorestore --gzip": mongorestore("gzip", "--gzip")}
            measure(bench, ways, runs)
            client.close()


if __name__ == "__main__":
    main()
