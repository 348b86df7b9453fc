from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import IndexModel, ReadPreference
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from wayra_db import Collection, Deployment, Environment, Guard, IndexManager, Mask, SchemaManager, audit, locking
from wayra_db.environment import Action
from wayra_db.errors import DuplicateKeysError, IndexManagementError, IndexValidationError, RefusedError
from wayra_db.events import Event, Notice, Progress
from wayra_db.indexes import history
from wayra_db.indexes.plan import Step
from wayra_db.mongo.client import connect
from wayra_db.testing import CommandCounter, RecordingObserver, ServerUnderTest, temporary_server

Documents = Database[dict[str, Any]]


class Bench:
    """A database with index managers for it, in any environment."""

    def __init__(self, database: Documents) -> None:
        self.database = database
        self.deployment = Deployment(database.client, database.name)
        self.observer = RecordingObserver()

    def manage(
        self,
        *collections: Collection,
        environment: Environment = Environment.TEST,
        permitted: Sequence[Action] = (),
        undeclared: str = "report",
    ) -> IndexManager:
        """A manager of these declarations, on a database that its environment has claimed."""
        guard = Guard(self.deployment, environment, adopt=True, permitted=permitted, observer=self.observer)
        with guard.changing(Action.APPLY_INDEXES, "claiming it"):
            pass
        return IndexManager(guard, SchemaManager(guard, collections), undeclared=undeclared)

    def users(self, *indexes: IndexModel, **more: Any) -> IndexManager:
        """A manager of `users` with these indexes."""
        sensitive = more.pop("sensitive", {})
        return self.manage(Collection("users", indexes=list(indexes), sensitive=sensitive), **more)

    def live(self, collection: str = "users") -> dict[str, dict[str, Any]]:
        """The live indexes, without the one on `_id`."""
        listed = {one["name"]: dict(one) for one in self.database[collection].list_indexes()}
        return {name: one for name, one in listed.items() if name != "_id_"}

    def said(self) -> list[str]:
        """The notices so far."""
        return [notice.message for notice in self.observer.of(Notice)]


@pytest.fixture
def bench(wayra_database: Documents) -> Bench:
    """An empty database."""
    return Bench(wayra_database)


EMAIL = IndexModel("email", unique=True)


