from __future__ import annotations

from typing import Any

import pytest

from wayra_db.indexes.advice.facts import Facts
from wayra_db.indexes.advice.needs import Need, serves
from wayra_db.indexes.advice.operations import from_profile
from wayra_db.indexes.advice.propose import Fate, Proposal, propose
from wayra_db.indexes.advice.shapes import group
from wayra_db.indexes.advice.template import Template

ID = {"v": 2, "name": "_id_", "key": {"_id": 1}}
ENGLISH = {"locale": "en", "strength": 2}


def entry(command: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """A document of `system.profile`: a scan of 1,000 documents for 5."""
    return {
        "op": "query" if "find" in command else "command",
        "ns": "shop.trips",
        "command": command,
        "docsExamined": 1000,
        "keysExamined": 0,
        "nreturned": 5,
        "millis": 3,
        "planSummary": "COLLSCAN",
        **facts,
    }


def find(query: dict[str, Any], sort: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    """The entry of a find."""
    return entry({"find": "trips", "filter": query, **({"sort": sort} if sort else {}), **more})


def advise(
    *entries: dict[str, Any],
    live: tuple[dict[str, Any], ...] = (),
    declared: tuple[dict[str, Any], ...] = (),
    collation: dict[str, Any] | None = None,
    **facts: Any,
) -> tuple[tuple[Proposal, ...], list[Fate]]:
    """The proposals for a profile of trips, and what became of each shape in the order of the entries."""
    collations = {"trips": collation} if collation else {}
    observed = group([one for each in entries for one in from_profile(each)], collations)
    known = Facts(**{"documents": 10_000, "sampled": 0, **facts})
    proposals, judged = propose(
        observed, {"trips": known}, {"trips": [ID, *live]}, declared={"trips": list(declared)}, collations=collations
    )
    by_shape = {one.observed.shape.id: one.fate for one in judged}
    order = [group(list(from_profile(each)), collations)[0].shape.id for each in entries]
    return proposals, [by_shape[id] for id in order]


def keys(*entries: dict[str, Any], **more: Any) -> list[str]:
    """The proposed keys as the names that drivers give them."""
    return sorted("_".join(f"{k}_{v}" for k, v in one.document["key"].items()) for one in advise(*entries, **more)[0])


KEYS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "equality": ([find({"a": 1})], ["a_1"]),
    "equality, sort": ([find({"a": 1}, {"b": -1})], ["a_1_b_-1"]),
    "equality, sort, range": ([find({"a": 1, "c": {"$gt": 1}}, {"b": -1})], ["a_1_b_-1_c_1"]),
    "equality, range": ([find({"a": 1, "c": {"$gt": 1}})], ["a_1_c_1"]),
    "a sort by what is equal": ([find({"a": 1}, {"a": 1, "b": 1})], ["a_1_b_1"]),
    "a range that is sorted by": ([find({"a": 1, "b": {"$gt": 1}}, {"b": -1})], ["a_1_b_-1"]),
    "both ends and a sort": ([find({"a": {"$gt": 1, "$lt": 2}}, {"b": 1})], ["a_1_b_1"]),
    "one end and a sort": ([find({"a": {"$gt": 1}}, {"b": 1})], ["b_1"]),
    "both ends before one": ([find({"x": 1, "a": {"$gt": 1}, "b": {"$gt": 1, "$lt": 2}})], ["x_1_b_1_a_1"]),
    "a list is equality": ([find({"a": {"$in": [1, 2]}}, {"b": 1})], ["a_1_b_1"]),
    "a list that is sorted by": ([find({"a": {"$in": [1, 2]}, "c": 1}, {"a": 1})], ["c_1_a_1"]),
    "too long a list keeps no order": ([find({"a": {"$in": list(range(300))}}, {"b": 1}, limit=5)], ["b_1"]),
    "a sort alone": ([find({}, {"b": 1, "c": -1})], ["b_1_c_-1"]),
    "each branch": ([find({"$or": [{"a": 1}, {"b": {"$gt": 1}}]})], ["a_1", "b_1"]),
    "a pattern sieves keys": ([find({"a": 1, "n": {"$regex": "x"}})], ["a_1_n_1"]),
    "what finds most is left out": ([find({"a": 1, "n": {"$ne": 2}})], ["a_1"]),
    "one element": ([find({"a": {"$elemMatch": {"b": 1, "c": {"$gt": 2}}}})], ["a.b_1_a.c_1"]),
    "a place": ([find({"at": {"$nearSphere": {}}, "a": 1})], ["a_1_at_2dsphere"]),
    "count": ([entry({"count": "trips", "query": {"a": 1}})], ["a_1"]),
    "distinct": ([entry({"distinct": "trips", "key": "b", "query": {"a": 1, "c": {"$gt": 1}}})], ["a_1_c_1_b_1"]),
    "distinct of all": ([entry({"distinct": "trips", "key": "b", "query": {}})], ["b_1"]),
    "update": ([entry({"q": {"a": 1}, "u": {}}, op="update")], ["a_1"]),
    "delete": ([entry({"q": {"a": 1}, "limit": 0}, op="remove")], ["a_1"]),
    "findAndModify": ([entry({"findAndModify": "trips", "query": {"a": 1}, "sort": {"b": 1}})], ["a_1_b_1"]),
    "the front of a pipeline": (
        [entry({"aggregate": "trips", "pipeline": [{"$match": {"a": 1}}, {"$sort": {"b": 1}}, {"$group": {}}]})],
        ["a_1_b_1"],
    ),
    "two shapes, one a prefix": ([find({"a": 1, "b": 1}, {"c": 1}), find({"b": 1})], ["b_1_a_1_c_1"]),
    "two shapes, turned round": (
        [find({"a": 1}, {"b": 1, "c": -1}), find({"a": 1}, {"b": -1, "c": 1})],
        ["a_1_b_1_c_-1"],
    ),
    "two shapes that cannot share": ([find({"a": 1}, {"b": 1}), find({"a": 1}, {"c": 1})], ["a_1_b_1", "a_1_c_1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_the_key(name: str) -> None:
    """By equality, sort and range, as the manual has it and as the planner was seen to use it."""
    entries, expected = KEYS[name]
    assert keys(*entries) == expected


def test_arrays_side_by_side_cannot_be_built() -> None:
    """The server refuses such an index (171), so the less telling of the two is left out."""
    both = find({"tags": "x", "codes": 1, "a": 1})
    arrays = frozenset({"tags", "codes"})
    assert keys(both, arrays=arrays, crowd={"tags": 500.0, "codes": 20.0, "a": 100.0}) == ["codes_1_a_1"]


def test_two_fields_of_one_array() -> None:
    """Asked for in one element both are bounded; asked for apart, only one can be."""
    arrays = frozenset({"items"})
    crowd = {"items.sku": 10.0, "items.qty": 100.0}
    apart = find({"items.sku": "x", "items.qty": 1})
    together = find({"items": {"$elemMatch": {"sku": "x", "qty": 1}}})
    assert keys(apart, arrays=arrays, crowd=crowd) == ["items.sku_1"]
    assert keys(together, arrays=arrays, crowd=crowd) == ["items.sku_1_items.qty_1"]


def test_a_field_that_tells_everything_stands_alone() -> None:
    """One value of it finds hardly a document: another field would only make the index larger."""
    assert keys(find({"email": "x", "a": 1}, {"b": 1}), sampled=100, crowd={"email": 0.5, "a": 900.0}) == ["email_1"]
    assert keys(find({"mail": "x", "a": 1}), sampled=100, crowd={"mail": 50.0, "a": 900.0}) == ["mail_1_a_1"]


def test_a_narrow_range_leads_and_a_wide_one_follows_the_sort() -> None:
    """With no equality the server holds a range against documents when the order leads."""
    values = {"n": list(range(1000))}
    narrow = find({"n": {"$gt": 990}}, {"b": 1}, limit=10)
    wide = find({"n": {"$gt": 10}}, {"b": 1}, limit=10)
    assert keys(narrow, sampled=1000, values=values) == ["n_1_b_1"]
    assert keys(wide, sampled=1000, values=values) == ["b_1"]
    long_list = find({"a": {"$in": list(range(300))}}, {"b": 1}, limit=10)
    assert keys(long_list, sampled=1000, crowd={"a": 0.5}) == ["a_1_b_1"]


FATES: dict[str, tuple[dict[str, Any], dict[str, Any], Fate]] = {
    "an index was used well": (
        find({"a": 1}) | {"planSummary": "IXSCAN { a: 1 }", "docsExamined": 5, "keysExamined": 5},
        {},
        Fate.WELL_SERVED,
    ),
    "an index was used badly": (find({"a": 1, "b": 1}) | {"planSummary": "IXSCAN { a: 1 }"}, {}, Fate.PROPOSED),
    "a sort in memory": (
        find({"a": 1}, {"b": 1}) | {"planSummary": "IXSCAN { a: 1 }", "docsExamined": 5, "hasSortStage": True},
        {},
        Fate.PROPOSED,
    ),
    "built since": (find({"a": 1}), {"live": ({"name": "a_1", "key": {"a": 1}},)}, Fate.SERVED),
    "declared": (find({"a": 1}), {"declared": ({"name": "a_1", "key": {"a": 1}},)}, Fate.DECLARED),
    "by id": (find({"_id": 1, "a": 2}), {}, Fate.SERVED),
    "hidden": (find({"a": 1}), {"live": ({"name": "a_1", "key": {"a": 1}, "hidden": True},)}, Fate.PROPOSED),
    "sparse": (find({"a": 1}), {"live": ({"name": "a_1", "key": {"a": 1}, "sparse": True},)}, Fate.PROPOSED),
    "partial": (
        find({"a": 1}),
        {"live": ({"name": "a_1", "key": {"a": 1}, "partialFilterExpression": {"b": 1}},)},
        Fate.PROPOSED,
    ),
    "unique": (
        find({"b": 1, "a": 1}, {"c": 1}),
        {"live": ({"name": "u", "key": {"a": 1}, "unique": True},)},
        Fate.SERVED,
    ),
    "other collation": (
        find({"a": "x"}),
        {"live": ({"name": "a_1", "key": {"a": 1}, "collation": ENGLISH},)},
        Fate.PROPOSED,
    ),
    "collation of no matter": (
        find({"a": 1}),
        {"live": ({"name": "a_1", "key": {"a": 1}, "collation": ENGLISH},)},
        Fate.SERVED,
    ),
    "small": (find({"a": 1}), {"documents": 150}, Fate.TOO_SMALL),
    "most of it": (find({"a": 1}) | {"nreturned": 900}, {}, Fate.MOST),
    "all": (find({}), {}, Fate.NOT_BY_KEY),
    "a pattern alone": (find({"a": {"$regex": "x"}}), {}, Fate.NOT_BY_KEY),
    "a branch by no key": (find({"$or": [{"a": 1}, {"b": {"$ne": 1}}]}), {}, Fate.NOT_BY_KEY),
}


@pytest.mark.parametrize("name", FATES)
def test_what_becomes_of_a_shape(name: str) -> None:
    """An index is proposed only where it helps and none is there."""
    recorded, more, expected = FATES[name]
    proposals, fates = advise(recorded, **more)
    assert fates == [expected]
    assert bool(proposals) is (expected is Fate.PROPOSED)


def test_the_collation_of_the_query_goes_into_the_index() -> None:
    """A collection's own is taken by itself, and has to be named away where the query is without."""
    (one,), _ = advise(find({"a": "x"}, collation=ENGLISH))
    assert one.document["collation"] == ENGLISH
    (one,), _ = advise(find({"a": "x"}, collation={"locale": "simple"}), collation=ENGLISH)
    assert one.document["collation"] == {"locale": "simple"}
    (one,), _ = advise(find({"a": 1}, collation=ENGLISH))
    assert "collation" not in one.document
    two, _ = advise(find({"a": "x"}, collation=ENGLISH), find({"a": "x"}))
    assert sorted(one.name for one in two) == ["a_1", "a_1__2"], "no index serves both"


def test_what_a_proposal_says() -> None:
    """Shapes, weight, size, what it replaces, and the line for the declaration."""
    live = ({"name": "status_1", "key": {"status": 1}}, {"name": "u", "key": {"owner": 1}, "unique": True})
    recorded = [find({"owner": 1, "status": "x"}, {"at": -1}), find({"owner": 2, "status": "y"}, {"at": -1})]
    (one,), _ = advise(*recorded, live=live[:1], sampled=10, key_bytes={"owner": 13.0, "status": 9.0, "at": 9.0})
    assert one.declaration == 'IndexModel([("status", 1), ("owner", 1), ("at", -1)])', "it begins as a live one does"
    assert one.replaces == ("status_1",)
    assert (one.count, one.milliseconds, one.wasted) == (2, 6.0, 1990)
    assert one.size_bytes == 10_000 * (13 + 9 + 9 + 8)
    assert len(one.shapes) == 1
    (one,), _ = advise(find({"owner": 1, "at": {"$gt": 1}}), live=({**live[1], "key": {"at": 1, "owner": 1}},))
    assert one.replaces == (), "a constraint is never replaced"


def test_too_many_indexes_are_said() -> None:
    """The server has room for 64."""
    live = tuple({"name": f"i{number}", "key": {f"i{number}": 1}} for number in range(63))
    (one,), _ = advise(find({"a": 1}), live=live)
    assert one.warnings == ("trips would have 65 indexes, and 64 are the most",)


SERVES = [
    ((("a", 1), ("b", 1)), Need(frozenset({"a"})), True),
    ((("a", -1), ("b", 1)), Need(frozenset({"a", "b"})), True),
    ((("b", 1), ("a", 1)), Need(frozenset({"a"})), False),
    ((("a", 1), ("b", -1), ("c", 1)), Need(frozenset({"a"}), (("b", 1), ("c", -1))), True),
    ((("a", 1), ("b", -1), ("c", -1)), Need(frozenset({"a"}), (("b", 1), ("c", -1))), False),
    ((("a", 1), ("b", -1), ("c", -1)), Need(frozenset({"a"}), (("b", 1), ("c", 0))), True),
    ((("a", 1),), Need(frozenset({"a"}), (("b", 0),)), False),
    ((("a", "hashed"),), Need(frozenset({"a"})), False),
    ((("a", 1), ("p", "2dsphere")), Need(frozenset({"a"}), (), "p"), True),
    ((("a", 1), ("p", 1)), Need(frozenset({"a"}), (), "p"), False),
]


@pytest.mark.parametrize(("key", "need", "expected"), SERVES)
def test_whether_an_index_serves(key: Any, need: Need, expected: bool) -> None:
    """Equalities lead in any order; what follows stands as asked, or all turned round."""
    assert serves(key, need) is expected
    if expected:
        assert Template(tuple((name, order) for name, order in key)).absorb(need) is not None


def test_what_a_template_absorbs_it_serves() -> None:
    """Settling an order for one need never takes away what another had."""
    fields = "abc"
    needs = [
        Need(frozenset(equal), tuple(tail))
        for equal in ("", "a", "b", "ab", "bc", "abc")
        for tail in ([], [("c", 1)], [("c", -1)], [("b", 0), ("c", 0)], [("c", 1), ("b", -1)])
        if (equal or tail) and not set(equal) & {name for name, _ in tail}
    ]
    absorbed = 0
    for first in needs:
        for second in needs:
            for third in needs:
                template, served = Template.of(first), [first]
                for need in (second, third):
                    settled = template.absorb(need)
                    if settled is not None:
                        template = settled
                        served.append(need)
                key = template.key(lambda name: fields.index(name))
                assert all(serves(key, need) for need in served), (first, second, third, key)
                assert len(key) == template.width == len(first.equal) + len(first.tail)
                absorbed += len(served) - 1
    assert absorbed > 100
