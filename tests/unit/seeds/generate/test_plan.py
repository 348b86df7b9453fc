"""From declarations and rules to documents, without a server: what is made, and what is refused by name."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from bson.codec_options import CodecOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import IndexModel

from tests.declarations import DIFFERENT, Schema, documents
from wayra_db import Collection
from wayra_db.errors import GenerateError
from wayra_db.seeds.generate import (
    After,
    AtLeast,
    Between,
    Faked,
    Length,
    Made,
    Normal,
    Numbered,
    OneOf,
    Pool,
    Ref,
    Sometimes,
    Zipf,
)
from wayra_db.seeds.generate.conforms import conforms
from wayra_db.seeds.generate.generator import Generator
from wayra_db.seeds.generate.identity import Target
from wayra_db.seeds.generate.project_file import ProjectRules
from wayra_db.seeds.generate.rules import Rule

TARGETS = {"people": Target.made(1, "people", 50)}


def declared(properties: dict[str, Any], *, unique: str = "", **more: Any) -> Collection:
    """A collection `things` with these fields, closed."""
    schema = {"bsonType": "object", "properties": {"_id": {}, **properties}, "additionalProperties": False, **more}
    indexes = [IndexModel([(unique, 1)], unique=True)] if unique else []
    return Collection("things", validator={"$jsonSchema": schema}, indexes=indexes)


def make(collection: Collection, rules: dict[str, Rule] | None = None, count: int = 200) -> list[dict[str, Any]]:
    """The first documents."""
    generator = Generator([collection], ProjectRules(rules={"things": rules or {}}))
    one = generator.maker("things", 1, TARGETS)
    return [bson.decode(one(number)) for number in range(1, count + 1)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=documents())
def test_what_is_made_conforms(schema: Schema) -> None:
    """By our own reading of a schema, which the choice of values relies on; that of the server has its own test."""
    generator = Generator([Collection("things", validator={"$jsonSchema": schema})])
    one = generator.maker("things", 1, {})
    options: Any = CodecOptions(tz_aware=True)
    for number in range(1, 10):
        document = bson.decode(one(number), options)
        assert conforms(schema, document), document


@given(schema=DIFFERENT, count=st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_unique_fields_differ_or_are_refused(schema: Schema, count: int) -> None:
    """By construction: as many documents as there are values, and not one more."""
    collection = declared({"key": schema}, unique="key")
    generator = Generator([collection])
    if "enum" in schema and count > len(schema["enum"]):
        with pytest.raises(GenerateError, match=r"things.key must be unique and has only 5 different values"):
            generator.require_room("things", 1, count)
        return
    generator.require_room("things", 1, count)
    keys = [one["key"] for one in make(collection, count=count)]
    assert len(set(keys)) == count


UNSUPPORTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "not": ({"a": {"not": {"bsonType": "int"}}}, "things.a", "not"),
    "deep": ({"a": {"bsonType": "object", "properties": {"b": {"not": {}}}}}, "things.a.b", "not"),
    "in an array": ({"a": {"bsonType": "array", "items": {"bsonType": "regex"}}}, "things.a", "bsonType"),
    "encrypt": ({"a": {"encrypt": {}}}, "things.a", "encrypt"),
    "oneOf": ({"a": {"oneOf": [{"minLength": 1}, {"maxLength": 5}]}}, "things.a", "oneOf"),
    "dependencies": ({"a": {"dependencies": {"x": {"required": ["y"]}}}}, "things.a", "dependencies"),
    "allOf": ({"a": {"allOf": [{"bsonType": "int"}, {"bsonType": "string"}]}}, "things.a", "bsonType"),
    "twice": ({"a": {"allOf": [{"pattern": "a"}, {"pattern": "b"}]}}, "things.a", "pattern"),
    "pattern": ({"a": {"bsonType": "string", "pattern": r"^(a)\1$"}}, "things.a", "pattern"),
    "bounds": ({"a": {"bsonType": "int", "minimum": 5, "maximum": 4}}, "things.a", "minimum"),
    "multipleOf": ({"a": {"bsonType": "double", "multipleOf": 0.1}}, "things.a", "multipleOf"),
    "maxLength": ({"a": {"bsonType": "string", "minLength": 5, "maxLength": 4}}, "things.a", "maxLength"),
    "uniqueItems": (
        {"a": {"bsonType": "array", "items": {"bsonType": "bool"}, "uniqueItems": True, "minItems": 3}},
        "things.a",
        "minItems",
    ),
    "minProperties": (
        {"a": {"bsonType": "object", "additionalProperties": False, "minProperties": 1}},
        "things.a",
        "minProperties",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_keyword_that_nothing_is_made_for_is_named(name: str) -> None:
    """With the field, and where to go on."""
    properties, field, keyword = UNSUPPORTED[name]
    with pytest.raises(GenerateError) as caught:
        make(declared(properties))
    assert caught.value.message.startswith(f"{field}: nothing can be made for {keyword!r}: ")
    assert caught.value.field == field.partition(".")[2]
    assert "generate.py" in caught.value.hint


NUMBER = {"bsonType": "number"}
DATE = {"bsonType": "date"}
FIRST = datetime(2026, 1, 1, tzinfo=UTC)

GOOD: dict[str, tuple[dict[str, Any], dict[str, Rule], str]] = {
    "one of": ({"a": {}}, {"a": OneOf(["x", 3, None])}, "all(one['a'] in ('x', 3, None) for one in made)"),
    "weights": ({"a": {}}, {"a": OneOf(["x", "y"], [99, 1])}, "sum(one['a'] == 'x' for one in made) > 180"),
    "zipf": ({"a": {}}, {"a": OneOf(list("abcdefgh"), "zipf")}, "sum(one['a'] == 'a' for one in made) > 50"),
    "pool": ({"a": {"bsonType": "string"}}, {"a": Pool("city")}, "len({one['a'] for one in made}) > 20"),
    "whole": ({"a": NUMBER}, {"a": Between(3, 5)}, "{one['a'] for one in made} == {3, 4, 5}"),
    "broken": ({"a": NUMBER}, {"a": Between(0.0, 1.0)}, "all(0 <= one['a'] <= 1 for one in made)"),
    "long": ({"a": {"bsonType": "long"}}, {"a": Between(3, 5)}, "all(type(one['a']) is Int64 for one in made)"),
    "decimal": (
        {"a": {"bsonType": "decimal"}},
        {"a": Between(3, 5)},
        "all(type(one['a']) is Decimal128 for one in made)",
    ),
    "normal": ({"a": NUMBER}, {"a": Normal(100, 10, low=95)}, "min(one['a'] for one in made) == 95"),
    "zipf numbers": ({"a": NUMBER}, {"a": Zipf(1, 100)}, "sum(one['a'] < 5 for one in made) > 60"),
    "moments": ({"a": DATE}, {"a": Between(FIRST, FIRST)}, "all(one['a'] == datetime(2026, 1, 1) for one in made)"),
    "after": (
        {"z": DATE, "a": DATE},
        {"a": After("z", timedelta(days=1)), "z": Between(FIRST, FIRST + timedelta(days=9))},
        "all(timedelta(0) <= one['a'] - one['z'] <= timedelta(days=1) for one in made)",
    ),
    "a chain": (
        {"c": DATE, "b": DATE, "a": DATE, "x": NUMBER, "y": NUMBER, "z": NUMBER},
        {"c": After("b"), "b": After("a"), "a": Sometimes(1), "z": AtLeast("y"), "y": AtLeast("x"), "x": Sometimes(1)},
        "all(one['a'] <= one['b'] <= one['c'] and one['x'] <= one['y'] <= one['z'] for one in made)",
    ),
    "after one around it": (
        {"in": {"bsonType": "array", "items": {"bsonType": "object", "properties": {"at": DATE}}}, "made": DATE},
        {"in.at": After("made"), "made": Between(FIRST, FIRST), "in": Length(2, 2)},
        "all(part['at'] >= one['made'] for one in made for part in one['in'])",
    ),
    "at least": (
        {"low": NUMBER, "high": NUMBER},
        {"low": Between(1.5, 9.5), "high": AtLeast("low", 2)},
        "all(one['low'] <= one['high'] <= one['low'] + 2 for one in made)",
    ),
    "by name": (
        {"createdAt": DATE, "updated_at": DATE, "min": NUMBER, "max": NUMBER},
        {"createdAt": Sometimes(1), "updated_at": Sometimes(1), "min": Sometimes(1), "max": Sometimes(1)},
        "all(one['createdAt'] <= one['updated_at'] and one['min'] <= one['max'] for one in made)",
    ),
    "references": (
        {"owner": {"bsonType": "objectId"}, "guests": {"bsonType": "array", "items": {"bsonType": "objectId"}}},
        {"owner": Ref("people", 1), "guests": Length(0, 3, of=Ref("people", 1))},
        "all(len({one['owner'], *one['guests']}) == 1 + len(one['guests']) for one in made)",
    ),
    "numbered": (
        {"a": {"bsonType": "string"}},
        {"a": Numbered("x-{word}-{number}")},
        "made[41]['a'].startswith('x-') and made[41]['a'].endswith('-42')",
    ),
    "lengths": (
        {"a": {"bsonType": "array", "items": {"bsonType": "int"}}},
        {"a": Length(1, 4)},
        "{len(one['a']) for one in made} == {1, 2, 3, 4}",
    ),
    "made": (
        {"a": NUMBER},
        {"a": Made(lambda chance: chance.randint(1, 6))},
        "{one['a'] for one in made} == set(range(1, 7))",
    ),
    "sometimes": ({"a": {}}, {"a": Sometimes(0.3)}, "30 < sum('a' in one for one in made) < 90"),
    "an open object": (
        {"a": {"bsonType": "object"}},
        {"a.b.c": OneOf([1]), "a": Sometimes(1), "a.b": Sometimes(1)},
        "all(one['a'] == {'b': {'c': 1}} for one in made)",
    ),
    "an object at once": (
        {"a": {"bsonType": "object"}},
        {"a": OneOf([{"x": 1}])},
        "all(one['a'] == {'x': 1} for one in made)",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_rules(name: str) -> None:
    """What each says is what comes out."""
    properties, rules, holds = GOOD[name]
    made = make(declared(properties), rules)
    names = {"datetime": datetime, "timedelta": timedelta, "Int64": Int64, "Decimal128": Decimal128, "made": made}
    assert eval(holds, names), made[:3]


BAD: dict[str, tuple[dict[str, Any], dict[str, Rule], str]] = {
    "no such field": ({"name": {}}, {"nme": OneOf([1])}, "things has no field 'nme'"),
    "not let in": (
        {"a": {"enum": ["x"]}},
        {"a": OneOf(["y"])},
        "things.a: the rule OneOf does not go",
    ),
    "bounds": ({"a": {"bsonType": "int", "maximum": 5}}, {"a": Between(1, 9)}, "9 is not let in"),
    "type": ({"a": {"bsonType": "string"}}, {"a": Between(1, 9)}, "a number is not let in"),
    "backwards": ({"a": {}}, {"a": Between(9, 1)}, "`high` is below `low`"),
    "weights": ({"a": {}}, {"a": OneOf([1, 2], [1])}, "a number of 0 or more for each value"),
    "pool": ({"a": {}}, {"a": Pool("towns")}, "there is no pool 'towns'"),
    "number": ({"a": {}}, {"a": Numbered("x")}, "write {number} once"),
    "text": (
        {"a": {"bsonType": "string", "maxLength": 4}},
        {"a": Numbered("abc-{number}")},
        "such texts in",
    ),
    "follows nothing": ({"a": DATE}, {"a": After("z")}, "it follows 'z', which is no date"),
    "circle": ({"a": DATE, "b": DATE}, {"a": After("b"), "b": After("a")}, "depend on each other"),
    "to nowhere": ({"a": {}}, {"a": Ref("ghosts")}, "it refers to ghosts, where there is nothing to refer to"),
    "length": (
        {"a": {"bsonType": "array", "maxItems": 2}},
        {"a": Length(0, 3)},
        "wants 0 to 2 elements",
    ),
    "for arrays": ({"a": {"bsonType": "array"}}, {"a": Pool("city")}, "no value is left that the declaration lets in"),
    "share": ({"a": {}}, {"a": Sometimes(2)}, "a share is a number from 0 to 1"),
    "faker": ({"a": {}}, {"a": Faked("first_name")}, "Faker, which is not installed"),
    "not storable": ({"a": {}}, {"a": Made(lambda chance: object())}, "cannot be stored"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_rule_that_cannot_hold_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made, with the field."""
    monkeypatch.setitem(sys.modules, "faker", None)
    properties, rules, said = BAD[name]
    with pytest.raises(GenerateError, match=re.escape(said)):
        make(declared(properties), rules)


