"""Reads the state of a database, so that two moments can be compared: hashes of documents, options, indexes.

Documents come as raw BSON in batches. The hash of a collection is the sum of its documents' hashes, so that their order
does not count and memory does not grow with them; single documents are told apart for a bounded share only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wayra_db.meta import is_user_collection
from wayra_db.migrations.rehearsal.compare import CollectionState, Known
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.schema.diff import CHANGEABLE

if TYPE_CHECKING:
    from bson.raw_bson import RawBSONDocument

# So many documents of a state are told apart, about 50 MB of memory; the rest counts in the collections' hashes.
MOST_KNOWN = 200_000
_SPACE = 2**64


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
    for document in raw_documents(deployment, name):
        exact = hashlib.blake2b(document.raw, digest_size=16).digest()
        digest += int.from_bytes(exact)
        documents += 1
        identifier = id_of(document)
        if share == _SPACE or hash_of(identifier) < share:
            known[identifier] = Known(exact[:8], _sorted(document))
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
) -> Any:
    """A cursor over a collection's documents as they are stored, undecoded."""
    return _raw(deployment, name).find(conditions or {}, **options)


def _raw(deployment: Deployment, name: str) -> Any:
    from pymongo import ReadPreference

    return deployment.database.get_collection(name, codec_options=raw_options(), read_preference=ReadPreference.PRIMARY)


def raw_options() -> Any:
    """How documents are left undecoded, dates beyond Python's years included."""
    from bson.codec_options import CodecOptions, DatetimeConversion
    from bson.raw_bson import RawBSONDocument

    return CodecOptions(document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO)


def id_of(document: RawBSONDocument) -> bytes:
    """`{"_id": ...}` of a document, as BSON."""
    import bson

    return bson.encode({"_id": document.get("_id")})


def hash_of(identifier: bytes) -> int:
    """A number below 2**64 that is the same for the same `_id` on every day and every machine."""
    return int.from_bytes(hashlib.blake2b(identifier, digest_size=8).digest())


def _sorted(document: RawBSONDocument) -> bytes:
    import bson

    fields = {key: document[key] for key in sorted(document)}
    return hashlib.blake2b(bson.encode(fields), digest_size=8).digest()
