"""What `backup create` makes is verified and copied; damage to it is found."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from bson import json_util

from tests.backup_writer import write_backup
from tests.support import COLLECTIONS, Sandbox
from tests.unit.backups.test_verify import key_pair
from wayra_db.backups import restore
from wayra_db.backups.manifest import Codec
from wayra_db.errors import ConfigError, RefusedError
from wayra_db.guard import Guard

DATA = Path(__file__).parents[2] / "data" / "mongodump"


def fill(sandbox: Sandbox) -> None:
    """A collection with an index and several frames, a time series, a capped one and a view."""
    sandbox.write("collections/users.py", COLLECTIONS)
    with sandbox.open() as project:
        database = project.deployment.database
        database.users.insert_many([{"email": f"user{n}@example.com", "text": "x" * 900} for n in range(3000)])
        database.users.create_index("email", unique=True)
        database.create_collection("weather", timeseries={"timeField": "at"})
        database.weather.insert_many([{"at": json_util.loads('{"$date": "2026-11-25T00:00:00Z"}'), "t": 1}])
        database.create_collection("log", capped=True, size=4096)
        database.log.insert_many([{"n": n} for n in range(3)])
        database.create_collection("adults", viewOn="users", pipeline=[])


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
def test_what_is_made_is_whole(sandbox: Sandbox, tmp_path: Path, codec: Codec) -> None:
    """Verified, copied, and verified there; every changed byte is found in its file."""
    fill(sandbox)
    with sandbox.open() as project:
        project.backups.create("nightly", codec=codec)
        keeper = project.backups.keeper
        report = keeper.verify("nightly")
        assert (report.findings, report.ok) == ((), True)
        manifest = keeper.show("nightly").manifest
        assert manifest is not None
        assert report.documents == manifest.documents >= 3004
        keeper.copy("nightly", str(tmp_path / "away"))
        assert keeper.verify(f"{tmp_path / 'away'}/nightly").ok
        folder = tmp_path / "away" / "nightly"
        files = sorted(path for path in folder.rglob("*") if path.stat().st_size and path.is_file())
        chance = random.Random(codec)
        for path in files:
            sound = path.read_bytes()
            for _ in range(3):
                changed = bytearray(sound)
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
                path.write_bytes(changed)
                found = keeper.verify(f"{tmp_path / 'away'}/nightly")
                assert path.relative_to(folder).as_posix() in {finding.file for finding in found.findings}
            path.write_bytes(sound)


def test_an_encrypted_one(sandbox: Sandbox) -> None:
    """By its hashes, and with the identity by its content; another identity is an error and no damage."""
    identity, recipient = key_pair()
    fill(sandbox)
    with sandbox.open() as project:
        project.backups.create("nightly", recipients=[recipient], include_sensitive=True)
        keeper = project.backups.keeper
        assert keeper.verify("nightly").kind == "hashes"
        report = keeper.verify("nightly", identities=[identity])
        assert (report.findings, report.kind) == ((), "structure")
        assert report.documents >= 3004
        with pytest.raises(ConfigError, match="the identity does not open"):
            keeper.verify("nightly", identities=[key_pair()[0]])


def test_deep(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restored into a scratch database, of which nothing is left, and compared; differences are found and kept."""
    fill(sandbox)
    with sandbox.open() as project:
        project.backups.create("nightly")
        before = project.deployment.client.list_database_names()
        report = project.backups.verify_deep("nightly")
        assert (report.findings, report.kind) == ((), "deep")
        assert project.deployment.client.list_database_names() == before
        record = project.backup_keeper.show("nightly").verified
        assert record is not None
        assert (record.kind, record.ok) == ("deep", True)
        whole = restore.restore

        def forgetful(guard: Guard, *arguments: Any, **options: Any) -> Any:
            done = whole(guard, *arguments, **options)
            guard.deployment.database.users.update_one({}, {"$set": {"text": "y"}})
            guard.deployment.database.users.drop_index("email_1")
            return done

        monkeypatch.setattr(restore, "restore", forgetful)
        report = project.backups.verify_deep("nightly")
        assert [finding.what for finding in report.findings] == [
            "users lacks the index email_1",
            "users has other documents than the backup",
        ]
        assert project.backup_keeper.show("nightly").damaged
        assert project.deployment.client.list_database_names() == before


def test_deep_in_production_asks_for_permission(sandbox: Sandbox) -> None:
    """It writes to the deployment."""
    write_backup(sandbox.folder / "backups", "nightly")
    sandbox.write("collections/users.py", COLLECTIONS)
    with sandbox.open(environ={"WAYRA_ENV": "production"}) as project, pytest.raises(RefusedError):
        project.backups.verify_deep("nightly")


@pytest.mark.parametrize("name", ["dump", "dump-gzip", "legacy.archive.gz"])
def test_what_mongodump_has_made(sandbox: Sandbox, name: str) -> None:
    """Its structure; a cut file is found."""
    source, target = DATA / name, sandbox.folder / "backups" / name
    target.parent.mkdir(exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    with sandbox.open() as project:
        keeper = project.backup_keeper
        report = keeper.verify(name)
        assert (report.findings, report.ok) == ((), True)
        assert report.documents > 0
        path = next(target.rglob("*.bson*")) if target.is_dir() else target
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert not keeper.verify(name).ok


def test_the_status_knows_them(sandbox: Sandbox) -> None:
    """Listed with what the manifest and the last verification say."""
    fill(sandbox)
    with sandbox.open() as project:
        project.backups.create("nightly")
        project.backups.keeper.verify("nightly")
        backups = project.status().backups
        assert backups is not None
        (listed,) = backups
        assert listed.to_dict()["verified"]["ok"] is True
