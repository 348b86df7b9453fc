from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.timestamp import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from tests.backups import Made, raw, write_backup
from tests.restoring import Restoring, contents, temporaries
from wayra_db import locking, meta
from wayra_db.backups.manifest import Codec
from wayra_db.backups.restore_plan import RestoreRequest
from wayra_db.environment import Action
from wayra_db.errors import (
    BackupCorruptError,
    BackupError,
    BackupNotFoundError,
    CancelledError,
    ConfigError,
    DuplicateKeysError,
    LockLostError,
    RedactedBackupError,
    RefusedError,
    RestoreConflictError,
)
from wayra_db.events import Notice, Progress
from wayra_db.mongo.client import Deployment

Documents = Database[dict[str, Any]]
ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


def buckets(database: Documents) -> tuple[list[bytes], dict[str, Any]]:
    """The raw buckets of a small time series and its options; the series is gone afterwards."""
    database.create_collection("weather", timeseries={"timeField": "at", "metaField": "where"})
    database["weather"].insert_many(
        [{"at": datetime(2026, 1, 1, 0, 0, n, tzinfo=UTC), "where": n % 3, "t": n} for n in range(50)]
    )
    found = [bson.encode(one) for one in database["system.buckets.weather"].find()]
    options = dict(database["weather"].options())
    database.drop_collection("weather")
    return found, options


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
def test_every_kind_of_collection_comes_back(restoring: Restoring, codec: Codec) -> None:
    """Plain with indexes and a validator, capped, clustered, collated, a time series, views of views, odd names."""
    database = restoring.database
    series, series_options = buckets(database)
    collated = {"locale": "fr", "strength": 1}
    database.create_collection("example", collation=collated)
    collation = database["example"].options()["collation"]
    database.drop_collection("example")
    made = [
        Made("zz_view", kind="view", options={"viewOn": "aa_view", "pipeline": [{"$project": {"n": 1}}]}),
        Made("aa_view", kind="view", options={"viewOn": "plain", "pipeline": [{"$match": {"n": {"$gt": 5}}}]}),
        Made(
            "plain",
            raw(*({"_id": n, "n": n, "text": "x" * n} for n in range(3000))),
            options={"validator": {"n": {"$gte": 0}}, "validationAction": "warn"},
            indexes=[ID, {"v": 2, "key": {"n": -1}, "name": "n_-1", "unique": True}],
        ),
        Made("ring", raw(*({"_id": n} for n in (5, 3, 9))), options={"capped": True, "size": 4096, "max": 3}),
        Made(
            "clustered",
            raw({"_id": 1}, {"_id": 2}),
            options={"clusteredIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True}},
            indexes=[{"v": 2, "key": {"_id": 1}, "name": "_id_", "unique": True, "clustered": True}],
        ),
        Made(
            "words",
            raw({"_id": "é"}, {"_id": "b"}),
            options={"collation": collation},
            indexes=[{**ID, "collation": collation}, {"v": 2, "key": {"w": 1}, "name": "w_1", "collation": collation}],
        ),
        Made("weather", series, kind="timeseries", options=series_options, indexes=[]),
        Made("odd/name%20é", raw({"_id": None})),
        Made("nothing"),
    ]
    write_backup(restoring.folder, "all", made, codec=codec)
    report = restoring.manager.restore("all")
    found = contents(database)
    for one in made:
        assert found[one.name][0] == one.kind
        assert found[one.name][1] == {**one.options}, one.name
        if one.kind == "collection":
            assert found[one.name][2] == sorted(index["name"] for index in one.indexes)
            assert found[one.name][3] == sorted(one.documents)
    assert found["system.buckets.weather"][3] == sorted(series)
    assert [one["_id"] for one in database["ring"].find()] == [5, 3, 9]
    assert database["zz_view"].count_documents({}) == 2994
    assert temporaries(database) == []
    assert restoring.events() == ["environment set", "restore started", "restore swapping", "restored"]
    assert report.plan.over_data == ()
    done = [event for event in restoring.observer.events if isinstance(event, Progress) and event.task == "restoring"]
    assert done[-1].done == done[-1].total == report.plan.bytes


KEYS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
    | st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1))
    | st.just(Timestamp(0, 0))
    | st.builds(Timestamp, st.integers(0, 2**31), st.integers(0, 2**31)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(KEYS.filter(lambda key: key != "_id"), VALUES, max_size=6), max_size=8))
