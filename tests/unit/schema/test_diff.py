from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId, Regex
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.schema.collection import Collection
from wayra_db.schema.diff import SchemaPlan, diff, same, same_collation
from wayra_db.schema.live import Kind, LiveCollection

VALIDATOR = {"$jsonSchema": {"bsonType": "object", "required": ["email"]}}
EN = {
    "locale": "en",
    "caseLevel": False,
    "caseFirst": "off",
    "strength": 3,
    "numericOrdering": False,
    "alternate": "non-ignorable",
    "maxVariable": "punct",
    "normalization": False,
    "backwards": False,
    "version": "57.1",
}
CLUSTERED = {"key": {"_id": 1}, "unique": True}


def planned(declared: Collection, options: Mapping[str, Any], kind: Kind = "collection") -> SchemaPlan:
    """The plan for one collection that is live with these options."""
    return diff([declared], {declared.name: LiveCollection(declared.name, kind, options)})


def users(**options: Any) -> Collection:
    """A declaration of `users`."""
    return Collection("users", **options)


SAME: dict[str, tuple[Collection, dict[str, Any], Kind]] = {
    "plain": (users(), {}, "collection"),
    "validator": (users(validator=VALIDATOR), {"validator": VALIDATOR}, "collection"),
    "validator with the defaults written out": (
        users(validator=VALIDATOR, validation_level="strict", validation_action="error"),
        {"validator": VALIDATOR},
        "collection",
    ),
    "the defaults live": (
        users(validator=VALIDATOR),
        {"validator": VALIDATOR, "validationLevel": "strict", "validationAction": "error"},
        "collection",
    ),
    "the order of keys": (
        users(validator={"a": {"$gt": 1, "$lt": 2}}),
        {"validator": {"a": {"$lt": 2.0, "$gt": 1.0}}},
        "collection",
    ),
    "a time with a zone": (
        users(validator={"at": {"$gte": datetime(2026, 1, 1, microsecond=1999, tzinfo=UTC)}}),
        {"validator": {"at": {"$gte": datetime(2026, 1, 1, microsecond=1000)}}},
        "collection",
    ),
    "a regular expression": (
        users(validator={"email": re.compile("^a", re.IGNORECASE)}),
        {"validator": {"email": Regex("^a", re.IGNORECASE | re.UNICODE)}},
        "collection",
    ),
    "a capped size, rounded up": (
        users(capped={"size": 5000, "max": 3}),
        {"capped": True, "size": 5120, "max": 3},
        "collection",
    ),
    "a capped size below a page": (users(capped={"size": 100}), {"capped": True, "size": 256}, "collection"),
    "collation": (users(collation={"locale": "en"}), {"collation": EN}, "collection"),
    "simple collation": (users(collation={"locale": "simple"}), {}, "collection"),
    "time series": (
        users(timeseries={"timeField": "at"}, expire_after_seconds=60),
        {
            "timeseries": {"timeField": "at", "granularity": "seconds", "bucketMaxSpanSeconds": 3600},
            "expireAfterSeconds": 60,
        },
        "timeseries",
    ),
    "clustered": (
        users(clustered_index=CLUSTERED),
        {"clusteredIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True}},
        "collection",
    ),
}

CHANGES: dict[str, tuple[Collection, dict[str, Any], Kind, dict[str, Any]]] = {
    "validator": (
        users(validator=VALIDATOR),
        {"validator": {"a": 1}},
        "collection",
        {"validator": VALIDATOR},
    ),
    "a first validator": (users(validator=VALIDATOR), {}, "collection", {"validator": VALIDATOR}),
    "no validator any more": (users(), {"validator": {"a": 1}}, "collection", {"validator": {}}),
    "level": (
        users(validator=VALIDATOR, validation_level="moderate"),
        {"validator": VALIDATOR},
        "collection",
        {"validationLevel": "moderate"},
    ),
    "level back to the default": (
        users(validator=VALIDATOR),
        {"validator": VALIDATOR, "validationLevel": "off"},
        "collection",
        {"validationLevel": "strict"},
    ),
    "action": (
        users(validator=VALIDATOR, validation_action="warn"),
        {"validator": VALIDATOR},
        "collection",
        {"validationAction": "warn"},
    ),
    "true instead of 1": (
        users(validator={"a": True}),
        {"validator": {"a": 1}},
        "collection",
        {"validator": {"a": True}},
    ),
    "expiry": (
        users(timeseries={"timeField": "at"}, expire_after_seconds=60),
        {"timeseries": {"timeField": "at"}, "expireAfterSeconds": 90},
        "timeseries",
        {"expireAfterSeconds": 60},
    ),
    "no expiry any more": (
        users(clustered_index=CLUSTERED),
        {"clusteredIndex": {"v": 2, "name": "_id_", **CLUSTERED}, "expireAfterSeconds": 90},
        "collection",
        {"expireAfterSeconds": "off"},
    ),
}

CONFLICTS: dict[str, tuple[Collection, dict[str, Any], Kind, list[str]]] = {
    "a view": (users(), {"viewOn": "people"}, "view", ["type"]),
    "a time series": (users(), {"timeseries": {"timeField": "at"}}, "timeseries", ["type"]),
    "no time series": (users(timeseries={"timeField": "at"}), {}, "collection", ["type"]),
    "another time field": (
        users(timeseries={"timeField": "at"}),
        {"timeseries": {"timeField": "when"}},
        "timeseries",
        ["timeseries"],
    ),
    "another meta field": (
        users(timeseries={"timeField": "at"}),
        {"timeseries": {"timeField": "at", "metaField": "sensor"}},
        "timeseries",
        ["timeseries"],
    ),
    "another granularity": (
        users(timeseries={"timeField": "at", "granularity": "hours"}),
        {"timeseries": {"timeField": "at", "granularity": "seconds"}},
        "timeseries",
        ["timeseries"],
    ),
    "not capped": (users(capped={"size": 4096}), {}, "collection", ["capped", "size"]),
    "capped": (users(), {"capped": True, "size": 4096}, "collection", ["capped", "size"]),
    "another size": (users(capped={"size": 4096}), {"capped": True, "size": 8192}, "collection", ["size"]),
    "another maximum": (
        users(capped={"size": 4096}),
        {"capped": True, "size": 4096, "max": 5},
        "collection",
        ["max"],
    ),
    "no collation": (users(collation={"locale": "en"}), {}, "collection", ["collation"]),
    "a collation": (users(), {"collation": EN}, "collection", ["collation"]),
    "another collation": (users(collation={"locale": "de"}), {"collation": EN}, "collection", ["collation"]),
    "another strength": (
        users(collation={"locale": "en"}),
        {"collation": {**EN, "strength": 1}},
        "collection",
        ["collation"],
    ),
    "not clustered": (users(clustered_index=CLUSTERED), {}, "collection", ["clusteredIndex"]),
    "clustered": (users(), {"clusteredIndex": {"v": 2, **CLUSTERED}}, "collection", ["clusteredIndex"]),
}


@pytest.mark.parametrize(("declared", "options", "kind"), SAME.values(), ids=SAME)
def test_what_the_server_normalises_is_no_drift(declared: Collection, options: dict[str, Any], kind: Kind) -> None:
    """A declaration and what the server makes of it are one collection."""
    plan = planned(declared, options, kind)
    assert plan == SchemaPlan()
    assert plan.empty


@pytest.mark.parametrize(("declared", "options", "kind", "expected"), CHANGES.values(), ids=CHANGES)
def test_changes(declared: Collection, options: dict[str, Any], kind: Kind, expected: dict[str, Any]) -> None:
    """What `collMod` can set, with exactly its arguments."""
    plan = planned(declared, options, kind)
    assert [(one.collection, dict(one.options)) for one in plan.change] == [("users", expected)]
    assert not plan.conflicts
    assert not plan.empty


@pytest.mark.parametrize(("declared", "options", "kind", "expected"), CONFLICTS.values(), ids=CONFLICTS)
def test_conflicts(declared: Collection, options: dict[str, Any], kind: Kind, expected: list[str]) -> None:
    """What is fixed for the life of a collection, each option by name."""
    plan = planned(declared, options, kind)
    assert [one.option for one in plan.conflicts] == expected
    assert not plan.change
    assert not plan.empty


def test_missing_and_undeclared_collections() -> None:
    """The one is created, the other left alone, and neither hides the rest."""
    declared = [Collection("a"), Collection("b", validator=VALIDATOR), Collection("c")]
    live = {name: LiveCollection(name, "collection", {}) for name in ("z", "c", "b", "y")}
    plan = diff(declared, live)
    assert [one.name for one in plan.create] == ["a"]
    assert [one.collection for one in plan.change] == ["b"]
    assert plan.undeclared == ("y", "z")


def test_a_change_and_a_conflict_of_one_collection_are_both_told() -> None:
    """The conflict stops the run, and the plan shows all there is."""
    plan = planned(users(validator=VALIDATOR), {"capped": True, "size": 4096})
    assert [one.option for one in plan.conflicts] == ["capped", "size"]
    assert [dict(one.options) for one in plan.change] == [{"validator": VALIDATOR}]


def test_an_undeclared_collection_alone_is_no_drift() -> None:
    """Nothing is to be done about it."""
    assert diff([], {"x": LiveCollection("x", "collection", {})}).empty


def test_a_plan_is_plain_data() -> None:
    """Ready for JSON, without the documents' insides."""
    plan = diff(
        [Collection("a"), users(validator=VALIDATOR), Collection("v")],
        {"users": LiveCollection("users", "collection", {}), "v": LiveCollection("v", "view", {})},
    )
    assert json.loads(json.dumps(plan.to_dict())) == {
        "create": ["a"],
        "change": [{"collection": "users", "options": ["validator"]}],
        "conflicts": [{"collection": "v", "option": "type", "message": "it is a view"}],
        "undeclared": [],
    }


OID = ObjectId()


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (1, Int64(1), True),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (None, None, True),
        (None, 0, False),
        ("a", "a", True),
        ([1, 2], (1, 2), True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": {"b": [1, {"c": True}]}}, {"a": {"b": [1, {"c": 1}]}}, False),
        ({"a": 1}, [("a", 1)], False),
        (OID, ObjectId(str(OID)), True),
        (Decimal128("1"), Decimal128("1"), True),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1), True),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2025, 12, 31, 22), True),
        (datetime(2026, 1, 1, microsecond=1000), datetime(2026, 1, 1, microsecond=2000), False),
        (re.compile("a"), Regex("a", re.UNICODE), True),
        (re.compile("a"), re.compile("a", re.IGNORECASE), False),
        (Regex("a"), "a", False),
    ],
)
def test_same(left: Any, right: Any, expected: bool) -> None:
    """Equality of a declared value and of what the server has stored of it, either way round."""
    assert same(left, right) is expected
    assert same(right, left) is expected


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(documents)
def test_everything_is_the_same_as_itself(value: Any) -> None:
    """Also when the keys of its documents are turned round."""

    def turned(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: turned(part[key]) for key in reversed(part)}
        return [turned(item) for item in part] if isinstance(part, list) else part

    assert same(value, turned(value))


@pytest.mark.parametrize(
    ("declared", "live", "expected"),
    [
        (None, None, True),
        (None, {}, True),
        ({"locale": "simple"}, None, True),
        ({"locale": "en"}, EN, True),
        (EN, EN, True),
        ({"locale": "en", "strength": 3.0}, EN, True),
        ({"locale": "en", "backwards": False}, EN, True),
        ({"locale": "en", "backwards": True}, EN, False),
        ({"locale": "en", "strength": 1}, EN, False),
        ({"locale": "en"}, {**EN, "numericOrdering": True}, False),
        ({"locale": "en_US"}, EN, False),
        (None, EN, False),
        ({"locale": "en"}, None, False),
        ({"locale": "simple"}, EN, False),
    ],
)
def test_same_collation(declared: Mapping[str, Any] | None, live: Mapping[str, Any] | None, expected: bool) -> None:
    """What is not declared has the server's default, which is filled in live."""
    assert same_collation(declared, live) is expected
