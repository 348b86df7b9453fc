from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests import trips
from tests.trips import QUESTIONS, answers
from tests.workloads import Workload, fill
from wayra_db import Deployment, Environment, Guard
from wayra_db.errors import CancelledError, IndexManagementError, UnsupportedDeploymentError
from wayra_db.indexes.advice import IndexAdvisor
from wayra_db.indexes.advice.propose import Fate, Proposal
from wayra_db.indexes.advice.prove import SCRATCH
from wayra_db.indexes.report import page
from wayra_db.indexes.usage.judge import Limits
from wayra_db.indexes.usage.service import IndexUsage
from wayra_db.testing import CommandCounter, RecordingObserver, ServerUnderTest

Documents = Database[dict[str, Any]]
Advise = Callable[[], IndexAdvisor]


@pytest.fixture
def guard(wayra_database: Documents) -> Guard:
    """A guard over the test's database, in the environment of tests."""
    return Guard(Deployment(wayra_database.client, wayra_database.name), Environment.TEST, observer=RecordingObserver())


@pytest.fixture
def advisor(guard: Guard) -> IndexAdvisor:
    """An advisor that knows no declarations."""
    return IndexAdvisor(guard)


@pytest.fixture
def profiled(wayra_database: Documents) -> Iterator[Callable[[], None]]:
    """Call it to begin a fresh profile of everything; it ends with the test."""

    def begin() -> None:
        wayra_database.command("profile", 0)
        wayra_database.drop_collection("system.profile")
        wayra_database.create_collection("system.profile", capped=True, size=32_000_000)
        wayra_database.command("profile", 2)

    yield begin
    wayra_database.command("profile", 0)


def build(database: Documents, proposals: tuple[Proposal, ...]) -> None:
    """Build what is proposed; the server refuses none."""
    for one in proposals:
        database.command("createIndexes", one.collection, indexes=[dict(one.document)])


def examined(database: Documents, names: list[str]) -> tuple[int, int]:
    """Documents that were examined under the profiler, and how often a whole collection was read."""
    namespaces = [f"{database.name}.{name}" for name in names]
    entries = list(database["system.profile"].find({"ns": {"$in": namespaces}, "appName": {"$ne": "wayra-db"}}))
    scans = sum("COLLSCAN" in entry.get("planSummary", "") for entry in entries)
    return sum(entry.get("docsExamined", 0) for entry in entries), scans


@pytest.mark.parametrize("seed", [3101, 3202, 3303])
def test_random_workloads(
    wayra_database: Documents, advisor: IndexAdvisor, profiled: Callable[[], None], seed: int
) -> None:
    """After the advice hardly a document is read in vain, no collection is scanned, and every index can be built."""
    names = ["orders", "people"]
    for number, name in enumerate(names):
        fill(wayra_database, name, 2000, seed + number)
    workload = Workload(names, seed, 25)
    profiled()
    workload.run(wayra_database, 2, seed)
    wayra_database.command("profile", 0)
    before, _ = examined(wayra_database, names)
    build(wayra_database, advisor.suggest().proposals)
    profiled()
    workload.run(wayra_database, 2, seed)
    wayra_database.command("profile", 0)
    after, scans = examined(wayra_database, names)
    assert scans == 0
    assert after < before / 50


def test_known_questions(
    wayra_database: Documents, guard: Guard, advisor: IndexAdvisor, profiled: Callable[[], None]
) -> None:
    """Of twenty questions whose best indexes were written down, at least 18 get theirs; none that is proposed is
    useless, and what was planted among the live indexes is found, with no false alarm.
    """
    trips.fill(wayra_database)
    trips.create_declared_indexes(wayra_database)
    plant(wayra_database)
    profiled()
    for number in range(4):
        for question in QUESTIONS.values():
            question.ask(wayra_database, random.Random(number))
    wayra_database.command("profile", 0)

    found = advisor.suggest(prove_it=True, whole=True)
    documents = [(one.collection, dict(one.document)) for one in found.proposals]
    missed = [
        name
        for name, question in QUESTIONS.items()
        if not any(question.collection == collection and answers(question, one) for collection, one in documents)
    ]
    assert len(missed) <= 2, missed
    for collection, document in documents:
        meant = [name for name, one in QUESTIONS.items() if one.collection == collection and answers(one, document)]
        assert meant, document
    assert found.proof is not None
    assert [one.name for one in found.proof.indexes if one.marked] == []
    assert found.proof.documents_after < found.proof.documents_before / 20
    assert not any(one.after.scans for one in found.proof.queries)

    touch(wayra_database)
    report = IndexUsage(guard).report(Limits(unused_days=1e-9))
    alarms = {(one.index, one.kind.value) for one in report.findings if one.kind.value != "low selectivity"}
    assert alarms == {
        ("profile.location.city_1", "unused"),
        ("title_1", "unused"),
        ("owner_1", "redundant"),
        ("createdAt_1", "duplicate"),
    }


