from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Timestamp

from wayra_db.indexes.advice.facts import declared_arrays, learn
from wayra_db.indexes.advice.operations import (
    Operation,
    from_command,
    from_log,
    from_profile,
    from_query_stats,
    joined_by,
)
from wayra_db.indexes.advice.shapes import group, shape_of
from wayra_db.indexes.advice.sources import has_query_stats

AT = datetime(2026, 1, 1, tzinfo=UTC)
LIMITED = {"filter": {"a": 1}, "sort": {"b": 1}, "limit": 3}


def profiled(command: dict[str, Any], op: str = "command", **facts: Any) -> list[Operation]:
    """The operations in one document of `system.profile`."""
    recorded = {"op": op, "ns": "shop.trips", "command": command, "millis": 7, "docsExamined": 9, "ts": AT}
    return list(from_profile({**recorded, **facts}))


def test_a_profiled_find() -> None:
    """Costs, and a command to replay without sessions and concerns."""
    command = {
        "find": "trips", "filter": {"a": 1}, "sort": {"b": -1}, "limit": 5, "lsid": {}, "$db": "shop",
        "$clusterTime": {}, "readConcern": {}, "projection": {"a": 1},
    }  # fmt: skip
    (one,) = profiled(command, "query", nreturned=3, keysExamined=4, planSummary="COLLSCAN", hasSortStage=True)
    assert (one.database, one.collection, one.kind, one.sort, one.limited) == (
        "shop",
        "trips",
        "find",
        (("b", -1),),
        True,
    )
    assert (one.count, one.milliseconds, one.documents_examined, one.returned, one.sorted_in_memory) == (
        1,
        7,
        9,
        3,
        True,
    )
    assert one.command == {
        "find": "trips", "filter": {"a": 1}, "sort": {"b": -1}, "limit": 5, "projection": {"a": 1}
    }  # fmt: skip
    assert "secret" not in repr(profiled({"find": "trips", "filter": {}, "let": {"x": "secret"}}))


