"""From one value to the next: attributes, items, imports, parameters, and the collection that a call names. Pure."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.driver import BATCH_METHODS, CLIENT_METHODS, COLLECTION_METHODS, DATABASE_METHODS
from wayra_db.migrations.lint.values import (
    IN_BATCH,
    UNKNOWN,
    Batch,
    Client,
    Collection,
    Cursor,
    Database,
    Expression,
    External,
    Method,
    MigrationContext,
    Scope,
    Value,
    entries,
    look,
    string,
)


def bind_import(node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    """Names that an import brings."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            scope[alias.asname or alias.name] = External(f"{node.module}.{alias.name}")
        elif alias.asname:
            scope[alias.asname] = External(alias.name)
        else:
            top = alias.name.partition(".")[0]
            scope[top] = External(top)


def bind_parameters(
    arguments: ast.arguments, positional: Sequence[Value], keywords: Mapping[str, Value], scope: Scope
) -> None:
    """What a function's parameters stand for when it is called with these arguments."""
    names = [one.arg for one in [*arguments.posonlyargs, *arguments.args]]
    for name, default in zip(reversed(names), reversed(arguments.defaults), strict=False):
        scope[name] = look(default, scope)
    for name in names[: len(names) - len(arguments.defaults)]:
        scope[name] = UNKNOWN
    for keyword, standard in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        scope[keyword.arg] = UNKNOWN if standard is None else look(standard, scope)
    for rest in (arguments.vararg, arguments.kwarg):
        if rest is not None:
            scope[rest.arg] = UNKNOWN
    scope.update(zip(names, positional, strict=False))
    known = {*names, *(one.arg for one in arguments.kwonlyargs)}
    scope.update({name: value for name, value in keywords.items() if name in known})


def attribute(owner: Value, node: ast.Attribute, scope: Scope) -> Value:
    """What `owner.name` stands for."""
    name = node.attr
    match owner:
        case Database():
            if name == "client":
                return Client()
            if name in DATABASE_METHODS:
                return Method(owner, name, node.value)
            return UNKNOWN if name in ("name", "codec_options") or name.startswith("_") else Collection.named(name)
        case Collection():
            if name == "database":
                return Database()
            if name in COLLECTION_METHODS:
                return Method(owner, name, node.value)
            if name in ("name", "full_name", "codec_options") or name.startswith("_"):
                return UNKNOWN
            return Collection(None if owner.name is None else f"{owner.name}.{name}", f'"{owner.name}.{name}"')
        case Client():
            return Method(owner, name, node.value) if name in CLIENT_METHODS else Database()
        case Batch():
            if name in BATCH_METHODS:
                return Method(owner, name, node.value)
            return IN_BATCH if name == "filter" else UNKNOWN
        case MigrationContext() | Cursor():
            return Method(owner, name, node.value)
        case External():
            return External(f"{owner.path}.{name}")
    return Expression(node, dict(scope))


def subscript(owner: Value, node: ast.Subscript, scope: Scope) -> Value:
    """What `owner[key]` stands for."""
    key = look(node.slice, scope)
    if isinstance(owner, Client):
        return Database()
    if isinstance(owner, Database):
        name = string(key)
        return Collection.named(name) if name is not None else Collection(None, ast.unparse(node.slice))
    if isinstance(owner, Collection):
        name = string(key)
        return Collection(None if name is None or owner.name is None else f"{owner.name}.{name}", ast.unparse(node))
    return Expression(node, dict(scope))


def collection_named(
    node: ast.expr | None, positional: Sequence[Value], keywords: Mapping[str, Value], keyword: str
) -> Collection:
    """The collection whose name, or which itself, is an argument."""
    value = positional[0] if positional else keywords.get(keyword, UNKNOWN)
    if isinstance(value, Collection):
        return value
    name = string(value)
    if name is not None:
        return Collection.named(name)
    return Collection(None, ast.unparse(node) if node is not None else "...")


def target_of(
    owner: Value, method: str, node: ast.Call, positional: tuple[Value, ...], keywords: dict[str, Value]
) -> Collection | None:
    """The collection that a method works on; None when it is no single one."""
    if isinstance(owner, Collection):
        return owner
    if isinstance(owner, Batch):
        return owner.collection
    if method in ("drop_collection", "create_collection", "validate_collection"):
        return collection_named(node.args[0] if node.args else None, positional, keywords, "name")
    return None


def as_command(operation: Operation) -> Operation:
    """A `command` as the command that it sends: `db.command("collMod", "users", index={...})`, or with a document."""
    first = operation.argument(0, "command")
    found = entries(first) if first is not None else None
    if found:
        name, target = found[0]
        options = {key: value for key, value in found[1:] if key is not None}
    else:
        name = string(first) if first is not None else None
        target = operation.argument(1, "value") or UNKNOWN
        options = dict(operation.keywords)
    if name is None:
        return operation
    on = string(target)
    code = Collection.named(on) if on is not None else Collection(None, "...")
    return replace(operation, method=name, collection=code, keywords=options, is_command=True)


def may_be_many(filter: Value | None) -> bool:
    """Whether a filter may match more documents than somebody has written out."""
    found = entries(filter) if filter is not None else []
    if filter is IN_BATCH or filter is None:
        return filter is None
    for key, value in found or []:
        if key == "_id":
            conditions = entries(value)
            if conditions is None or any(name in ("$in", "$eq") for name, _ in conditions):
                return False
    return True
