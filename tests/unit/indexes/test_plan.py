from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.indexes.plan import (
    ACTING,
    IndexPlan,
    PlannedIndex,
    Rules,
    Step,
    Undeclared,
    open_questions,
    plan_indexes,
)
from wayra_db.indexes.spec import in_words

Document = dict[str, Any]
ID: Document = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
EN: Document = {
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
TEXT: Document = {
    "v": 2,
    "key": {"_fts": "text", "_ftsx": 1},
    "name": "text",
    "weights": {"title": 1},
    "default_language": "english",
    "language_override": "language",
    "textIndexVersion": 3,
}


def index(*fields: str | tuple[str, Any], **options: Any) -> Document:
    """An index document, named as the driver names it."""
    key = dict(field if isinstance(field, tuple) else (field, 1) for field in fields)
    return {"key": key, "name": "_".join(f"{name}_{kind}" for name, kind in key.items()), **options}


def live(document: Document, **options: Any) -> Document:
    """An index as the server lists it."""
    return {"v": 2, **document, **options}


def text(*fields: str, **options: Any) -> Document:
    """A declared text index."""
    return {"key": dict.fromkeys(fields, "text"), "name": "text", **options}


def planned(declared: list[Document], found: list[Document], collation: Mapping[str, Any] | None = None) -> IndexPlan:
    """The plan for one collection."""
    return plan_indexes({"users": declared}, {"users": [ID, *found]}, {"users": collation})


SAME: dict[str, tuple[Document, Document]] = {
    "ascending": (index("a"), live(index("a"))),
    "a number of another kind": (index("a"), live(index(("a", 1.0)))),
    "descending": (index(("a", -1)), live(index(("a", -1)))),
    "compound": (index("a", ("b", -1)), live(index("a", ("b", -1)))),
    "another name": (index("a", name="mine"), live(index("a", name="theirs"))),
    "unique": (index("a", unique=True), live(index("a", unique=True))),
    "explicitly not unique": (index("a", unique=False, sparse=False), live(index("a"))),
    "built in the background": (index("a", background=True), live(index("a"))),
    "sparse": (index("a", sparse=True), live(index("a", sparse=True))),
    "partial": (
        index("a", partialFilterExpression={"a": {"$gt": 5}, "b": True}),
        live(index("a", partialFilterExpression={"b": True, "a": {"$gt": 5.0}})),
    ),
    "partial by a time with a zone": (
        index(
            "a", partialFilterExpression={"at": {"$gt": datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))}}
        ),
        live(index("a", partialFilterExpression={"at": {"$gt": datetime(2026, 1, 1)}})),
    ),
    "TTL": (index("a", expireAfterSeconds=60), live(index("a", expireAfterSeconds=60))),
    "TTL of another kind of number": (index("a", expireAfterSeconds=60.0), live(index("a", expireAfterSeconds=60))),
    "TTL with a fraction": (index("a", expireAfterSeconds=5.5), live(index("a", expireAfterSeconds=5))),
    "hidden": (index("a", hidden=True), live(index("a", hidden=True))),
    "explicitly visible": (index("a", hidden=False), live(index("a"))),
    "collation, partly given": (index("a", collation={"locale": "en"}), live(index("a", collation=EN))),
    "collation, simple": (index("a", collation={"locale": "simple"}), live(index("a"))),
    "collation, French Canadian": (
        index("a", collation={"locale": "fr_CA"}),
        live(index("a", collation={**EN, "locale": "fr_CA", "backwards": True})),
    ),
    "hashed": (index(("a", "hashed")), live(index(("a", "hashed")))),
    "2dsphere": (index(("a", "2dsphere")), live(index(("a", "2dsphere")), **{"2dsphereIndexVersion": 3})),
    "2d": (index(("a", "2d")), live(index(("a", "2d")))),
    "2d with the default bounds": (index(("a", "2d"), min=-180, max=180, bits=26), live(index(("a", "2d")))),
    "text": (text("title"), TEXT),
    "text with weights": (
        text("title", "body", weights={"title": 5}),
        {**TEXT, "weights": {"title": 5, "body": 1}},
    ),
    "text with a weight beside the key": (
        text("title", weights={"extra": 2}),
        {**TEXT, "weights": {"extra": 2, "title": 1}},
    ),
    "text in the middle": (
        {"key": {"a": 1, "title": "text", "body": "text", "b": -1}, "name": "text"},
        {**TEXT, "key": {"a": 1, "_fts": "text", "_ftsx": 1, "b": -1}, "weights": {"body": 1, "title": 1}},
    ),
    "text in a language": (text("title", default_language="spanish"), {**TEXT, "default_language": "spanish"}),
    "wildcard": (index("$**"), live(index("$**"))),
    "wildcard projection": (
        index("$**", wildcardProjection={"a": 1, "b.c": True}),
        live(index("$**", wildcardProjection={"b.c": 1, "a": True})),
    ),
    "wildcard projection, nested": (
        index("$**", wildcardProjection={"a": {"b": 1}, "_id": 0}),
        live(index("$**", wildcardProjection={"a.b": 1})),
    ),
}

