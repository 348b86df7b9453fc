"""What the tests of copies share: a database of every kind of collection, and plain ways to look at both ends."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
import gridfs
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel
from pymongo.database import Database

from wayra_db.backups import survey
from wayra_db.backups.codecs import CODECS, checksum
from wayra_db.backups.create import BackupResult
from wayra_db.backups.manifest import CollectionEntry, Manifest, from_json
from wayra_db.backups.moment import Moment
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment
from wayra_db.testing import RecordingObserver

Documents = Database[dict[str, Any]]
RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

EVERY_TYPE: Mapping[str, Any] = {
    "double": 1.5,
    "not a number": float("nan"),
    "minus zero": -0.0,
    "string": "Straße \N{SNOWMAN}\0after zero",
    "document": {"b": 1, "a": {"deep": [1, [2, [3]]]}},
    "array": [1, "two", None],
    "binary": bson.Binary(b"\0\1\2", 128),
    "uuid": bson.Binary(bytes(16), 4),
    "object id": bson.ObjectId("0123456789abcdef01234567"),
    "true": True,
    "date": datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC),
    "far date": bson.DatetimeMS(2**62),
    "null": None,
    "regex": bson.Regex("^a.b", "im"),
    "pointer": bson.DBRef("x", 1),
    "code": bson.Code("return 1"),
    "scoped": bson.Code("return x", {"x": 1}),
    "int": 7,
    "timestamp": bson.Timestamp(5, 6),
    "long": bson.Int64(2**60),
    "decimal": bson.Decimal128("1.10"),
    "min": bson.MinKey(),
    "max": bson.MaxKey(),
    "": "no name",
    "dotted.name": 1,
    "$dollar": 1,
}


def guard(database: Documents, environment: Environment = Environment.DEVELOPMENT, **options: Any) -> Guard:
    """The gate to a database, with an observer that records."""
    return Guard(Deployment(database.client, database.name), environment, observer=RecordingObserver(), **options)


def raw_documents(database: Documents, collection: str) -> list[bytes]:
    """The documents as the server has them, byte by byte, in its order."""
    raw: Any = database.get_collection(collection, codec_options=RAW)
    return [bytes(one.raw) for one in raw.find()]


def content(folder: Path, manifest: Manifest, entry: CollectionEntry) -> bytes:
    """The documents in a data file, unpacked frame by frame; every number and hash that is told of it is compared."""
    assert entry.data is not None
    assert entry.frames is not None
    packed = (folder / entry.data).read_bytes()
    assert manifest.files[entry.data].sha256 == hashlib.sha256(packed).hexdigest()
    assert manifest.files[entry.data].size == len(packed)
    data, end, documents = b"", 0, 0
    for offset, size, length, count, check in json.loads((folder / entry.frames).read_bytes())["frames"]:
        assert offset == end
        end = offset + size
        frame = CODECS[manifest.codec].unpack(packed[offset:end])
        assert (len(frame), checksum(frame), len(bson.decode_all(frame, RAW))) == (length, check, count)
        data, documents = data + frame, documents + count
    assert end == len(packed)
    assert (len(data), documents) == (entry.bytes, entry.documents)
    assert hashlib.sha256(data).hexdigest() == entry.sha256
    return data


def split(data: bytes) -> list[bytes]:
    """A run of documents, one by one."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "little")
        found.append(data[:size])
        data = data[size:]
    return found


def whole(result: BackupResult) -> dict[str, list[bytes]]:
    """Every collection of a plaintext backup with its documents; the manifest is read from the file."""
    manifest = from_json((result.path / "manifest.json").read_text())
    assert manifest == result.manifest
    there = {path.relative_to(result.path).as_posix() for path in result.path.rglob("*") if path.is_file()}
    assert there == {*manifest.files, "manifest.json"}
    return {one.name: split(content(result.path, manifest, one)) for one in manifest.collections if one.data}


def fill_with_every_kind(database: Documents, *, clustered: bool = True) -> None:
    """Collections of every kind, with options and indexes of every kind."""
    database.types.insert_one({"_id": 1, **EVERY_TYPE})
    database.create_collection(
        "people",
        validator={"$jsonSchema": {"bsonType": "object", "required": ["email"]}},
        validationLevel="moderate",
    )
    database.people.create_indexes(
        [
            IndexModel([("email", 1)], unique=True),
            IndexModel([("name", "text")], weights={"name": 2}),
            IndexModel([("place", "2dsphere")], sparse=True),
            IndexModel([("seen", 1)], expireAfterSeconds=10**8),
            IndexModel([("age", -1), ("email", 1)], partialFilterExpression={"age": {"$gt": 17}}),
            IndexModel([("any.$**", 1)]),
            IndexModel([("tag", "hashed")]),
        ]
    )
    database.people.insert_many([{"email": f"{number}@example.com", "age": number} for number in range(300)])
    database.create_collection("words", collation={"locale": "fr", "strength": 1})
    database.words.insert_many([{"_id": word} for word in ("cote", "pêche", "zèbre")])
    database.create_collection("ring", capped=True, size=8192, max=50)
    database.ring.insert_many([{"_id": -number, "number": number} for number in range(80)])
    database.create_collection("weather", timeseries={"timeField": "at", "metaField": "where"})
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    database.weather.insert_many(
        [{"at": start + datetime.timedelta(minutes=n), "where": n % 3, "degrees": n / 7} for n in range(200)]
    )
    if clustered:
        database.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True})
        database.clustered.insert_many([{"_id": number} for number in range(20)])
    database.create_collection("adults", viewOn="people", pipeline=[{"$match": {"age": {"$gt": 17}}}])
    database.create_collection("empty coll")
    database["odd/name é%20"].insert_one({"_id": None})
    database["x" * 200 + "/é"].insert_one({"_id": 1})
    gridfs.GridFS(database).put(b"0123456789" * 60_000, filename="digits")
    database["_wayra_migrations"].insert_many(
        [{"_id": 1, "state": "applied"}, {"_id": 2, "state": "applied"}, {"_id": 3, "state": "failed"}]
    )
    database["_wayra_lock"].insert_one({"_id": "lock"})


@contextmanager
def writing_while_capped_are_read(database: Documents, *names: str, _id: str = "meanwhile") -> Iterator[None]:
    """Insert into capped collections once they were read, before the moment is chosen."""
    with pytest.MonkeyPatch.context() as patch:
        moment_after = survey._moment_after

        def write_then_choose(*arguments: Any) -> Moment:
            for name in names:
                database[name].insert_one({"_id": _id, "email": "secret@example.com"})
            return moment_after(*arguments)

        patch.setattr(survey, "_moment_after", write_then_choose)
        yield
