"""What a name or an expression of a migration stands for, as far as reading can tell.

The linter follows these values from `up(db)` through assignments, loops and helper functions, so that `db.users`,
`db["users"]`, `db.get_collection("users")` and a variable that holds one of them are the same collection to every rule.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Value:
    """Something that an expression may stand for; one that is nothing below is unknown."""

    __slots__ = ()


Scope = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Database(Value):
    """The database that `up` and `down` are given, or one reached through it."""


@dataclass(frozen=True, slots=True)
class Client(Value):
    """A connection: `db.client`, or one that the migration makes itself."""


@dataclass(frozen=True, slots=True)
class Collection(Value):
    """A collection; `name` is None when it is computed. `code` writes the name in Python."""

    name: str | None
    code: str

    @classmethod
    def named(cls, name: str) -> Collection:
        """A collection whose name is known."""
        return cls(name, quoted(name))


@dataclass(frozen=True, slots=True)
class MigrationContext(Value):
    """The second argument of `up` and `down`."""


@dataclass(frozen=True, slots=True)
class Batches(Value):
    """What `ctx.batches(...)` gives to loop over."""

    collection: Collection
    call: ast.Call


@dataclass(frozen=True, slots=True)
class Batch(Value):
    """One of them, inside the loop."""

    collection: Collection


@dataclass(frozen=True, slots=True)
class Method(Value):
    """A method of one of the values above, not called yet."""

    owner: Value
    name: str
    receiver: ast.expr


@dataclass(frozen=True, slots=True)
class Cursor(Value):
    """What `find` returns: `find` is its call, `limited` tells whether something bounds how much it reads."""

    collection: Collection
    find: ast.Call
    filter: Value
    limited: bool
    in_batch: bool = False


@dataclass(frozen=True, slots=True)
class External(Value):
    """Something imported, or a builtin, by its full name: `datetime.datetime.now`."""

    path: str


@dataclass(frozen=True, slots=True, eq=False)
class Function(Value):
    """A function of the file, with the names around it."""

    node: FunctionNode
    scope: Scope


@dataclass(frozen=True, slots=True, eq=False)
class Expression(Value):
    """Any other expression, with what its names stand for at that place, and `items` those of a list or tuple."""

    node: ast.expr
    scope: Mapping[str, Value]
    items: tuple[Value, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mixed(Value):
    """Something made of several values: branches that met, or an object that was added to."""

    parts: tuple[Value, ...]


UNKNOWN = Value()
IN_BATCH = Value()  # `batch.filter`


def quoted(text: str) -> str:
    """A Python string literal with double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if text.isprintable() else repr(text)


def join(values: list[Value]) -> Value:
    """What stands for all of these where they meet."""
    first = values[0] if values else UNKNOWN
    if all(value is first or value == first for value in values):
        return first
    if all(isinstance(value, Collection) for value in values):
        return Collection(None, "collection.name")
    if all(isinstance(value, Database) for value in values):
        return Database()
    return Mixed(tuple(values))


def look(node: ast.expr, scope: Mapping[str, Value]) -> Value:
    """What an expression stands for, following names but calling nothing."""
    if isinstance(node, ast.Name):
        return scope.get(node.id, UNKNOWN)
    if isinstance(node, ast.Attribute) and node.attr == "filter" and isinstance(look(node.value, scope), Batch):
        return IN_BATCH
    return Expression(node, scope)


def constant(value: Value) -> Any:
    """The string, number, bool or None that a value is written as; Ellipsis when it is something else."""
    if isinstance(value, Expression) and isinstance(value.node, ast.Constant):
        return value.node.value
    return ...


def string(value: Value) -> str | None:
    """The text that a value is written as, or None."""
    found = constant(value)
    return found if isinstance(found, str) else None


def is_true(value: Value | None) -> bool:
    """Whether a flag is given as something other than a plain false."""
    return value is not None and constant(value) not in (False, None, 0)


def entries(value: Value) -> list[tuple[str | None, Value]] | None:
    """The keys and values of a dictionary that is written out; None for anything else.

    Dictionaries that are spread into it count as its own. A computed key is None.
    """
    if not isinstance(value, Expression):
        return None
    node = value.node
    if isinstance(node, ast.Dict):
        found: list[tuple[str | None, Value]] = []
        for key, item in zip(node.keys, node.values, strict=True):
            here = look(item, value.scope)
            if key is not None:
                found.append((string(look(key, value.scope)), here))
            elif (spread := entries(here)) is not None:
                found += spread
            else:
                found.append((None, here))
        return found
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return [(keyword.arg, look(keyword.value, value.scope)) for keyword in node.keywords]
    return None


def elements(value: Value) -> list[Value] | None:
    """The items of a list or tuple that is written out; None for anything else."""
    if isinstance(value, Expression) and value.items is not None:
        return list(value.items)
    if isinstance(value, Expression) and isinstance(value.node, (ast.List, ast.Tuple, ast.Set)):
        return [look(item, value.scope) for item in value.node.elts]
    return None


def is_empty_filter(value: Value | None) -> bool:
    """Whether a filter certainly matches every document: `{}`, a name for it, or `{"_id": {"$exists": True}}`."""
    found = None if value is None else entries(value)
    if found is None:
        return False
    return all(key == "_id" and _exists(item) for key, item in found)


def _exists(value: Value) -> bool:
    found = entries(value)
    return found is not None and [(key, constant(item)) for key, item in found] == [("$exists", True)]


def reached(value: Value) -> Iterator[tuple[ast.AST, Mapping[str, Value]]]:
    """Every piece of code that takes part in a value: its own expression, and those behind the names in it."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, Mixed):
            waiting += here.parts
        elif isinstance(here, (Expression, Function)) and id(here.node) not in seen:
            seen.add(id(here.node))
            for node in ast.walk(here.node):
                yield node, here.scope
                if isinstance(node, ast.Name) and (behind := here.scope.get(node.id)) is not None:
                    waiting.append(behind)


def external_path(node: ast.expr, scope: Mapping[str, Value]) -> str | None:
    """The full name of something imported, as `datetime.datetime.now`; None for anything else."""
    if isinstance(node, ast.Name):
        found = scope.get(node.id)
        return found.path if isinstance(found, External) else None
    if isinstance(node, ast.Attribute) and (owner := external_path(node.value, scope)) is not None:
        return f"{owner}.{node.attr}"
    return None
