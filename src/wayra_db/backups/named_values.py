"""Values of sensitive fields that stand in definitions: a redacted backup leaves them there, and says so. Pure.

A validator or an index without its values would be another one, and the data might not fit it any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from wayra_db.backups.definitions import Definition

# Operators whose operand says nothing of any value.
_WITHOUT_VALUES = frozenset({"$exists", "$type", "$size", "$options"})
_SCHEMA_VALUES = frozenset({"enum", "pattern", "minimum", "maximum"})


def naming_values(definitions: Iterable[Definition], sensitive: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The validators, indexes and views that name values of sensitive fields, in words. `sensitive` has the paths of
    each collection.
    """
    for one in definitions:
        paths = sensitive.get(one.name, ())
        if paths and _names(one.options.get("validator"), paths):
            yield f"the validator of {one.name}"
        for index in one.indexes:
            if paths and _names(index.get("partialFilterExpression"), paths):
                yield f"the index {one.name}.{index['name']}"
        seen = sensitive.get(str(one.options.get("viewOn")), ())
        stages = one.options.get("pipeline") or ()
        if seen and any(_names(stage.get("$match"), seen) for stage in stages if isinstance(stage, Mapping)):
            yield f"the view {one.name}"


def _names(condition: Any, paths: Collection[str], at: str = "") -> bool:
    """Whether a condition, as of `find`, compares one of the paths with a value."""
    if not isinstance(condition, Mapping):
        return False
    return any(_one_names(key, value, paths, at) for key, value in condition.items())


def _one_names(key: str, value: Any, paths: Collection[str], at: str) -> bool:
    if key in ("$and", "$or", "$nor"):
        return any(_names(one, paths, at) for one in value)
    if key == "$jsonSchema":
        return _schema_names(value, paths, at)
    if key == "$expr":
        return _mentions(value, paths)
    if key.startswith("$"):
        return False
    path = f"{at}.{key}" if at else key
    if isinstance(value, Mapping) and value and all(name.startswith("$") for name in value):
        return any(_operator_names(name, operand, paths, path) for name, operand in value.items())
    return value is not None and _is_sensitive(path, paths)


def _operator_names(name: str, operand: Any, paths: Collection[str], path: str) -> bool:
    if name == "$not":
        return _one_names(path, operand, paths, "")
    if name == "$elemMatch" and isinstance(operand, Mapping):
        inner = all(one.startswith("$") for one in operand)
        return _one_names(path, operand, paths, "") if inner else _names(operand, paths, path)
    return name not in _WITHOUT_VALUES and operand is not None and _is_sensitive(path, paths)


def _schema_names(schema: Any, paths: Collection[str], at: str) -> bool:
    if not isinstance(schema, Mapping):
        return False
    if at and _is_sensitive(at, paths) and not _SCHEMA_VALUES.isdisjoint(schema):
        return True
    inner = [(f"{at}.{name}" if at else name, one) for name, one in (schema.get("properties") or {}).items()]
    inner += [(at, one) for one in (schema.get("patternProperties") or {}).values()]
    for name in ("allOf", "anyOf", "oneOf"):
        inner += [(at, one) for one in schema.get(name) or ()]
    inner += [(at, schema.get(name)) for name in ("not", "additionalProperties")]
    items = schema.get("items")
    inner += [(at, one) for one in (items if isinstance(items, list) else [items])]
    return any(_schema_names(one, paths, path) for path, one in inner)


def _mentions(expression: Any, paths: Collection[str]) -> bool:
    """Whether an expression reads one of the paths; what it is compared with is not told apart."""
    if isinstance(expression, str):
        path = expression.removeprefix("$$ROOT.").removeprefix("$$CURRENT.").lstrip("$")
        return expression.startswith("$") and _is_sensitive(path, paths)
    if isinstance(expression, Mapping):
        return any(_mentions(one, paths) for one in expression.values())
    return isinstance(expression, list) and any(_mentions(one, paths) for one in expression)


def _is_sensitive(path: str, paths: Collection[str]) -> bool:
    """Whether a path is a sensitive one, lies in one, or holds one."""
    return any(f"{path}.".startswith(f"{one}.") or f"{one}.".startswith(f"{path}.") for one in paths)
