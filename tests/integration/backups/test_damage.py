"""Damaged, cut and incomplete backups are found before anything is touched."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backups import Made, raw, write_backup
from tests.restoring import Restoring, contents
from wayra_db.backups.open import open_backup
from wayra_db.errors import (
    BackupCorruptError,
    BackupError,
    BackupIncompleteError,
    BackupNotFoundError,
    WayraError,
)

DATA = Path(__file__).parents[2] / "data" / "mongodump-legacy"
FLIPS = 1000


def small(folder: Path) -> Path:
    """A backup with a few frames of each of two collections, and a view."""
    return write_backup(
        folder,
        "small",
        [
            Made("users", raw(*({"_id": n, "name": f"user {n}"} for n in range(200)))),
            Made("trips", raw(*({"_id": n, "to": "x" * 30} for n in range(100)))),
            Made("look", kind="view", options={"viewOn": "users", "pipeline": []}),
        ],
        frame_bytes=2048,
    )


def test_a_thousand_changed_bytes(restoring: Restoring) -> None:
    """Any one byte of any file, changed to any other value: found as a whole, and nothing is restored."""
    path = small(restoring.folder)
    files = [one for one in sorted(path.rglob("*")) if one.is_file()]
    chance = random.Random(20261125)
    sizes = [one.stat().st_size for one in files]
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    unseen = 0
    for _ in range(FLIPS):
        file = chance.choices(files, sizes)[0]
        original = file.read_bytes()
        at = chance.randrange(len(original))
        damaged = bytearray(original)
        damaged[at] ^= chance.randrange(1, 256)
        file.write_bytes(damaged)
        try:
            if file.name == "manifest.json" and _same(bytes(damaged), manifest):
                unseen += 1  # white space between the values: it says the same as before
                continue
            with pytest.raises((BackupCorruptError, BackupIncompleteError)):
                restoring.manager.restore("small")
        finally:
            file.write_bytes(original)
    assert unseen < FLIPS / 10
    assert restoring.database.list_collection_names() == []
    restoring.manager.restore("small")
    assert restoring.database["look"].count_documents({}) == 200


def _same(text: bytes, manifest: object) -> bool:
    try:
        return bool(json.loads(text) == manifest)
    except ValueError:
        return False


def damage_frame(path: Path) -> None:
    """One byte in the middle of a data file."""
    file = path / "source" / "users.bson.zst"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(path: Path) -> None:
    """The end of a data file is missing."""
    file = path / "source" / "users.bson.zst"
    file.write_bytes(file.read_bytes()[:-10])


def lose(path: Path) -> None:
    """A whole file is missing."""
    (path / "source" / "trips.bson.zst").unlink()


def add(path: Path) -> None:
    """A file is there that is not of the backup."""
    (path / "source" / "more.bson.zst").write_bytes(b"")


def link(path: Path) -> None:
    """A file is a link to one outside."""
    file = path / "source" / "users.bson.zst"
    outside = path.parent / "outside"
    shutil.move(file, outside)
    file.symlink_to(outside)


def lose_manifest(path: Path) -> None:
    """Without its manifest it is a directory of some tool."""
    (path / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("harm", "error", "said"),
    [
        (damage_frame, BackupCorruptError, r"users\.bson\.zst is damaged at byte [1-9]"),
        (cut, BackupCorruptError, r"users\.bson\.zst is damaged at byte [1-9].*should have"),
        (lose, BackupIncompleteError, r"trips\.bson\.zst is missing"),
        (add, BackupIncompleteError, r"more\.bson\.zst lies in the backup"),
        (link, BackupError, "is a link, and none is followed"),
        (lose_manifest, BackupIncompleteError, r"\.bson is missing"),
    ],
)
def test_what_is_wrong_is_named(
    restoring: Restoring, harm: Callable[[Path], None], error: type[WayraError], said: str
) -> None:
    """With the file and, where there is one, the byte; the database is not even claimed."""
    harm(small(restoring.folder))
    with pytest.raises(error, match=said):
        restoring.manager.restore("small")
    assert restoring.database.list_collection_names() == []


def cut_everywhere(original: bytes) -> list[bytes]:
    """A file cut at many places."""
    return [original[:length] for length in range(6, len(original), max(1, len(original) // 60))]


@pytest.mark.parametrize("name", ["legacy.archive.gz"])
def test_a_cut_archive(restoring: Restoring, tmp_path: Path, name: str) -> None:
    """Wherever it is cut, also between two blocks."""
    import gzip

    packed = (DATA / name).read_bytes()
    plain = gzip.decompress(packed)
    path = tmp_path / "cut.archive"
    for content in [*cut_everywhere(packed), *cut_everywhere(plain)]:
        path.write_bytes(content)
        with pytest.raises(BackupError), open_backup(tmp_path, path) as source:
            source.check()
    assert restoring.database.list_collection_names() == []


def test_a_changed_byte_of_an_archives_documents(tmp_path: Path) -> None:
    """Its checksums cover every document."""
    import gzip

    plain = gzip.decompress((DATA / "legacy.archive.gz").read_bytes())
    path = tmp_path / "changed.archive"
    chance = random.Random(7)
    begin = plain.index(b"\xff\xff\xff\xff")  # the end of the prelude, which has no checksum
    for _ in range(60):
        damaged = bytearray(plain)
        damaged[chance.randrange(begin + 4, len(plain))] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        with pytest.raises(BackupError), open_backup(tmp_path, path) as source:
            source.check()


@pytest.mark.parametrize("name", ["people.bson.gz", "people.metadata.json.gz", "system.buckets.weather.bson.gz"])
def test_a_dump_with_a_missing_or_a_cut_file(tmp_path: Path, name: str) -> None:
    """A dump has no manifest, but its files come in pairs and end where their documents end."""
    dump = tmp_path / "dump"
    shutil.copytree(DATA / "dump", dump)
    file = dump / "legacy" / name
    content = file.read_bytes()
    file.write_bytes(content[:-12])
    with pytest.raises(BackupCorruptError, match=name.replace(".", r"\.")), open_backup(tmp_path, dump) as source:
        source.check()
    file.unlink()
    with pytest.raises(BackupIncompleteError, match="is missing"), open_backup(tmp_path, dump) as source:
        source.check()


def test_damage_that_comes_after_the_check(restoring: Restoring, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is changed while the restore runs: each frame is compared again when it is read."""
    path = small(restoring.folder)
    restoring.database["_wayra_meta"].insert_one({"_id": "database", "environment": "development", "format": 1})
    restoring.database["users"].insert_one({"_id": "old"})
    before = contents(restoring.database)
    from wayra_db.backups.load import Loader

    create = Loader.create

    def harm_first(self: Loader, temporaries: object) -> None:
        damage_frame(path)
        create(self, temporaries)  # type: ignore[arg-type]

    monkeypatch.setattr(Loader, "create", harm_first)
    with pytest.raises(BackupCorruptError, match=r"users\.bson\.zst"):
        restoring.manager.restore("small", drop_existing=True, safety_backup=False)
    assert contents(restoring.database) == before


def test_no_backup_of_this_name(restoring: Restoring) -> None:
    """The name, the folder and, where there is none yet, the command that makes one."""
    with pytest.raises(BackupNotFoundError, match="nightly") as caught:
        restoring.manager.restore("nightly")
    assert "backup create" in caught.value.hint
