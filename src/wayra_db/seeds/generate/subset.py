"""The part of `$jsonSchema` that documents are made from: a schema as alternatives without allOf, anyOf and oneOf.

What is not in it is an UnsupportedError that names the keyword, so that nothing is made which the server refuses. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from wayra_db.seeds.generate.conforms import NUMBERS, conforms, number, same, schemas_of, types_of
from wayra_db.seeds.generate.unsupported import UnsupportedError

Schema = Mapping[str, Any]

MADE = NUMBERS | {"string", "bool", "date", "objectId", "array", "object", "null", "binData", "timestamp"}
_REFUSED = {
    "not": "write what it may be, with `enum`, `pattern` or bounds",
    "encrypt": "encrypted fields cannot be made",
    "encryptMetadata": "encrypted fields cannot be made",
}
_MOST_ALTERNATIVES = 64
_LARGEST = {"minimum", "minLength", "minItems", "minProperties"}
_SMALLEST = {"maximum", "maxLength", "maxItems", "maxProperties"}


def alternatives(schema: Schema) -> list[dict[str, Any]]:
    """The schemas of which a value has to meet one, none of them with allOf, anyOf or oneOf at its top.

    Raises UnsupportedError.
    """
    for keyword, why in _REFUSED.items():
        if keyword in schema:
            raise UnsupportedError(keyword, why)
    for needed in schema.get("dependencies", {}).values():
        if isinstance(needed, Mapping):
            raise UnsupportedError("dependencies", "only lists of field names, not schemas")
    combined = ("allOf", "anyOf", "oneOf")
    found = [{name: value for name, value in schema.items() if name not in combined}]
    for one in schema.get("allOf", ()):
        found = _each(found, alternatives(one), "allOf")
    if "anyOf" in schema:
        found = _each(found, [branch for one in schema["anyOf"] for branch in alternatives(one)], "anyOf")
    if "oneOf" in schema:
        branches = [alternatives(one) for one in schema["oneOf"]]
        _require_apart(schema, branches)
        found = _each(found, [branch for one in branches for branch in one], "oneOf")
    return found


def _each(found: Sequence[Schema], branches: Sequence[Schema], keyword: str) -> list[dict[str, Any]]:
    merged, problem = [], None
    for one in found:
        for branch in branches:
            try:
                merged.append(merge(one, branch))
            except UnsupportedError as error:
                problem = error
    if not merged:
        raise problem or UnsupportedError(keyword, "no value meets it")
    if len(merged) > _MOST_ALTERNATIVES:
        raise UnsupportedError(keyword, f"more than {_MOST_ALTERNATIVES} combinations")
    return merged


def merge(one: Schema, other: Schema) -> dict[str, Any]:
    """A schema for what meets both. Raises UnsupportedError where that is nothing, or cannot be said in one schema."""
    found = {name: value for name, value in one.items() if name not in ("bsonType", "type")}
    types = _merge_types(types_of(one), types_of(other))
    if types is not None:
        found["bsonType"] = sorted(types)
    for name, value in other.items():
        if name in ("bsonType", "type", "properties", "additionalProperties", "patternProperties"):
            continue
        if name not in found:
            found[name] = value
        elif name in _LARGEST or name in _SMALLEST:
            found[name] = _tighter(found[name], value, name in _LARGEST)
        elif name not in ("title", "description", "exclusiveMinimum", "exclusiveMaximum"):
            found[name] = _merge_keyword(name, found[name], value)
    for bound, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        found.pop(flag, None)
        if bound in found and any(side.get(flag) and same(side.get(bound), found[bound]) for side in (one, other)):
            found[flag] = True
    _merge_fields(found, one, other)
    return found


def _merge_types(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return one if other is None else other
    if not one & other:
        raise UnsupportedError("bsonType", f"no value is {_or(one)} and also {_or(other)}")
    return one & other


def _or(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))


def _tighter(one: Any, other: Any, largest: bool) -> Any:
    a: Any = number(one)
    b: Any = number(other)
    return one if (a >= b) == largest else other


def _merge_keyword(name: str, one: Any, other: Any) -> Any:
    if one == other:
        return one
    match name:
        case "required":
            return [*one, *(field for field in other if field not in one)]
        case "uniqueItems":
            return bool(one or other)
        case "enum":
            both = [value for value in one if any(same(value, known) for known in other)]
            if not both:
                raise UnsupportedError("enum", "no value is in both lists")
            return both
        case "items" if isinstance(one, Mapping) and isinstance(other, Mapping):
            return {"allOf": [one, other]}
        case "dependencies":
            return {
                field: [*one.get(field, ()), *(more for more in other.get(field, ()) if more not in one.get(field, ()))]
                for field in {**one, **other}
            }
        case "multipleOf":
            small, large = sorted((float(number(one) or 0), float(number(other) or 0)))
            if math.fmod(large, small) == 0:
                return one if float(number(one) or 0) == large else other
    raise UnsupportedError(name, "it stands twice for one field, differently")


def _merge_fields(found: dict[str, Any], one: Schema, other: Schema) -> None:
    """`properties`, and what is said of the fields that these do not name, which counts for those of the other side."""
    if not any(
        name in side for side in (one, other) for name in ("properties", "additionalProperties", "patternProperties")
    ):
        return
    properties: dict[str, Any] = {}
    for name in {**one.get("properties", {}), **other.get("properties", {})}:
        sides = []
        for side in (one, other):
            schemas = schemas_of(side, name)
            if not schemas and side.get("additionalProperties") is False:
                break
            sides += [schema for schema in schemas if schema not in sides]
        else:
            properties[name] = sides[0] if len(sides) == 1 else {"allOf": sides}
    found["properties"] = properties
    for keyword in ("patternProperties", "additionalProperties"):
        found.pop(keyword, None)
    patterns = {**one.get("patternProperties", {}), **other.get("patternProperties", {})}
    if patterns:
        if any(side.get("additionalProperties", True) is not True for side in (one, other)):
            # No fields are made but the named ones, so nothing is lost by refusing all others.
            found["additionalProperties"] = False
            return
        found["patternProperties"] = patterns
    more = [side["additionalProperties"] for side in (one, other) if side.get("additionalProperties", True) is not True]
    if more:
        schemas = [schema for schema in more if isinstance(schema, Mapping)]
        found["additionalProperties"] = False if False in more else {"allOf": schemas}


# --- oneOf -----------------------------------------------------------------------------------------------------------


def _require_apart(schema: Schema, branches: Sequence[Sequence[Schema]]) -> None:
    base = {name: value for name, value in schema.items() if name not in ("oneOf", "allOf", "anyOf")}
    for at, one in enumerate(branches):
        for other in branches[:at]:
            if not all(_apart(base, a, b) for a in one for b in other):
                raise UnsupportedError(
                    "oneOf", "two of its branches may hold at once; tell them apart by type, `enum` or bounds"
                )


def _apart(base: Schema, one: Schema, other: Schema, depth: int = 0) -> bool:
    """Whether surely no value meets both."""
    types = [types_of(one), types_of(other)]
    if types[0] is not None and types[1] is not None and not types[0] & types[1]:
        return True
    for a, b in ((one, other), (other, one)):
        if "enum" in a and not any(conforms(b, value) for value in a["enum"]):
            return True
        if _below(a, b, types_of(base)):
            return True
    if depth > 20:
        return False
    both_objects = all((kind or types_of(base)) == frozenset({"object"}) for kind in types)
    if not both_objects:
        return False
    required = {*base.get("required", ())}
    for a, b in ((one, other), (other, one)):
        for name in b.get("required", ()):
            if a.get("additionalProperties") is False and not schemas_of(a, name):
                return True
    shared = (required | {*one.get("required", ())}) | {*other.get("required", ())}
    for name in shared:
        for a in schemas_of(one, name):
            for b in schemas_of(other, name):
                if _apart({}, a, b, depth + 1):
                    return True
    return False


def _below(one: Schema, other: Schema, base: frozenset[str] | None) -> bool:
    """Whether all numbers of the one are smaller than those of the other, and both are numbers."""
    if not all((kind := types_of(side) or base) is not None and kind <= NUMBERS for side in (one, other)):
        return False
    high: Any = number(one.get("maximum"))
    low: Any = number(other.get("minimum"))
    if high is None or low is None:
        return False
    return bool(high < low or (high == low and (one.get("exclusiveMaximum") or other.get("exclusiveMinimum"))))


# --- types -----------------------------------------------------------------------------------------------------------

_HINTS = (
    ("object", ("properties", "required", "additionalProperties", "minProperties", "maxProperties", "dependencies")),
    ("array", ("items", "minItems", "maxItems", "uniqueItems", "additionalItems")),
    ("int", ("multipleOf",)),
    ("double", ("minimum", "maximum")),
    ("string", ("pattern", "minLength", "maxLength")),
)


def made_types(schema: Schema) -> list[str]:
    """The types that values of a simple schema are made of, of numbers the one that fits. Raises UnsupportedError."""
    types = types_of(schema)
    if types is None:
        return [next((kind for kind, words in _HINTS if any(word in schema for word in words)), "string")]
    odd = sorted(types - MADE)
    if types and not types & MADE:
        raise UnsupportedError("bsonType", f"nothing is made of the type {odd[0]}")
    kept = types & MADE
    if kept >= NUMBERS:
        kept = (kept - NUMBERS) | {"int" if "multipleOf" in schema else "double"}
    return sorted(kept)