@pytest.mark.parametrize(
    ("command", "op", "replayed"),
    [
        (
            {"q": {"a": 1}, "u": {"$set": {"b": 1}}, "multi": False},
            "update",
            {"find": "trips", "filter": {"a": 1}, "limit": 1},
        ),
        ({"q": {"a": 1}, "u": {"$set": {"b": 1}}, "multi": True}, "update", {"find": "trips", "filter": {"a": 1}}),
        ({"q": {"a": 1}, "limit": 0}, "remove", {"find": "trips", "filter": {"a": 1}}),
        (
            {"findAndModify": "trips", "query": {"a": 1}, "sort": {"b": 1}, "remove": True},
            "command",
            {"find": "trips", "filter": {"a": 1}, "sort": {"b": 1}, "limit": 1},
        ),
        (
            {"aggregate": "trips", "pipeline": [{"$match": {"a": 1}}, {"$out": "other"}]},
            "command",
            {"find": "trips", "filter": {"a": 1}},
        ),
        ({"count": "trips", "query": {"a": 1}}, "command", {"count": "trips", "query": {"a": 1}}),
        (
            {"distinct": "trips", "key": "b", "query": {"a": 1}},
            "command",
            {"distinct": "trips", "key": "b", "query": {"a": 1}},
        ),
    ],
)
def test_what_is_replayed_only_reads(command: dict[str, Any], op: str, replayed: dict[str, Any]) -> None:
    """Changes become the search for what they would change."""
    (one,) = profiled(command, op)
    assert one.command == replayed


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([{"$match": {"a": 1}}, {"$match": {"b": 1}}], {"filter": {"$and": [{"a": 1}, {"b": 1}]}}),
        (
            [{"$sort": {"b": 1}}, {"$match": {"a": 1}}, {"$limit": 3}],
            {"filter": {"a": 1}, "sort": {"b": 1}, "limit": 3},
        ),
        ([{"$limit": 3}, {"$match": {"a": 1}}], {"filter": {}, "limit": 3}),
        ([{"$match": {"a": 1}}, {"$project": {"a": 1}}, {"$limit": 3}], {"filter": {"a": 1}, "limit": 3}),
        ([{"$match": {"a": 1}}, {"$unwind": "$b"}, {"$match": {"b": 1}}, {"$limit": 3}], {"filter": {"a": 1}}),
        ([{"$skip": 2}, {"$match": {"a": 1}}], {"filter": {}, "skip": 2}),
        ([{"$group": {"_id": 1}}, {"$match": {"a": 1}}], {"filter": {}}),
    ],
)
def test_the_front_of_a_pipeline(stages: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """What the server can answer by an index, and nothing behind it."""
    (one,) = profiled({"aggregate": "trips", "pipeline": stages})
    assert one.command == {"find": "trips", **expected}


def test_what_a_lookup_asks_of_another_collection() -> None:
    """It is recorded nowhere else."""
    join = {"$lookup": {"from": "users", "localField": "owner", "foreignField": "uid", "as": "who"}}
    make = {"$set": {"owner": "$by"}}
    match = {"$match": {"a": 1}}
    collation = {"locale": "en"}
    first, second = profiled({"aggregate": "trips", "pipeline": [match, make, join], "collation": collation})
    assert (first.collection, second.collection, second.kind) == ("trips", "users", "lookup")
    assert shape_of(second).filter == "{uid: ?}"
    assert second.collation == collation
    # Replayed for a few documents of `trips`, whichever they were found by.
    assert second.command is not None
    assert second.command["aggregate"] == "trips"
    assert second.command["pipeline"] == [{"$limit": 5}, make, join]
    assert joined_by(second.command) == ("trips", "users")
    assert joined_by(first.command or {}) == ()


def test_what_cannot_be_replayed_of_a_join() -> None:
    """One from no collection, and a walk, of which the server tells nothing."""
    join = {"$lookup": {"from": "users", "localField": "owner", "foreignField": "uid", "as": "who"}}
    walk = {"$graphLookup": {"from": "users", "startWith": "$a", "connectFromField": "b", "connectToField": "c"}}
    *_, joined = profiled({"aggregate": 1, "pipeline": [{"$documents": []}, join]}, ns="shop.$cmd.aggregate")
    *_, walked = profiled({"aggregate": "trips", "pipeline": [walk]})
    assert (joined.collection, joined.command) == ("users", None)
    assert (walked.kind, shape_of(walked).filter, walked.command) == ("lookup", "{c: ?}", None)


def test_a_getmore_adds_to_what_it_continues() -> None:
    """Its documents count, its execution does not."""
    find = {"find": "trips", "filter": {"a": 1}}
    started = profiled(find, "query")
    more = profiled({"getMore": 1}, "getmore", originatingCommand=find, docsExamined=90)
    (one,) = group([*started, *more])
    assert (one.count, one.documents_examined) == (1, 99)


@pytest.mark.parametrize(
    "recorded",
    [
        {"op": "query", "ns": "shop.trips", "command": {"$truncated": "{ find: ..."}},
        {"op": "query", "ns": "shop.system.js", "command": {"find": "system.js"}},
        {"op": "insert", "ns": "shop.trips", "command": {"insert": "trips"}},
        {"op": "query", "ns": "shop.trips", "command": {"find": "trips", "hint": {"a": 1}}},
        {"op": "query", "ns": "shop.trips", "command": {"find": "trips"}, "appName": "wayra-db"},
        {"op": "command", "ns": "shop.$cmd", "command": {"hello": 1}},
        {},
    ],
)
def test_what_asks_for_no_index(recorded: dict[str, Any]) -> None:
    """Cut short, the server's own, inserts, told which index to take, or our own."""
    assert list(from_profile(recorded)) == []


def test_a_slow_line_of_the_log() -> None:
    """As mongod 4.4 and later write it; other lines are nothing."""
    facts = {
        "type": "command", "ns": "shop.trips", "command": {"find": "trips", "filter": {"a": 1}},
        "planSummary": "COLLSCAN", "docsExamined": 10, "nreturned": 1, "durationMillis": 120,
    }  # fmt: skip
    (one,) = from_log({"t": AT, "msg": "Slow query", "attr": facts})
    assert (one.kind, one.milliseconds, one.at, one.plan) == ("find", 120, AT, "COLLSCAN")
    assert list(from_log({"t": AT, "msg": "Index build: done building", "attr": {}})) == []


def test_query_stats() -> None:
    """Shapes with types in the place of values: counted, weighed, and not to be replayed (manual, $queryStats)."""
    shape = {
        "cmdNs": {"db": "shop", "coll": "trips"}, "command": "find",
        "filter": {"$and": [{"status": {"$eq": "?string"}}, {"n": {"$gt": "?number"}}]}, "sort": {"at": -1},
        "limit": "?number",
    }  # fmt: skip
    metrics = {
        "execCount": 40, "totalExecMicros": {"sum": 90_000}, "docsReturned": {"sum": 80},
        "docsExamined": {"sum": 9000}, "latestSeenTimestamp": AT,
    }  # fmt: skip
    (one,) = from_query_stats({"key": {"queryShape": shape}, "metrics": metrics})
    assert (one.count, one.milliseconds, one.documents_examined, one.returned) == (40, 90, 9000, 80)
    assert one.command is None
    (observed,) = group([one])
    (arm,) = observed.shape.arms
    assert (set(arm.equal), set(arm.ranges), dict(observed.shape.sort)) == ({"status"}, {"n"}, {"at": -1})
    assert observed.shape.text


def test_a_whole_entry_of_query_stats() -> None:
    """As the manual prints one, for an aggregation that joins: two shapes, one of them of the other collection."""
    entry: dict[str, Any] = {
        "key": {
            "queryShape": {
                "cmdNs": {"db": "shop", "coll": "trips"},
                "command": "aggregate",
                "pipeline": [
                    {"$match": {"tags": {"$in": "?array<?string>"}, "at": {"$gte": "?date"}}},
                    {"$sort": {"at": -1}},
                    {"$limit": "?number"},
                    {"$lookup": {"from": "users", "as": "who", "localField": "owner", "foreignField": "uid",
                                 "let": {}, "pipeline": []}},
                ],
            },
            "client": {"application": {"name": "MongoDB Shell"}, "driver": {"name": "nodejs|mongosh"}},
            "collectionType": "collection",
            "hint": {},
        },
        "keyHash": "YG6xuvqDzl5vaAr/QUEzg9CqXQGE8aQ6iLoIl1c9Hi8=",
        "queryShapeHash": "E8C9F9D5B9A5C1B8B7",
        "metrics": {
            "lastExecutionMicros": 4254, "execCount": 2,
            "totalExecMicros": {"sum": 49_824, "max": 45_570, "min": 4254, "sumOfSquares": Decimal128("2094721416")},
            "docsReturned": {"sum": 2, "max": 1, "min": 1, "sumOfSquares": Decimal128("2")},
            "firstSeenTimestamp": AT, "latestSeenTimestamp": AT,
        },
        "asOf": Timestamp(1_700_000_000, 1),
    }  # fmt: skip
    grouped = {
        "queryExec": {"docsExamined": {"sum": 4000}, "keysExamined": {"sum": 7}},
        "queryPlanner": {"hasSortStage": {"true": 2, "false": 0}},
    }
    for metrics, examined in ((entry["metrics"], 0), ({**entry["metrics"], **grouped}, 4000)):
        asked, joined = from_query_stats({**entry, "metrics": metrics})
        assert (asked.collection, asked.count, asked.milliseconds, asked.returned) == ("trips", 2, 49.824, 2)
        assert (asked.documents_examined, asked.sorted_in_memory) == (examined, bool(examined))
        (arm,) = shape_of(asked).arms
        assert (set(arm.equal), set(arm.ranges), asked.sort, asked.limited) == ({"tags"}, {"at"}, (("at", -1),), True)
        assert (joined.collection, joined.kind, shape_of(joined).filter) == ("users", "lookup", "{uid: ?}")
        assert asked.command is joined.command is None


@pytest.mark.parametrize(
    ("shape", "filter", "distinct"),
    [
        ({"command": "distinct", "key": "country", "query": {"a": {"$gt": "?number"}}}, "{a: {$gt: ?}}", "country"),
        ({"command": "count", "query": {"a": {"$gt": "?number"}}}, "{a: {$gt: ?}}", ""),
        ({"command": "update", "q": {"a": {"$eq": "?number"}}}, None, ""),
    ],
)
def test_other_commands_of_query_stats(shape: dict[str, Any], filter: str | None, distinct: str) -> None:
    """Those whose shape the manual describes; what wayra-db asks itself is left out, whatever it is."""
    key = {"queryShape": {"cmdNs": {"db": "shop", "coll": "trips"}, **shape}}
    found = list(from_query_stats({"key": key, "metrics": {"execCount": 1}}))
    expected = [] if filter is None else [(filter, distinct)]
    assert [(shape_of(one).filter, one.distinct) for one in found] == expected
    own = {**key, "client": {"application": {"name": "wayra-db"}}}
    assert list(from_query_stats({"key": own, "metrics": {"execCount": 1}})) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((6, 0, 5), False),
        ((6, 0, 7), True),
        ((7, 0, 11), False),
        ((7, 0, 12), True),
        ((8, 0, 0), True),
        ((5, 0, 32), False),
    ],
)
def test_which_servers_have_query_stats(version: tuple[int, ...], expected: bool) -> None:
    """Asked of others it would be an error."""
    assert has_query_stats(version) is expected