class TestDuplicates:
    """A unique index over data that does not allow it."""

    def test_they_are_named_before_anything_is_built(self, bench: Bench) -> None:
        """With values, numbers and ids; nothing is changed, not even in other collections."""
        users = bench.database.users
        users.insert_many([{"_id": n, "email": f"{n % 3}@x.org"} for n in range(7)])
        users.insert_many([{"_id": 7}, {"_id": 8, "email": None}])
        manager = bench.manage(
            Collection("others", indexes=[IndexModel("z")]),
            Collection("users", indexes=[IndexModel("other"), EMAIL]),
        )
        with pytest.raises(DuplicateKeysError) as caught:
            manager.apply()
        error = caught.value
        assert error.index == "users.email_1"
        assert "4 keys occur more than once in email of users" in error.message
        assert error.samples == (
            {"values": {"email": "0@x.org"}, "documents": 3, "ids": [0, 3, 6]},
            {"values": {"email": None}, "documents": 2, "ids": [7, 8]},
            {"values": {"email": "1@x.org"}, "documents": 2, "ids": [1, 4]},
            {"values": {"email": "2@x.org"}, "documents": 2, "ids": [2, 5]},
        )
        assert "email 0@x.org: 3 documents, _id 0, 3, 6" in error.hint
        assert "wayra-db indexes duplicates users.email_1" in error.hint
        assert bench.live() == {}
        assert "z_1" not in bench.live("others")
        assert history.read_all(bench.deployment) == []

    @pytest.mark.parametrize(
        ("sensitive", "environment"),
        [
            ({"email": Mask.EMAIL}, Environment.TEST),
            ({"email.address": Mask.TOKEN}, Environment.DEVELOPMENT),
            ({}, Environment.PRODUCTION),
        ],
    )
    def test_values_are_masked(self, bench: Bench, sensitive: dict[str, Mask], environment: Environment) -> None:
        """Where the field, or one inside it, is sensitive, and in production always."""
        bench.database.users.insert_many([{"_id": n, "email": "secret@x.org"} for n in range(2)])
        manager = bench.users(EMAIL, sensitive=sensitive, environment=environment)
        with pytest.raises(DuplicateKeysError) as caught:
            manager.apply()
        assert caught.value.samples == ({"values": {"email": "•••"}, "documents": 2, "ids": [0, 1]},)
        assert "secret" not in json.dumps(caught.value.to_dict())
        assert [one["values"] for one in manager.duplicates("users.email_1")] == [{"email": "•••"}]

    def test_the_rest_of_them(self, bench: Bench) -> None:
        """More than the first are told one by one, in the order of their keys."""
        bench.database.users.insert_many([{"email": f"{n % 20:02}"} for n in range(40)])
        manager = bench.users(EMAIL)
        with pytest.raises(DuplicateKeysError) as caught:
            manager.apply()
        assert len(caught.value.samples) == 5
        found = [one["values"]["email"] for one in manager.duplicates("users.email_1")]
        assert found == [f"{n:02}" for n in range(20)]

    def test_cleaned_up_the_same_call_succeeds(self, bench: Bench) -> None:
        """From refused to converted, without a rebuild: the index keeps its name, its file on disk and its keys."""
        users = bench.database.users
        bench.users(IndexModel("email")).apply()
        users.insert_many([{"_id": n, "email": "same@x.org"} for n in range(2)])
        manager = bench.users(EMAIL)
        ident = _ident(bench)
        with pytest.raises(DuplicateKeysError):
            manager.apply()
        users.insert_one({"_id": 2, "email": "same@x.org"})
        assert not bench.live()["email_1"].get("prepareUnique")
        users.delete_many({"_id": {"$gt": 0}})
        assert [one.step for one in manager.plan().indexes] == [Step.CONVERT]
        assert manager.apply().modified == ("users.email_1",)
        assert _ident(bench) == ident
        assert bench.live()["email_1"]["unique"] is True
        assert manager.plan().empty
        with pytest.raises(DuplicateKeyError):
            users.insert_one({"email": "same@x.org"})

    def test_one_that_comes_between_check_and_conversion(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server finds it; new duplicates are let in again, and it is named."""
        bench.users(IndexModel("email")).apply()
        bench.database.users.insert_many([{"_id": n, "email": "same"} for n in range(2)])
        manager = bench.users(EMAIL)
        monkeypatch.setattr(manager._validator, "require", lambda plan, **more: None)
        with pytest.raises(DuplicateKeysError) as caught:
            manager.apply()
        assert caught.value.samples[0]["ids"] == [0, 1]
        assert "prepareUnique" not in bench.live()["email_1"]
        assert history.read_all(bench.deployment)[0].state == "failed"

    def test_one_that_comes_between_check_and_build(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of that collection nothing is built; what was done before is recorded."""
        bench.database.users.insert_many([{"_id": n, "email": "same"} for n in range(2)])
        manager = bench.users(IndexModel("other"), EMAIL)
        monkeypatch.setattr(manager._validator, "require", lambda plan, **more: None)
        with pytest.raises(DuplicateKeysError, match="1 key occurs more than once in email"):
            manager.apply()
        assert bench.live() == {}
        assert history.read_all(bench.deployment)[0].changes == ()


def _ident(bench: Bench) -> str:
    """The name of the index's file, which a rebuild would change."""
    stats = bench.database.command("collStats", "users", indexDetails=True)
    return str(stats["indexDetails"]["email_1"]["uri"])


class TestRules:
    """What is refused before anything is built."""

    def test_a_filter_that_the_server_refuses(self, bench: Bench) -> None:
        """The declaration is named; the collections before it are not touched either."""
        manager = bench.manage(
            Collection("a", indexes=[IndexModel("x")]),
            Collection("b", indexes=[IndexModel("x", partialFilterExpression={"y": {"$ne": 1}})]),
        )
        said = r"test_indexes_apply\.py:\d+: the server refused the indexes of b"
        with pytest.raises(IndexValidationError, match=said):
            manager.apply()
        assert bench.live("a") == {}
        assert bench.database.list_collection_names(filter={"name": {"$regex": "scratch"}}) == []

    def test_more_than_fit(self, bench: Bench) -> None:
        """Undeclared ones count as well."""
        bench.database.users.create_indexes([IndexModel(f"f{n}") for n in range(62)])
        manager = bench.users(IndexModel("a"), IndexModel("b"))
        with pytest.raises(IndexValidationError, match="would have 65 indexes, and 64 are the most"):
            manager.apply()
        assert len(bench.live()) == 62

    def test_another_plan_than_the_one_that_was_shown(self, bench: Bench) -> None:
        """What was agreed to is done, or nothing."""
        manager = bench.users(IndexModel("a"))
        plan = manager.plan()
        bench.database.users.create_index("a")
        with pytest.raises(IndexManagementError, match="have changed since the plan was made"):
            manager.apply(plan)
        assert manager.plan().empty

    def test_sensitive_fields(self, bench: Bench) -> None:
        """A text index over them is told of, and in production wants a word."""
        text = IndexModel([("bio", "text")])
        sensitive = {"bio": Mask.TEXT}
        bench.users(text, sensitive=sensitive).apply()
        assert any("this text index holds what is sensitive: bio" in said for said in bench.said())
        bench.users(sensitive=sensitive).undo()
        other = Bench(bench.database.client[f"{bench.database.name}_p"])
        try:
            production = other.users(text, sensitive=sensitive, environment=Environment.PRODUCTION)
            with pytest.raises(RefusedError) as caught:
                production.apply()
            assert caught.value.rule == "index_sensitive_fields"
            assert "--allow-sensitive" in caught.value.hint
            assert other.live() == {}
            allowed = [Action.INDEX_SENSITIVE_FIELDS]
            other.users(text, sensitive=sensitive, environment=Environment.PRODUCTION, permitted=allowed).apply()
            assert set(other.live()) == {"bio_text"}
        finally:
            bench.database.client.drop_database(other.database.name)


class TestExpiry:
    """A TTL index deletes documents."""

    def test_how_many_go_at_once_is_said(self, bench: Bench) -> None:
        """Counted by the server's clock, with the partial filter."""
        now = datetime.now(UTC)
        old, new = now - timedelta(hours=2), now + timedelta(hours=2)
        bench.database.users.insert_many([{"at": one, "s": number} for one in (old, new) for number in (1, 2)])
        index = IndexModel("at", expireAfterSeconds=3600, partialFilterExpression={"s": 1})
        manager = bench.users(index)
        (problem,) = manager.validate(manager.plan())
        assert problem.message == "deletes documents 60 min after at: 1 of 4 at once"
        assert problem.action is Action.EXPIRE_DOCUMENTS

    @pytest.mark.parametrize("before", [None, 7200])
    def test_production_wants_a_word(self, bench: Bench, before: int | None) -> None:
        """For a new lifetime and for a shorter one; a longer one deletes nothing."""
        production = {"environment": Environment.PRODUCTION}
        allowed = {**production, "permitted": [Action.EXPIRE_DOCUMENTS]}
        bench.database.users.insert_one({"at": datetime.now(UTC)})
        if before:
            bench.users(IndexModel("at", expireAfterSeconds=before), **allowed).apply()
        shorter = IndexModel("at", expireAfterSeconds=3600)
        with pytest.raises(RefusedError) as caught:
            bench.users(shorter, **production).apply()
        assert caught.value.rule == "expire_documents"
        assert "--allow-expiry" in caught.value.hint
        assert bench.live().get("at_1", {}).get("expireAfterSeconds") == before
        bench.users(shorter, **allowed).apply()
        bench.users(IndexModel("at", expireAfterSeconds=9000), **production).apply()
        assert bench.live()["at_1"]["expireAfterSeconds"] == 9000

    def test_an_empty_collection_has_nothing_to_lose(self, bench: Bench) -> None:
        """So that a first `init` of production needs no special word."""
        manager = bench.users(IndexModel("at", expireAfterSeconds=60), environment=Environment.PRODUCTION)
        assert manager.apply().created == ("users.at_1",)


class TestDropping:
    """What replaces or drops an index."""

    def test_production_wants_a_word(self, bench: Bench) -> None:
        """Before the lock is taken and anything built."""
        production = {"environment": Environment.PRODUCTION}
        bench.users(IndexModel("a"), **production).apply()
        manager = bench.users(IndexModel("a", sparse=True), **production)
        with pytest.raises(RefusedError) as caught:
            manager.apply()
        assert caught.value.rule == "drop_indexes"
        assert set(bench.live()) == {"a_1"}
        allowed = bench.users(IndexModel("a", sparse=True), permitted=[Action.DROP_INDEXES], **production)
        assert allowed.apply().replaced == ("users.a_1__v2",)
        assert set(bench.live()) == {"a_1__v2"}

    def test_a_rebuild_that_fails_gives_the_old_one_back(self, bench: Bench) -> None:
        """It had to go first; its definition is built again."""
        bench.database.users.insert_one({"t": "word", "language": "klingon"})
        bench.users(IndexModel([("t", "text")], language_override="lang", name="t")).apply()
        old = bench.live()["t"]
        manager = bench.users(IndexModel([("t", "text")], name="t"))
        with pytest.raises(IndexManagementError, match="the old indexes are back"):
            manager.apply()
        assert bench.live()["t"] == old
        assert history.read_all(bench.deployment)[0].state == "failed"

    @pytest.mark.parametrize(("policy", "left"), [("report", {}), ("hide", {"hidden": True}), ("drop", None)])
    def test_undeclared(self, bench: Bench, policy: str, left: dict[str, Any] | None) -> None:
        """Reported, hidden, or dropped; undone it is as it was."""
        bench.database.users.create_index("old", sparse=True)
        before = bench.live()
        manager = bench.users(undeclared=policy)
        result = manager.apply(watch_seconds=0)
        assert manager.plan().empty
        assert bench.live() == ({} if left is None else {"old_1": {**before["old_1"], **left}})
        assert result.changed is (policy != "report")
        if result.changed:
            manager.undo()
            assert bench.live() == before

    def test_a_needed_undeclared_index_is_kept(self, bench: Bench) -> None:
        """It is hidden, missed and visible again, and the plan still has it to drop."""
        bench.database.users.insert_many([{"old": n} for n in range(10)])
        bench.database.users.create_index("old")
        manager = bench.users(undeclared="drop")
        with reading(bench, {"old": 5}):
            result = manager.apply(watch_seconds=30)
        ((name, reason),) = result.kept
        assert name == "users.old_1"
        assert "used" in reason
        assert "hidden" not in bench.live()["old_1"]
        assert not manager.plan().empty


class reading:
    """Within the block, queries run on `users` without a break."""

    def __init__(self, bench: Bench, query: dict[str, Any], when: Callable[[], bool] = lambda: True) -> None:
        self._bench, self._query, self._when = bench, query, when
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._ended.is_set():
            if self._when():
                list(self._bench.database.users.find(self._query))
            time.sleep(0.02)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


class TestRetire:
    """Hide, watch, drop."""

    def test_nobody_misses_it(self, bench: Bench) -> None:
        """It is hidden while watched, then gone; undo builds it again with all its options."""
        bench.database.users.create_index("old", partialFilterExpression={"$and": [{"b": {"$gt": 1}}]}, name="old")
        before = bench.live()
        seen: list[bool] = []
        manager = bench.users()

        def look(event: Event) -> None:
            if isinstance(event, Progress):
                seen.append(bool(bench.live()["old"].get("hidden")))

        manager._guard.observer = look
        result = manager.retire("users.old", watch_seconds=1)
        assert result.outcome == "dropped"
        assert seen
        assert all(seen)
        assert bench.live() == {}
        manager.undo()
        assert bench.live() == before
        events = [entry["event"] for entry in audit.read_entries(bench.deployment)]
        assert [one for one in events if one.startswith("index")] == [
            "index hidden",
            "index drop started",
            "index dropped",
            "indexes undo started",
            "indexes undo done",
        ]

    def test_an_index_in_use_is_not_even_hidden(self, bench: Bench) -> None:
        """The server's own count tells."""
        bench.database.users.insert_one({"old": 1})
        bench.database.users.create_index("old")
        with reading(bench, {"old": 1}):
            result = bench.users().retire("users.old_1", watch_seconds=5)
        assert (result.outcome, "used" in result.reason) == ("in use", True)
        assert history.read_all(bench.deployment) == []

    def test_a_needed_index_is_unhidden(self, bench: Bench) -> None:
        """A query that comes only after a while finds no index, and soon finds it again."""
        bench.database.users.insert_many([{"old": n} for n in range(10)])
        bench.database.users.create_index("old")
        manager = bench.users()
        with reading(bench, {"old": 1}, when=lambda: bool(bench.live()["old_1"].get("hidden"))):
            result = manager.retire("users.old_1", watch_seconds=20)
        assert result.outcome == "needed"
        assert "collection scans" in result.reason
        assert "hidden" not in bench.live()["old_1"]
        assert locking.read_state(bench.deployment).holder is None  # type: ignore[union-attr]

    def test_queries_on_a_secondary_count(self) -> None:
        """Each member is asked, with the URI's credentials."""
        with temporary_server(nodes=3, auth=True) as server:
            observer = RecordingObserver()
            deployment = connect(
                server.uri, "t", address="the set", server_selection_timeout_seconds=10, observer=observer
            )
            bench = Bench(deployment.database)
            bench.deployment = deployment
            bench.database.users.insert_many([{"old": number} for number in range(50)])
            bench.database.users.create_index("old")
            elsewhere = Bench(deployment.database.with_options(read_preference=ReadPreference.SECONDARY))
            manager = bench.users()
            with reading(elsewhere, {"old": 1}, when=lambda: bool(bench.live()["old_1"].get("hidden"))):
                result = manager.retire("users.old_1", watch_seconds=20)
            assert result.outcome == "needed"
            assert server.primary().host not in result.reason
            deployment.close()

    def test_the_lock_is_free_while_it_is_watched(self, bench: Bench) -> None:
        """Others may migrate meanwhile."""
        bench.database.users.create_index("old")
        manager = bench.users()
        retiring = threading.Thread(target=lambda: manager.retire("users.old_1", watch_seconds=3))
        retiring.start()
        while not bench.live().get("old_1", {}).get("hidden"):
            time.sleep(0.01)
        with locking.acquire(bench.deployment, "another's", lease_seconds=5, timeout_seconds=2):
            assert set(bench.live()) == {"old_1"}
        retiring.join()
        assert bench.live() == {}

    def test_a_watch_that_was_stopped_goes_on(self, bench: Bench) -> None:
        """The index stays hidden; the next call drops it, or undo shows it again."""
        bench.database.users.create_index("old")
        before = bench.live()
        manager = bench.users()
        stopper = threading.Timer(0.8, lambda: manager._guard.stop.request("SIGINT"))
        stopper.start()
        with pytest.raises(Exception, match="stopped by SIGINT"):
            manager.retire("users.old_1", watch_seconds=60 * 0.2)
        again = bench.users()
        if bench.live() != before:
            assert history.read_watched(bench.deployment, "users", "old_1") is not None
        assert again.retire("users.old_1", watch_seconds=0.2).outcome == "dropped"
        again.undo()
        assert bench.live() == before

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("users._id_", "is the server's own"),
            ("users.none_1", "there is no index users.none_1"),
            ("_wayra_log._id_", "is the tool's or the server's own"),
            ("users.a_1", "is declared"),
            ("users", "names no index"),
        ],
    )
    def test_what_cannot_be_retired(self, bench: Bench, name: str, message: str) -> None:
        """Told before anything is hidden."""
        manager = bench.users(IndexModel("a"))
        manager.apply()
        with pytest.raises(IndexManagementError, match=message):
            manager.retire(name)
        assert set(bench.live()) == {"a_1"}

    def test_production_wants_a_word(self, bench: Bench) -> None:
        """As every drop."""
        bench.database.users.create_index("old")
        with pytest.raises(RefusedError, match="dropping indexes needs explicit permission"):
            bench.users(environment=Environment.PRODUCTION).retire("users.old_1", watch_seconds=0)
        assert set(bench.live()) == {"old_1"}