SWAPS: dict[str, tuple[Document, Document, str]] = {
    "unique over something else": (
        index("a", unique=True, sparse=True),
        live(index("a")),
        "unique, sparse",
    ),
    "no longer unique": (index("a"), live(index("a", unique=True)), "unique"),
    "unique wildcard": (index("$**", unique=True), live(index("$**")), "unique"),
    "unique 2dsphere": (index(("a", "2dsphere"), unique=True), live(index(("a", "2dsphere"))), "unique"),
    "sparse": (index("a", sparse=True), live(index("a")), "sparse"),
    "partial": (
        index("a", partialFilterExpression={"a": 1}),
        live(index("a", partialFilterExpression={"a": 2})),
        "partialFilterExpression",
    ),
    "partial by true instead of 1": (
        index("a", partialFilterExpression={"a": True}),
        live(index("a", partialFilterExpression={"a": 1})),
        "partialFilterExpression",
    ),
    "collation": (index("a", collation={"locale": "de"}), live(index("a", collation=EN)), "collation"),
    "collation's strength": (
        index("a", collation={"locale": "en"}),
        live(index("a", collation={**EN, "strength": 2})),
        "collation",
    ),
    "no collation": (index("a"), live(index("a", collation=EN)), "collation"),
    "direction under one name": (index(("a", -1), name="x"), live(index("a", name="x")), "key"),
    "another field under one name": (index("b", name="x"), live(index("a", name="x")), "key"),
    "wildcard projection": (
        index("$**", wildcardProjection={"a": 1}),
        live(index("$**", wildcardProjection={"a": 0})),
        "wildcardProjection",
    ),
    "no longer TTL, and sparse": (
        index("a", sparse=True),
        live(index("a", expireAfterSeconds=60)),
        "sparse",
    ),
}

REBUILDS: dict[str, tuple[Document, Document, str]] = {
    "weights": (text("title", weights={"title": 5}), TEXT, "weights"),
    "text over other fields": (text("body"), TEXT, "weights"),
    "text under another name": (text("body"), {**TEXT, "name": "theirs"}, "weights"),
    "text beside another field": ({"key": {"a": 1, "title": "text"}, "name": "text"}, TEXT, "key"),
    "text in another language": (text("title", default_language="spanish"), TEXT, "default_language"),
    "text no longer in a language": (text("title"), {**TEXT, "default_language": "spanish"}, "default_language"),
    "language override": (text("title", language_override="lang"), TEXT, "language_override"),
    "text version": (text("title", textIndexVersion=2), TEXT, "textIndexVersion"),
    "2dsphere version": (
        index(("a", "2dsphere"), **{"2dsphereIndexVersion": 2}),
        live(index(("a", "2dsphere")), **{"2dsphereIndexVersion": 3}),
        "2dsphereIndexVersion",
    ),
    "2d bounds": (index(("a", "2d"), min=-10, max=10), live(index(("a", "2d"))), "min, max"),
    "no longer TTL": (index("a"), live(index("a", expireAfterSeconds=60)), "expireAfterSeconds"),
    "unique, and no longer TTL": (
        index("a", unique=True),
        live(index("a", expireAfterSeconds=60)),
        "unique, expireAfterSeconds",
    ),
}