def plant(database: Documents) -> None:
    """Indexes that nobody needs, and beside them some that only look so."""
    database.users.create_index("profile.location.city")
    database.trips.create_index("title")
    database.trips.create_index("owner")
    database.users.create_index("createdAt")
    # A constraint, a filter, an expiry, another order: each begins like a longer index and does something else.
    database.users.create_index([("email", 1), ("createdAt", -1)])
    database.trips.create_index("status", name="booked", partialFilterExpression={"status": "booked"})
    database.trips.create_index([("status", 1), ("title", 1)], name="status_title_de", collation={"locale": "de"})
    database.trips.create_index("destination.name", name="name_caseless", collation={"locale": "en", "strength": 2})
    database.users.create_index("updatedAt", name="gone", expireAfterSeconds=10**9)
    database.users.create_index([("updatedAt", 1), ("stats.tripsCompleted", 1)])


def touch(database: Documents) -> None:
    """Use every index once but the planted two that are unused."""
    hints = {
        "users": [
            "preferences.budgetRange.currency_1", "email_1_createdAt_-1", "lastLoginAt_-1", "createdAt_-1",
            "createdAt_1", "updatedAt_1_stats.tripsCompleted_1",
        ],
        "trips": [
            "owner_1_createdAt_-1", "owner_1", "collaborators.userId_1", "destination.name_1", "tags_1", "status_1",
            "dates.start_1_dates.end_1",
        ],
    }  # fmt: skip
    for name, listed in hints.items():
        for hint in listed:
            list(database[name].find({}, hint=hint).limit(1))
    list(database.trips.find({"status": "booked"}, hint="booked").limit(1))
    list(database.trips.find({}, hint="status_title_de").limit(1))
    list(database.trips.find({}, hint="name_caseless").limit(1))


def test_a_suggestion_shows_no_value(
    wayra_database: Documents, advisor: IndexAdvisor, profiled: Callable[[], None]
) -> None:
    """Not in its JSON, not in its representation, not in its page."""
    wayra_database.people.insert_many({"name": f"secret{number}", "n": number} for number in range(500))
    profiled()
    for number in range(3):
        list(wayra_database.people.find({"name": f"secret{number}", "n": {"$gt": 1}}).sort("n"))
    wayra_database.command("profile", 0)
    found = advisor.suggest(prove_it=True)
    assert found.proposals
    html = page(wayra_database.name, datetime.now(UTC), suggestion=found)
    for text in (json.dumps(found.to_dict()), repr(found), html):
        assert "secret" not in text
    assert "people.find {n: {$gt: ?}, name: ?} sort {n: 1}" in html


def test_suggesting_writes_nothing_and_asks_little(
    wayra_server: ServerUnderTest, wayra_database: Documents, profiled: Callable[[], None]
) -> None:
    """One read of the profile, and five requests that grow with the collections, not with what was recorded."""
    fill(wayra_database, "orders", 500, 1)
    fill(wayra_database, "people", 500, 2)
    profiled()
    Workload(["orders", "people"], 7, 12).run(wayra_database, 2, 7)
    wayra_database.command("profile", 0)
    before = wayra_database.client.list_database_names(), wayra_database.command("dbHash")["md5"]
    counter = CommandCounter()
    with wayra_server.client(event_listeners=[counter]) as client:
        guard = Guard(Deployment(client, wayra_database.name), Environment.PRODUCTION)
        client.admin.command("ping")
        counter.clear()
        assert IndexAdvisor(guard).suggest().proposals
        assert counter.names == [
            "hello", "find", "listCollections",
            *("listIndexes", "listIndexes"),
            *("count", "aggregate", "count", "aggregate"),
        ]  # fmt: skip
    assert (wayra_database.client.list_database_names(), wayra_database.command("dbHash")["md5"]) == before