def test_documents_come_back_byte_for_byte(restoring: Restoring, made: list[dict[str, Any]]) -> None:
    """Whatever is in them, also Timestamp(0, 0), which the server would fill in on an insert."""
    documents = raw(*({"_id": number, **one} for number, one in enumerate(made)))
    name = f"case_{datetime.now(UTC):%H%M%S%f}"
    write_backup(restoring.folder, name, [Made("wild", documents)])
    restoring.manager.restore(name, drop_existing=True, safety_backup=False)
    assert contents(restoring.database)["wild"][3] == sorted(documents)


def test_large_and_deep_documents(restoring: Restoring) -> None:
    """The largest that the server stores, and the deepest; a run of large ones does not go as one piece."""
    deep: dict[str, Any] = {}
    for _ in range(90):
        deep = {"d": deep}
    documents = raw({"_id": 0, **deep}, *({"_id": n, "x": b"x" * (16 * 1024 * 1024 - 60)} for n in range(1, 3)))
    write_backup(restoring.folder, "large", [Made("large", documents)], frame_bytes=40 * 1024 * 1024)
    restoring.manager.restore("large")
    assert contents(restoring.database)["large"][3] == sorted(documents)


def fill(database: Documents) -> dict[str, Any]:
    """Old data in the database of development, under its marker; returns everything as it is."""
    database["_wayra_meta"].insert_one({"_id": "database", "environment": "development", "format": 1})
    database["users"].insert_many([{"_id": 1, "name": "old"}, {"_id": 2, "name": "only here"}])
    database["users"].create_index("name", unique=True)
    database["others"].insert_one({"_id": 1})
    return contents(database)


USERS = Made(
    "users",
    raw({"_id": 1, "name": "new"}, {"_id": 3, "name": "only there"}),
    indexes=[ID, {"v": 2, "key": {"name": 1}, "name": "name_1", "unique": True}],
)


def names(database: Documents) -> dict[int, str]:
    """The users."""
    return {one["_id"]: one["name"] for one in database["users"].find()}


def test_documents_in_the_way_are_refused(restoring: Restoring) -> None:
    """Without saying what becomes of them nothing is changed, and the collections are named."""
    before = fill(restoring.database)
    write_backup(restoring.folder, "one", [USERS, Made("fresh", raw({"_id": 1}))])
    with pytest.raises(RestoreConflictError, match="users") as caught:
        restoring.manager.restore("one")
    assert caught.value.collections == ("users",)
    assert "--drop-existing" in caught.value.hint
    assert contents(restoring.database) == before
    assert restoring.events() == []


def saving(restoring: Restoring, name: str = "safety") -> None:
    """Let the manager make safety backups of nothing, and note of what they should be."""

    def save(guard: object, folder: Path, collections: Sequence[str] | None, recipients: Sequence[str]) -> str:
        restoring.saved.append(collections)
        write_backup(folder, name, [Made("users", raw({"_id": 1}))], reason="safety")
        return name

    restoring.manager._safety = save


def test_dropping_replaces_each_as_a_whole_after_a_safety_backup(restoring: Restoring) -> None:
    """What is not in the backup stays; what was replaced was backed up first, and the report says where."""
    fill(restoring.database)
    saving(restoring)
    write_backup(restoring.folder, "one", [USERS])
    report = restoring.manager.restore("one", drop_existing=True)
    assert names(restoring.database) == {1: "new", 3: "only there"}
    assert restoring.database["others"].count_documents({}) == 1
    assert (report.safety_backup, restoring.saved, report.plan.left_alone) == ("safety", [("users",)], ("others",))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("keep", {1: "old", 2: "only here", 3: "only there"}),
        ("replace", {1: "new", 2: "only here", 3: "only there"}),
    ],
)
def test_merging_by_id(restoring: Restoring, policy: Any, expected: dict[int, str]) -> None:
    """Documents that only one side has are all there; what both have is as the policy says."""
    fill(restoring.database)
    write_backup(restoring.folder, "one", [USERS])
    restoring.manager.restore("one", on_conflict=policy, safety_backup=False)
    assert names(restoring.database) == expected
    assert "name_1" in restoring.database["users"].index_information()
    assert temporaries(restoring.database) == []


