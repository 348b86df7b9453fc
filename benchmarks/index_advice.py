"""How good the suggested indexes are, on random workloads and beside another advisor.

    .venv/bin/python benchmarks/index_advice.py [SEED ...] [--documents N] [--rival PATH_TO_INDEXWRIGHT]

For each seed: two collections of N documents (5,000) without indexes, 25 random query shapes (tests/workloads.py), each
executed four times under the profiler. Every advisor reads the same profile. Then, for each in turn, the indexes that
it advises are built, the very same workload runs again under the profiler, and the indexes are dropped.

`documents` is what the queries examined, before and after. `scans` are executions that still read a whole collection,
`refused` advised indexes that the server could not build, `unused` those that `$indexStats` counts no use of. None of
these depends on the speed of the machine. The queries are ours, made without a look at any advisor, and a rival may
meet them elsewhere better: it is a comparison on one grammar, no more.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.workloads import Workload, fill
from wayra_db import Deployment, Environment, Guard
from wayra_db.indexes.advice import IndexAdvisor
from wayra_db.testing import temporary_server

NAMES = ["orders", "people"]
SHAPES, TIMES = 25, 4
PROFILE_BYTES = 64_000_000
DATABASE = "advice"

Advised = Sequence[tuple[str, dict[str, Any]]]
Found = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the workload cost under some indexes."""

    documents: int
    scans: int
    advised: int = 0
    refused: int = 0
    unused: int = 0


def record(database: Database[Found], workload: Workload, seed: int) -> Outcome:
    """Run the workload under a fresh profile."""
    database.command("profile", 0)
    database.drop_collection("system.profile")
    database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
    database.command("profile", 2)
    workload.run(database, TIMES, seed)
    database.command("profile", 0)
    documents = scans = 0
    for entry in database["system.profile"].find({"ns": {"$in": [f"{DATABASE}.{name}" for name in NAMES]}}):
        documents += entry.get("docsExamined", 0)
        scans += "COLLSCAN" in entry.get("planSummary", "")
    return Outcome(documents, scans)


def outcome(database: Database[Found], advised: Advised, workload: Workload, seed: int) -> Outcome:
    """Build what is advised, run again, and drop it."""
    refused = 0
    for collection, document in advised:
        try:
            database.command("createIndexes", collection, indexes=[document])
        except OperationFailure:
            refused += 1
    found = record(database, workload, seed)
    uses = [
        stats["accesses"]["ops"]
        for name in NAMES
        for stats in database[name].aggregate([{"$indexStats": {}}])
        if stats["name"] != "_id_"
    ]
    for name in NAMES:
        database[name].drop_indexes()
    return Outcome(found.documents, found.scans, len(advised), refused, sum(not number for number in uses))


def wayra(database: Database[Found]) -> Advised:
    """What this project advises."""
    guard = Guard(Deployment(database.client, DATABASE), Environment.DEVELOPMENT, adopt=True)
    return [(one.collection, dict(one.document)) for one in IndexAdvisor(guard).suggest().proposals]


def indexwright(binary: str, uri: str) -> Callable[[Database[Found]], Advised]:
    """What indexwright advises: the createIndex statements of its report."""

    def advise(database: Database[Found]) -> Advised:
        command = [binary, "analyze", "--uri", uri, "--db", DATABASE, "--format", "json"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        statements = {
            text
            for finding in json.loads(ended.stdout)["findings"]
            for text in _texts(finding)
            if "createIndex(" in text
        }
        return [_parsed(text) for text in sorted(statements)]

    return advise


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _parsed(statement: str) -> tuple[str, dict[str, Any]]:
    found = re.search(r"""(?:db\.(\w+)|\["?(\w+)"?\]|getCollection\("(\w+)"\))\.createIndex\((\{.*?\})""", statement)
    if found is None:
        raise ValueError(f"not understood: {statement}")
    key = json.loads(re.sub(r"""(?<=[{,\s])['"]?([\w.]+)['"]?\s*:""", r'"\1":', found[4]))
    name = next(group for group in found.groups()[:3] if group)
    return name, {"key": key, "name": "_".join(f"{field}_{order}" for field, order in key.items())}


def main() -> None:
    """Print a line for each seed and advisor."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", nargs="*", type=int, default=[505, 606, 707, 808])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rival", default=shutil.which("indexwright"), help="pip install indexwright, elsewhere")
    given = parser.parse_args()
    heads = ("seed", "advisor", "documents", "after", "scans", "advised", "refused", "unused")
    print("{:>6} {:<12} {:>10} {:>8} {:>6} {:>8} {:>8} {:>7}".format(*heads))
    with temporary_server() as server, server.client() as client:
        advisors = {"wayra-db": wayra}
        if given.rival:
            advisors["indexwright"] = indexwright(given.rival, server.uri)
        else:
            print("indexwright is absent: name it with --rival")
        for seed in given.seeds:
            client.drop_database(DATABASE)
            database = client[DATABASE]
            for number, name in enumerate(NAMES):
                fill(database, name, given.documents, seed + number)
            workload = Workload(NAMES, seed, SHAPES)
            before = record(database, workload, seed)
            advice = {name: advise(database) for name, advise in advisors.items()}
            for name, advised in advice.items():
                after = outcome(database, advised, workload, seed)
                print(
                    f"{seed:>6} {name:<12} {before.documents:>10,} {after.documents:>8,} {after.scans:>6} "
                    f"{after.advised:>8} {after.refused:>8} {after.unused:>7}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
