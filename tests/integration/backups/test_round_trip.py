"""What `create` makes, `restore` brings back: both of them real, on a real server."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.backups import Made, raw, write_backup
from tests.integration.backups import copies
from tests.restoring import Restoring, contents, temporaries
from wayra_db.backups.manifest import Codec
from wayra_db.testing import ServerUnderTest

Documents = Database[dict[str, Any]]


def fill(database: Documents) -> None:
    """Something of every kind."""
    database["_wayra_meta"].insert_one({"_id": "database", "environment": "development", "format": 1})
    database["plain"].insert_many([{"_id": n, "n": n, "text": "x" * (n % 50)} for n in range(5000)])
    database["plain"].create_index("n", unique=True)
    database["plain"].create_index("text", expireAfterSeconds=10_000)
    database.create_collection("ring", capped=True, size=8192)
    database["ring"].insert_many([{"_id": n} for n in (4, 2, 8)])
    database.create_collection("weather", timeseries={"timeField": "at", "metaField": "where"})
    database["weather"].insert_many([{"at": datetime(2026, 1, 1, 0, n, tzinfo=UTC), "where": n % 2} for n in range(60)])
    database.create_collection("look", viewOn="plain", pipeline=[{"$match": {"n": 5}}])
    database["fs.files"].insert_one({"_id": 1, "length": 3, "chunkSize": 255, "filename": "a"})
    database["fs.chunks"].insert_one({"_id": 1, "files_id": 1, "n": 0, "data": b"abc"})
    database["odd/name%20é"].insert_one({"_id": None, "": {"$odd.key": 1}})
    database.create_collection("nothing", validator={"a": {"$exists": True}})


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
def test_a_backup_of_every_kind(restoring: Restoring, codec: Codec) -> None:
    """Restored into another database and over its own: documents, options and indexes are equal."""
    database = restoring.database
    fill(database)
    before = contents(database)
    restoring.manager.create("made", codec=codec, include_sensitive=True, plaintext=True)
    other = database.client[f"{database.name}_copy"]
    try:
        restoring.manager.restore("made", to=other.name)
        assert contents(other) == before
    finally:
        database.client.drop_database(other.name)
    database["plain"].delete_many({"n": {"$gt": 10}})
    database["weather"].drop()
    database["nothing"].drop()
    report = restoring.manager.restore("made", drop_existing=True)
    assert contents(database) == before
    assert temporaries(database) == []
    assert report.safety_backup is not None
    restoring.manager.restore(report.safety_backup, drop_existing=True, safety_backup=False)
    assert database["plain"].count_documents({}) == 11


def test_an_encrypted_backup(restoring: Restoring) -> None:
    """Made for a recipient, restored by its identity."""
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    fill(restoring.database)
    before = contents(restoring.database)
    restoring.manager.create("secret", include_sensitive=True, recipients=[str(identity.to_public())])
    restoring.database["plain"].drop()
    restoring.manager.restore("secret", drop_existing=True, safety_backup=False, identities=[str(identity)])
    assert contents(restoring.database) == before


RESTORE = """
import re, sys
from pathlib import Path
from pymongo import MongoClient
from wayra_db.backups import BackupManager
from wayra_db.backups.restore import restore
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment

uri, database, folder = sys.argv[1:]
manager = BackupManager(Guard(Deployment(MongoClient(uri), database), Environment.DEVELOPMENT), Path(folder))
manager.restore("small")

def peak():
    return re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]

before = peak()
manager.restore("large")
print(before, peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_stays_flat(restoring: Restoring, wayra_server: ServerUnderTest) -> None:
    """A backup of 160 MB takes little more memory than one of 1 MB, and no more than 150 MB in all."""
    body = "x" * 40_000
    write_backup(restoring.folder, "small", [Made("small", raw({"_id": 1, "x": body}))])
    large = raw(*({"_id": n, "x": body} for n in range(4000)))
    write_backup(restoring.folder, "large", [Made("large", large)], frame_bytes=1 << 20)
    arguments = [wayra_server.uri, restoring.database.name, str(restoring.folder)]
    ended = subprocess.run([sys.executable, "-c", RESTORE, *arguments], capture_output=True, text=True, check=True)
    before, after = (int(kilobytes) / 1000 for kilobytes in ended.stdout.split())
    assert after < 150
    assert after - before < 80
    assert restoring.database["large"].count_documents({}) == 4000


def test_one_moment_for_what_no_snapshot_reads(restoring: Restoring, tmp_path: Path) -> None:
    """A capped collection is read outside the snapshot; a slice of the oplog that came with it is applied."""
    fill(restoring.database)
    with copies.writing_while_capped_are_read(restoring.database, "ring"):
        made = restoring.manager.create("made", include_sensitive=True, plaintext=True)
    before = contents(restoring.database)
    report = restoring.manager.restore("made", drop_existing=True, safety_backup=False)
    assert made.manifest.consistency.kind == "oplog"
    assert report.replayed
    assert [entry.name for entry in made.manifest.collections if entry.options.get("capped")] == ["ring"]
    assert contents(restoring.database) == before
    assert report.backup == "made"