class TestUndo:
    """Whatever a run has changed can be brought back."""

    def test_run_by_run(self, bench: Bench) -> None:
        """Each undo takes the newest run that is not undone."""
        bench.database.users.insert_one({"a": 1})
        bench.users(IndexModel("a"), IndexModel("b", unique=True)).apply()
        first = bench.live()
        bench.users(IndexModel("a", hidden=True), IndexModel("b"), IndexModel("c")).apply()
        manager = bench.users()
        manager.undo()
        # Made unique again where it stands, the index keeps the name that its swap gave it.
        assert [_nameless(one) for one in bench.live().values()] == [_nameless(one) for one in first.values()]
        manager.undo()
        assert bench.live() == {}
        with pytest.raises(IndexManagementError, match="there is nothing to undo"):
            manager.undo()
        assert [(one.command, one.state) for one in manager.runs()] == [
            ("undo", "done"),
            ("undo", "done"),
            ("apply", "undone"),
            ("apply", "undone"),
        ]

    def test_an_undo_can_be_undone(self, bench: Bench) -> None:
        """By its id, as any run."""
        manager = bench.users(IndexModel("a"))
        manager.apply()
        manager.undo()
        assert bench.live() == {}
        manager.undo(manager.runs()[0].id)
        assert set(bench.live()) == {"a_1"}

    def test_an_undeclared_collection(self, bench: Bench) -> None:
        """What was retired there can come back as well."""
        bench.database.others.create_index("old")
        before = bench.live("others")
        manager = bench.users()
        manager.retire("others.old_1", watch_seconds=0)
        manager.undo()
        assert bench.live("others") == before

    def test_duplicates_stop_it(self, bench: Bench) -> None:
        """A unique index cannot come back over data that has duplicates now; nothing is changed."""
        bench.users(IndexModel("a", unique=True)).apply()
        manager = bench.users(IndexModel("a"))
        manager.apply()
        bench.database.users.insert_many([{"a": 1}, {"a": 1}])
        live = bench.live()
        with pytest.raises(DuplicateKeysError):
            manager.undo()
        assert bench.live() == live


