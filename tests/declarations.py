"""Declarations of all kinds, for hypothesis: the keywords that docs/reference/generated-data.md names, put together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, Int64, ObjectId
from hypothesis import strategies as st

Schema = dict[str, Any]

NAMES = st.sampled_from(
    ["name", "email", "city", "title", "createdAt", "updatedAt", "start", "end", "min", "max", "tags", "x", "ü", "a b"]
)
PATTERNS = st.sampled_from(
    [
        r"^[A-Z]{3}$",
        r"^[A-Z]{3}$(?!\n)",
        r"^[^@\s]+@[^@\s]+$(?!\n)",
        r"^\d{4}-\d{2}$",
        r"^(red|green|blue)-[a-f0-9]{6}$",
        r"^\+?[1-9]\d{7,14}$",
        r"[aeiou]",
        r"^x.*y$",
        r"^\w+([.-]\w+)*$",
        r"^(?:a|bc){2,3}\S?$",
        r"^[^a-z]{2,}$",
    ]
)


def counts(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    """Two numbers of which the first is not the larger one."""
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda two: (min(two), max(two)))


@st.composite
def texts(draw: st.DrawFn) -> Schema:
    """Strings by length or by pattern."""
    schema: Schema = {"bsonType": "string"}
    if draw(st.booleans()):
        schema["pattern"] = draw(PATTERNS)
    elif draw(st.booleans()):
        low, high = draw(counts(0, 40))
        schema |= {"minLength": low, "maxLength": high}
    return schema


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    """Numbers of each type, with bounds of each type, and multiples."""
    kind = draw(st.sampled_from(["int", "long", "double", "decimal", "number", ["int", "double"]]))
    schema: Schema = {"bsonType": kind}
    whole = draw(st.booleans())
    low = draw(st.integers(-(10**6), 10**6))
    span = draw(st.integers(3, 10**7))
    if draw(st.booleans()):
        schema["minimum"] = draw(st.sampled_from([low, float(low), Int64(low), Decimal128(str(low))]))
        schema["exclusiveMinimum"] = draw(st.booleans())
    if draw(st.booleans()):
        schema["maximum"] = low + span if whole else low + span + 0.25
        schema["exclusiveMaximum"] = draw(st.booleans())
    if draw(st.booleans()) and span > 1000:
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 7, 100, 0.5, 0.25, 2.0]))
    return schema


PLAIN = st.one_of(
    texts(),
    numbers(),
    st.sampled_from(
        [
            {"bsonType": "bool"},
            {"bsonType": "date"},
            {"bsonType": "objectId"},
            {"bsonType": "binData"},
            {"bsonType": "timestamp"},
            {"bsonType": "null"},
            {"bsonType": ["string", "null"]},
            {"bsonType": ["date", "int", "bool"]},
            {"type": "boolean"},
            {"type": ["number", "string"]},
            {"enum": ["a", "b", 3, None, 2.5]},
            {"bsonType": "string", "enum": ["a", 7, "c"]},
            {"enum": [datetime(2026, 1, 1, tzinfo=UTC), ObjectId("5eed00000000000000000001")]},
            {},
            {"description": "anything"},
        ]
    ),
)
DIFFERENT = st.sampled_from(
    [
        {"bsonType": "string"},
        {"bsonType": "string", "pattern": "^[A-Z]{4}$"},
        {"bsonType": "int", "minimum": 0},
        {"bsonType": "objectId"},
        {"bsonType": "date"},
        {"enum": ["a", "b", "c", "d", "e"]},
    ]
)


def arrays(items: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    """Arrays: of one kind, of a kind for each place, of different elements."""

    @st.composite
    def make(draw: st.DrawFn) -> Schema:
        low, high = draw(counts(0, 5))
        schema: Schema = {"bsonType": "array"}
        match draw(st.integers(0, 2)):
            case 0:
                schema |= {"items": draw(items), "minItems": low, "maxItems": high}
            case 1:
                schema |= {"items": [draw(items), draw(items)], "additionalItems": draw(st.booleans())}
            case _:
                schema |= {"items": draw(DIFFERENT), "uniqueItems": True, "minItems": low, "maxItems": high}
        return schema

    return make()


def objects(values: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    """Objects: open and closed, with required fields, counted fields, fields that come together."""

    @st.composite
    def make(draw: st.DrawFn) -> Schema:
        properties = draw(st.dictionaries(NAMES, values, max_size=5))
        schema: Schema = {"bsonType": "object", "properties": properties}
        names = list(properties)
        required: list[str] = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        if required:
            schema["required"] = required
        schema |= draw(st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": True}]))
        if len(names) > 0 and draw(st.booleans()):
            schema["minProperties"] = draw(st.integers(0, len(names)))
        if draw(st.integers(0, 3)) == 0:
            schema["maxProperties"] = draw(st.integers(max(len(required), schema.get("minProperties", 0), 1), 8))
        elif len(names) > 1 and draw(st.booleans()):
            schema["dependencies"] = {names[0]: [names[1]]}
        if draw(st.integers(0, 3)) == 0:
            schema["patternProperties"] = {"^zz": {"bsonType": "int"}}
        return schema

    return make()


def combined(values: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    """Schemas joined by allOf, anyOf and oneOf."""
    apart = st.sampled_from(
        [
            [{"bsonType": "string"}, {"bsonType": "int"}],
            [{"enum": ["a"]}, {"enum": ["b", "c"]}],
            [{"bsonType": "int", "maximum": 5}, {"bsonType": "int", "minimum": 6}],
            [
                {"bsonType": "object", "required": ["kind"], "properties": {"kind": {"enum": ["a"]}}},
                {"bsonType": "object", "required": ["kind", "n"], "properties": {"kind": {"enum": ["b"]}}},
            ],
        ]
    )
    return st.one_of(
        st.lists(values, min_size=1, max_size=3).map(lambda some: {"anyOf": some}),
        values.map(lambda one: {"allOf": [one, {"description": "and nothing else"}]}),
        apart.map(lambda some: {"oneOf": some}),
    )


VALUES = st.recursive(PLAIN, lambda inner: st.one_of(arrays(inner), objects(inner), combined(inner)), max_leaves=8)


@st.composite
def documents(draw: st.DrawFn) -> Schema:
    """The schema of a collection. `maxProperties` leaves room for the `_id`."""
    schema = draw(objects(VALUES))
    if "maxProperties" in schema:
        schema["maxProperties"] += 1
    if schema.get("additionalProperties") is False:
        schema["properties"]["_id"] = draw(st.sampled_from([{}, {"bsonType": "objectId"}, {"bsonType": "string"}]))
    return schema