def test_a_merge_that_breaks_a_unique_index_changes_nothing(restoring: Restoring) -> None:
    """A merge happens beside the data: two documents with one key are found before the swap, not half-way."""
    before = fill(restoring.database)
    clash = Made("users", raw({"_id": 7, "name": "only here"}, {"_id": 8, "name": "fine"}))
    write_backup(restoring.folder, "clash", [clash])
    with pytest.raises(DuplicateKeysError, match="name_1") as caught:
        restoring.manager.restore("clash", on_conflict="keep", safety_backup=False)
    assert "only here" not in str(caught.value.to_dict())
    assert contents(restoring.database) == before
    assert temporaries(restoring.database) == []
    assert restoring.events()[-1] == "restore failed"


def test_a_unique_index_that_fails_leaves_the_data(restoring: Restoring) -> None:
    """The backup itself has two documents with one key; what is there stays, and nothing is left over."""
    before = fill(restoring.database)
    twice = Made("users", raw({"_id": 1, "name": "a"}, {"_id": 2, "name": "a"}), indexes=USERS.indexes)
    write_backup(restoring.folder, "twice", [Made("first", raw({"_id": 1})), twice])
    with pytest.raises(DuplicateKeysError, match="name_1"):
        restoring.manager.restore("twice", drop_existing=True, safety_backup=False)
    assert contents(restoring.database) == before
    assert temporaries(restoring.database) == []


def test_an_id_that_stands_twice_is_found_and_named(restoring: Restoring) -> None:
    """By the file and the place of its run; the values are not repeated."""
    documents = raw({"_id": "secret", "n": 1}, {"_id": 2}, {"_id": "secret", "n": 2})
    write_backup(restoring.folder, "twice", [Made("users", documents)])
    with pytest.raises(BackupError, match=r"document 3 of the run at byte 0 of source/users\.bson\.zst") as caught:
        restoring.manager.restore("twice")
    assert "secret" not in str(caught.value.to_dict())
    assert contents(restoring.database) == {}
    assert temporaries(restoring.database) == []


def test_some_collections_under_other_names_in_another_database(restoring: Restoring) -> None:
    """The other database gets its own marker, lock and log; this one is not touched."""
    database = restoring.database
    other = database.client[f"{database.name}_copy"]
    write_backup(restoring.folder, "one", [USERS, Made("trips", raw({"_id": 1})), Made("else", raw({"_id": 1}))])
    try:
        report = restoring.manager.restore(
            "one", to=other.name, collections=["users", "trips"], rename={"trips": "journeys"}
        )
        assert report.database == other.name
        assert set(contents(other)) == {"users", "journeys"}
        assert other["_wayra_log"].find_one({"event": "restored"})
        assert database.list_collection_names() == []
    finally:
        database.client.drop_database(other.name)


def test_state_goes_with_the_data_and_the_databases_own_stays(restoring: Restoring) -> None:
    """History, seeds and checkpoints are the backup's; lock, log and marker are never replaced. A checkpoint can be
    taken over by the next runner, whatever epoch it was written under.
    """
    database = restoring.database
    fill(database)
    database["_wayra_migrations"].insert_one({"_id": 9, "state": "applied"})
    database["_wayra_seeds"].insert_one({"_id": "0001_new", "done": True})
    own = [
        Made("_wayra_meta", raw({"_id": "database", "environment": "production", "format": 1})),
        Made("_wayra_lock", raw({"_id": "lock", "epoch": 900, "holder": None, "orphans": []})),
        Made("_wayra_log", raw({"_id": 1, "event": "of the backup", "epoch": 900})),
        Made("_wayra_migrations", raw({"_id": 1, "state": "applied"})),
        Made("_wayra_checkpoints", raw({"_id": "2 up 0000", "version": 2, "epoch": 900})),
        Made("_wayra_restore_dead_0", raw({"_id": 1})),
    ]
    write_backup(restoring.folder, "whole", [USERS, *own])
    report = restoring.manager.restore("whole", drop_existing=True, safety_backup=False)
    assert database["_wayra_migrations"].distinct("_id") == [1]
    assert database["_wayra_seeds"].distinct("_id") == []
    assert database["_wayra_checkpoints"].distinct("epoch") == [1]
    marker = meta.read_marker(restoring.guard.deployment)
    assert marker == meta.Marker("development")
    state = locking.read_state(restoring.guard.deployment)
    assert state is not None
    assert state.epoch == 1
    assert restoring.events() == ["restore started", "restore swapping", "restored"]
    assert {name for name, _ in report.plan.skipped} == {
        "_wayra_meta", "_wayra_lock", "_wayra_log", "_wayra_restore_dead_0",
    }  # fmt: skip


