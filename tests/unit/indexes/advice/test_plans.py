from __future__ import annotations

from typing import Any

import pytest

from wayra_db.indexes.advice.plans import cost_of, in_words

SCAN = {"stage": "COLLSCAN", "filter": {"$and": [{"a": {"$eq": "secret"}}, {"b": {"$gt": 5}}]}}
STATS = {"totalDocsExamined": 500, "totalKeysExamined": 0, "nReturned": 3, "executionTimeMillis": 7}
BOTH = {"stage": "OR", "inputStages": [
    {"stage": "IXSCAN", "indexName": "a_1", "keyPattern": {"a": 1}, "indexBounds": {"a": ["[1.0, 1.0]"]}},
    {"stage": "IXSCAN", "indexName": "b_1", "keyPattern": {"b": 1}, "indexBounds": {"b": ["(5.0, inf.0]"]}},
]}  # fmt: skip


def planned(stage: dict[str, Any], stats: dict[str, Any] | None = None) -> dict[str, Any]:
    """A reply of `explain` from a replica set."""
    reply: dict[str, Any] = {"queryPlanner": {"winningPlan": stage}}
    return reply if stats is None else {**reply, "executionStats": stats}


REPLIES: dict[str, dict[str, Any]] = {
    "a find": planned(SCAN, STATS),
    "the slot based engine": planned({"queryPlan": SCAN, "slotBasedPlan": {}}, STATS),
    "a pipeline": {"stages": [{"$cursor": planned(SCAN, STATS)}, {"$group": {}}]},
    "a sharded find": {
        "queryPlanner": {"winningPlan": {"stage": "SINGLE_SHARD", "shards": [{"winningPlan": SCAN}]}},
        "executionStats": STATS,
    },
    "a sharded pipeline": {"shards": {"one": planned(SCAN, STATS)}},
}


@pytest.mark.parametrize("name", REPLIES)
def test_the_cost(name: str) -> None:
    """In each of the shapes in which servers explain."""
    cost = cost_of(REPLIES[name])
    assert (cost.documents, cost.returned, cost.milliseconds, cost.scans) == (500, 3, 7, True)


def test_indexes_of_every_branch_count() -> None:
    """Also those of `$or`."""
    cost = cost_of(planned({"stage": "FETCH", "inputStage": BOTH}, STATS))
    assert cost.indexes == ("a_1", "b_1")
    assert not cost.scans


def test_the_words_name_fields_and_no_value() -> None:
    """Neither of filters nor of bounds."""
    assert in_words(planned(SCAN, STATS)) == (
        "Reads the whole collection and keeps those that match by a, b.",
        "In all it looked at 0 keys and 500 documents and returned 3, in 7 ms: an index would spare it most of that.",
    )
    said = in_words(planned({"stage": "FETCH", "inputStage": BOTH}))
    assert said[-1] == "Fetches the documents."
    assert {"Reads the index a_1: a one value.", "Reads the index b_1: b a range."} <= set(said)


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        (["[MinKey, MaxKey]"], "all values"),
        (["[MaxKey, MinKey]"], "all values"),
        (['["a, b", "a, b"]'], "one value"),
        (["[1, 1]", "[2, 2]"], "2 values"),
        (["[1, 2)"], "a range"),
        (["(1, 1]"], "a range"),
        (["[1, 1]", "[3, 4]"], "2 ranges"),
        ([], "all values"),
    ],
)
def test_bounds(intervals: list[str], words: str) -> None:
    """What kind they are."""
    stage = {"stage": "IXSCAN", "indexName": "a_1", "keyPattern": {"a": 1}, "indexBounds": {"a": intervals}}
    assert in_words(planned(stage)) == (f"Reads the index a_1: a {words}.",)


def test_a_plan_of_unknown_stages() -> None:
    """A newer server may have some that nobody here knows."""
    assert in_words({}) == ("The server says nothing of how it would find the documents.",)
    assert in_words(planned({"stage": "BRAND_NEW"})) == ("The server says nothing of how it would find the documents.",)
