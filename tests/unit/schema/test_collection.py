from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import IndexModel
from pymongo.collation import Collation

from wayra_db.errors import DeclarationError
from wayra_db.schema.collection import Collection, Mask

HEADER = """\
from pymongo import IndexModel
from wayra_db.schema.collection import Collection, Mask
"""

# Each declaration carries one mistake, and `# here` on the line that must be reported.
MISTAKES = {
    "a name that is no string": ("Collection(\n{})  # here", "name must be a string, found dict", "Collection("),
    "an empty name": ("Collection(\n'',  # here\n)", "must not be empty", ""),
    "a dollar in the name": ("Collection(\n'a$b'  # here\n)", "cannot contain '\\$'", ""),
    "a null in the name": ("Collection('a\\0b')  # here", "null character", ""),
    "a dot in front": ("Collection('.a')  # here", "start or end with a dot", ""),
    "two dots": ("Collection('a..b')  # here", "two in a row", ""),
    "a server's name": ("Collection('system.users')  # here", "belong to the server", ""),
    "the tool's own name": ("Collection('_wayra_lock')  # here", "belong to wayra-db", ""),
    "a validator of the wrong kind": (
        "Collection('c',\nvalidator=[])  # here",
        "validator must be a dict, found list",
        "",
    ),
    "a shard key of the wrong kind": ("Collection('c',\nshard_key=['a'])  # here", "shard_key must be a dict", ""),
    "indexes of the wrong kind": ("Collection('c',\nindexes={})  # here", "indexes must be a list", ""),
    "an index of the wrong kind": (
        "Collection('c', indexes=[\nIndexModel('a'),\n('b', 1),  # here\n])",
        "must hold IndexModel objects, found tuple",
        "IndexModel(",
    ),
    "an index twice": (
        "Collection('c', indexes=[\nIndexModel('a', unique=True),\nIndexModel('b'),\n"
        "IndexModel('a', unique=True, name='x'),  # here\n])",
        "index 'x' is declared twice",
        "",
    ),
    "one name for two indexes": (
        "Collection('c', indexes=[\nIndexModel('a'),\nIndexModel('a', unique=True),  # here\n])",
        "two indexes are called 'a_1'",
        "name=",
    ),
    "the index on _id": ("Collection('c', indexes=[\nIndexModel('_id'),  # here\n])", "server itself makes", ""),
    "an unknown bsonType": (
        "Collection('c', validator={'$jsonSchema': {'properties': {\n'a': {'bsonType': 'string'},\n"
        "'b': {\n'bsonType': 'strng',  # here\n}}}})",
        "unknown bsonType 'strng'",
        "Did you mean 'string'?",
    ),
    "an unknown type in a list": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': {'bsonType': [\n"
        "'null',\n'Date',  # here\n]}}}})",
        "unknown bsonType 'Date'",
        "Did you mean 'date'?",
    ),
    "a BSON type under `type`": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': {\n'type': 'objectId',  # here\n}}}})",
        "unknown type 'objectId'",
        "write `bsonType`",
    ),
    "integer, which JSON Schema has and the server has not": (
        "Collection('c', validator={'$jsonSchema': {\n'properties': {'a': {'type': 'integer'}}}})  # here",
        "unknown type 'integer'",
        "`int` or `long`",
    ),
    "an unknown keyword": (
        "Collection('c', validator={'$jsonSchema': {\n'propertys': {},  # here\n}})",
        "unknown \\$jsonSchema keyword 'propertys'",
        "Did you mean 'properties'?",
    ),
    "a keyword of another dialect": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': {\n'default': 1,  # here\n}}}})",
        "unknown \\$jsonSchema keyword 'default'",
        "migration",
    ),
    "a keyword inside $and": (
        "Collection('c', validator={'$and': [\n{'a': 1},\n{'$jsonSchema': {\n'minLenght': 1}},  # here\n]})",
        "unknown \\$jsonSchema keyword 'minLenght'",
        "Did you mean 'minLength'?",
    ),
    "a keyword deep in arrays and combinations": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': {'items': {'anyOf': [\n{},\n"
        "{'not': {'additionalProperties': {\n'requird': []}}},  # here\n]}}}}})",
        "unknown \\$jsonSchema keyword 'requird'",
        "Did you mean 'required'?",
    ),
    "a value of the wrong kind": (
        "Collection('c', validator={'$jsonSchema': {\n'required': 'email'}})  # here",
        "'required' must be a list of field names, at least one, none twice, found 'email'",
        "",
    ),
    "an exclusive bound as in draft 6": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': {\n'exclusiveMinimum': True}}}})  # here",
        "'exclusiveMinimum' needs 'minimum' beside it",
        "draft 4",
    ),
    "both kinds of type": (
        "Collection('c', validator={'$jsonSchema': {'bsonType': 'object',\n'type': 'object'}})  # here",
        "cannot stand together",
        "Keep bsonType.",
    ),
    "a required field that a closed schema lacks": (
        "Collection('c', validator={'$jsonSchema': {'additionalProperties': False,\n'required': [\n'_id',\n"
        "'emial',  # here\n],\n'properties': {'_id': {}, 'email': {}}}})",
        "'required' names 'emial', which this closed schema does not have",
        "Did you mean 'email'?",
    ),
    "a closed schema without _id": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': {}},\n'additionalProperties': False}})  # here",
        "does not name _id",
        "objectId",
    ),
    "a type in a shared part": (
        "ADDRESS = {'bsonType': 'objct'}  # here\n"
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': ADDRESS}}})",
        "unknown bsonType 'objct'",
        "Did you mean 'object'?",
    ),
    "a type in a part that is spread": (
        "COMMON = {\n'a': {},\n'b': {'bsonType': 'objct'},  # here\n}\n"
        "Collection('c', validator={'$jsonSchema': {'properties': {'c': {}, **COMMON}}})",
        "unknown bsonType 'objct'",
        "",
    ),
    "a type in a part that is computed": (
        "def optional(kind):\n    return {'bsonType': [kind, 'null']}\n"
        "Collection('c', validator={'$jsonSchema': {'properties': {\n"
        "'a': optional('int'),\n'b': optional('itn'),  # here\n}}})",
        "unknown bsonType 'itn'",
        "",
    ),
    "an unknown validation level": (
        "Collection('c', validator={},\nvalidation_level='modrate')  # here",
        "unknown validation_level 'modrate'",
        "Did you mean 'moderate'?",
    ),
    "an unknown validation action": (
        "Collection('c', validator={},\nvalidation_action='refuse')  # here",
        "unknown validation_action 'refuse'",
        "One of error, warn, errorAndLog.",
    ),
    "a validation level for nothing": (
        "Collection('c',\nvalidation_level='moderate')  # here",
        "means nothing without a validator",
        "",
    ),
    "capped time series": (
        "Collection('c', timeseries={'timeField': 't'},\ncapped={'size': 1000})  # here",
        "timeseries and capped cannot stand together",
        "",
    ),
    "validated time series": (
        "Collection('c', timeseries={'timeField': 't'},\nvalidator={'a': 1})  # here",
        "timeseries and validator cannot stand together",
        "",
    ),
    "capped and sharded": (
        "Collection('c', capped={'size': 1000},\nshard_key={'a': 1})  # here",
        "capped and shard_key cannot stand together",
        "",
    ),
    "an unknown option of a time series": (
        "Collection('c', timeseries={'timeField': 't',\n'metafield': 'm'})  # here",
        "timeseries has no option 'metafield'",
        "Did you mean 'metaField'?",
    ),
    "a time series without time": ("Collection('c',\ntimeseries={})  # here", "needs 'timeField'", ""),
    "time as its own label": (
        "Collection('c', timeseries={'timeField': 't',\n'metaField': 't'})  # here",
        "cannot use 't' as metaField",
        "",
    ),
    "an unknown granularity": (
        "Collection('c', timeseries={'timeField': 't',\n'granularity': 'days'})  # here",
        "unknown granularity 'days'",
        "hours",
    ),
    "capped without a size": ("Collection('c',\ncapped={'max': 5})  # here", "capped needs 'size'", "1_048_576"),
    "capped at half a document": (
        "Collection('c', capped={'size': 9,\n'max': 0.5})  # here",
        "'max' must be a whole",
        "",
    ),
    "clustered over another field": (
        "Collection('c',\nclustered_index={'key': {'a': 1}, 'unique': True})  # here",
        "must be unique over _id",
        "one form",
    ),
    "expiry of an ordinary collection": (
        "Collection('c',\nexpire_after_seconds=5)  # here",
        "for time series and clustered collections",
        "expireAfterSeconds",
    ),
    "expiry before now": (
        "Collection('c', timeseries={'timeField': 't'},\nexpire_after_seconds=-1)  # here",
        "0 or more",
        "",
    ),
    "a collation without a language": (
        "Collection('c',\ncollation={'strength': 2})  # here",
        "needs a locale",
        "locale",
    ),
    "a value that BSON does not have": (
        "Collection('c', validator={\n'x': object()})  # here",
        "MongoDB cannot store a object",
        "",
    ),
    "a UUID as it is": (
        "import uuid\nCollection('c', validator={'a': {\n'$ne': uuid.UUID(int=1)}})  # here",
        "cannot store a UUID",
        "Binary.from_uuid",
    ),
    "a set in the place of a list": ("Collection('c', validator={'a': {\n'$in': {1, 2}}})  # here", "a set", "a list"),
    "a number that is too large": (
        "Collection('c', validator={\n'a': {'$lt': 2**70}})  # here",
        "does not fit into 64 bits",
        "",
    ),
    "a property whose name is a number": (
        "Collection('c', validator={'$jsonSchema': {'properties': {\n1: {}}}})  # here",
        "must be strings, found 1",
        "",
    ),
    "a schema that holds itself": (
        "node = {'properties': {}}  # here\nnode['properties']['child'] = node\n"
        "Collection('c',\nvalidator={'$jsonSchema': node})",
        "validator holds itself",
        "as many levels",
    ),
    "a schema deeper than the server goes": (
        "deep = {}\nfor _ in range(60):\n    deep = {'properties': {'a': deep}}\n"
        "Collection('c',\nvalidator={'$jsonSchema': deep})  # here",
        "deeper than 100 levels",
        "",
    ),
    "a field of a shard key that is a number": (
        "Collection('c', shard_key={\n5: 1})  # here",
        "must be strings, found 5",
        "",
    ),
    "a sensitive field that is a number": (
        "Collection('c',\nsensitive={5: Mask.EMAIL})  # here",
        "dotted path, found 5",
        "profile.firstName",
    ),
    "a sensitive path with an empty part": (
        "Collection('c',\nsensitive={'a..b': Mask.EMAIL})  # here",
        "dotted path, found 'a..b'",
        "",
    ),
    "an index with a mistyped option": (
        "Collection('c', indexes=[\nIndexModel('b'),\nIndexModel('a', uniqe=True),  # here\n])",
        "index 'a_1' has no option 'uniqe'",
        "Did you mean 'unique'?",
    ),
    "an empty shard key": ("Collection('c',\nshard_key={})  # here", "at least one field", ""),
    "a descending shard key": ("Collection('c', shard_key={\n'a': -1})  # here", "1 or 'hashed' for 'a', not -1", ""),
    "a shard key hashed twice": (
        "Collection('c',\nshard_key={'a': 'hashed', 'b': 'hashed'})  # here",
        "one field only",
        "",
    ),
    "a unique index across shards": (
        "Collection('c', shard_key={'a': 1}, indexes=[\nIndexModel('b', unique=True),  # here\n])",
        "must start with the shard key: b",
        "",
    ),
    "a mask that is none": ("Collection('c', sensitive={\n'a': 'remove'})  # here", "needs a Mask", "Mask.REMOVE"),
    "a sensitive field that is not there": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'profile': {'properties': {'name': {}}}}}},\n"
        "sensitive={\n'profile.nmae': Mask.REMOVE})  # here",
        "'profile.nmae' is not in the schema",
        "Did you mean 'name'?",
    ),
    "a sensitive field that is not there, in an array": (
        "Collection('c', validator={'$jsonSchema': {'properties': {'a': {'items': {'properties': {'b': {}}}}}}},\n"
        "sensitive={\n'a.c': Mask.REMOVE})  # here",
        "'a.c' is not in the schema",
        "",
    ),
    "a sensitive field inside another": (
        "Collection('c', sensitive={'a': Mask.REMOVE,\n'a.b': Mask.TEXT})  # here",
        "'a.b' lies inside 'a'",
        "",
    ),
    "a required field that is removed": (
        "Collection('c', validator={'$jsonSchema': {'required': ['a'], 'properties': {'a': {}}}}, sensitive={\n"
        "'a': Mask.REMOVE})  # here",
        "required, so a redacted backup without it could not be restored",
        "Mask.TEXT",
    ),
    "a unique field that is removed": (
        "Collection('c', sensitive={'a': Mask.REMOVE}, indexes=[\nIndexModel('a', unique=True)])  # here",
        "masked to one value",
        "Mask.TOKEN",
    ),
}


