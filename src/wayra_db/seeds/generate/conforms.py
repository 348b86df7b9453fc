"""Whether a value meets a schema, as the server would say; for values that are chosen and not made. Pure."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

NUMBERS = frozenset({"int", "long", "double", "decimal"})
JSON_TYPES = {
    "number": NUMBERS,
    "boolean": frozenset({"bool"}),
    "string": frozenset({"string"}),
    "object": frozenset({"object"}),
    "array": frozenset({"array"}),
    "null": frozenset({"null"}),
}
_BY_CLASS = {
    "Int64": "long",
    "Decimal128": "decimal",
    "ObjectId": "objectId",
    "Timestamp": "timestamp",
    "Binary": "binData",
    "bytes": "binData",
    "Regex": "regex",
    "Pattern": "regex",
    "Code": "javascript",
    "MinKey": "minKey",
    "MaxKey": "maxKey",
    "NoneType": "null",
    "str": "string",
    "bool": "bool",
    "float": "double",
}


def bson_type(value: Any) -> str:
    """The type that the driver stores a Python value as."""
    found = _BY_CLASS.get(type(value).__name__)
    if found is not None:
        return found
    if isinstance(value, int):
        return "int" if -(2**31) <= value < 2**31 else "long"
    if isinstance(value, datetime.datetime):
        return "date"
    if isinstance(value, Mapping):
        return "object"
    return "array" if isinstance(value, (list, tuple)) else type(value).__name__


def types_of(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """The BSON types that a schema lets in by `bsonType` or `type`; None for any."""
    found: set[str] = set()
    for keyword in ("bsonType", "type"):
        named = schema.get(keyword)
        if named is None:
            continue
        for name in [named] if isinstance(named, str) else named:
            found |= JSON_TYPES.get(name, frozenset({name})) if keyword == "type" or name == "number" else {name}
        return frozenset(found)
    return None


def number(value: Any) -> float | int | Decimal | None:
    """A number of any type as Python compares it, None for what is none."""
    if type(value).__name__ == "Decimal128":
        decimal: Decimal = value.to_decimal()
        return decimal
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def conforms(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether the server would let the value in."""
    types = types_of(schema)
    kind = bson_type(value)
    if types is not None and kind not in types:
        return False
    if "enum" in schema and not any(same(one, value) for one in schema["enum"]):
        return False
    if kind == "string" and not _text(schema, value):
        return False
    if kind in NUMBERS and not _number(schema, value):
        return False
    if kind == "array" and not _array(schema, value):
        return False
    if kind == "object" and not _object(schema, value):
        return False
    return (
        all(conforms(one, value) for one in schema.get("allOf", ()))
        and ("anyOf" not in schema or any(conforms(one, value) for one in schema["anyOf"]))
        and ("oneOf" not in schema or sum(conforms(one, value) for one in schema["oneOf"]) == 1)
        and ("not" not in schema or not conforms(schema["not"], value))
    )


def same(one: Any, other: Any) -> bool:
    """Whether the server takes two values for equal: 1 and 1.0 are, 1 and true are not."""
    if number(one) is not None and number(other) is not None:
        return bool(number(one) == number(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        # The order of fields does not count in a schema's `enum`.
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bson_type(one) == bson_type(other) and bool(one == other)


def _text(schema: Mapping[str, Any], value: str) -> bool:
    return (
        len(value) >= schema.get("minLength", 0)
        and ("maxLength" not in schema or len(value) <= schema["maxLength"])
        and ("pattern" not in schema or re.search(schema["pattern"], value) is not None)
    )


def _number(schema: Mapping[str, Any], value: Any) -> bool:
    found: Any = number(value)
    low, high, factor = (number(schema.get(name)) for name in ("minimum", "maximum", "multipleOf"))
    if found != found:  # NaN is below everything
        return low is None
    if low is not None and (found < low or (schema.get("exclusiveMinimum") and found == low)):
        return False
    if high is not None and (found > high or (schema.get("exclusiveMaximum") and found == high)):
        return False
    return factor is None or (math.isfinite(found) and math.fmod(float(found), float(factor)) == 0)


def _array(schema: Mapping[str, Any], value: Sequence[Any]) -> bool:
    if len(value) < schema.get("minItems", 0) or ("maxItems" in schema and len(value) > schema["maxItems"]):
        return False
    if schema.get("uniqueItems") and any(same(a, b) for at, a in enumerate(value) for b in value[:at]):
        return False
    items = schema.get("items", {})
    if isinstance(items, Mapping):
        return all(conforms(items, one) for one in value)
    more = schema.get("additionalItems", True)
    if len(value) > len(items) and more is False:
        return False
    rest = more if isinstance(more, Mapping) else {}
    return all(conforms(items[at] if at < len(items) else rest, one) for at, one in enumerate(value))


def _object(schema: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    if len(value) < schema.get("minProperties", 0) or len(value) > schema.get("maxProperties", len(value)):
        return False
    if any(name not in value for name in schema.get("required", ())):
        return False
    for name, needed in schema.get("dependencies", {}).items():
        if name in value:
            if isinstance(needed, Mapping):
                if not conforms(needed, value):
                    return False
            elif any(one not in value for one in needed):
                return False
    return all(conforms(one, item) for name, item in value.items() for one in schemas_of(schema, name)) and (
        schema.get("additionalProperties", True) is not False or all(_is_named(schema, name) for name in value)
    )


def schemas_of(schema: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The schemas that a field of an object has to meet, those for fields of any name included."""
    found = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    found += [one for pattern, one in schema.get("patternProperties", {}).items() if re.search(pattern, name)]
    more = schema.get("additionalProperties")
    if not found and isinstance(more, Mapping):
        found.append(more)
    return found


def _is_named(schema: Mapping[str, Any], name: str) -> bool:
    return name in schema.get("properties", {}) or any(
        re.search(pattern, name) for pattern in schema.get("patternProperties", {})
    )
