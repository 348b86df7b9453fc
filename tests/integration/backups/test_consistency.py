from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo.database import Database

from tests.integration.backups import copies
from wayra_db.backups import definitions as catalog
from wayra_db.backups import oplog, survey
from wayra_db.backups.batches import Run
from wayra_db.backups.create import BackupResult, create_backup
from wayra_db.backups.manifest import CollectionEntry
from wayra_db.backups.moment import SNAPSHOT_TOO_OLD, Moment, choose_moment
from wayra_db.backups.packing import FrameFile
from wayra_db.errors import BackupError
from wayra_db.schema.collection import Collection
from wayra_db.schema.mask import Mask
from wayra_db.testing import ServerUnderTest, temporary_server

Documents = Database[dict[str, Any]]

ACCOUNTS = 40
SUM = 2 * ACCOUNTS * 1000


@contextmanager
def transfers(server: ServerUnderTest, name: str) -> Iterator[Callable[[], int]]:
    """Move money between two collections, each time in a transaction, while the block runs; gives how often so far."""
    stop, done = threading.Event(), [0]

    def work() -> None:
        with server.client() as client, client.start_session() as session:
            left, right = client[name].left, client[name].right
            number = 0
            while not stop.is_set():
                number += 1

                def move(session: Any, number: int = number) -> None:
                    left.update_one({"_id": number % ACCOUNTS}, {"$inc": {"money": -7}}, session=session)
                    right.update_one({"_id": number * 3 % ACCOUNTS}, {"$inc": {"money": 7}}, session=session)

                session.with_transaction(move)
                done[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lambda: done[0]
    finally:
        stop.set()
        thread.join()


def money(found: dict[str, list[bytes]]) -> int:
    """The sum in both collections."""
    return sum(bson.decode(one)["money"] for name in ("left", "right") for one in found[name])


def open_accounts(database: Documents) -> None:
    """Two collections, wide enough that a backup takes several reads."""
    for name in ("left", "right"):
        database[name].insert_many([{"_id": n, "money": 1000, "pad": "x" * 60_000} for n in range(ACCOUNTS)])


def test_a_transaction_is_in_it_or_not(
    wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path
) -> None:
    """Thousands of transfers between two collections: every backup shows both sides or neither."""
    open_accounts(wayra_database)
    with transfers(wayra_server, wayra_database.name) as moved:
        before = moved()
        made = [create_backup(copies.guard(wayra_database), tmp_path, codec="none", jobs=2) for _ in range(12)]
        assert moved() > before
    assert [money(copies.whole(one)) for one in made] == [SUM] * 12
    assert {one.manifest.consistency.kind for one in made} == {"snapshot"}
    assert len({one.manifest.consistency.at for one in made}) > 1


def replayed(result: BackupResult, database: str) -> dict[str, dict[Any, bytes]]:
    """The documents of a backup with its oplog slice applied, by _id: whole inserts, replacements and deletes."""
    state = {name: {bson.decode(one)["_id"]: one for one in found} for name, found in copies.whole(result).items()}
    manifest = result.manifest
    assert manifest.oplog is not None
    entry = CollectionEntry(
        name="",
        kind="collection",
        options={},
        indexes=[],
        metadata="",
        documents=manifest.oplog.documents,
        bytes=manifest.oplog.bytes,
        sha256=manifest.oplog.sha256,
        data=manifest.oplog.data,
        frames=manifest.oplog.frames,
    )
    for raw in copies.split(copies.content(result.path, manifest, entry)):
        operation = bson.decode(raw)
        parts = operation["o"]["applyOps"] if operation["op"] == "c" and "applyOps" in operation["o"] else [operation]
        for part in parts:
            name = part["ns"].removeprefix(f"{database}.")
            if part["op"] == "i":
                state[name][part["o"]["_id"]] = bson.encode(part["o"])
            elif part["op"] == "d":
                state[name].pop(part["o"]["_id"], None)
            elif part["op"] == "u" and part["o2"]["_id"] in state[name]:
                changed = bson.decode(state[name][part["o2"]["_id"]])
                changed |= part["o"]["diff"].get("u", {}) | part["o"]["diff"].get("i", {})
                state[name][part["o2"]["_id"]] = bson.encode(changed)
    return state


def test_the_oplog_slice_makes_up_for_capped_collections(
    wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path
) -> None:
    """They are read outside the snapshot; with the slice applied, all is of the one moment that the manifest names."""
    open_accounts(wayra_database)
    wayra_database.create_collection("log", capped=True, size=1_000_000)
    wayra_database.log.insert_one({"_id": 0})
    with transfers(wayra_server, wayra_database.name), copies.writing_while_capped_are_read(wayra_database, "log"):
        result = create_backup(copies.guard(wayra_database), tmp_path)
        wayra_database.log.insert_one({"_id": "later"})
    manifest = result.manifest
    assert (manifest.consistency.kind, manifest.apart) == ("oplog", ())
    assert "log" in manifest.consistency.note
    assert {one.name: one.moment for one in manifest.collections} == {
        "left": "snapshot",
        "log": "oplog",
        "right": "snapshot",
    }
    assert manifest.oplog is not None
    assert manifest.consistency.at == manifest.oplog.end
    assert manifest.oplog.documents == 1
    state = replayed(result, wayra_database.name)
    assert sum(bson.decode(one)["money"] for name in ("left", "right") for one in state[name].values()) == SUM
    assert list(state["log"]) == [0, "meanwhile"]


def test_a_quiet_capped_collection_is_of_the_snapshot(
    wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path
) -> None:
    """Read beside the snapshot, but proven by the oplog not to have changed: no slice is needed, also when redacted."""
    open_accounts(wayra_database)
    wayra_database.create_collection("log", capped=True, size=1_000_000)
    wayra_database.log.insert_one({"_id": 0})
    declared = [Collection("left", sensitive={"pad": Mask.REMOVE})]
    with transfers(wayra_server, wayra_database.name):
        result = create_backup(copies.guard(wayra_database), tmp_path, declared=declared)
    assert result.manifest.redacted
    assert result.manifest.oplog is None
    assert (result.manifest.consistency.kind, result.manifest.consistency.note) == ("snapshot", "")
    assert money(copies.whole(result)) == SUM


def test_a_redacted_backup_with_capped_collections_that_change(
    wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path
) -> None:
    """The slice holds the entries of one without sensitive fields; one that has any is alone of a time of its own."""
    open_accounts(wayra_database)
    for name in ("log", "mails"):
        wayra_database.create_collection(name, capped=True, size=1_000_000)
    declared = [
        Collection("mails", sensitive={"email": Mask.EMAIL}),
        Collection("left", sensitive={"pad": Mask.REMOVE}),
    ]
    writing = copies.writing_while_capped_are_read(wayra_database, "log", "mails")
    with transfers(wayra_server, wayra_database.name), writing:
        result = create_backup(copies.guard(wayra_database), tmp_path, codec="none", declared=declared)
    manifest = result.manifest
    assert (manifest.consistency.kind, manifest.apart) == ("oplog", ("mails",))
    assert "mails (the oplog would hold the sensitive fields" in manifest.consistency.note
    assert {one.name: one.moment for one in manifest.collections} == {
        "left": "snapshot",
        "log": "oplog",
        "mails": "own",
        "right": "snapshot",
    }
    state = replayed(result, wayra_database.name)
    assert sum(bson.decode(one)["money"] for name in ("left", "right") for one in state[name].values()) == SUM
    assert (list(state["log"]), list(state["mails"])) == (["meanwhile"], [])
    slice_ = (result.path / "oplog.bson").read_bytes()
    assert slice_.count(b"secret@example.com") == 1  # the one of the collection that declares nothing


def test_a_snapshot_that_grows_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be read in time is read as of now, and the oplog slice brings it all to one moment."""
    parameters = {"minSnapshotHistoryWindowInSeconds": 1}
    with temporary_server(set_parameters=parameters) as server, server.client() as client:
        database = client["slow"]
        open_accounts(database)
        held = threading.Event()
        put = FrameFile.put

        def slow_put(self: FrameFile, run: Run) -> None:
            if "left" in self.path and not held.is_set():
                held.set()
                _outlive_the_window(database)
            put(self, run)

        monkeypatch.setattr(FrameFile, "put", slow_put)
        with transfers(server, "slow"):
            result = create_backup(copies.guard(database), tmp_path, codec="none", jobs=1)
        assert "window" in result.manifest.consistency.note
        assert result.manifest.consistency.kind == "oplog"
        state = replayed(result, "slow")
        assert sum(bson.decode(one)["money"] for name in ("left", "right") for one in state[name].values()) == SUM


def _outlive_the_window(database: Documents) -> None:
    """Return once the server refuses a snapshot that was new at the call."""
    from bson.timestamp import Timestamp
    from pymongo.errors import OperationFailure

    reply = database.command({"find": "right", "limit": 1, "readConcern": {"level": "snapshot"}})
    at: Timestamp = reply["cursor"]["atClusterTime"]
    while True:
        database.ticks.insert_one({})
        try:
            database.command({"find": "right", "limit": 1, "readConcern": {"level": "snapshot", "atClusterTime": at}})
        except OperationFailure as error:
            if error.code != SNAPSHOT_TOO_OLD:
                raise
            database.ticks.drop()
            return


def test_an_oplog_that_is_too_small(wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest says that the slice could not be had, and none is there."""
    wayra_database.create_collection("log", capped=True, size=4096)
    monkeypatch.setattr(oplog, "find_beginning", lambda deployment, moment: oplog.Beginning((1, 1)))
    result = create_backup(copies.guard(wayra_database), tmp_path)
    assert result.manifest.oplog is None
    assert result.manifest.consistency.kind == "none"
    assert "too small" in result.manifest.consistency.note
    assert copies.whole(result) == {"log": []}


@pytest.mark.parametrize("change", ["drop", "rename", "drop and create"])
@pytest.mark.parametrize("server", ["finds by uuid", "does not", "has no snapshots"])
def test_a_collection_that_goes_while_it_is_read(
    wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, server: str
) -> None:
    """Never an empty one in its place: the backup begins again, and has what is there then; on any server."""

    def choose_as_older(*arguments: Any) -> Moment:
        moment = choose_moment(*arguments)
        return Moment(moment.at if server == "does not" else None, True, False)

    if server != "finds by uuid":
        monkeypatch.setattr(survey, "choose_moment", choose_as_older)
    wayra_database.stays.insert_one({"_id": 1})
    wayra_database.goes.insert_one({"_id": 1})
    changed = threading.Event()
    read_stats = catalog.read_stats

    def read_stats_then_change(*arguments: Any) -> Any:
        if not changed.is_set():
            changed.set()
            if change == "rename":
                wayra_database.goes.rename("went")
            else:
                wayra_database.goes.drop()
            if change == "drop and create":
                wayra_database.goes.insert_one({"_id": 2})
        return read_stats(*arguments)

    monkeypatch.setattr(catalog, "read_stats", read_stats_then_change)
    guard = copies.guard(wayra_database)
    result = create_backup(guard, tmp_path)
    found = {name: [bson.decode(one)["_id"] for one in each] for name, each in copies.whole(result).items()}
    after = {"drop": {}, "rename": {"went": [1]}, "drop and create": {"goes": [2]}}[change]
    assert found == {"stays": [1], **after}
    assert [path.name for path in tmp_path.iterdir()] == [result.manifest.name]


def test_a_collection_that_goes_each_time(
    wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few attempts it is an error that names the collection, and nothing is left."""
    read_stats = catalog.read_stats
    wayra_database.goes.insert_one({})

    def read_stats_then_change(*arguments: Any) -> Any:
        wayra_database.goes.drop()
        wayra_database.goes.insert_one({})
        return read_stats(*arguments)

    monkeypatch.setattr(catalog, "read_stats", read_stats_then_change)
    with pytest.raises(BackupError, match="collection goes was dropped"):
        create_backup(copies.guard(wayra_database), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_changes_that_do_no_harm(wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new collection, an index or a validator made while documents are read: the snapshot is of before."""
    wayra_database.a.insert_one({"_id": 1})
    read_stats = catalog.read_stats

    def read_stats_then_change(*arguments: Any) -> Any:
        wayra_database.new.insert_one({})
        wayra_database.a.create_index("x")
        wayra_database.command({"collMod": "a", "validator": {"x": 1}})
        wayra_database.a.delete_many({})
        return read_stats(*arguments)

    monkeypatch.setattr(catalog, "read_stats", read_stats_then_change)
    result = create_backup(copies.guard(wayra_database), tmp_path)
    assert copies.whole(result) == {"a": [bson.encode({"_id": 1})]}
    (entry,) = result.manifest.collections
    assert entry.options == {}
    assert len(entry.indexes) == 1
