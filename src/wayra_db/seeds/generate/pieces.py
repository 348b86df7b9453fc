"""The pieces that documents are put together from: encoded elements, and the functions that join them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import bson

from wayra_db.seeds.generate.model import (
    Array,
    Choice,
    Later,
    Mixed,
    Moment,
    More,
    Node,
    Number,
    Object,
    Reference,
)
from wayra_db.seeds.generate.scalars import milliseconds, typed

# The draws of a document, then its registers; a maker makes of them an element or several.
Draws = list[Any]
Make = Callable[[Draws], bytes]

# So many different ones there are of a run of fields that are made in one piece.
FRAGMENTS = 2048

INT32 = struct.Struct("<i").pack
INT64 = struct.Struct("<q").pack
DOUBLE = struct.Struct("<d").pack
TYPES = {"int": b"\x10", "long": b"\x12", "double": b"\x01", "decimal": b"\x13", "date": b"\x09", "string": b"\x02"}


def references(node: Node) -> Counter[str]:
    """How many references a document may hold to each collection."""
    found: Counter[str] = Counter()
    match node:
        case Reference(collection):
            found[collection] += 1
        case Object(fields):
            for one in fields:
                found += references(one.node)
        case Array(inner) | Mixed(inner):
            for each in inner:
                found += references(each)
    return found


def needs(node: Node) -> set[str]:
    """The paths that something in a node depends on."""
    match node:
        case Later(path) | More(path):
            return {path}
        case Object(fields):
            return {path for one in fields for path in needs(one.node)}
        case Array(positions):
            return {path for one in dict.fromkeys(map(id, positions)) for path in needs(_by_id(positions, one))}
        case Mixed(nodes):
            return {path for one in nodes for path in needs(one)}
    return set()


def _by_id(nodes: Sequence[Node], wanted: int) -> Node:
    return next(node for node in nodes if id(node) == wanted)


def is_small(node: Node, name: str, wanted: Collection[str]) -> bool:
    """Whether a value is one of few, and no other depends on it (`wanted` has their names): thousands of its fragments
    show then all of it that there is to see.
    """
    match node:
        case Choice(values):
            return len(values) <= FRAGMENTS and not (name in wanted and is_ordered(node))
        case Number():
            return node.lattice.steps < FRAGMENTS // 2 and name not in wanted
        case Object(fields):
            return all(is_small(one.node, one.name, wanted) for one in fields)
        case Array(inner) | Mixed(inner):
            return all(is_small(one, name, wanted) for one in inner)
    return False


def is_ordered(node: Node) -> bool:
    """Whether it makes dates or numbers, which others can follow."""
    if isinstance(node, Choice):
        return bool(plain_values(node.values)[0])
    return isinstance(node, (Moment, Number, Later, More))


def plain_values(values: Sequence[Any]) -> tuple[list[Any], str]:
    """Dates as milliseconds or numbers as they are, with their one type; nothing where they are neither."""
    if all(isinstance(value, datetime) for value in values):
        return [milliseconds(value) for value in values], "date"
    if all(type(value) is float for value in values):
        return list(values), "double"
    if all(type(value) is int and -(2**31) <= value < 2**31 for value in values):
        return list(values), "int"
    return [], ""


def element(name: str, value: Any) -> bytes:
    """Type, name and value."""
    return bson.encode({name: value})[4:-1]


def constant(value: bytes) -> Make:
    """Always this."""
    return lambda draws: value


def joined(makers: Sequence[Make]) -> Make:
    """Several elements as one."""
    if len(makers) == 1:
        return makers[0]
    makers = tuple(makers)
    return lambda draws: b"".join([make(draws) for make in makers])


def wrapped(head: bytes, makers: Sequence[Make]) -> Make:
    """An object or an array of these elements; a whole document without a head."""
    makers = tuple(makers)

    def make(draws: Draws) -> bytes:
        inside = b"".join([one(draws) for one in makers])
        return head + INT32(len(inside) + 5) + inside + b"\0"

    return make


def number_putter(kind: str, key: bytes) -> Callable[[Any], bytes]:
    """A function from a number to its element."""
    head = TYPES[kind] + key
    match kind:
        case "int":
            return lambda value: head + INT32(value)
        case "long" | "date":
            return lambda value: head + INT64(value)
        case "double":
            return lambda value: head + DOUBLE(value)
    return lambda value: head + bytes(typed("decimal", value).bid)
