from __future__ import annotations

from typing import Any

import pytest
from pymongo import IndexModel

from wayra_db import Collection
from wayra_db.migrations.autogenerate import DeclaredChanges, IndexChange, compare
from wayra_db.migrations.autogenerate.changes import CollectionChange, Rewrite
from wayra_db.schema.diff import COLLATION_DEFAULTS
from wayra_db.schema.live import Kind, LiveCollection

SCHEMA = {"$jsonSchema": {"required": ["email"]}}
BUILT = {"v": 2, "key": {"a": 1}, "name": "a_1"}
ENGLISH = {"locale": "en", **COLLATION_DEFAULTS}
WANTED = {"key": {"a": 1}, "name": "a_1", "unique": True}


def live(name: str = "users", kind: Kind = "collection", **options: Any) -> dict[str, LiveCollection]:
    """A live collection by its name."""
    return {name: LiveCollection(name, kind, options)}


def rules(validator: Any, level: str = "strict", action: str = "error") -> dict[str, Any]:
    """All that `collMod` sets of a validator."""
    return {"validator": validator, "validationLevel": level, "validationAction": action}


def test_as_declared() -> None:
    """Nothing differs: nothing to do, and what nobody declares is named and left alone."""
    found = compare([Collection("users")], live() | live("legacy"), [], ["index users.b_1"])
    assert found.empty
    assert found.name == ""
    assert found.left_alone == ("collection legacy", "index users.b_1")


@pytest.mark.parametrize(
    ("declared", "options", "expected"),
    [
        ({}, {}, {}),
        ({"validator": SCHEMA}, {}, rules(SCHEMA)),
        ({"validator": SCHEMA, "validation_level": "moderate"}, {}, rules(SCHEMA, "moderate")),
        ({"capped": {"size": 10}}, {"capped": True, "size": 10}, {}),
        (
            {"timeseries": {"timeField": "at"}, "expire_after_seconds": 5},
            {"timeseries": {"timeField": "at"}},
            {"expireAfterSeconds": 5},
        ),
    ],
)
def test_a_missing_collection(declared: dict[str, Any], options: dict[str, Any], expected: dict[str, Any]) -> None:
    """What `collMod` can set is told apart from what cannot be changed; a validator comes with level and action."""
    (found,) = compare([Collection("users", **declared)], {}, []).collections
    assert (found.options, found.rules, found.before) == (options, expected, None)


@pytest.mark.parametrize(
    ("declared", "options", "after", "before"),
    [
        ({"validator": SCHEMA}, {}, rules(SCHEMA), rules({})),
        ({}, {"validator": {"x": 1}, "validationAction": "warn"}, rules({}), rules({"x": 1}, action="warn")),
        (
            {"validator": SCHEMA, "validation_level": "off"},
            {"validator": SCHEMA},
            rules(SCHEMA, "off"),
            rules(SCHEMA),
        ),
    ],
)
def test_rules_that_differ(
    declared: dict[str, Any], options: dict[str, Any], after: dict[str, Any], before: dict[str, Any]
) -> None:
    """All three change together and come back together, since a level means nothing without its validator."""
    (found,) = compare([Collection("users", **declared)], live(**options), []).collections
    assert (found.rules, found.before) == (after, before)


@pytest.mark.parametrize(
    ("declared", "options", "after", "before"),
    [(60, {}, 60, "off"), (60, {"expireAfterSeconds": 90}, 60, 90), (None, {"expireAfterSeconds": 90}, "off", 90)],
)
def test_another_life(declared: int | None, options: dict[str, Any], after: Any, before: Any) -> None:
    """A time series' life is a rule of its own; the server's word for none is `off`."""
    series: dict[str, Any] = {"timeseries": {"timeField": "at"}}
    collection = Collection("users", timeseries=series["timeseries"], expire_after_seconds=declared)
    (found,) = compare([collection], live(kind="timeseries", **series, **options), []).collections
    assert (found.rules, found.before) == ({"expireAfterSeconds": after}, {"expireAfterSeconds": before})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (rules(SCHEMA), True),
        (rules(SCHEMA, action="errorAndLog"), True),
        (rules(SCHEMA, "moderate"), False),
        (rules(SCHEMA, "off"), False),
        (rules(SCHEMA, action="warn"), False),
        (rules({}), False),
        ({"expireAfterSeconds": 5}, False),
    ],
)
def test_which_rules_old_documents_must_keep(found: dict[str, Any], expected: bool) -> None:
    """Only those that refuse the next write to a document that was there before."""
    assert CollectionChange("users", {}, found).enforces is expected


def test_a_fixed_option_that_differs() -> None:
    """The whole collection waits for a decision: its rules and its indexes are not touched beside it."""
    collection = Collection("users", capped={"size": 512}, validator=SCHEMA, indexes=[IndexModel("a")])
    found = compare([collection], live(), [IndexChange("users", None, BUILT)])
    assert (found.collections, found.indexes) == ((), ())
    (rewrite,) = found.rewrites
    assert rewrite.reasons == ("`capped` is None and is declared as True", "`size` is None and is declared as 512")
    assert rewrite.options == {"capped": True, "size": 512, "validator": SCHEMA}
    assert rewrite.indexes == ({"name": "a_1", "key": {"a": 1}},)
    assert not found.empty


@pytest.mark.parametrize(
    ("options", "before", "expected"),
    [
        ({}, BUILT, BUILT),
        ({"collation": ENGLISH}, BUILT, {**BUILT, "collation": {"locale": "simple"}}),
        (
            {"collation": ENGLISH},
            {**BUILT, "collation": {"locale": "de"}},
            {**BUILT, "collation": {"locale": "de"}},
        ),
        ({}, {**BUILT, "buildUUID": "x"}, BUILT),
        ({}, None, None),
    ],
)
def test_a_live_index_can_be_built_again(options: dict[str, Any], before: Any, expected: Any) -> None:
    """A listing leaves out the simple collation, which a collection's own default would take the place of."""
    collection = Collection("users", collation=options.get("collation"))
    (found,) = compare([collection], live(**options), [IndexChange("users", before, WANTED)]).indexes
    assert found.before == expected


def test_what_is_fixed_stands_beside_indexes_alone() -> None:
    """On a database without the collection, building an index would create it without its collation, for ever."""
    declared = [
        Collection("users", collation={"locale": "en"}, validator=SCHEMA),
        Collection("plain"),
        Collection("new", collation={"locale": "en"}),
    ]
    found = compare(
        declared,
        live(collation=ENGLISH, **rules(SCHEMA)) | live("plain"),
        [IndexChange(name, None, WANTED) for name in ("users", "plain", "new")],
    )
    assert found.fixed == {"users": {"collation": {"locale": "en"}}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (DeclaredChanges(collections=(CollectionChange("trips", {}, {}),)), "create trips"),
        (
            DeclaredChanges(
                collections=(CollectionChange("trips", {}, {}), CollectionChange("users", {}, {}, before={})),
                indexes=(IndexChange("trips", None, WANTED), IndexChange("users", None, WANTED)),
            ),
            "create trips, change users, index users",
        ),
        (
            DeclaredChanges(rewrites=(Rewrite("logs", "collection", (), {}, ()),)),
            "rewrite logs",
        ),
        (
            DeclaredChanges(indexes=tuple(IndexChange(name, None, WANTED) for name in "abcde")),
            "index a, b, c and 2 more",
        ),
    ],
)
def test_a_name_of_its_own(changes: DeclaredChanges, expected: str) -> None:
    """After what is done, in the order of doing it; the indexes of a new collection go without saying."""
    assert changes.name == expected