def test_a_restore_of_one_collection_leaves_the_history(restoring: Restoring) -> None:
    """What was done to the other collections is still true."""
    fill(restoring.database)
    restoring.database["_wayra_migrations"].insert_one({"_id": 9, "state": "applied"})
    write_backup(restoring.folder, "whole", [USERS, Made("_wayra_migrations", raw({"_id": 1, "state": "applied"}))])
    restoring.manager.restore("whole", drop_existing=True, collections=["users"], safety_backup=False)
    assert restoring.database["_wayra_migrations"].distinct("_id") == [9]


def test_redacted_over_whole_data_needs_its_own_flag(restoring: Restoring) -> None:
    """Fields that the backup does not have are not given up by accident."""
    before = fill(restoring.database)
    write_backup(restoring.folder, "masked", [USERS], redactions={"users": {"name": "remove"}})
    with pytest.raises(RedactedBackupError, match="users"):
        restoring.manager.restore("masked", drop_existing=True, safety_backup=False)
    assert contents(restoring.database) == before
    restoring.manager.restore("masked", drop_existing=True, safety_backup=False, allow_redacted=True)
    assert names(restoring.database) == {1: "new", 3: "only there"}


def test_a_redacted_copy_is_replaced_by_a_redacted_backup(restoring: Restoring) -> None:
    """Nothing is lost where a restore has put masks, and still only those are; one real value is enough to refuse."""
    masks = {"users": {"email": "email", "uid": "token", "name": "text", "note": "remove"}}
    documents = raw(
        {"_id": 1, "email": f"{'0a' * 12}@example.invalid", "uid": "0b" * 12, "name": "redacted", "tags": ["x"]},
        {"_id": 2, "email": None, "uid": ["0c" * 12]},
    )
    write_backup(restoring.folder, "masked", [Made("users", documents)], redactions=masks)
    restoring.manager.restore("masked")
    with pytest.raises(RedactedBackupError):  # an array may hold another, which no filter looks into
        restoring.manager.restore("masked", drop_existing=True)
    restoring.database["users"].update_one({"_id": 2}, {"$unset": {"uid": 1}})
    restoring.manager.restore("masked", collections=["users"], rename={"users": "people"})
    restoring.database["people"].update_one({"_id": 2}, {"$unset": {"uid": 1}})
    request = RestoreRequest(drop_existing=True, collections=("users",), rename={"users": "people"})
    assert restoring.manager.plan_restore("masked", request=request).over_data == ("people",)
    for change in ({"email": "ada@example.com"}, {"uid": 7}, {"name": "Ada"}, {"note": None}):
        restoring.database["people"].update_one({"_id": 1}, {"$set": change})
        with pytest.raises(RedactedBackupError, match="people") as caught:
            restoring.manager.plan_restore("masked", request=request)
        assert "wayra-db backup restore masked --allow-redacted" in caught.value.hint
        restoring.database["people"].replace_one({"_id": 1}, bson.decode(documents[0]))
    restoring.database["_wayra_log"].insert_one({"_id": 10**6, "event": "reset started"})
    with pytest.raises(RedactedBackupError):  # what came after a reset need not be masks, though it looks like them
        restoring.manager.plan_restore("masked", request=request)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nightli", "Did you mean nightly?"),
        ("other", "There are: nightly, hourly."),
        ("dump/none", "There are: nightly"),
    ],
)
def test_a_backup_that_is_not_there(restoring: Restoring, name: str, words: str) -> None:
    """What was meant, or what there is, is named."""
    for number, there in enumerate(("hourly", "nightly")):
        at = datetime(2026, 11, 25, number, tzinfo=UTC)
        write_backup(restoring.folder, there, [Made("users")], created_at=at)
    with pytest.raises(BackupNotFoundError, match=name) as caught:
        restoring.manager.restore(name)
    assert words in caught.value.hint
    if "/" not in name:
        with pytest.raises(BackupNotFoundError) as caught:
            restoring.manager.keeper.copy(name, str(restoring.folder / "away"))
        assert words in caught.value.hint


