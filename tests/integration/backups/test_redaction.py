from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import IndexModel
from pymongo.database import Database

from tests.integration.backups import copies
from tests.support import Sandbox
from wayra_db import Collection, Mask
from wayra_db.backups.create import BackupResult, create_backup
from wayra_db.backups.redact import TOKEN_WIDTH
from wayra_db.errors import ConfigError
from wayra_db.events import Notice
from wayra_db.testing import RecordingObserver, ServerUnderTest

Documents = Database[dict[str, Any]]
WAYRA = Path(__file__).parents[3] / "wayra"


def redacted(database: Documents, tmp_path: Path, documents: list[dict[str, Any]], **masks: Mask) -> list[Any]:
    """The documents as a redacted backup has them."""
    database.people.drop()
    database.people.insert_many([{"_id": number, **one} for number, one in enumerate(documents)])
    declared = [Collection("people", sensitive={path.replace("__", "."): mask for path, mask in masks.items()})]
    result = create_backup(copies.guard(database), tmp_path, declared=declared)
    assert result.manifest.redacted
    found = [bson.decode(one) for one in copies.whole(result)["people"]]
    assert [one.pop("_id") for one in found] == list(range(len(documents)))
    return found


def test_paths_reach_into_arrays(wayra_database: Documents, tmp_path: Path) -> None:
    """As in queries; null and absent stay so; arrays in arrays, where no path reaches, come out empty."""
    documents: list[dict[str, Any]] = [
        {"a": {"b": "secret", "keep": 1}},
        {"a": [{"b": "secret"}, {"b": ["secret", None, {"x": "secret"}, ["secret"]]}, {"keep": 2}, [{"b": "secret"}]]},
        {"a": "a scalar"},
        {"a": {"b": None}},
        {"a": {}},
        {},
    ]
    assert redacted(wayra_database, tmp_path, documents, a__b=Mask.TEXT) == [
        {"a": {"b": "redacted", "keep": 1}},
        {"a": [{"b": "redacted"}, {"b": ["redacted", None, "redacted", []]}, {"keep": 2}, []]},
        {"a": "a scalar"},
        {"a": {"b": None}},
        {"a": {}},
        {},
    ]
    assert redacted(wayra_database, tmp_path, documents, a__b=Mask.REMOVE) == [
        {"a": {"keep": 1}},
        {"a": [{}, {}, {"keep": 2}, [{}]]},
        {"a": "a scalar"},
        {"a": {}},
        {"a": {}},
        {},
    ]


def test_names_with_dots_are_no_way_around(wayra_database: Documents, tmp_path: Path) -> None:
    """A field whose own name is a sensitive path, or a part of one, is removed wherever it stands."""
    documents: list[dict[str, Any]] = [
        {"a.b": "secret", "a": {"b": "secret", "b.c": "kept: nothing sensitive is called so"}, "a.x": 1},
        {"p.q.r": "secret", "p.q": {"r": "secret"}, "p": {"q.r": "secret", "x": 1, "q": {"r": "secret"}}},
        {"p": [{"q.r": "secret"}, {"q": [{"r": "secret", "x": 2}]}, 3, None], "z": 1},
        {"p": None, "a": 4},
        {"z": 1},
    ]
    expected: list[dict[str, Any]] = [
        {"a": {"b": "redacted", "b.c": "kept: nothing sensitive is called so"}, "a.x": 1},
        {"p": {"x": 1, "q": {}}},
        {"p": [{}, {"q": [{"x": 2}]}, 3, None], "z": 1},
        {"p": None, "a": 4},
        {"z": 1},
    ]
    found = redacted(wayra_database, tmp_path, documents, a__b=Mask.TEXT, p__q__r=Mask.REMOVE)
    assert found == expected
    assert [list(one) for one in found] == [list(one) for one in expected]


def test_values_in_definitions_are_kept_and_told(
    wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path
) -> None:
    """The backup restores what was there, so a validator keeps its values; who makes it is warned."""
    wayra_database.create_collection("people", validator={"email": {"$ne": "boss@corp.example"}})
    wayra_database.people.create_index("n", name="vip", partialFilterExpression={"email": "vip@corp.example"})
    wayra_database.people.create_index("email", name="plain", partialFilterExpression={"email": {"$exists": True}})
    wayra_database.create_collection("one", viewOn="people", pipeline=[{"$match": {"email": "one@corp.example"}}])
    guard = copies.guard(wayra_database)
    made = create_backup(guard, tmp_path, declared=[Collection("people", sensitive={"email": Mask.EMAIL})])
    assert isinstance(guard.observer, RecordingObserver)
    (warned,) = (event.message for event in guard.observer.events if isinstance(event, Notice))
    assert warned.startswith("the view one, the validator of people, the index people.vip: values of sensitive fields")
    manifest = (made.path / "manifest.json").read_text()
    for value in ("boss@corp.example", "vip@corp.example", "one@corp.example"):
        assert value in manifest