CONVERSIONS: dict[str, tuple[Document, Document, Document]] = {
    "unique": (index("a", unique=True), live(index("a")), {}),
    "under another name": (index("a", unique=True), live(index("a", name="theirs")), {}),
    "begun": (index("a", unique=True), live(index("a", prepareUnique=True)), {}),
    "and hidden": (index("a", unique=True, hidden=True), live(index("a")), {"hidden": True}),
    "and TTL": (
        index("a", unique=True, expireAfterSeconds=5),
        live(index("a", expireAfterSeconds=9)),
        {"expireAfterSeconds": 5},
    ),
    "compound and partial": (
        index("a", ("b", -1), unique=True, partialFilterExpression={"c": 1}),
        live(index("a", ("b", -1), partialFilterExpression={"c": 1})),
        {},
    ),
}

CHANGES: dict[str, tuple[Document, Document, Document]] = {
    "hidden": (index("a", hidden=True), live(index("a")), {"hidden": True}),
    "shown again": (index("a"), live(index("a", hidden=True)), {"hidden": False}),
    "TTL": (
        index("a", expireAfterSeconds=60),
        live(index("a", expireAfterSeconds=90)),
        {"expireAfterSeconds": 60},
    ),
    "prepareUnique left on": (index("a"), live(index("a", prepareUnique=True)), {"prepareUnique": False}),
    "prepareUnique": (index("a", prepareUnique=True), live(index("a")), {"prepareUnique": True}),
    "TTL of zero": (
        index("a", expireAfterSeconds=0),
        live(index("a", expireAfterSeconds=90)),
        {"expireAfterSeconds": 0},
    ),
    "made TTL": (index("a", expireAfterSeconds=60), live(index("a")), {"expireAfterSeconds": 60}),
    "both": (
        index("a", hidden=True, expireAfterSeconds=60),
        live(index("a", expireAfterSeconds=90)),
        {"hidden": True, "expireAfterSeconds": 60},
    ),
}

BESIDE = {
    "another key": (index("b"), live(index("a"))),
    "another direction": (index(("a", -1)), live(index("a"))),
    "another order": (index("b", "a"), live(index("a", "b"))),
    "a prefix": (index("a"), live(index("a", "b"))),
    "another kind": (index(("a", "hashed")), live(index("a"))),
}


@pytest.mark.parametrize(("declared", "found"), SAME.values(), ids=SAME)
def test_what_the_server_normalises_is_no_drift(declared: Document, found: Document) -> None:
    """A declaration and what the server makes of it are one index."""
    plan = planned([declared], [found])
    assert [one.step for one in plan.indexes] == [Step.KEEP]
    assert plan.empty
    assert plan.indexes[0].name == found["name"]


@pytest.mark.parametrize(("declared", "found", "options"), SWAPS.values(), ids=SWAPS)
def test_swaps(declared: Document, found: Document, options: str) -> None:
    """Another index in the place of one: built beside it under a free name, so that queries always have one."""
    plan = planned([declared], [found])
    assert [one.step for one in plan.indexes] == [Step.SWAP]
    assert plan.indexes[0].detail.startswith(f"live with another {options}: built beside as ")
    assert plan.indexes[0].name == f"{declared['name']}__v2"
    assert plan.indexes[0].old_name == found["name"]
    assert plan.indexes[0].document == {**declared, "name": f"{declared['name']}__v2"}
    assert not plan.empty


@pytest.mark.parametrize(("declared", "found", "options"), REBUILDS.values(), ids=REBUILDS)
def test_rebuilds(declared: Document, found: Document, options: str) -> None:
    """What cannot stand beside the old one has to come after it; the gap is said."""
    plan = planned([declared], [found])
    assert [one.step for one in plan.indexes] == [Step.REBUILD]
    assert plan.indexes[0].detail.startswith(f"live with another {options}, ")
    assert f"{found['name']} is dropped, then built; queries are without it" in plan.indexes[0].detail
    assert plan.indexes[0].name == declared["name"]
    assert not plan.empty


@pytest.mark.parametrize(("declared", "found", "arguments"), CONVERSIONS.values(), ids=CONVERSIONS)
def test_conversions(declared: Document, found: Document, arguments: Document) -> None:
    """A plain index becomes unique where it stands; without a server that can, it is swapped."""
    plan = planned([declared], [found])
    assert [(one.step, one.name, one.changes) for one in plan.indexes] == [(Step.CONVERT, found["name"], arguments)]
    old = plan_indexes({"users": [declared]}, {"users": [ID, found]}, rules=Rules(converts=False))
    same_name = found["name"] == declared["name"]
    assert [one.step for one in old.of(*ACTING)] == [Step.SWAP if same_name else Step.CREATE]