@pytest.mark.parametrize(("declaration", "message", "hint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_is_reported_with_its_line(tmp_path: Path, declaration: str, message: str, hint: str) -> None:
    """Each mistake is refused with file, line, what is wrong and what to write."""
    source = HEADER + declaration
    path = tmp_path / "c.py"
    path.write_text(source)
    expected = 1 + next(number for number, line in enumerate(source.split("\n")) if line.endswith("# here"))
    with pytest.raises(DeclarationError, match=message) as caught:
        exec(compile(source, str(path), "exec"), {})
    assert (caught.value.path, caught.value.line) == (path, expected)
    assert str(caught.value).startswith(f"{path}:{expected}: collection ")
    assert hint in caught.value.hint


def test_mistake_in_code_without_a_file_has_the_line_of_the_call() -> None:
    """A declaration typed into an interpreter is refused just as clearly."""
    with pytest.raises(DeclarationError, match="unknown bsonType 'x'") as caught:
        exec(compile(f"{HEADER}\nCollection('c', validator={{'$jsonSchema': {{'bsonType': 'x'}}}})", "<stdin>", "exec"))
    assert caught.value.line == 4


def test_open_parts_of_a_schema_take_any_sensitive_field() -> None:
    """Where a schema does not name the fields, a sensitive one cannot be called unknown."""
    schema = {"properties": {"open": {"bsonType": "object"}, "either": {"anyOf": [{"properties": {"a": {}}}]}}}
    sensitive = {"open.any.thing": Mask.REMOVE, "either.b": Mask.TEXT}
    assert Collection("c", validator={"$jsonSchema": schema}, sensitive=sensitive).sensitive == sensitive


def test_indexes_of_one_key_and_different_options_are_two() -> None:
    """The server keeps them apart by partial filter, collation and the rest, if they have names of their own."""
    indexes = [
        IndexModel("a"),
        IndexModel("a", name="unique", unique=True),
        IndexModel("a", name="partial", partialFilterExpression={"b": 1}),
        IndexModel("a", name="collated", collation=Collation("en")),
        IndexModel([("a", 1), ("b", 1)]),
        IndexModel([("b", 1), ("a", 1)]),
    ]
    assert len(Collection("c", indexes=indexes).index_documents()) == 6


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({}, {}),
        (
            {"validator": {"a": 1}, "validation_level": "moderate", "validation_action": "warn"},
            {"validator": {"a": 1}, "validationLevel": "moderate", "validationAction": "warn"},
        ),
        ({"capped": {"size": 4096, "max": 10}}, {"capped": True, "size": 4096, "max": 10}),
        (
            {"timeseries": {"timeField": "t"}, "expire_after_seconds": 0},
            {"timeseries": {"timeField": "t"}, "expireAfterSeconds": 0},
        ),
        (
            {"clustered_index": {"key": {"_id": 1}, "unique": True}},
            {"clusteredIndex": {"key": {"_id": 1}, "unique": True}},
        ),
        ({"collation": {"locale": "en"}}, {"collation": {"locale": "en"}}),
        ({"collation": Collation("en", strength=2)}, {"collation": {"locale": "en", "strength": 2}}),
        ({"shard_key": {"a": "hashed"}}, {}),
    ],
)
def test_create_options_are_spelt_as_the_server_has_them(arguments: dict[str, Any], options: dict[str, Any]) -> None:
    """Only what is declared appears, under the name of the `create` command."""
    assert Collection("c", **arguments).create_options() == options


