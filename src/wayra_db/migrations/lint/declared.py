"""What the linter wants to know of declared collections, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wayra_db.migrations.lint.model import DeclaredFields
from wayra_db.schema.collection import Collection

_BRANCHES = ("allOf", "anyOf", "oneOf")


def declared_fields(collections: Iterable[Collection]) -> dict[str, DeclaredFields]:
    """The indexed and validated fields of each collection, as dotted paths, by the collection's name."""
    return {
        one.name: DeclaredFields(
            indexed=frozenset(field for index in one.index_documents() for field in _indexed(index)),
            validated=frozenset(_in_query(one.validator or {})),
        )
        for one in collections
    }


def _indexed(index: Mapping[str, Any]) -> Iterator[str]:
    yield from (field for field in index["key"] if "$**" not in field)
    yield from _in_query(index.get("partialFilterExpression") or {})


def _in_query(query: Mapping[str, Any]) -> Iterator[str]:
    for key, value in query.items():
        if key == "$jsonSchema":
            yield from _in_schema(value, "")
        elif key in ("$and", "$or", "$nor"):
            for branch in value:
                yield from _in_query(branch)
        elif key == "$expr":
            yield from _in_expression(value)
        elif not key.startswith("$"):
            yield key


def _in_schema(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    yield from (prefix + field for field in schema.get("required", ()))
    for field, inner in schema.get("properties", {}).items():
        yield prefix + field
        yield from _in_schema(inner, f"{prefix}{field}.")
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _in_schema(items, prefix)
    for branch in (branch for name in _BRANCHES for branch in schema.get(name, ())):
        yield from _in_schema(branch, prefix)


def _in_expression(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("$") and not value.startswith("$$"):
            yield value[1:]
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _in_expression(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _in_expression(inner)