def test_a_required_field_is_not_there_sometimes() -> None:
    """The declaration wins."""
    with pytest.raises(GenerateError, match="the declaration requires the field"):
        make(declared({"a": {}}, required=["a"]), {"a": Sometimes(0.5)})


def test_what_is_in_a_validator_beside_a_schema_is_left_to_the_server() -> None:
    """Schemas inside `$and` count."""
    validator = {
        "$and": [{"$jsonSchema": {"required": ["a"]}}, {"$jsonSchema": {"required": ["b"]}}, {"c": {"$gt": 1}}]
    }
    one = Generator([Collection("things", validator=validator)]).maker("things", 1, {})
    assert set(bson.decode(one(1))) == {"_id", "a", "b"}


def test_a_compound_unique_index_needs_one_field_that_differs() -> None:
    """And not the one that refers to something."""
    collection = Collection(
        "things",
        validator={"$jsonSchema": {"properties": {"owner": {}, "name": {"bsonType": "string"}}}},
        indexes=[IndexModel([("owner", 1), ("name", 1)], unique=True)],
    )
    made = make(collection, {"owner": Ref("people")})
    assert len({one["name"] for one in made}) == 200
    assert len({one["owner"] for one in made}) < 50


def test_a_document_is_the_same_for_ever() -> None:
    """This one was written down, types and all: another would change everybody's documents."""
    collection = declared(
        {
            "name": {"bsonType": "string"},
            "age": {"bsonType": "int", "minimum": 0, "maximum": 120},
            "big": {"bsonType": "long"},
            "price": {"bsonType": "decimal", "minimum": 1},
            "createdAt": DATE,
            "code": {"bsonType": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
            "list": {"bsonType": "array", "items": {"bsonType": "int"}, "uniqueItems": True, "minItems": 2},
        },
        required=["name", "age", "big", "price", "createdAt", "code", "list"],
    )
    (found,) = make(collection, count=1)
    assert found == WRITTEN_DOWN
    assert type(found["big"]) is Int64


WRITTEN_DOWN: dict[str, Any] = {
    "_id": ObjectId("5eed8f42a969000000000001"),
    "name": "Ines Castro",
    "age": 30,
    "big": 609,
    "price": Decimal128("102.13"),
    "createdAt": datetime(2023, 6, 24, 11, 26, 57),
    "code": "PR-8966",
    "list": [1895599620, 1895640391, 1895681162],
}