def test_a_backup_in_a_store_is_copied_first(restoring: Restoring) -> None:
    """The error has the command; a file address is a path."""
    with pytest.raises(BackupError, match="lies in a store") as caught:
        restoring.manager.restore("s3://bucket/wayra/nightly")
    assert "wayra-db backup copy s3://bucket/wayra/nightly" in caught.value.hint
    write_backup(restoring.folder, "nightly", [Made("users", raw({"_id": 1}))])
    restoring.manager.restore((restoring.folder / "nightly").as_uri())
    assert restoring.database["users"].distinct("_id") == [1]


def test_production_replaces_nothing(restoring: Restoring, wayra_database: Documents, tmp_path: Path) -> None:
    """Over data it is refused whatever is permitted; into an empty database it needs the permission."""
    production = Restoring(wayra_database, tmp_path / "backups", "production")
    write_backup(production.folder, "one", [USERS], environment="production")
    with pytest.raises(RefusedError, match="needs explicit permission"):
        production.manager.restore("one")
    production.guard.permitted = set(Action) - {Action.RECOVER}
    production.manager.restore("one")
    assert names(wayra_database) == {1: "new", 3: "only there"}
    with pytest.raises(RefusedError, match="restoring over data is refused in production"):
        production.manager.restore("one", drop_existing=True, safety_backup=False)


def test_a_backup_of_production_in_development(restoring: Restoring) -> None:
    """It is said aloud, and the database stays development's."""
    write_backup(restoring.folder, "real", [USERS], environment="production")
    plan = restoring.manager.plan_restore("real")
    assert "nothing was masked" in plan.warnings[0]
    restoring.manager.restore("real")
    assert meta.read_marker(restoring.guard.deployment) == meta.Marker("development")
    notices = [event.message for event in restoring.observer.events if isinstance(event, Notice)]
    assert any("production" in message for message in notices)


def test_a_plan_writes_nothing(restoring: Restoring) -> None:
    """Neither a plan nor a refused restore makes the database."""
    write_backup(restoring.folder, "one", [USERS])
    plan = restoring.manager.plan_restore("one", request=RestoreRequest(drop_existing=True))
    assert (plan.documents, [one.how for one in plan.targets]) == (2, ["create"])
    assert restoring.database.list_collection_names() == []


@pytest.fixture
def slow_source(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Stops a load in the middle: set the second event to let it go on; the first says that it has come there."""
    from wayra_db.backups.opened import WayraBackup

    reached, go_on = threading.Event(), threading.Event()
    stream = WayraBackup.stream

    def slow(self: Any, collections: Any) -> Any:
        for number, found in enumerate(stream(self, collections)):
            if number == 1:
                reached.set()
                assert go_on.wait(60)
            yield found

    monkeypatch.setattr(WayraBackup, "stream", slow)
    yield reached, go_on
    go_on.set()


def many(count: int = 3000) -> Made:
    """Users enough for several frames."""
    return Made("users", raw(*({"_id": n, "name": f"user {n}", "x": "x" * 100} for n in range(count))))


def in_background(call: Any) -> tuple[threading.Thread, list[BaseException]]:
    """Run a call on a thread; its exception is kept."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def test_writes_meanwhile_are_not_lost_silently(
    restoring: Restoring, slow_source: tuple[threading.Event, threading.Event]
) -> None:
    """A write to what is to be replaced, after the load has begun: the restore gives up before the swap."""
    reached, go_on = slow_source
    fill(restoring.database)
    write_backup(restoring.folder, "many", [many()])
    options: dict[str, Any] = {"drop_existing": True, "safety_backup": False}
    thread, raised = in_background(lambda: restoring.manager.restore("many", **options))
    assert reached.wait(60)
    restoring.database["users"].insert_one({"_id": 50, "name": "meanwhile"})
    go_on.set()
    thread.join()
    assert isinstance(raised[0], RestoreConflictError)
    assert "--discard-writes" in raised[0].hint
    assert names(restoring.database)[50] == "meanwhile"
    assert temporaries(restoring.database) == []
    restoring.manager.restore("many", **options, discard_writes=True)
    assert restoring.database["users"].count_documents({}) == 3000


