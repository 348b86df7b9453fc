"""The quick way to insert: several documents that the driver takes for one."""

from __future__ import annotations

from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

from tests.backups import raw
from wayra_db.backups import insert as module
from wayra_db.backups.insert import RefusedDocumentError, insert_run
from wayra_db.backups.source import Chunk
from wayra_db.mongo.document_run import DocumentRun
from wayra_db.testing import CommandCounter, ServerUnderTest

Documents = Database[dict[str, Any]]


def chunk(*documents: dict[str, Any]) -> Chunk:
    """A run."""
    return Chunk(b"".join(raw(*documents)), len(documents), "a.bson", 0)


def stored(database: Documents) -> list[Any]:
    """The documents."""
    return list(database["a"].find(sort=[("_id", 1)]))


def test_one_command_for_a_run(wayra_server: ServerUnderTest, wayra_database: Documents) -> None:
    """The server finds all documents in the one piece, past the validator."""
    wayra_database.create_collection("a", validator={"n": {"$exists": True}})
    counter = CommandCounter()
    client: MongoClient[dict[str, Any]] = MongoClient(wayra_server.uri, event_listeners=[counter])
    with client:
        insert_run(client[wayra_database.name]["a"], chunk(*({"_id": n} for n in range(1000))))
        assert counter.names == ["insert"]
    assert stored(wayra_database) == [{"_id": n} for n in range(1000)]


def test_what_is_too_much_for_one_piece(wayra_database: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes document by document, with the same result."""
    monkeypatch.setattr(module, "LARGEST_RUN", 50)
    insert_run(wayra_database["a"], chunk(*({"_id": n, "x": "x" * 40} for n in range(20))))
    assert [one["_id"] for one in stored(wayra_database)] == list(range(20))


def test_a_run_that_is_there_already(wayra_database: Documents) -> None:
    """Sent again after a lost answer it is no failure: what is there is what was to be put there."""
    run = chunk({"_id": 1, "a": 1}, {"_id": 2, "a": 2})
    insert_run(wayra_database["a"], run)
    insert_run(wayra_database["a"], run)
    assert stored(wayra_database) == [{"_id": 1, "a": 1}, {"_id": 2, "a": 2}]


def test_the_refused_one_is_told(wayra_database: Documents) -> None:
    """By its number within the run and the server's code; the others are in."""
    wayra_database["a"].insert_one({"_id": 2, "another": "one"})
    with pytest.raises(RefusedDocumentError) as caught:
        insert_run(wayra_database["a"], chunk({"_id": 1}, {"_id": 2}, {"_id": 3}))
    assert (caught.value.number, caught.value.code) == (1, 11000)
    assert [one["_id"] for one in stored(wayra_database)] == [1, 2, 3]


def test_a_run_is_what_the_driver_takes_for_a_document() -> None:
    """The seam rests on this: a raw document's bytes are asked for by `raw`, and by nothing else."""
    run = DocumentRun(chunk({"_id": 1}, {"_id": 2}).data)  # type: ignore[arg-type]
    assert isinstance(run, RawBSONDocument)
    assert bytes(run.raw) == b"".join(raw({"_id": 1}, {"_id": 2}))
