"""The memory of what goes through a whole backup, with the largest documents there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.integration.backups import copies
from wayra_db.backups.create import create_backup
from wayra_db.testing import temporary_server

Documents = Database[dict[str, Any]]

LARGEST = 16 * 1024 * 1024
MOST_MEGABYTES = 150

WORK = """
import sys
from pathlib import Path
from pymongo import MongoClient
from wayra_db.backups import BackupManager
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment

uri, database, folder, what = sys.argv[1:]
with MongoClient(uri) as client:
    guard = Guard(Deployment(client, database), Environment.DEVELOPMENT, observer=lambda event: None)
    manager = BackupManager(guard, Path(folder))
    if what == "verify":
        assert manager.keeper.verify("whole").ok
    elif what == "verify --deep":
        assert manager.verify_deep("whole").ok
    elif what == "clone":
        manager.clone(uri, to_database=f"{database}_clone")
    else:
        manager.restore("whole", to=f"{database}_other", safety_backup=False)
# Not getrusage: its maximum begins with that of the process that started this one.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1000)
"""


def fill(database: Documents) -> None:
    """Documents as large as they get, of bytes that no codec packs and of as many values as fit, beside small ones."""
    for name in "abcd":
        body = os.urandom(LARGEST - 25)
        database[name].insert_one(RawBSONDocument(bson.encode({"_id": 1, "x": body})))
        database[name].insert_many([{"_id": n, "x": body[n : n + 900]} for n in range(2, 3000)])
    values: list[Any] = [{}] * 400_000
    database["many"].insert_one({"_id": 1, "x": values})


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_largest_documents_take_little_memory(tmp_path: Path) -> None:
    """A restore, a clone and both verifications stay below 150 MB, however large the documents are."""
    peaks = {}
    with temporary_server() as server, server.client() as client:
        # The small cache of test servers has no room for the largest documents.
        client.admin.command({"setParameter": 1, "wiredTigerEngineRuntimeConfig": "cache_size=1G"})
        fill(client["large"])
        create_backup(copies.guard(client["large"]), tmp_path, name="whole")
        for what in ("verify", "restore", "verify --deep", "clone"):
            arguments = [server.uri, "large", str(tmp_path), what]
            ended = subprocess.run([sys.executable, "-c", WORK, *arguments], capture_output=True, text=True, check=True)
            peaks[what] = int(ended.stdout)
    assert all(peak < MOST_MEGABYTES for peak in peaks.values()), peaks