def test_a_conversion_comes_before_a_name() -> None:
    """The index that only lacks unique is converted, not one that merely has the name."""
    plan = planned([index("a", unique=True, name="x")], [live(index("b", name="x")), live(index("a", name="y"))])
    assert [(one.step, one.name) for one in plan.indexes] == [(Step.CONVERT, "y"), (Step.UNDECLARED, "x")]


def test_a_swapped_index_is_known_by_its_name() -> None:
    """What a swap has built takes part in the next one, which gives the declared name back."""
    plan = planned([index("a", sparse=True)], [live(index("a", name="a_1__v2"))])
    assert [(one.step, one.name, one.old_name) for one in plan.indexes] == [(Step.SWAP, "a_1", "a_1__v2")]
    taken = planned([index("a", sparse=True)], [live(index("a")), live(index("b", name="a_1__v2"))])
    assert taken.indexes[0].name == "a_1__v3"


def test_a_taken_name_gives_another() -> None:
    """A kept index may carry the name that a new one is declared with."""
    plan = planned([index("a", name="x"), index("b", name="y")], [live(index("a", name="y"))])
    assert [(one.step, one.name) for one in plan.indexes] == [(Step.KEEP, "y"), (Step.CREATE, "y__v2")]
    assert "y is taken" in plan.indexes[1].detail


def test_without_room_the_old_one_goes_first() -> None:
    """64 indexes are the most, so of many swaps those that would pass it have a gap."""
    others = [index(f"f{number}") for number in range(60)]
    declared = [*others, *(index(name, sparse=True) for name in "abc")]
    found = [live(one) for one in [*others, *(index(name) for name in "abc")]]
    plan = planned(declared, found)
    assert [one.step for one in plan.of(*ACTING)] == [Step.REBUILD, Step.REBUILD, Step.REBUILD]
    assert "no room beside it" in plan.of(Step.REBUILD)[0].detail
    assert [one.step for one in planned(declared[1:], found[1:]).of(*ACTING)] == [
        Step.REBUILD,
        Step.REBUILD,
        Step.SWAP,
    ]


@pytest.mark.parametrize(
    ("policy", "options", "step", "said"),
    [
        ("report", {}, Step.UNDECLARED, "not declared"),
        ("report", {"hidden": True}, Step.UNDECLARED, "not declared, hidden"),
        ("report", {"prepareUnique": True}, Step.UNDECLARED, "not declared; prepareUnique is on"),
        ("report", {"buildUUID": "x"}, Step.UNDECLARED, "still being built"),
        ("hide", {}, Step.HIDE, "not declared"),
        ("hide", {"hidden": True}, Step.UNDECLARED, "not declared, hidden"),
        ("hide", {"unique": True}, Step.UNDECLARED, "unique would act on"),
        ("hide", {"expireAfterSeconds": 0}, Step.UNDECLARED, "expireAfterSeconds would act on"),
        ("drop", {}, Step.DROP, "its definition is kept"),
        ("drop", {"unique": True}, Step.DROP, "its definition is kept"),
        ("drop", {"buildUUID": "x"}, Step.UNDECLARED, "still being built"),
    ],
)
def test_undeclared(policy: str, options: Document, step: Step, said: str) -> None:
    """They are told of, hidden or dropped, as the project says; what would act on when hidden is not hidden."""
    rules = Rules(undeclared=Undeclared(policy))
    plan = plan_indexes({"users": []}, {"users": [ID, live(index("a"), **options)]}, rules=rules)
    assert [one.step for one in plan.indexes] == [step]
    assert said in plan.indexes[0].detail


def test_the_server_is_asked_about_what_is_written_differently() -> None:
    """About filters over one key and collations of one locale, and about nothing else."""
    first, second = {"a": {"$eq": 1}}, {"a": 1}
    declared = {"users": [index("a", partialFilterExpression=first), index("b", collation={"locale": "da"})]}
    upper = {**EN, "locale": "da", "caseFirst": "upper"}
    found = {"users": [live(index("a", partialFilterExpression=second)), live(index("b", collation=upper))]}
    asked = open_questions(declared, found)
    assert [(one.kind, one.value) for one in asked] == [
        ("filter", first),
        ("filter", second),
        ("collation", {"locale": "da"}),
    ]
    assert [one.step for one in plan_indexes(declared, found).indexes] == [Step.SWAP, Step.SWAP]
    full = {"filter": first, "collation": upper}
    answers = {one.key: full[one.kind] for one in asked}
    plan = plan_indexes(declared, found, rules=Rules(answers=answers))
    assert [one.step for one in plan.indexes] == [Step.KEEP, Step.KEEP]
    assert open_questions({"users": [index("a"), index("c", collation=EN)]}, found) == []


