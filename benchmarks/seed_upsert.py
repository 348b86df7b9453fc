"""How `ctx.upsert` compares with other ways to put documents there by natural key, as multiples of a plain insert.

Looking up what is there and inserting what is missing, by a bulk of upserts, and by a staging collection and `$merge`.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bson import ObjectId, encode
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne
from pymongo.database import Database

from wayra_db import Project
from wayra_db.testing import temporary_server

DOCUMENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
ROUNDS = 3

SEED = """
environments = ["development"]


def seed(db, ctx):
    documents = [{"email": f"u{n}@example.com", "word": WORD, "text": "x" * 400, "n": n} for n in range(DOCUMENTS)]
    ctx.upsert("users", documents, key="email")
"""


def documents(word: str) -> list[dict[str, Any]]:
    """What the seed makes."""
    return [
        {"_id": ObjectId(), "email": f"u{n}@example.com", "word": word, "text": "x" * 400, "n": n}
        for n in range(DOCUMENTS)
    ]


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def empty(database: Database[dict[str, Any]]) -> None:
    """An empty collection with its unique index."""
    database.users.drop()
    database.users.create_index("email", unique=True)


def staged(database: Database[dict[str, Any]], word: str) -> None:
    """By a staging collection."""
    database.staging.drop()
    database.staging.insert_many(documents(word), ordered=False)
    database.staging.aggregate([{"$unset": "_id"}, {"$merge": {"into": "users", "on": "email"}}])


def upserts(database: Database[dict[str, Any]], word: str) -> None:
    """By a bulk of upserts."""
    changes = [{key: value for key, value in one.items() if key not in ("_id", "email")} for one in documents(word)]
    keys = [one["email"] for one in documents(word)]
    database.users.bulk_write(
        [UpdateOne({"email": key}, {"$set": change}, upsert=True) for key, change in zip(keys, changes, strict=True)],
        ordered=False,
    )


def main() -> None:
    """Interleaved rounds; prints the median of each ratio."""
    ratios: dict[str, list[float]] = {}
    with temporary_server() as server, server.client() as client, TemporaryDirectory() as folder:
        path = Path(folder) / "scripts" / "seeds" / "0001_users.py"
        path.parent.mkdir(parents=True)
        (Path(folder) / "wayra-db.toml").touch()
        environ = {"MONGODB_URI": server.uri, "WAYRA_DATABASE": "bench"}
        database = client["bench"]
        for number in range(ROUNDS):
            client.drop_database("bench")
            empty(database)
            raws = [RawBSONDocument(encode(one)) for one in documents("first")]
            floor = timed(lambda raws=raws: database.users.insert_many(raws, ordered=False))  # type: ignore[misc]
            for name, way in (("bulk upserts", upserts), ("staging and $merge", staged)):
                empty(database)
                for what, word in (("all new", "first"), ("all changed", "second")):
                    seconds = timed(lambda way=way, word=word: way(database, word))  # type: ignore[misc]
                    ratios.setdefault(f"{name}, {what}", []).append(seconds / floor)
            client.drop_database("bench")
            with Project.open(folder, environ=environ, observer=lambda event: None) as project:
                path.write_text("environments = ['development']\n\ndef seed(db):\n    pass\n")
                project.seeds.run()
                empty(database)
                for what, word in (("all new", "first"), ("all unchanged", "first"), ("all changed", "second")):
                    path.write_text(SEED.replace("WORD", repr(word)).replace("DOCUMENTS", str(DOCUMENTS)))
                    seconds = timed(lambda: project.seeds.run(again=True))
                    ratios.setdefault(f"ctx.upsert in a seed, {what}", []).append(seconds / floor)
            print(f"round {number + 1}: {DOCUMENTS:,} documents inserted in {floor:.2f} s")
    for name, found in sorted(ratios.items()):
        print(f"{name:<42} {statistics.median(found):5.1f} x a plain insert")


if __name__ == "__main__":
    main()
