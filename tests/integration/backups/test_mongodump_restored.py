"""What the real mongodump has written, restored: the server's own hashes of the original come out."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.restoring import Restoring, temporaries
from wayra_db.testing import ServerUnderTest

DATA = Path(__file__).parents[2] / "data" / "mongodump-legacy"
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
NAME = "legacy"  # the hash of `system.views` has the database's name in it


def unpacked_directory(folder: Path) -> Path:
    """The dump without compression, as mongodump writes it without --gzip."""
    for path in (DATA / "dump" / NAME).iterdir():
        target = folder / NAME / path.name.removesuffix(".gz")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(gzip.decompress(path.read_bytes()))
    return folder


def unpacked_archive(folder: Path) -> Path:
    """The archive without compression."""
    path = folder / "legacy.archive"
    path.write_bytes(gzip.decompress((DATA / "legacy.archive.gz").read_bytes()))
    return path


def packed_archive(folder: Path) -> Path:
    """The archive as it is, in another folder."""
    return Path(shutil.copy(DATA / "legacy.archive.gz", folder))


FORMS: dict[str, Callable[[Path], Path]] = {
    "directory": unpacked_directory,
    "gzip directory": lambda folder: DATA / "dump",
    "archive": unpacked_archive,
    "gzip archive": packed_archive,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_dump(form: str, tmp_path: Path, wayra_server: ServerUnderTest, restoring: Restoring) -> None:
    """Each collection's dbHash is the original's; indexes, options, view, time series and GridFS are there."""
    client: MongoClient[dict[str, Any]] = restoring.database.client
    client.drop_database(NAME)
    source = tmp_path / "source"
    source.mkdir()
    try:
        report = restoring.manager.restore(FORMS[form](source), to=NAME)
        database = client[NAME]
        hashes = database.command("dbHash")["collections"]
        assert {name: hashes.get(name) for name in EXPECTED["md5_per_collection"]} == EXPECTED["md5_per_collection"]
        counts = {name: database[name].count_documents({}) for name in EXPECTED["counts"]}
        assert counts == EXPECTED["counts"]
        assert report.plan.documents == sum(EXPECTED["counts"].values()) - counts["high"] - counts["weather"] + 2
        assert temporaries(database) == []
        check_definitions({one["name"]: one for one in database.list_collections()}, client)
    finally:
        client.drop_database(NAME)


def check_definitions(found: dict[str, Any], client: MongoClient[dict[str, Any]]) -> None:
    """Options and indexes against the metadata in the dump itself."""
    from bson.json_util import loads

    for path in (DATA / "dump" / NAME).glob("*.metadata.json.gz"):
        stated = loads(gzip.decompress(path.read_bytes()))
        name = stated["collectionName"]
        assert found[name]["type"] == stated["type"]
        assert found[name]["options"] == stated.get("options", {})
        if stated["type"] != "view":
            there = {index["name"]: index for index in client[NAME][name].list_indexes()}
            assert {key: dict(value) for key, value in there.items()} == {
                index["name"]: index for index in stated["indexes"]
            }