def test_a_lock_that_is_lost_during_the_load(
    restoring: Restoring, slow_source: tuple[threading.Event, threading.Event]
) -> None:
    """Another runner takes it over: the load stops, nothing is swapped, and the next restore cleans up."""
    reached, go_on = slow_source
    before = fill(restoring.database)
    write_backup(restoring.folder, "many", [many()])
    options: dict[str, Any] = {"drop_existing": True, "safety_backup": False}
    thread, raised = in_background(lambda: restoring.manager.restore("many", **options))
    assert reached.wait(60)
    database = restoring.database
    deployment = Deployment(database.client, database.name)
    with locking.acquire(deployment, "other", lease_seconds=10, timeout_seconds=0, force=True):
        database["_wayra_lock"].update_one({}, {"$set": {"marked": True}})
        restoring.guard.lease_seconds = 0.1
        go_on.set()
        thread.join()
    assert isinstance(raised[0], LockLostError)
    assert contents(database) == before
    assert temporaries(database) != []
    report = restoring.manager.restore("many", **options)
    assert report.cleaned != ()
    assert temporaries(database) == []
    assert database["users"].count_documents({}) == 3000


def test_a_stop_request_leaves_everything_as_it_was(
    restoring: Restoring, slow_source: tuple[threading.Event, threading.Event]
) -> None:
    """Ctrl-C during the load: what was loaded is dropped, the data stands."""
    reached, go_on = slow_source
    before = fill(restoring.database)
    write_backup(restoring.folder, "many", [many()])
    thread, raised = in_background(lambda: restoring.manager.restore("many", drop_existing=True, safety_backup=False))
    assert reached.wait(60)
    restoring.guard.stop.request("SIGINT")
    go_on.set()
    thread.join()
    assert isinstance(raised[0], CancelledError)
    assert contents(restoring.database) == before
    assert temporaries(restoring.database) == []


