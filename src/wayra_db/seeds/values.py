"""What seeds compare documents by: the elements of raw BSON, their hashes, and the values of natural keys."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bson import ObjectId
    from bson.codec_options import CodecOptions

# The bytes of a value by the type of its BSON element (bsonspec.org); others say their length themselves.
_FIXED = {1: 8, 6: 0, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 127: 0, 255: 0}
_STRINGS = (2, 13, 14)
_DOCUMENTS = (3, 4, 15)
_BINARY, _REGEX, _POINTER = 5, 11, 12

# A made `_id` begins with this, so that whoever meets one in the shell sees whose it is.
_SEED = bytes.fromhex("5eed")


class NoKeyError(ValueError):
    """A document has no value to be found by; the message says of which field."""


def elements(raw: bytes) -> dict[str, bytes]:
    """The top-level elements of a BSON document, each as its type and value; nothing is decoded but the names."""
    found: dict[str, bytes] = {}
    at, end = 4, len(raw) - 1
    while at < end:
        stop = raw.index(0, at + 1)
        after = _end(raw, raw[at], stop + 1)
        found[raw[at + 1 : stop].decode()] = raw[at : at + 1] + raw[stop + 1 : after]
        at = after
    return found


def _end(raw: bytes, kind: int, at: int) -> int:
    size = _FIXED.get(kind)
    if size is not None:
        return at + size
    if kind == _REGEX:
        return raw.index(0, raw.index(0, at) + 1) + 1
    length = int.from_bytes(raw[at : at + 4], "little", signed=True)
    if kind in _STRINGS:
        return at + 4 + length
    if kind in _DOCUMENTS:
        return at + length
    if kind == _BINARY:
        return at + 5 + length
    if kind == _POINTER:
        return at + 4 + length + 12
    raise ValueError(f"BSON has no type {kind}")


def digest(element: bytes) -> int:
    """A 64-bit hash of an element, as a number that BSON can hold."""
    return int.from_bytes(hashlib.blake2b(element, digest_size=8).digest(), "big", signed=True)


def key_of(document: Mapping[str, Any], fields: Sequence[str]) -> tuple[Any, ...]:
    """The values of a natural key, whose fields may be dotted. Raises NoKeyError for one that finds nothing."""
    return tuple(_value(document, field) for field in fields)


def _value(document: Mapping[str, Any], field: str) -> Any:
    value: Any = document
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise NoKeyError(f"it has no {field!r}, which is its key")
        value = value[part]
    if value is None or isinstance(value, (list, tuple)):
        kind = "null" if value is None else "an array"
        raise NoKeyError(f"its key {field!r} is {kind}, which finds no single document")
    return value


def comparable(values: Sequence[Any], options: CodecOptions[Any]) -> Hashable:
    """A key to compare by as the server does: 1, 1.0 and NumberLong(1) are the same, dates count in milliseconds."""
    return tuple(_comparable(value, options) for value in values)


def _comparable(value: Any, options: CodecOptions[Any]) -> Hashable:
    import bson

    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ("number", value)
    if isinstance(value, bson.Decimal128):
        return ("number", value.to_decimal())
    return bson.encode({"": value}, codec_options=options)


def made_id(collection: str, fields: Sequence[str], key: Sequence[Any], options: CodecOptions[Any]) -> ObjectId:
    """The `_id` of a seeded document that brings none: always the same for the same natural key."""
    import bson

    hashed = hashlib.blake2b(collection.encode(), digest_size=10)
    for field, value in zip(fields, key, strict=True):
        hashed.update(bson.encode({field: value}, codec_options=options))
    return bson.ObjectId(_SEED + hashed.digest())


def by_keys(fields: Sequence[str], keys: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A query for all documents that have one of the keys."""
    if len(fields) == 1:
        return {fields[0]: {"$in": [key[0] for key in keys]}}
    return {"$or": [dict(zip(fields, key, strict=True)) for key in keys]}
