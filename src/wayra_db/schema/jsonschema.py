"""What the server accepts in a `$jsonSchema`, as one table, so that a mistake is found before anything is sent.

MongoDB reads the draft 4 of JSON Schema, without references, formats and defaults, and adds `bsonType` and encryption.
The table was compared with a server's own answers; a test does so again with the server at hand.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from wayra_db.schema.locate import Mistake, Step, Where

# fmt: off
BSON_TYPES = frozenset({
    "array", "binData", "bool", "date", "dbPointer", "decimal", "double", "int", "javascript", "javascriptWithScope",
    "long", "maxKey", "minKey", "null", "number", "object", "objectId", "regex", "string", "symbol", "timestamp",
    "undefined",
})
# fmt: on
JSON_TYPES = frozenset({"object", "array", "number", "boolean", "string", "null"})

# Words from other dialects, with what to write here.
_ELSEWHERE = {
    "const": "Write `enum` with the one value.",
    "format": "Write a `pattern`, or a bsonType that says it (`date`, `objectId`).",
    "default": "A validator cannot fill in values: set them when writing, or by a migration.",
    "$ref": "Keep the shared part in a Python variable and use it in both places.",
    "definitions": "Keep shared parts in Python variables.",
    "$schema": "Leave it out: the server always reads draft 4.",
    "id": "Leave it out.",
    "$id": "Leave it out.",
    "if": "Write `oneOf` with the two cases.",
    "contains": "Write `$elemMatch` beside `$jsonSchema`.",
    "examples": "Write it into `description`.",
    "$comment": "Write it into `description`.",
}
_TYPES_ELSEWHERE = {
    "integer": "Write bsonType `int` or `long`, or `number` with `multipleOf: 1`.",
    "boolean": "Write bsonType `bool`, or `type: boolean`.",
    "float": "Write bsonType `double`.",
    "datetime": "Write bsonType `date`.",
    "uuid": "Write bsonType `binData`.",
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names the known word nearest to `word`; empty when none is near."""
    by_lower_case = {name.lower(): name for name in known}
    nearest = difflib.get_close_matches(word.lower(), by_lower_case, n=1)
    return f"Did you mean {by_lower_case[nearest[0]]!r}?" if nearest else ""


def schema_mistakes(schema: Any, where: Where) -> Iterator[Mistake]:
    """Everything in a `$jsonSchema` that the server would refuse, or that could never be satisfied."""
    if not isinstance(schema, Mapping):
        yield Mistake(f"a schema must be an object, found {_kind(schema)}", where)
        return
    for keyword, value in schema.items():
        place = (*where, keyword)
        if keyword not in KEYWORDS:
            hint = _ELSEWHERE.get(keyword) or did_you_mean(keyword, KEYWORDS)
            yield Mistake(f"unknown $jsonSchema keyword {keyword!r}", place, keyword, hint)
        elif keyword in _TYPE_NAMES:
            yield from _type_mistakes(keyword, value, place)
        else:
            accepts, expectation = KEYWORDS[keyword]
            if accepts(value):
                yield from _nested_mistakes(keyword, value, place)
            else:
                yield Mistake(f"{keyword!r} must be {expectation}, found {_kind(value)}", place, keyword)
    yield from _contradictions(schema, where)


def is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether fields that the schema does not name are refused."""
    return schema.get("additionalProperties") is False


def parent_of(schema: Mapping[str, Any], path: str) -> tuple[Mapping[str, Any], str, bool]:
    """Follow a dotted path as far as the schema names properties, through arrays as the server does.

    Returns the schema of the object reached last, the step that was looked up in it, and whether that is the last step
    of the path.
    """
    steps = path.split(".")
    current = schema
    for step in steps[:-1]:
        child = _element(current.get("properties", {}).get(step))
        if child is None:
            return current, step, False
        current = child
    return current, steps[-1], True


def names_fields(schema: Mapping[str, Any]) -> bool:
    """Whether the schema lists an object's fields in one place, so that a name outside the list looks like a slip."""
    return bool(schema.get("properties")) and not schema.keys() & {"allOf", "anyOf", "oneOf", "patternProperties"}


def _element(schema: Any) -> Mapping[str, Any] | None:
    while isinstance(schema, Mapping) and isinstance(schema.get("items"), Mapping):
        schema = schema["items"]
    return schema if isinstance(schema, Mapping) else None


def _type_mistakes(keyword: str, value: Any, where: Where) -> Iterator[Mistake]:
    known = _TYPE_NAMES[keyword]
    several = isinstance(value, (list, tuple))
    if not several and not isinstance(value, str):
        yield Mistake(f"{keyword!r} must be a type name or a list of them, found {_kind(value)}", where, keyword)
        return
    listed: Sequence[Any] = value if several else [value]
    if not listed:
        yield Mistake(f"{keyword!r} must name at least one type", where, keyword)
    for index, name in enumerate(listed):
        place = (*where, index) if several else where
        if not isinstance(name, str):
            yield Mistake(f"{keyword!r} must hold type names, found {_kind(name)}", place, keyword)
        elif name not in known:
            hint = _TYPES_ELSEWHERE.get(name.lower()) or did_you_mean(name, known)
            if keyword == "type" and name in BSON_TYPES:
                hint = f"{name!r} is a BSON type: write `bsonType` instead of `type`."
            yield Mistake(f"unknown {keyword} {name!r}", place, name, hint)
        elif name in listed[:index]:
            yield Mistake(f"{keyword!r} names {name!r} twice", place, name)