def test_equal_values_stay_equal_and_others_apart(wayra_database: Documents, tmp_path: Path) -> None:
    """In all collections of one backup, and not in the next; an address stays one."""
    wayra_database.people.insert_many(
        [{"email": f"{number}@example.com", "uid": f"u{number}"} for number in range(999)]
    )
    wayra_database.logins.insert_many([{"by": f"u{number}"} for number in range(999)])
    declared = [
        Collection("people", sensitive={"email": Mask.EMAIL, "uid": Mask.TOKEN}),
        Collection("logins", sensitive={"by": Mask.TOKEN}),
    ]

    def make() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        found = copies.whole(create_backup(copies.guard(wayra_database), tmp_path, declared=declared))
        return [bson.decode(one) for one in found["people"]], [bson.decode(one) for one in found["logins"]]

    people, logins = make()
    assert len({one["email"] for one in people}) == len({one["uid"] for one in people}) == 999
    assert all(one["email"].endswith("@example.invalid") for one in people)
    assert {len(one["uid"]) for one in people} == {TOKEN_WIDTH}
    assert [one["uid"] for one in people] == [one["by"] for one in logins]
    again, _ = make()
    assert not {one["uid"] for one in people} & {one["uid"] for one in again}


LEAVES = st.none() | st.text(max_size=5) | st.integers(-9, 9) | st.booleans()
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["b", "c", "x"]), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "z"]), SHAPES, max_size=3), min_size=1, max_size=8))
def test_any_shape_of_document(wayra_database: Documents, tmp_path: Path, documents: list[dict[str, Any]]) -> None:
    """What the server does to each is what a plain walk in Python does, and tokens are equal where values are."""
    found = redacted(wayra_database, tmp_path, documents, a__b=Mask.TOKEN, a__c__x=Mask.TEXT, b=Mask.EMAIL)
    tokens: dict[bytes, str] = {}

    def walk(value: Any, made: Any, steps: list[str], mask: Mask, *, in_array: bool = False) -> None:
        if isinstance(value, list):
            if in_array:
                assert made == []
                return
            assert len(made) == len(value)
            for one, other in zip(value, made, strict=True):
                walk(one, other, steps, mask, in_array=True)
        elif not steps:
            if value is None:
                assert made is None
            elif mask is Mask.TEXT:
                assert made == "redacted"
            else:
                assert isinstance(made, str)
                core = made.removesuffix("@example.invalid") if mask is Mask.EMAIL else made
                assert tokens.setdefault(bson.encode({"v": value}), core) == core
                assert len(core) == TOKEN_WIDTH
        elif isinstance(value, dict):
            assert list(made) == list(value)
            for key, one in value.items():
                if key == steps[0]:
                    walk(one, made[key], steps[1:], mask)
        else:
            assert made == value

    for original, made in zip(documents, found, strict=True):
        assert list(made) == list(original)
        walk(original.get("a"), made.get("a"), ["b"], Mask.TOKEN) if "a" in original else None
        walk(original.get("a"), made.get("a"), ["c", "x"], Mask.TEXT) if "a" in original else None
        walk(original["b"], made["b"], [], Mask.EMAIL) if "b" in original else None
        assert made.get("z") == original.get("z")
    assert len(set(tokens.values())) == len(tokens)