def test_an_unfinished_swap_stops_everything_else(restoring: Restoring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other change is refused until it is finished, and finishing it needs no backup any more."""
    from wayra_db.backups import swap

    fill(restoring.database)
    path = write_backup(restoring.folder, "one", [USERS, Made("fresh", raw({"_id": 1}))])
    done = swap._do

    def fail_at_the_second(guard: Any, lease: Any, step: Any) -> None:
        if step.target == "fresh":
            raise KeyboardInterrupt
        done(guard, lease, step)

    monkeypatch.setattr(swap, "_do", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        restoring.manager.restore("one", drop_existing=True, safety_backup=False)
    monkeypatch.setattr(swap, "_do", done)
    for action in set(Action) - {Action.FINISH_RESTORE}:
        with pytest.raises(RefusedError, match="backup one was cut off") as caught:
            restoring.guard.require(action)
        assert "--continue" in caught.value.hint
    path.rename(path.with_name("gone"))
    assert restoring.manager.continue_restore() == "one"
    assert restoring.manager.continue_restore() is None
    assert set(contents(restoring.database)) == {"users", "others", "fresh"}
    assert temporaries(restoring.database) == []
    restoring.guard.require(Action.MIGRATE)


def test_a_view_and_a_time_series_are_replaced_by_a_collection_and_the_other_way(restoring: Restoring) -> None:
    """Whatever stands under the name gives way."""
    database = restoring.database
    series, options = buckets(database)
    fill(database)
    database.create_collection("was_view", viewOn="users", pipeline=[])
    database.create_collection("was_series", timeseries={"timeField": "at"})
    database["was_collection"].insert_one({"_id": 1})
    write_backup(
        restoring.folder,
        "swapped",
        [
            Made("was_view", raw({"_id": 1})),
            Made("was_series", raw({"_id": 1})),
            Made("was_collection", kind="view", options={"viewOn": "was_view", "pipeline": []}),
            Made("others", series, kind="timeseries", options=options, indexes=[]),
        ],
    )
    restoring.manager.restore("swapped", drop_existing=True, safety_backup=False)
    found = contents(database)
    assert {name: found[name][0] for name in ("was_view", "was_series", "was_collection", "others")} == {
        "was_view": "collection",
        "was_series": "collection",
        "was_collection": "view",
        "others": "timeseries",
    }
    assert database["others"].count_documents({}) == 50


def test_an_oplog_slice_brings_it_to_one_moment(restoring: Restoring) -> None:
    """Inserts, updates, replacements and deletes, alone and in a transaction, as the server wrote them."""
    database = restoring.database
    client = database.client
    fill(database)
    database["words"].insert_many([{"_id": n, "list": [1, 2, 3], "deep": {"a": n}} for n in range(5)])
    loaded = raw(*database["words"].find())
    start = client["local"]["oplog.rs"].find_one(sort=[("$natural", -1)])
    assert start is not None
    database["words"].update_one({"_id": 0}, {"$set": {"list.1": 9, "new": 1}, "$unset": {"deep.a": 1}})
    database["words"].replace_one({"_id": 1}, {"whole": "new"})
    database["words"].delete_one({"_id": 2})
    with client.start_session() as session, session.start_transaction():
        database["words"].insert_one({"_id": 10}, session=session)
        database["words"].update_one({"_id": 3}, {"$inc": {"deep.a": 5}}, session=session)
    expected = contents(database)["words"]
    oplog = (
        client["local"]
        .get_collection("oplog.rs")
        .find_raw_batches({"ts": {"$gt": start["ts"]}, "ns": {"$in": [f"{database.name}.words", "admin.$cmd"]}})
    )
    entries: Any = b"".join(batch for batch in oplog)  # type: ignore[misc]
    from wayra_db.backups.documents import split

    slice_ = [entries[begin:end] for begin, end in split(entries)]
    write_backup(
        restoring.folder, "moving", [Made("words", loaded)], database=database.name, oplog=slice_, environment="test"
    )
    report = restoring.manager.restore("moving", drop_existing=True, safety_backup=False)
    assert report.replayed == 5
    assert contents(database)["words"] == expected


def test_an_encrypted_backup(restoring: Restoring, tmp_path: Path) -> None:
    """Needs its identity; without it, or with another, nothing is written, not even by the lock."""
    pyrage = pytest.importorskip("pyrage")
    identity = pyrage.x25519.Identity.generate()
    write_backup(restoring.folder, "secret", [many()], recipients=[str(identity.to_public())])
    with pytest.raises(BackupError, match="encrypted"):
        restoring.manager.restore("secret")
    other = pyrage.x25519.Identity.generate()
    with pytest.raises(ConfigError, match="does not open the backup secret"):
        restoring.manager.restore("secret", identities=[str(other)])
    with pytest.raises(ConfigError, match="does not open the backup secret"):
        restoring.manager.plan_restore("secret", identities=[str(other)], check=False)
    with pytest.raises(ConfigError, match="does not open the backup secret"):
        restoring.manager.restore("secret", identities=[str(other)], to=f"{restoring.database.name}_other")
    there = restoring.database.client.list_database_names()
    assert not [name for name in there if name.startswith(restoring.database.name)]
    file = tmp_path / "identity"
    file.write_text(f"# mine\n{identity}\n", encoding="utf-8")
    restoring.manager.restore("secret", identities=file)
    assert restoring.database["users"].count_documents({}) == 3000


def test_what_needs_no_lock_is_checked_before_it(restoring: Restoring) -> None:
    """A damaged file, options that are none: not even the database comes into being."""
    write_backup(restoring.folder, "damaged", [many()])
    data = next((restoring.folder / "damaged").rglob("*.bson.zst"))
    data.write_bytes(data.read_bytes()[:-1])
    write_backup(restoring.folder, "odd", [Made("users", options={"validator": {"$date": "never"}})])
    for name in ("damaged", "odd"):
        with pytest.raises(BackupCorruptError):
            restoring.manager.restore(name, to=f"{restoring.database.name}_other")
    there = restoring.database.client.list_database_names()
    assert not [name for name in there if name.startswith(restoring.database.name)]


def test_leftovers_are_cleaned_by_the_command(restoring: Restoring) -> None:
    """Temporary collections of killed restores go, and a half import is finished; without any, nothing is written."""
    assert restoring.manager.clean_leftovers() == ()
    assert restoring.database.list_collection_names() == []
    half_import(restoring.database)
    restoring.database["_wayra_restore_ab_0"].insert_one({})
    assert restoring.manager.clean_leftovers() == ("_wayra_import_ab", "_wayra_restore_ab_0")
    assert set(restoring.database["users"].distinct("_id")) == {1, 2}
    left = restoring.database.list_collection_names()
    assert not [name for name in left if name.startswith(("_wayra_import_", "_wayra_restore_"))]
    assert restoring.events()[-1] == "leftovers removed"


def half_import(database: Documents) -> None:
    """An import that was killed after one of its two documents had gone over."""
    database["users"].insert_one({"_id": 1})
    database["_wayra_import_ab"].insert_many([{"_id": 1}, {"_id": 2}])
    record = {"target": "users", "mode": "insert", "key": ["_id"], "undo": False}
    database["_wayra_meta"].insert_many(
        [{"_id": "_wayra_import_ab", **record}, {"_id": "database", "environment": "development", "format": 1}]
    )


def test_a_restore_finishes_a_half_import_first(restoring: Restoring) -> None:
    """So that the safety backup holds all of what the import brings, and the restore no part of it."""
    half_import(restoring.database)
    write_backup(restoring.folder, "one", [Made("users", raw({"_id": "restored"}))])
    report = restoring.manager.restore("one", drop_existing=True)
    assert report.safety_backup is not None
    assert restoring.database["users"].distinct("_id") == ["restored"]
    restoring.manager.restore(report.safety_backup, drop_existing=True, safety_backup=False)
    assert set(restoring.database["users"].distinct("_id")) == {1, 2}


def test_documents_that_break_the_validator_are_restored_and_told(restoring: Restoring) -> None:
    """They were in the database when it was backed up."""
    made = Made("users", raw({"_id": 1}), options={"validator": {"name": {"$exists": True}}})
    write_backup(restoring.folder, "old", [made])
    restoring.manager.restore("old")
    assert restoring.database["users"].count_documents({}) == 1
    notices = [event.message for event in restoring.observer.events if isinstance(event, Notice)]
    assert any("users: documents do not satisfy its validator" in message for message in notices)


def test_a_standalone_server(wayra_standalone: Any, tmp_path: Path) -> None:
    """Without transactions the journal is still one write."""
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(wayra_standalone.uri)
    with client:
        alone = Restoring(client["alone"], tmp_path / "backups")
        write_backup(alone.folder, "one", [USERS])
        alone.manager.restore("one")
        assert names(alone.database) == {1: "new", 3: "only there"}
        alone.manager.restore("one", drop_existing=True, safety_backup=False)
        client.drop_database("alone")


def test_wide_types_of_numbers_in_options(restoring: Restoring) -> None:
    """An index's direction and a capped size keep their BSON types through Extended JSON."""
    indexes = [ID, {"v": 2, "key": {"n": 1.0, "m": -1}, "name": "mixed"}]
    write_backup(restoring.folder, "typed", [Made("users", raw({"_id": 1}), indexes=indexes)])
    restoring.manager.restore("typed")
    found = next(one for one in restoring.database["users"].list_indexes() if one["name"] == "mixed")
    assert [type(value) for value in found["key"].values()] == [float, int]