def _nameless(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "name"}


def test_one_command_a_collection(bench: Bench, wayra_server: ServerUnderTest) -> None:
    """The data of a collection is scanned once, however many of its indexes are missing."""
    counter = CommandCounter()
    declared = [Collection(name, indexes=[IndexModel(f) for f in "abcde"]) for name in ("one", "two", "three")]
    bench.manage()
    with wayra_server.client(event_listeners=[counter]) as client:
        guard = Guard(Deployment(client, bench.database.name), Environment.TEST)
        result = IndexManager(guard, SchemaManager(guard, declared)).apply(parallel=3)
    assert len(result.created) == 15
    assert counter.names.count("createIndexes") == 3


def test_the_audit_log_has_the_old_definitions(bench: Bench) -> None:
    """Enough to build by hand what was replaced."""
    bench.users(IndexModel("a", partialFilterExpression={"b": 1})).apply()
    bench.users(IndexModel("a", sparse=True)).apply()
    entry = [one for one in audit.read_entries(bench.deployment) if one["event"] == "indexes apply done"][-1]
    (change,) = entry["changes"]
    assert change["step"] == "swap"
    assert json.loads(change["before"])["partialFilterExpression"] == {"b": {"$numberInt": "1"}}
    assert json.loads(change["after"])["sparse"] is True
