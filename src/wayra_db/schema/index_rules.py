"""The rules that declared indexes must keep; a test asks the server whether it knows the same ones. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wayra_db.schema.jsonschema import did_you_mean
from wayra_db.schema.locate import Mistake, Where

if TYPE_CHECKING:
    from pymongo import IndexModel

KINDS = ("text", "2d", "2dsphere", "hashed")
_FLAGS = ("unique", "sparse", "hidden", "background", "prepareUnique")
_DOCUMENTS = ("partialFilterExpression", "collation", "wildcardProjection", "weights", "storageEngine")
# fmt: off
OPTIONS = frozenset({
    *_FLAGS, *_DOCUMENTS, "key", "name", "v", "expireAfterSeconds", "default_language", "language_override",
    "textIndexVersion", "2dsphereIndexVersion", "bits", "min", "max",
})
# fmt: on
MOST_FIELDS = 32
MOST_INDEXES = 64
LONGEST_LIFE_SECONDS = 2**31 - 1
# What makes two indexes over the same key different indexes to the server.
_SIGNATURE = ("unique", "sparse", "partialFilterExpression", "collation", "wildcardProjection")
# The parts of a DBRef, the only fields that begin with a dollar.
_REFERENCE = ("$id", "$ref", "$db")


def index_mistakes(indexes: Sequence[IndexModel]) -> Iterator[Mistake]:
    """Everything in declared indexes that the server would refuse."""
    names: dict[str, int] = {}
    signatures: list[tuple[Any, ...]] = []
    for position, index in enumerate(indexes):
        document, where = index.document, ("indexes", position)
        yield from _name_mistakes(document["name"], where)
        yield from _key_mistakes(document, where)
        yield from _option_mistakes(document, where)
        key = list(document["key"].items())
        signature = (key, *(document.get(option) for option in _SIGNATURE))
        if key == [("_id", 1)]:
            yield Mistake("the server itself makes the index on _id: leave it out", where)
        elif signature in signatures:
            yield Mistake(f"index {document['name']!r} is declared twice", where)
        elif document["name"] in names:
            hint = "Give one of them a name: IndexModel(..., name=...)."
            yield Mistake(f"two indexes are called {document['name']!r}", where, hint=hint)
        names[document["name"]] = position
        signatures.append(signature)
    if len(indexes) > MOST_INDEXES - 1:
        hint = f"A collection can have {MOST_INDEXES}, with the one on _id."
        yield Mistake(f"{len(indexes)} indexes are declared", ("indexes", MOST_INDEXES - 1), hint=hint)
    text = [position for position, index in enumerate(indexes) if "text" in index.document["key"].values()]
    if len(text) > 1:
        hint = "Put all fields into the one."
        yield Mistake("a collection can have one text index only", ("indexes", text[1]), hint=hint)


def _name_mistakes(name: Any, where: Where) -> Iterator[Mistake]:
    if not isinstance(name, str) or not name:
        yield Mistake(f"an index's name must be a string that is not empty, found {name!r}", where)
    elif name in ("*", "_id_") or "\0" in name:
        yield Mistake(f"no index can be called {name!r}", where, name, "Leave the name out, or choose another.")


def _key_mistakes(document: Mapping[str, Any], where: Where) -> Iterator[Mistake]:
    name, key = document["name"], document["key"]
    for field, kind in key.items():
        yield from _field_mistakes(name, field, where)
        if isinstance(kind, str) and kind not in KINDS:
            hint = did_you_mean(kind, KINDS) or f"1, -1 or one of {', '.join(KINDS)}."
            yield Mistake(f"index {name!r}: there is no kind of index {kind!r}", where, kind, hint)
        elif not isinstance(kind, str) and (not _is_number(kind) or kind == 0 or kind != kind):
            hint = f"1, -1 or one of {', '.join(KINDS)}."
            yield Mistake(f"index {name!r}: the order of {field!r} cannot be {kind!r}", where, field, hint)
    if len(key) > MOST_FIELDS:
        yield Mistake(f"index {name!r} has {len(key)} fields, and {MOST_FIELDS} are the most", where)
    if _names_a_field_twice(name, key):
        yield Mistake(f"index {name!r} names a field twice", where)
    hashed = list(key.values()).count("hashed")
    if hashed > 1:
        yield Mistake(f"index {name!r} can hash one field only", where)
    if hashed and document.get("unique"):
        yield Mistake(f"index {name!r}: a hashed index cannot be unique", where)


def _names_a_field_twice(name: str, key: Mapping[str, Any]) -> bool:
    """The driver keeps the last of two orders for one field, but makes the index's name from both."""
    if name == "_".join(f"{field}_{kind}" for field, kind in key.items()):
        return False
    named = "|".join(re.escape(f"{field}_") + r"(?:-?\d+|[a-z0-9]+)" for field in sorted(key, key=len, reverse=True))
    made = re.fullmatch(f"(?:{named})(?:_(?:{named}))*", name)
    return bool(made) and len(re.findall(f"(?:^|_)(?:{named})", name)) > len(key)


def _field_mistakes(name: str, field: str, where: Where) -> Iterator[Mistake]:
    parts = field.split(".")
    if "" in parts:
        yield Mistake(f"index {name!r}: {field!r} has an empty part", where, field)
    wild = parts[-1] == "$**"
    for number, part in enumerate(parts[: len(parts) - wild]):
        if part.startswith("$") and (number == 0 or part not in _REFERENCE):
            yield Mistake(f"index {name!r}: a field cannot begin with '$': {field!r}", where, field)


def _option_mistakes(document: Mapping[str, Any], where: Where) -> Iterator[Mistake]:
    name = document["name"]
    for option, value in document.items():
        if option not in OPTIONS:
            hint = did_you_mean(option, OPTIONS - {"key"})
            yield Mistake(f"index {name!r} has no option {option!r}", where, option, hint)
        elif option in _FLAGS and not isinstance(value, bool) and not _is_number(value):
            yield Mistake(f"index {name!r}: {option} must be true or false, found {value!r}", where, option)
        elif option in _DOCUMENTS and not isinstance(value, Mapping):
            yield Mistake(f"index {name!r}: {option} must be a dict, found {type(value).__name__}", where, option)
    if document.get("sparse") and "partialFilterExpression" in document:
        hint = "Keep the filter: it can say `$exists` too."
        yield Mistake(f"index {name!r} cannot be sparse and have a partialFilterExpression", where, hint=hint)
    if "wildcardProjection" in document and "$**" not in document["key"]:
        yield Mistake(f"index {name!r}: wildcardProjection is for an index on '$**'", where)
    if "expireAfterSeconds" in document:
        yield from _expiry_mistakes(document, where)


def _expiry_mistakes(document: Mapping[str, Any], where: Where) -> Iterator[Mistake]:
    name, seconds = document["name"], document["expireAfterSeconds"]
    if not _is_number(seconds) or not 0 <= seconds <= LONGEST_LIFE_SECONDS:
        message = f"index {name!r}: expireAfterSeconds must be from 0 to {LONGEST_LIFE_SECONDS}, found {seconds!r}"
        yield Mistake(message, where, "expireAfterSeconds")
    elif len(document["key"]) > 1:
        hint = "Declare an index of its own on the field with the date."
        yield Mistake(f"index {name!r}: expireAfterSeconds needs an index on one field", where, hint=hint)
    elif "_id" in document["key"]:
        yield Mistake(f"index {name!r}: documents cannot expire by _id", where)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