@pytest.mark.parametrize(("declared", "found", "arguments"), CHANGES.values(), ids=CHANGES)
def test_changes(declared: Document, found: Document, arguments: Document) -> None:
    """What `collMod` can set, with exactly its arguments."""
    plan = planned([declared], [found])
    assert [one.step for one in plan.indexes] == [Step.CHANGE]
    assert plan.indexes[0].changes == arguments
    assert not plan.empty


@pytest.mark.parametrize(("declared", "found"), BESIDE.values(), ids=BESIDE)
def test_indexes_that_live_side_by_side(declared: Document, found: Document) -> None:
    """Another key is another index: one is created and the other left alone."""
    plan = planned([declared], [found])
    assert [(one.step, one.name) for one in plan.indexes] == [
        (Step.CREATE, declared["name"]),
        (Step.UNDECLARED, found["name"]),
    ]
    assert plan.indexes[0].document == declared


def test_a_missing_collection_has_no_indexes() -> None:
    """All of its declared ones are to be created."""
    plan = plan_indexes({"users": [index("a"), index("b")]}, {})
    assert [one.step for one in plan.indexes] == [Step.CREATE, Step.CREATE]


def test_the_index_on_id_is_nobodys_business() -> None:
    """Neither on an ordinary collection nor on a clustered one, whatever the number's kind."""
    clustered = {"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True, "clustered": True}
    for own in (ID, clustered, {**ID, "key": {"_id": 1.0}}):
        assert plan_indexes({"users": []}, {"users": [own]}).indexes == ()


@pytest.mark.parametrize(
    ("declared", "default", "found", "step"),
    [
        ({}, {"locale": "en"}, {"collation": EN}, Step.KEEP),
        ({}, EN, {"collation": EN}, Step.KEEP),
        ({}, {"locale": "en"}, {}, Step.SWAP),
        ({"collation": {"locale": "simple"}}, {"locale": "en"}, {}, Step.KEEP),
        ({"collation": {"locale": "de"}}, {"locale": "en"}, {"collation": {**EN, "locale": "de"}}, Step.KEEP),
        ({"collation": {"locale": "en", "strength": 2}}, {"locale": "en"}, {"collation": EN}, Step.SWAP),
    ],
)
def test_the_collections_collation(declared: Document, default: Document, found: Document, step: Step) -> None:
    """An index without a collation of its own has its collection's."""
    plan = planned([index("a", **declared)], [live(index("a"), **found)], default)
    assert [one.step for one in plan.indexes] == [step]


@pytest.mark.parametrize("backwards", [False, True])
def test_several_indexes_over_one_key(backwards: bool) -> None:
    """Those that live are kept and only the missing one is created, in whatever order they are declared."""
    declared = [
        index("a", name="plain"),
        index("a", name="unique", unique=True),
        index("a", name="some", partialFilterExpression={"b": 1}),
    ]
    found = [live(declared[0]), live(declared[2])]
    plan = planned(declared[::-1] if backwards else declared, found)
    assert {one.name: one.step for one in plan.indexes} == {
        "plain": Step.KEEP,
        "unique": Step.CREATE,
        "some": Step.KEEP,
    }


def test_an_index_takes_the_place_of_one_other() -> None:
    """A renamed and an undeclared one over other keys are not mixed up."""
    plan = planned(
        [index("a", name="x"), index("b", name="y")], [live(index("b", name="x")), live(index("a", name="y"))]
    )
    assert [(one.step, one.name) for one in plan.indexes] == [(Step.KEEP, "y"), (Step.KEEP, "x")]


@pytest.mark.parametrize("name", ["a_1", "other"])
def test_an_index_that_is_being_built_is_waited_for(name: str) -> None:
    """Under the name under which it is built, or the server would refuse it."""
    plan = planned([index("a", unique=True)], [live(index("a", unique=True, name=name), buildUUID="x")])
    assert [one.step for one in plan.indexes] == [Step.WAIT]
    assert plan.indexes[0].document == {"key": {"a": 1}, "name": name, "unique": True}
    assert not plan.empty


def test_a_plan_is_plain_data() -> None:
    """Ready for JSON, and told apart by step."""
    plan = planned([index("a"), index("b")], [live(index("a")), live(index("c"))])
    assert [one.name for one in plan.of(Step.KEEP, Step.UNDECLARED)] == ["a_1", "c_1"]
    written = json.loads(json.dumps(plan.to_dict()))
    assert written["inSync"] is False
    assert written["indexes"][1] == {
        "step": "create", "collection": "users", "name": "b_1", "detail": "", "declared": {"key": [["b", 1]]},
    }  # fmt: skip
    swapped = planned([index("a", partialFilterExpression={"a": "secret"})], [live(index("a", unique=True))])
    (one,) = json.loads(json.dumps(swapped.to_dict()))["indexes"]
    assert one["declared"] == {"key": [["a", 1]], "partial": True}
    assert one["live"] == {"name": "a_1", "key": [["a", 1]], "unique": True}


def test_undeclared_indexes_are_no_drift() -> None:
    """They are told of and left alone."""
    assert planned([], [live(index("a"))]).empty
    assert IndexPlan(()).empty
    assert not IndexPlan((PlannedIndex(Step.WAIT, "users", "a_1"),)).empty


OVER_A = [pair for pair in SAME.values() if list(pair[0]["key"]) == ["a"]]


@given(st.lists(st.sampled_from(range(len(OVER_A))), unique=True, max_size=8), st.randoms())
def test_what_was_created_is_there(chosen: list[int], random: Any) -> None:
    """Any declared indexes, each over a field of its own and found again in any order, are kept."""

    def moved(number: int, document: Document) -> Document:
        return {**document, "key": {f"field{number}": document["key"]["a"]}, "name": str(number)}

    declared = [moved(number, OVER_A[number][0]) for number in chosen]
    found = [moved(number, OVER_A[number][1]) for number in chosen]
    random.shuffle(found)
    plan = planned(declared, found)
    assert [(one.step, one.name) for one in plan.indexes] == [(Step.KEEP, str(number)) for number in chosen]


@given(st.lists(st.sampled_from(list(SAME)), max_size=6), st.lists(st.sampled_from(list(SAME)), max_size=6))
def test_any_two_sides(wanted: list[str], there: list[str]) -> None:
    """Every declared index gets one step; a live one is never claimed twice."""
    declared = [SAME[name][0] for name in wanted]
    found = [SAME[name][1] for name in there]
    plan = planned(declared, found)
    assert len(plan.of(*set(Step) - {Step.UNDECLARED})) == len(declared)
    claimed = len(plan.of(*set(Step) - {Step.CREATE, Step.UNDECLARED}))
    assert claimed + len(plan.of(Step.UNDECLARED)) == len(found)


def test_times_in_other_zones_are_told_apart() -> None:
    """The moment counts, not the way it is written."""
    declared = index("a", partialFilterExpression={"at": datetime(2026, 1, 1, tzinfo=UTC)})
    found = live(index("a", partialFilterExpression={"at": datetime(2026, 1, 2)}))
    assert [one.step for one in planned([declared], [found]).indexes] == [Step.SWAP]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (index("a", ("b", -1)), "{a: 1, b: -1}"),
        (index("a", unique=True, sparse=False), "{a: 1}, unique"),
        (index("a", expireAfterSeconds=7 * 86_400), "{a: 1}, expires after 7 days"),
        (index("a", expireAfterSeconds=5400), "{a: 1}, expires after 90 min"),
        (index("a", expireAfterSeconds=3601), "{a: 1}, expires after 3,601 s"),
        (index(("t", "text"), weights={"t": 3}), "{t: text}, weights"),
        (
            index("a", collation={"locale": "en"}, partialFilterExpression={"a": "secret"}),
            "{a: 1}, collation en, partial",
        ),
    ],
)
def test_an_index_in_words(document: dict[str, Any], words: str) -> None:
    """Its key, and what is special about it; no value of a filter."""
    assert in_words(document) == words