def test_queries_of_one_shape_are_one() -> None:
    """Whatever their values and the order of their fields; another sort is another shape."""
    queries = [{"a": 1, "b": {"$in": [1]}}, {"b": {"$in": [1, 2, 3]}, "a": "x"}]
    operations = [one for query in queries for one in profiled({"find": "trips", "filter": query}, "query")]
    other = profiled({"find": "trips", "filter": queries[0], "sort": {"a": 1}}, "query")
    first, second = group([*operations, *other])
    assert (first.count, first.shape.points, first.shape.text) == (2, 3, True), "the widest list, and text once seen"
    assert second.count == 1
    assert len(first.shape.id) == 8
    assert first.shape.id != second.shape.id


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ({"find": "trips", "filter": {"a": 1}}, "find"),
        ({"update": "trips", "updates": [{"q": {"a": 1}, "u": {}}]}, "update"),
        ({"delete": "trips", "deletes": [{"q": {"a": 1}, "limit": 1}]}, "delete"),
        ({"insert": "trips"}, None),
        ({}, None),
    ],
)
def test_a_command_as_an_application_sends_it(command: dict[str, Any], kind: str | None) -> None:
    """For `explain`."""
    found = from_command("shop", command)
    assert (found.kind if found else None) == kind


def test_facts_from_a_sample() -> None:
    """Arrays at any depth, how many documents share a value, and the length of keys."""
    sample = [
        {"_id": n, "half": n % 2, "tags": ["x", "y"], "items": [{"sku": f"s{n}", "parts": [1]}], "deep": {"n": n}}
        for n in range(100)
    ]
    facts = learn(10_000, sample)
    assert facts.arrays == {"tags", "items", "items.parts"}
    assert facts.crowd_of("half") == pytest.approx(10_000 / 2, rel=0.05)
    assert facts.crowd_of("deep.n") == 0
    assert facts.crowd_of("nowhere") == 10_000
    assert facts.can_share_an_index("items.sku", "items.parts")
    assert not facts.can_share_an_index("tags", "items.sku")
    assert facts.can_share_an_index("tags", "half")
    assert facts.entries["tags"] == 2
    assert learn(5, [], ["a"]).arrays == {"a"}
    assert learn(5, []).index_bytes(["a"]) is None


def test_arrays_that_a_validator_declares() -> None:
    """No document needs to hold one yet."""
    schema = {
        "properties": {
            "tags": {"bsonType": "array", "items": {"bsonType": "string"}},
            "rooms": {"bsonType": ["array", "null"], "items": {"properties": {"beds": {"type": "array"}}}},
            "name": {"bsonType": "string"},
            "place": {"bsonType": "object", "properties": {"roads": {"bsonType": "array"}}},
        }
    }
    assert declared_arrays({"$jsonSchema": schema}) == {"tags", "rooms", "rooms.beds", "place.roads"}
    assert declared_arrays(None) == frozenset()
