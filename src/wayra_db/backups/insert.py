"""Putting runs of raw documents into a collection, without decoding them.

The quick way hands a whole run to the driver as one piece of the insert's document sequence, where the server finds the
documents in it one by one; the driver then makes no object for each. It uses public classes only, and on any trouble
the run is sent again document by document, so that the one at fault is known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bson.raw_bson import RawBSONDocument

from wayra_db.backups.documents import split
from wayra_db.backups.source import Chunk
from wayra_db.mongo.document_run import DocumentRun
from wayra_db.mongo.errors import DUPLICATE_KEY

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from wayra_db.mongo.client import Document

# The most that one insert message is trusted with as one piece; the server takes 48 MB and 100,000 documents.
LARGEST_RUN = 16_000_000
MOST_DOCUMENTS = 100_000

# A top-level field, or what looks like one, whose value the server would replace by the time of the insert.
_EMPTY_TIMESTAMP = re.compile(rb"\x11[^\x00]*\x00\x00{8}")


class RefusedDocumentError(Exception):
    """The server did not take a document; `number` counts from 0 within the run, `code` is the server's."""

    def __init__(self, number: int, code: int) -> None:
        super().__init__(f"document {number} was refused with code {code}")
        self.number = number
        self.code = code


def insert_run(collection: Collection[Document], chunk: Chunk) -> None:
    """Insert the documents of a chunk in any order, without validation. Raises RefusedDocumentError for the first that
    the server does not take, and the driver's errors for what is no document's fault.
    """
    from pymongo import InsertOne
    from pymongo.errors import BulkWriteError

    data = bytes(chunk.data)
    if len(data) > LARGEST_RUN or chunk.documents > MOST_DOCUMENTS:
        insert_each(collection, data)
    else:
        try:
            result = collection.bulk_write(
                [InsertOne(DocumentRun(data))],  # type: ignore[arg-type]  # raw documents go into any collection
                ordered=False,
                bypass_document_validation=True,
            )
        except (BulkWriteError, IndexError):
            # The driver looks for the refused document by its number among those that it thinks it has sent.
            insert_each(collection, data)
        else:
            if result.inserted_count != chunk.documents:
                raise RefusedDocumentError(result.inserted_count, 0)
    _keep_empty_timestamps(collection, data)


def insert_each(collection: Collection[Document], data: bytes) -> None:
    """As `insert_run`, each document as one. A document that is there already, byte for byte, counts as inserted."""
    from pymongo.errors import BulkWriteError

    documents = [RawBSONDocument(data[start:end]) for start, end in split(data)]
    try:
        collection.insert_many(
            documents,
            ordered=False,
            bypass_document_validation=True,
        )
    except BulkWriteError as error:
        for failure in sorted(error.details["writeErrors"], key=lambda one: int(one["index"])):
            number, code = int(failure["index"]), int(failure["code"])
            if code != DUPLICATE_KEY or not _is_there(collection, documents[number]):
                raise RefusedDocumentError(number, code) from None


def _is_there(collection: Collection[Document], document: RawBSONDocument) -> bool:
    from bson.codec_options import CodecOptions

    raw: Collection[Any] = collection.with_options(codec_options=CodecOptions(document_class=RawBSONDocument))
    stored = raw.find_one({"_id": document["_id"]}) if "_id" in document else None
    if stored is None:
        return False
    ours = {**document, **{name: stored.get(name) for name in empty_timestamps(document)}}
    return bool(stored.raw == document.raw or dict(stored) == ours)


def empty_timestamps(document: RawBSONDocument) -> list[str]:
    """The top-level fields that hold Timestamp(0, 0), but for _id, which the server leaves alone."""
    from bson.timestamp import Timestamp

    empty = Timestamp(0, 0)
    return [name for name, value in document.items() if value == empty and name != "_id"]


def _keep_empty_timestamps(collection: Collection[Document], data: bytes) -> None:
    """Put Timestamp(0, 0) back where the server has put the time of the insert. An update leaves it as it is."""
    if not _EMPTY_TIMESTAMP.search(data):
        return
    from bson.timestamp import Timestamp
    from pymongo import UpdateOne

    updates = []
    for start, end in split(data):
        if _EMPTY_TIMESTAMP.search(data, start, end):
            document = RawBSONDocument(data[start:end])
            if names := empty_timestamps(document):
                fields = {"$literal": Timestamp(0, 0)}
                stages = [
                    {"$replaceWith": {"$setField": {"field": {"$literal": name}, "input": "$$ROOT", "value": fields}}}
                    for name in names
                ]
                updates.append(UpdateOne({"_id": document["_id"]}, stages))
    if updates:
        collection.bulk_write(updates, ordered=False, bypass_document_validation=True)
