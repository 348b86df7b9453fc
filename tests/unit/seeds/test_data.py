from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId

from wayra_db.errors import SeedLoadError
from wayra_db.seeds.data import read_documents
from wayra_db.seeds.loader import load_seeds
from wayra_db.seeds.references import Reference
from wayra_db.seeds.run import SeedDataError

HEADER = 'environments = ["test"]\ncollection = "users"\n'
USER = Reference("users", (("email", "a@x"),))


def read(folder: Path, name: str, content: str | bytes) -> list[tuple[int | None, dict[str, Any]]]:
    """The documents of a file with these contents, with their lines."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [(one.line, dict(one.document)) for one in read_documents(path)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", '[\n {"a": 1},\n\n {"a": {"$oid": "5eed00000000000000000001"}}\n]\n', [
            (2, {"a": 1}), (4, {"a": ObjectId("5eed00000000000000000001")})
        ]),
        ("a.json", '{"a": 1}', [(1, {"a": 1})]),
        ("a.json", "[]", []),
        ("a.json", '﻿[{"u": {"$seedRef": {"users": {"email": "a@x"}}}}]', [(1, {"u": USER})]),
        ("a.jsonl", '{"a": 1}\n\n{"a": {"$numberDecimal": "1.5"}}', [(1, {"a": 1}), (3, {"a": Decimal128("1.5")})]),
        ("a.csv", 'email,p.city,age:int,on:bool\r\na@x,"Cus\nco",5,yes\r\nb@x,,,\r\n', [
            (2, {"email": "a@x", "p": {"city": "Cus\nco"}, "age": 5, "on": True}), (4, {"email": "b@x"})
        ]),
        ("a.csv", "u:ref(users.email),n:long,d:date,j:json,x:decimal,f:double,o:objectId\n"
                  'a@x,7,2026-01-02,"[1, {""$oid"": ""5eed00000000000000000001""}]",1.10,2,5eed00000000000000000001\n',
         [
            (2, {"u": USER, "n": Int64(7), "d": datetime(2026, 1, 2, tzinfo=UTC),
                 "j": [1, ObjectId("5eed00000000000000000001")], "x": Decimal128("1.10"), "f": 2.0,
                 "o": ObjectId("5eed00000000000000000001")})
        ]),
        ("a.bson", bson.encode({"a": 1}) + bson.encode({"a": "x"}), [(None, {"a": 1}), (None, {"a": "x"})]),
    ],
)  # fmt: skip
def test_documents(tmp_path: Path, name: str, content: str | bytes, expected: list[Any]) -> None:
    """Every format, every type, references, and the line of each document."""
    assert read(tmp_path, name, content) == expected


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("a.json", '[\n {"a": 1},\n {"a": }\n]', 3, "no JSON: Expecting value (column 8)"),
        ("a.json", '[\n {"a": 1}\n {"a": 2}\n]', 3, "a comma or the end of the array is missing"),
        ("a.json", '[{"a": 1},\n]', 2, "a comma stands before the end"),
        ("a.json", '[{"a": 1}]\n{}', 2, "something follows"),
        ("a.json", '{"a": 1}\n{"a": 2}', 2, "something follows"),
        ("a.json", '"x"', 1, "holds no array"),
        ("a.json", "[\n 5\n]", 2, "a document is an object, not int"),
        ("a.json", '[\n{"a": {"$oid": "x"}}]', 2, "'x' is not a valid ObjectId"),
        ("a.json", '[{"a": 1, "a": 2}]', 1, "the field 'a' stands twice"),
        ("a.json", '[{"a": {"$seedRef": "users"}}]', 1, "$seedRef is written"),
        ("a.jsonl", '{"a": 1}\n{"a": 1', 2, "no JSON"),
        ("a.jsonl", "\n[1]\n", 2, "a document is an object, not list"),
        ("a.csv", "", None, "is empty"),
        ("a.csv", "a,b\n1,2\n3\n", 3, "has 1 cells, and the header has 2"),
        ("a.csv", "a,b:int\n1,2\n3,x\n", 3, "column 'b:int': 'x' does not fit"),
        ("a.csv", "a:integer\n1\n", 1, "has no known type; there are bool, date"),
        ("a.csv", "a,a:int\n1,1\n", 1, "'a' stands twice"),
        ("a.csv", "a,a.b\n1,1\n", 1, "a value in one place and an object in another"),
        ("a.csv", 'a\n"x\n', 2, "unexpected end of data"),
        ("a.csv", b"a\n\xff\n", None, "is not UTF-8"),
        ("a.bson", bson.encode({"a": 1}) + b"\x07\0\0\0x", None, "document 2, at byte 12, is broken"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, name: str, content: str | bytes, line: int | None, message: str) -> None:
    """Each with file and line, where the format has lines."""
    with pytest.raises(SeedDataError) as caught:
        read(tmp_path, name, content)
    assert message in caught.value.message
    assert caught.value.message.startswith("a.")
    assert caught.value.line == line


def written(folder: Path, header: str | None, data: str = "[]", name: str = "0001_users") -> Path:
    """A data file and its header."""
    if header is not None:
        (folder / f"{name}.toml").write_text(textwrap.dedent(header))
    (folder / f"{name}.json").write_text(data)
    return folder


def test_a_header_says_what_a_python_seed_says(tmp_path: Path) -> None:
    """The same words, and the collection and key of the documents."""
    header = HEADER + 'key = ["a", "b"]\nrequired = true\ndescription = "D"\nversion = 3\nkeep_edits = false\n'
    (one,) = load_seeds(written(tmp_path, header))
    assert (one.name, one.path.name, one.required, one.description) == ("0001_users", "0001_users.json", True, "D")
    assert (one.collections, one.version) == (("users",), 3)
    assert one.data is not None
    assert (one.data.collection, one.data.key, one.data.keep_edits) == ("users", ("a", "b"), False)


def test_a_data_seed_changes_with_its_header_and_its_data(tmp_path: Path) -> None:
    """But not with the line endings of a checkout."""
    sums = []
    for header, data in (
        (HEADER, "[]\n"),
        (HEADER, "[ ]\n"),
        (HEADER + "required = true\n", "[]\n"),
        (HEADER, "[]\r\n"),
    ):
        (one,) = load_seeds(written(tmp_path, header, data))
        sums.append(one.checksum)
    assert sums[0] == sums[3]
    assert len(set(sums)) == 3


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        (None, None, "has no 0001_users.toml of its own beside it"),
        ('collection = "users"\n', None, "does not say its `environments`"),
        ('environments = ["test"]\n', None, "does not say its `collection`"),
        (HEADER + 'kee = "a"\n', 3, "`kee` is nothing"),
        (HEADER + "key = 5\n", 3, "`key` is of the wrong kind"),
        (HEADER + "key = []\n", 3, "`key` names the field"),
        (HEADER + "version = true\n", 3, "`version` is of the wrong kind"),
        (HEADER + "version = 0\n", 3, "counts from 1"),
        (HEADER + "depends_on = [3]\n", 3, "`depends_on` holds 3"),
        ('environments = ["production"]\ncollection = "users"\n', 1, "seeds never run in production"),
        ("environments = [\n", None, "is no TOML"),
        ("environments = ]\n", 1, "is no TOML"),
    ],
)
def test_headers_that_are_wrong(tmp_path: Path, header: str | None, line: int | None, message: str) -> None:
    """Each with file, line and an example."""
    with pytest.raises(SeedLoadError) as caught:
        load_seeds(written(tmp_path, header))
    assert message in caught.value.message
    assert caught.value.line == line
    assert caught.value.hint


def test_files_that_are_alone_or_too_many(tmp_path: Path) -> None:
    """A header without data, and two seeds of one name."""
    (tmp_path / "0001_a.toml").write_text(HEADER)
    with pytest.raises(SeedLoadError, match="has no data file of the same name"):
        load_seeds(tmp_path)
    for suffix in ("csv", "json"):
        (tmp_path / f"0001_a.{suffix}").write_text("a\n")
    with pytest.raises(SeedLoadError, match=r"0001_a\.csv is a seed of the same name"):
        load_seeds(tmp_path)
    (tmp_path / "_helper.json").write_text("no seed")
