"""Reads the state of a database, so that two moments can be compared: hashes of documents, options, indexes.

Documents come as raw BSON in batches and are not decoded. The hash of a collection is the sum of its documents' hashes,
so that their order does not count and memory does not grow with them; single documents are told apart for a bounded
share only.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from wayra_db.meta import is_user_collection
from wayra_db.migrations.rehearsal.compare import CollectionState, Known
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.schema.diff import CHANGEABLE

# So many documents of a state are told apart, in about 40 MB; the rest counts in the collections' hashes.
MOST_KNOWN = 100_000
_SPACE = 2**64
# The bytes of a value, by the type of its BSON element, where the type tells (bsonspec.org).
_SIZES = {1: 8, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16}
_STRING, _DOCUMENT, _BINARY = 2, 3, 5
_ID = b"_id\0"


def share_of(documents: int) -> int:
    """Which documents are told apart: those whose `_id` hashes below this number."""
    return _SPACE if documents <= MOST_KNOWN else _SPACE * MOST_KNOWN // documents


def read_state(deployment: Deployment, *, share: int = _SPACE) -> dict[str, CollectionState]:
    """Every collection of the user's, with the server's own options and indexes. Reads each document once."""
    with translated(deployment.address):
        listed = {
            found["name"]: found
            for found in deployment.database.list_collections()
            if is_user_collection(found["name"])
        }
        return {name: _state(deployment, name, listed[name], share) for name in sorted(listed)}


def shown_id(identifier: bytes, *, with_values: bool) -> str:
    """An `_id` for people, from `{"_id": ...}` as BSON. Without values only those that say nothing by themselves."""
    import bson
    from bson.codec_options import CodecOptions, DatetimeConversion

    options: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
    value = bson.decode(identifier, options)["_id"]
    if with_values or isinstance(value, (bson.ObjectId, int, bson.Binary)):
        return str(value) if isinstance(value, bson.ObjectId) else repr(value)
    return f"<{type(value).__name__}>"


def _state(deployment: Deployment, name: str, listed: Mapping[str, Any], share: int) -> CollectionState:
    if listed["type"] == "view":
        return CollectionState(0, 0, {}, True, listed["options"], {})
    known: dict[bytes, Known] = {}
    documents = digest = 0
    for raw in raw_documents(deployment, name):
        exact = hashlib.blake2b(raw, digest_size=16).digest()
        digest += int.from_bytes(exact)
        documents += 1
        identifier = id_of(raw)
        if share == _SPACE or hash_of(identifier) < share:
            known[identifier] = Known(exact[:8], _sorted(raw))
    indexes = {
        index["name"]: {
            **{key: value for key, value in index.items() if key not in ("v", "ns")},
            "key": tuple(index["key"].items()),
        }
        for index in deployment.database[name].list_indexes()
    }
    complete, options = len(known) == documents, _options(listed["options"])
    return CollectionState(documents, digest % 2**128, known, complete, options, indexes)


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says the same as nothing: after a `collMod` back to the defaults they are written out."""
    return {key: value for key, value in options.items() if key not in CHANGEABLE or value != CHANGEABLE[key]}


def raw_documents(
    deployment: Deployment, name: str, conditions: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[bytes]:
    """A collection's documents as they are stored, each as its BSON."""
    from pymongo import ReadPreference

    found = deployment.database.get_collection(name, read_preference=ReadPreference.PRIMARY)
    batch: bytes
    for batch in found.find_raw_batches(conditions or {}, **options):  # type: ignore[assignment]  # typed as documents
        start = 0
        while start < len(batch):
            end = start + int.from_bytes(batch[start : start + 4], "little")
            yield batch[start:end]
            start = end


def decoded(raw: bytes) -> Any:
    """A document whose fields are decoded when they are asked for, dates beyond Python's years included."""
    from bson.raw_bson import RawBSONDocument

    return RawBSONDocument(raw, _undecoded())


@functools.cache
def _undecoded() -> Any:
    from bson.codec_options import CodecOptions, DatetimeConversion
    from bson.raw_bson import RawBSONDocument

    return CodecOptions(document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO)


def id_of(raw: bytes) -> bytes:
    """`{"_id": ...}` of a document, both as BSON. The server stores `_id` first, so that it is cut out."""
    import bson

    kind = raw[4]
    size = _SIZES.get(kind)
    if size is None and kind in (_STRING, _DOCUMENT, _BINARY):
        size = int.from_bytes(raw[9:13], "little") + {_STRING: 4, _DOCUMENT: 0, _BINARY: 5}[kind]
    if size is None or raw[5:9] != _ID:
        return bson.encode({"_id": decoded(raw).get("_id")})
    element = raw[4 : 9 + size]
    return (len(element) + 5).to_bytes(4, "little") + element + b"\0"


def hash_of(identifier: bytes) -> int:
    """A number below 2**64 that is the same for the same `_id` on every day and every machine."""
    return int.from_bytes(hashlib.blake2b(identifier, digest_size=8).digest())


def _sorted(raw: bytes) -> bytes:
    import bson

    fields = dict(sorted(decoded(raw).items(), key=lambda field: field[0]))
    return hashlib.blake2b(bson.encode(fields), digest_size=8).digest()