@pytest.mark.parametrize("inner", [{}, {"pipeline": [{"$match": {"kind": 1}}]}], ids=["plain", "with a pipeline"])
def test_what_a_join_asks_is_proved(
    wayra_database: Documents, advisor: IndexAdvisor, profiled: Callable[[], None], inner: dict[str, Any]
) -> None:
    """From the collection that is joined to, whatever the recorded values were; in words without a value."""
    wayra_database.users.insert_many({"code": f"c{number}", "city": "Lima"} for number in range(300))
    wayra_database.trips.insert_many({"code": f"c{number % 400}", "kind": number % 2} for number in range(2000))
    wayra_database.users.create_index("city")
    profiled()
    join = {"from": "trips", "localField": "who", "foreignField": "code", "as": "trips", **inner}
    stages: list[dict[str, Any]] = [
        {"$match": {"city": "Lima"}},
        {"$limit": 3},
        {"$set": {"who": "$code"}},
        {"$lookup": join},
    ]
    list(wayra_database.users.aggregate(stages))
    wayra_database.command("profile", 0)
    found = advisor.suggest(prove_it=True)
    assert [(one.collection, one.name) for one in found.proposals] == [("trips", "code_1")]
    assert found.proof is not None
    (proved,) = found.proof.indexes
    assert (proved.queries, proved.chosen, proved.marked) == (1, 1, False)
    (query,) = found.proof.queries
    assert query.before.scans
    assert query.before.documents >= 2000
    assert not query.after.scans
    assert query.after.documents <= 5 + 5 * 5  # those joined, and the five of each
    assert set(found.proof.copied) == {"trips", "users"}
    explained = advisor.explain(advisor.recorded_operation(query.shape))
    assert any("Looks up code in trips, and reads that whole collection" in one for one in explained.sentences)
    assert "Lima" not in repr(explained)
    build(wayra_database, found.proposals)
    explained = advisor.explain(advisor.recorded_operation(query.shape))
    assert "Looks up code in trips by its index code_1." in explained.sentences


def test_a_proof_leaves_nothing_behind(
    wayra_database: Documents, guard: Guard, advisor: IndexAdvisor, profiled: Callable[[], None]
) -> None:
    """Not when it ends, not when it is stopped; what a killed one has left goes with the next."""
    fill(wayra_database, "orders", 500, 1)
    wayra_database.orders.create_index("created", expireAfterSeconds=2_000_000_000)  # in some forty years
    profiled()
    list(wayra_database.orders.find({"n500": 1}))
    wayra_database.command("profile", 0)
    client, name = wayra_database.client, wayra_database.name
    left = f"{name}{SCRATCH.separator}0123abcd"
    client[left].orders.insert_one({})
    found = advisor.suggest(prove_it=True)
    assert found.proof is not None
    assert [one.chosen for one in found.proof.indexes] == [1]
    assert [one for one in client.list_database_names() if SCRATCH.separator in one and one.startswith(name)] == []
    guard.stop.request("SIGTERM")
    with pytest.raises(CancelledError):
        advisor.suggest(prove_it=True)
    assert [one for one in client.list_database_names() if SCRATCH.separator in one and one.startswith(name)] == []


def test_an_index_that_cannot_be_built_is_marked(
    wayra_database: Documents, advisor: IndexAdvisor, profiled: Callable[[], None]
) -> None:
    """Two fields hold arrays in one document, which no sample of others shows."""
    documents: list[dict[str, Any]] = [{"a": number % 7, "b": number % 5} for number in range(4000)]
    wayra_database.odd.insert_many([*documents, {"a": [1], "b": [1]}])
    profiled()
    list(wayra_database.odd.find({"a": 3, "b": 2}))
    wayra_database.command("profile", 0)
    while True:
        found = advisor.suggest(prove_it=True, whole=True)
        # One sample in four holds the odd one, and then the two fields are kept apart.
        if len(found.proposals[0].document["key"]) == 2:
            break
    assert found.proof is not None
    (one,) = found.proof.indexes
    assert one.marked
    assert one.refused == "two of its fields hold arrays in one document (parallel arrays)"


