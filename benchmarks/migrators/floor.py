"""The floor's process: floor.py URI DATABASE FOLDER [up|down].

Reads and hashes the files and the history. With a direction it also executes each file, lets it do its own write, and
writes the history, one majority write after the other. No lock, no check, no log, no transaction, no message.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from pymongo import MongoClient


def main() -> None:
    """Do what a migration tool cannot leave out, and nothing else."""
    uri, name, folder = sys.argv[1:4]
    direction = sys.argv[4] if len(sys.argv) > 4 else None
    client: MongoClient = MongoClient(uri)
    database = client[name]
    history = database.history
    sources = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    hashes = {file: hashlib.sha256(source).hexdigest() for file, source in sources.items()}
    applied = {record["_id"] for record in history.find(batch_size=100_000)}
    if direction == "up":
        for file, source in sources.items():
            if file not in applied:
                _function(source, file, "up")(database)
                history.insert_one({"_id": file, "hash": hashes[file]})
    elif direction == "down":
        for file in sorted(applied, reverse=True):
            _function(sources[file], file, "down")(database)
            history.delete_one({"_id": file})
    sys.stdout.flush()
    os._exit(0)


def _function(source: bytes, file: str, name: str):
    module: dict = {}
    exec(compile(source, file, "exec"), module)
    return module[name]


if __name__ == "__main__":
    main()
