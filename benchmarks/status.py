"""What `status` costs: commands and time, on few empty collections and on many full ones, in one run.

    .venv/bin/python benchmarks/status.py [COLLECTIONS] [DOCUMENTS] [RUNS]

By default 30 collections of 100,000 documents each, made by the server. Floors in the same run: as many
bare pings as `status` sends commands, and for the whole process a Python that connects, pings and exits.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from wayra_db import Project
from wayra_db.testing import CommandCounter, TemporaryServer, temporary_server

TOOL = str(Path(sys.executable).parent / "wayra-db")
PING = "import sys, pymongo\nwith pymongo.MongoClient(sys.argv[1]) as client:\n    client.admin.command('ping')\n"


def declare(folder: Path, number: int) -> None:
    """A project of so many collections, with two indexes each."""
    (folder / "collections").mkdir(parents=True, exist_ok=True)
    (folder / "wayra-db.toml").write_text("")
    text = "from pymongo import IndexModel\nfrom wayra_db import Collection\n\n"
    for one in range(number):
        text += f'c{one} = Collection("c{one}", indexes=[IndexModel("a"), IndexModel([("b", 1), ("a", 1)])])\n'
    (folder / "collections" / "all.py").write_text(text)


def fill(client: MongoClient[dict[str, Any]], database: str, collections: int, documents: int) -> None:
    """The documents, made on the server."""
    made = {"a": "$_id", "b": {"$mod": ["$_id", 1000]}, "text": "x" * 100}
    stages = [
        {"$documents": [{"n": {"$range": [0, documents]}}]},
        {"$unwind": "$n"},
        {"$project": {"_id": "$n"}},
        {"$set": made},
    ]
    for one in range(collections):
        merge = {"$merge": {"into": f"c{one}", "whenMatched": "keepExisting"}}
        client[database].aggregate([*stages, merge], allowDiskUse=True)


def median(work: Callable[[], Any], runs: int) -> float:
    """The median time of a piece of work, after one that does not count."""
    times = []
    for run in range(runs + 1):
        started = time.perf_counter()
        work()
        if run:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure(server: TemporaryServer, folder: Path, database: str, runs: int) -> tuple[int, float, float, float]:
    """Commands, time of `Project.status`, time of as many pings, and time of the whole command."""
    counter = CommandCounter()
    with server.client(event_listeners=[counter]) as client:
        environ = {"WAYRA_DATABASE": database, "MONGODB_URI": server.uri}
        with Project.open(folder, environ=environ, client=client) as project:
            taken = median(project.status, runs)
            counter.clear()
            status = project.status()
            commands = counter.count
            assert status.healthy, status.findings
        pings = median(lambda: [client.admin.command("ping") for _ in range(commands)], runs)
    call = [TOOL, "--project", str(folder), "status"]
    whole = median(lambda: subprocess.run(call, env={**os.environ, **environ}, check=True, capture_output=True), runs)
    return commands, taken, pings, whole


def main() -> None:
    """Few and empty, then many and full."""
    given = [int(one) for one in sys.argv[1:]]
    collections, documents, runs = (*given, *(30, 100_000, 9)[len(given) :])
    with tempfile.TemporaryDirectory() as temporary, temporary_server() as server:
        floor = median(
            lambda: subprocess.run([sys.executable, "-c", PING, server.uri], check=True, capture_output=True), runs
        )
        print(f"{'':34}{'commands':>9}{'status ms':>11}{'x pings':>9}{'process ms':>12}{'x floor':>9}")
        for number, each in ((3, 0), (collections, documents)):
            folder, database = Path(temporary) / f"p{number}", f"bench{number}"
            declare(folder, number)
            with server.client() as client:
                if each:
                    fill(client, database, number, each)
                with Project.open(
                    folder, environ={"WAYRA_DATABASE": database, "MONGODB_URI": server.uri}, adopt=True
                ) as project:
                    project.initializer.run()
            commands, taken, pings, whole = measure(server, folder, database, runs)
            name = f"{number} collections of {each:,} documents"
            print(
                f"{name:34}{commands:>9}{taken * 1000:>11.1f}{taken / pings:>9.1f}{whole * 1000:>12.0f}"
                f"{whole / floor:>9.2f}"
            )
        print(f"floor of a process: connect, ping, exit: {floor * 1000:.0f} ms")


if __name__ == "__main__":
    main()