def test_a_sample_of_the_collection(
    wayra_database: Documents, advisor: IndexAdvisor, profiled: Callable[[], None]
) -> None:
    """By default five thousand documents; the collection's collation and indexes come along."""
    wayra_database.create_collection("names", collation={"locale": "en", "strength": 2})
    wayra_database.names.insert_many({"name": f"Name{number}"} for number in range(6000))
    profiled()
    list(wayra_database.names.find({"name": "NAME5"}))
    wayra_database.command("profile", 0)
    found = advisor.suggest(prove_it=True)
    assert found.proof is not None
    assert found.proof.copied == {"names": (5000, 6000)}
    (one,) = found.proposals
    assert one.document["collation"]["strength"] == 2
    assert [index.chosen for index in found.proof.indexes] == [1]
    build(wayra_database, found.proposals)
    wayra_database.command("profile", 2)
    assert advisor.suggest().shapes[0].fate is Fate.SERVED


def test_sizes_are_near_what_is_built(
    wayra_database: Documents, advisor: IndexAdvisor, profiled: Callable[[], None]
) -> None:
    """Within a factor of two and a half, for numbers, strings, dates and arrays."""
    fill(wayra_database, "orders", 20_000, 4)
    profiled()
    list(wayra_database.orders.find({"s200": "alba1", "n500": 3}))
    list(wayra_database.orders.find({"tags": "t1"}).sort("created", 1).limit(2))
    wayra_database.command("profile", 0)
    found = advisor.suggest()
    build(wayra_database, found.proposals)
    wayra_database.client.admin.command("fsync")
    sizes = wayra_database.command("collStats", "orders")["indexSizes"]
    for one in found.proposals:
        assert one.size_bytes is not None
        assert sizes[one.name] / 2.5 < one.size_bytes < sizes[one.name] * 2.5