@pytest.mark.parametrize("path", ["a.$b", "a..b", "a.0.b"])
def test_paths_that_cannot_be_masked(wayra_database: Documents, tmp_path: Path, path: str) -> None:
    """They are refused before anything is written, never passed over."""
    wayra_database.people.insert_one({"a": 1})
    with pytest.raises(ConfigError, match="sensitive field"):
        create_backup(
            copies.guard(wayra_database), tmp_path, declared=[Collection("people", sensitive={path: Mask.TEXT})]
        )
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_masked_is_left_out(wayra_database: Documents, tmp_path: Path) -> None:
    """A time series with sensitive fields is in whole backups only; and no oplog slice comes along."""
    copies.fill_with_every_kind(wayra_database)
    declared = [
        Collection("weather", timeseries={"timeField": "at", "metaField": "where"}, sensitive={"degrees": Mask.REMOVE}),
        Collection("ring", capped={"size": 8192, "max": 50}, sensitive={"number": Mask.TEXT}),
    ]
    with copies.writing_while_capped_are_read(wayra_database, "ring"):
        result = create_backup(copies.guard(wayra_database), tmp_path, declared=declared)
    assert "weather" in {one.name for one in result.manifest.left_out}
    assert "weather" not in copies.whole(result)
    assert [bson.decode(one)["number"] for one in copies.whole(result)["ring"]] == ["redacted"] * 50
    assert result.manifest.oplog is None
    assert "sensitive" in result.manifest.consistency.note
    assert result.manifest.apart == ("ring",)
    before = copies.raw_documents(wayra_database, "ring")
    with copies.writing_while_capped_are_read(wayra_database, "ring", _id="again"):
        whole = create_backup(copies.guard(wayra_database), tmp_path, reason="safety", declared=declared)
    assert whole.manifest.oplog is not None
    assert whole.manifest.apart == ()
    assert not whole.manifest.redacted
    assert copies.whole(whole)["ring"] == before


SECRETS = ("firebase-uid-%d", "ada%d@lovelace.example", "Ada-%d", "Lovelace-%d", "https://photo/%d", "Wien-%d")


def test_no_sensitive_value_of_wayra(wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path) -> None:
    """In no byte of a redacted backup, packed or not; and it fits its own validators and unique indexes."""
    shutil.copytree(WAYRA, tmp_path / "wayra", ignore=shutil.ignore_patterns(".wayra", "backups"))
    text = (tmp_path / "wayra" / "wayra-db.toml").read_text()
    sandbox = Sandbox(tmp_path / "wayra", wayra_server.uri, wayra_database.name)
    sandbox.write("wayra-db.toml", text)
    now = bson.decode(bson.encode({"now": __import__("datetime").datetime(2026, 1, 1)}))["now"]
    with sandbox.open() as project:
        project.initializer.run()
        secrets = []
        for number in range(40):
            uid, email, first, last, photo, city = (one % number for one in SECRETS)
            secrets += [uid, email, first, last, photo, city, f"note-{number}", f"tag-{number}", f"Trip-{number}"]
            wayra_database.users.insert_one(
                {
                    "firebaseUid": uid,
                    "email": email,
                    "profile": {
                        "displayName": f"{first} {last}",
                        "firstName": first,
                        "lastName": last,
                        "photoURL": photo,
                        "location": {"country": "AT", "city": city},
                    },
                    "settings": {"ai": {"note": f"note-{number}"}},
                    "createdAt": now,
                    "updatedAt": now,
                    "lastLoginAt": now,
                }
            )
            wayra_database.trips.insert_one(
                {
                    "title": f"Trip-{number}",
                    "tags": [f"tag-{number}"],
                    "activityLog": [{"who": email}],
                    "owner": bson.ObjectId(),
                    "status": "planning",
                    "createdAt": now,
                    "updatedAt": now,
                }
            )
        random.shuffle(secrets)
        made = [project.backups.create(codec=codec) for codec in ("none", "zstd")]
        declared = project.schema.collections
    for result in made:
        everything = b"".join(path.read_bytes() for path in result.path.rglob("*") if path.is_file())
        everything += b"".join(b"".join(one) for one in copies.whole(result).values())
        assert not [one for one in secrets if one.encode() in everything]
        assert result.manifest.redactions["users"]["email"] == "email"
    log = repr(sandbox.observer.events)
    assert not [one for one in secrets if one in log]
    _insert_under_its_own_rules(wayra_database, made[0], list(declared))


def _insert_under_its_own_rules(database: Documents, result: BackupResult, declared: list[Collection]) -> None:
    from bson.raw_bson import RawBSONDocument

    found = copies.whole(result)
    for one in declared:
        name = f"again_{one.name}"
        database.create_collection(name, **{"validator": one.create_options()["validator"]})
        database[name].create_indexes([IndexModel(**_index(index.document)) for index in one.indexes])
        database[name].insert_many([RawBSONDocument(raw) for raw in found[one.name]])
        assert database[name].count_documents({}) == len(found[one.name])


def _index(document: Any) -> dict[str, Any]:
    return {"keys": list(document["key"].items()), "unique": document.get("unique", False)}