def _nested_mistakes(keyword: str, value: Any, where: Where) -> Iterator[Mistake]:
    children: Iterable[tuple[Step | None, Any]] = ()
    if keyword in ("properties", "patternProperties"):
        children = value.items()
    elif keyword == "dependencies":
        children = [(name, child) for name, child in value.items() if not _is_names(child)]
    elif keyword in ("allOf", "anyOf", "oneOf", "items") and isinstance(value, (list, tuple)):
        children = enumerate(value)
    elif keyword in ("not", "items", "additionalItems", "additionalProperties") and isinstance(value, Mapping):
        children = [(None, value)]
    for step, child in children:
        yield from schema_mistakes(child, where if step is None else (*where, step))


def _contradictions(schema: Mapping[str, Any], where: Where) -> Iterator[Mistake]:
    if "type" in schema and "bsonType" in schema:
        yield Mistake("'type' and 'bsonType' cannot stand together", (*where, "type"), "type", "Keep bsonType.")
    for keyword, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if keyword in schema and bound not in schema:
            hint = f"In draft 4 it is true or false and says whether `{bound}` itself is excluded."
            yield Mistake(f"{keyword!r} needs {bound!r} beside it", (*where, keyword), keyword, hint)
    properties = schema.get("properties", {})
    required = schema.get("required")
    if is_closed(schema) and not schema.get("patternProperties") and _is_names(required):
        for index, name in enumerate(required):
            if name not in properties:
                message = f"'required' names {name!r}, which this closed schema does not have"
                yield Mistake(message, (*where, "required", index), name, did_you_mean(name, properties))


# --- the table -----------------------------------------------------------------------------------------------------


def _number(value: Any) -> float | None:
    """A Python or BSON number as a float, None for anything else; bson is not imported for the sake of Decimal128."""
    if type(value).__name__ == "Decimal128":
        return float(value.to_decimal())
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _is_positive(value: Any) -> bool:
    number = _number(value)
    return number is not None and number > 0


def _is_count(value: Any) -> bool:
    number = _number(value)
    return number is not None and number.is_integer() and 0 <= number <= 2**63


def _is_names(value: Any) -> TypeGuard[Sequence[str]]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value)) == len(value)


def _is_values(value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    compared = [_as_server_compares(item) for item in value]
    return all(item not in compared[:index] for index, item in enumerate(compared))


def _as_server_compares(value: Any) -> Any:
    """To the server 1 equals 1.0 and a decimal 1, as in Python, but never true."""
    if isinstance(value, Mapping):
        return {name: _as_server_compares(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_server_compares(item) for item in value]
    number = _number(value)
    return (type(value), value) if number is None else number


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_dependencies(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_mapping(item) or _is_names(item) for item in value.values())


_FLAG = (lambda value: isinstance(value, bool), "true or false")
_TEXT = (lambda value: isinstance(value, str), "a string")
_NUMBER = (lambda value: _number(value) is not None, "a number")
_COUNT = (_is_count, "a whole number, 0 or more")
_SCHEMA = (_is_mapping, "a schema")
_SCHEMAS = (lambda value: isinstance(value, (list, tuple)) and bool(value), "a list of schemas, at least one")
_NAMED_SCHEMAS = (_is_mapping, "an object of schemas by name")
_SCHEMA_OR_FLAG = (lambda value: isinstance(value, (Mapping, bool)), "a schema, true or false")

KEYWORDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "bsonType": _TEXT,
    "type": _TEXT,
    "enum": (_is_values, "a list of values, at least one, none twice"),
    "title": _TEXT,
    "description": _TEXT,
    "multipleOf": (_is_positive, "a number above 0"),
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _FLAG,
    "exclusiveMaximum": _FLAG,
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "pattern": _TEXT,
    "properties": _NAMED_SCHEMAS,
    "patternProperties": _NAMED_SCHEMAS,
    "additionalProperties": _SCHEMA_OR_FLAG,
    "minProperties": _COUNT,
    "maxProperties": _COUNT,
    "required": (_is_names, "a list of field names, at least one, none twice"),
    "dependencies": (_is_dependencies, "an object of schemas or lists of field names"),
    "items": (lambda value: isinstance(value, (Mapping, list, tuple)), "a schema or a list of schemas"),
    "additionalItems": _SCHEMA_OR_FLAG,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": _FLAG,
    "allOf": _SCHEMAS,
    "anyOf": _SCHEMAS,
    "oneOf": _SCHEMAS,
    "not": _SCHEMA,
    "encrypt": (_is_mapping, "an object"),
    "encryptMetadata": (_is_mapping, "an object"),
}
_TYPE_NAMES = {"bsonType": BSON_TYPES, "type": JSON_TYPES}


def _kind(value: Any) -> str:
    return repr(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