def test_declaration_remembers_its_place() -> None:
    """Later messages can name the file and the line where the call starts."""
    line = sys._getframe().f_lineno + 1
    collection = Collection(
        "c",
    )
    assert (collection.path, collection.line) == (Path(__file__), line)
    assert repr(collection) == f"Collection('c', declared at {__file__}:{line})"


def test_declarations_are_equal_by_value() -> None:
    """Two calls with the same content are equal, whatever objects they were given and wherever they stand."""
    arguments: dict[str, Any] = {"validator": {"a": 1}, "sensitive": {"a": Mask.TEXT}, "shard_key": {"a": 1, "b": 1}}
    first = Collection("c", **arguments, indexes=[IndexModel([("a", 1), ("b", 1)])])
    second = Collection("c", **copy.deepcopy(arguments), indexes=(IndexModel([("a", 1), ("b", 1)]),))
    assert first == second
    assert hash(first) == hash(second)
    assert first != "c"


@pytest.mark.parametrize(
    "other",
    [
        Collection("d", shard_key={"a": 1, "b": 1}, indexes=[IndexModel([("a", 1), ("b", 1)])]),
        Collection("c", shard_key={"b": 1, "a": 1}, indexes=[IndexModel([("a", 1), ("b", 1)])]),
        Collection("c", shard_key={"a": 1, "b": 1}, indexes=[IndexModel([("b", 1), ("a", 1)], name="a_1_b_1")]),
        Collection("c", shard_key={"a": 1, "b": 1}, indexes=[IndexModel([("a", 1), ("b", 1)])], validator={"a": 1}),
        Collection(
            "c", shard_key={"a": 1, "b": 1}, indexes=[IndexModel([("a", 1), ("b", 1)])], sensitive={"a": Mask.TEXT}
        ),
    ],
)
def test_declarations_differ_in_any_part(other: Collection) -> None:
    """A difference in name, order of a key, validator or masks makes two declarations."""
    assert Collection("c", shard_key={"a": 1, "b": 1}, indexes=[IndexModel([("a", 1), ("b", 1)])]) != other


def test_declaration_cannot_be_changed() -> None:
    """Neither directly, nor through what went in, nor through what comes out."""
    validator: dict[str, Any] = {"$jsonSchema": {"properties": {"a": {"bsonType": "int"}}}}
    collection = Collection("c", validator=validator, indexes=[IndexModel("a")])
    before = collection.create_options(), collection.index_documents()
    with pytest.raises(dataclasses.FrozenInstanceError):
        collection.name = "d"  # type: ignore[misc]
    validator["$jsonSchema"]["properties"]["b"] = {}
    collection.create_options()["validator"]["$jsonSchema"].clear()
    collection.index_documents()[0]["key"].clear()
    assert (collection.create_options(), collection.index_documents()) == before


def test_declaring_imports_no_driver() -> None:
    """Offline commands read declarations' classes without paying for PyMongo."""
    code = "import sys, wayra_db.schema.collection, wayra_db.schema.loader; sys.exit('bson' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