LINE = {
    "t": {"$date": "2026-01-01T00:00:00.000+00:00"}, "s": "I", "c": "COMMAND", "id": 51803, "ctx": "conn1",
    "msg": "Slow query",
    "attr": {
        "type": "command", "ns": "DATABASE.people", "appName": "shop", "planSummary": "COLLSCAN", "docsExamined": 500,
        "command": {"find": "people", "filter": {"since": {"$gt": {"$date": "2025-01-01T00:00:00.000Z"}}, "n": 5}},
        "nreturned": 1, "durationMillis": 130,
    },
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
def test_a_log_file(wayra_database: Documents, advisor: IndexAdvisor, tmp_path: Path, packed: bool) -> None:
    """Its slow queries count, as extended JSON; a line that was cut short is counted as that."""
    wayra_database.people.insert_many({"n": number % 9} for number in range(500))
    line = json.dumps(LINE).replace("DATABASE", wayra_database.name)
    text = "\n".join(
        [json.dumps({"t": {}, "msg": "other"}), line, line, line[:200], line.replace(".people", "x.people")]
    )
    path = tmp_path / ("mongod.log.gz" if packed else "mongod.log")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    recorded = advisor.recorded(log=path)
    assert (len(recorded.operations), recorded.unreadable) == (2, 1)
    (one,) = advisor.suggest(recorded).proposals
    assert list(one.document["key"]) == ["n", "since"]
    assert (one.count, one.milliseconds) == (2, 260)


def test_a_file_that_is_no_log(advisor: IndexAdvisor, tmp_path: Path) -> None:
    """Named as what it is."""
    path = tmp_path / "notes.txt"
    path.write_text("2019-01-01T00:00:00 I COMMAND [conn1] command shop.trips command: find\n")
    with pytest.raises(IndexManagementError, match="is no log of a mongod"):
        advisor.recorded(log=path)


def test_query_stats_where_there_are_none(advisor: IndexAdvisor, guard: Guard) -> None:
    """The server is too old, and the error says what to use instead."""
    if guard.deployment.capabilities.server_version >= (6, 0, 7):
        pytest.skip("this server has $queryStats")
    with pytest.raises(UnsupportedDeploymentError) as caught:
        advisor.recorded(query_stats=True)
    assert "indexes profile on" in caught.value.hint


EXPLAINED = [
    ({"find": "p", "filter": {"name": "secret"}}, r"Reads the whole collection and keeps those that match by name\."),
    ({"find": "p", "filter": {"n": 5}}, r"Reads the index n_1: n one value\."),
    ({"find": "p", "filter": {"n": {"$in": [5, 6]}}}, r"n 2 values"),
    ({"find": "p", "filter": {"n": {"$gt": 5}}, "sort": {"n": -1}}, r"Reads the index n_1, from its end: n a range"),
    ({"find": "p", "filter": {"n": 5}, "sort": {"name": -1}}, r"Sorts in memory by name descending"),
    ({"find": "p", "filter": {"_id": 5}}, r"Finds one document straight by its key"),
    ({"find": "p", "filter": {"$or": [{"n": 1}, {"_id": 2}]}}, r"Puts the branches of \$or together"),
    ({"count": "p", "query": {"n": 5}}, r"Counts keys of the index n_1"),
    ({"distinct": "p", "key": "n", "query": {}}, r"Jumps from value to value in the index n_1"),
    ({"find": "p", "filter": {"n": 5}, "projection": {"n": 1, "_id": 0}}, r"no document is read"),
    ({"find": "nowhere", "filter": {"n": 5}}, r"Finds nothing without looking"),
    ({"aggregate": "p", "pipeline": [{"$match": {"n": 5}}, {"$group": {"_id": "$name"}}]}, r"Reads the index n_1"),
    ({"update": "p", "updates": [{"q": {"name": "x"}, "u": {"$set": {"gone": 1}}}]}, r"Stops after 1 document\."),
]


@pytest.mark.parametrize(("command", "sentence"), EXPLAINED)
def test_a_plan_in_words(
    wayra_database: Documents, advisor: IndexAdvisor, command: dict[str, Any], sentence: str
) -> None:
    """Each step a sentence, without a value; nothing is changed."""
    wayra_database.p.insert_many({"_id": number, "n": number % 50, "name": f"secret{number}"} for number in range(500))
    wayra_database.p.create_index("n")
    found = advisor.explain(advisor.operation(json.dumps(command)))
    assert any(re.search(sentence, said) for said in found.sentences), found.sentences
    assert "secret" not in json.dumps(found.to_dict())
    assert wayra_database.p.count_documents({"gone": 1}) == 0


def test_an_explanation_ends_with_what_would_help(wayra_database: Documents, advisor: IndexAdvisor) -> None:
    """The counts, and the index that is missing."""
    wayra_database.p.insert_many({"n": number % 50, "name": f"name{number}"} for number in range(500))
    found = advisor.explain(advisor.operation('{"find": "p", "filter": {"n": 5}, "sort": {"name": 1}}'))
    assert found.sentences[-1].startswith("In all it looked at 0 keys and 500 documents and returned 10, in ")
    assert [one.declaration for one in found.proposals] == ['IndexModel([("n", 1), ("name", 1)])']
    plan = advisor.explain(advisor.operation('{"find": "p", "filter": {"n": 5}}'), execute=False)
    assert not any("In all" in sentence for sentence in plan.sentences)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"insert": "p"}', '{"find": "p", "filter": {"$bad": 1}}'])
def test_what_cannot_be_explained(advisor: IndexAdvisor, text: str) -> None:
    """No JSON, no query, or one that the server refuses; the message holds no value of it."""
    with pytest.raises(IndexManagementError) as caught:
        advisor.explain(advisor.operation(text))
    assert caught.value.hint


def test_a_recorded_shape_is_explained(
    wayra_database: Documents, advisor: IndexAdvisor, profiled: Callable[[], None]
) -> None:
    """Its most costly query; an id that nobody has is an error."""
    wayra_database.p.insert_many({"n": number % 50} for number in range(500))
    profiled()
    list(wayra_database.p.find({"n": 5}))
    wayra_database.command("profile", 0)
    (observed,) = advisor.shapes(advisor.recorded())
    found = advisor.explain(advisor.recorded_operation(observed.shape.id))
    assert found.shape == "p.find {n: ?}"
    with pytest.raises(IndexManagementError, match="no recorded query has the shape 00000000"):
        advisor.recorded_operation("00000000")
