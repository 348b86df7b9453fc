from __future__ import annotations

import stat
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import IndexModel, MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tests.support import Sandbox
from wayra_db import locking
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.errors import AuthenticationError, ConnectionFailedError
from wayra_db.health.page import page
from wayra_db.health.status import Status
from wayra_db.indexes.live import read_indexes
from wayra_db.mongo.catalog import read_index_documents, read_storage_stats
from wayra_db.mongo.client import Deployment
from wayra_db.testing import ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]

# What reads the server's own bookkeeping, or one document of the tool's own by its key.
BOOKKEEPING = {
    "hello", "buildInfo", "getParameter", "listCollections", "listIndexes", "dbStats", "serverStatus", "ping",
    "replSetGetStatus", "replSetGetConfig", "endSessions", "killCursors",
}  # fmt: skip


class Recorder(CommandListener):
    """Keeps the commands as they were sent."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Keep it."""
        self.commands.append({**event.command})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing."""


def scans(command: Mapping[str, Any]) -> bool:
    """Whether a command may read a collection of the user."""
    name = next(iter(command))
    if name in BOOKKEEPING:
        return False
    if name == "find":
        return not str(command["find"]).startswith("_wayra_")
    if name == "aggregate":
        return not str(command["aggregate"]).startswith("_wayra_") and not all(
            next(iter(stage)) in ("$project", "$set")
            or "$collStats" in stage
            or "$listCatalog" in stage
            or ("$unionWith" in stage and not scans({"aggregate": "x", "pipeline": stage["$unionWith"]["pipeline"]}))
            for stage in command["pipeline"]
        )
    return True


def declare(sandbox: Sandbox, number: int) -> None:
    """A project with so many declared collections."""
    text = "from pymongo import IndexModel\nfrom wayra_db import Collection\n\n"
    for one in range(number):
        text += f'c{one} = Collection("c{one}", indexes=[IndexModel("a"), IndexModel([("b", 1), ("c", -1)])])\n'
    sandbox.write("collections/all.py", text)


def watched(sandbox: Sandbox, uri: str) -> tuple[Status, Recorder]:
    """The status, and the commands that it took."""
    recorder = Recorder()
    with MongoClient[dict[str, Any]](uri, event_listeners=[recorder]) as client, sandbox.open(client=client) as project:
        return project.status(), recorder


def test_commands_do_not_grow_with_collections(
    sandbox: Sandbox, wayra_server: ServerUnderTest, wayra_database: Documents
) -> None:
    """As many for thirty filled collections as for three empty ones; none may read a document of the user's."""
    counts = []
    for number, documents in ((3, 0), (30, 50)):
        declare(sandbox, number)
        with sandbox.open() as project:
            project.initializer.run()
        for one in range(number):
            if documents:
                wayra_database[f"c{one}"].insert_many([{"a": n, "b": n} for n in range(documents)])
        status, recorder = watched(sandbox, wayra_server.uri)
        assert status.healthy
        assert status.unreadable == {}
        assert status.indexes is not None
        assert status.indexes.live == 2 * number
        assert [one.documents for one in status.collections or ()] == [documents] * number
        assert [one for one in recorder.commands if scans(one)] == []
        counts.append(len(recorder.commands))
    assert counts[0] == counts[1]
    assert counts[0] <= 17


def test_what_counts_as_a_scan() -> None:
    """So that the test above can be believed."""
    assert scans({"find": "users"})
    assert scans({"count": "users"})
    assert scans({"aggregate": "users", "pipeline": [{"$match": {}}]})
    union = {"$unionWith": {"coll": "b", "pipeline": [{"$match": {}}]}}
    assert scans({"aggregate": "a", "pipeline": [{"$collStats": {}}, union]})
    assert not scans({"aggregate": "a", "pipeline": [{"$collStats": {}}, {"$project": {}}]})


def test_the_catalog_tells_what_listing_tells(wayra_server: ServerUnderTest, wayra_database: Documents) -> None:
    """Every kind of index and collection, one that is gone, and views and time series beside them."""
    database = wayra_database
    database.a.create_indexes(
        [
            IndexModel("x", unique=True),
            IndexModel([("y", "text")]),
            IndexModel([("z", "2dsphere")]),
            IndexModel([("h", "hashed")]),
            IndexModel([("w.$**", 1)]),
            IndexModel("c", collation={"locale": "de"}),
            IndexModel("p", partialFilterExpression={"p": {"$gt": 1}}, expireAfterSeconds=10),
            IndexModel([("hid", 1), ("s", -1)], hidden=True, sparse=True),
        ]
    )
    database.command({"collMod": "a", "index": {"name": "c_1", "hidden": True}})
    database.create_collection("clustered", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "mine"})
    database.clustered.create_index("q")
    database.create_collection("collated", collation={"locale": "fr"})
    database.create_collection("capped", capped=True, size=10_000)
    database.create_collection("series", timeseries={"timeField": "t", "metaField": "m"})
    database.series.create_index("m")
    database.series.insert_one({"t": datetime.now(UTC), "m": 1})
    database.create_collection("view", viewOn="a", pipeline=[{"$match": {}}])
    deployment = Deployment(database.client, database.name)
    names = ["a", "clustered", "collated", "capped", "gone", "series"]

    def sorted_by_name(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
        return {name: sorted(listed, key=lambda one: str(one["name"])) for name, listed in found.items()}

    found = read_index_documents(deployment, names, apart=["series"])
    assert sorted_by_name(found) == sorted_by_name(read_indexes(deployment, names))
    keys = {one["name"]: list(one["key"]) for one in found["a"]}
    assert keys["hid_1_s_-1"] == ["hid", "s"]
    stats = read_storage_stats(deployment, [*names, "view"], apart=["series"])
    assert {"a", "clustered", "collated", "capped", "series"} <= set(stats)
    assert "gone" not in stats


def test_growth_since_the_kept_sample(sandbox: Sandbox, wayra_database: Documents) -> None:
    """What maintenance has kept of a collection is compared with now; the newest sample counts."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
    now = datetime.now(UTC)
    wayra_database["_wayra_samples"].insert_many(
        [
            {"at": now - timedelta(days=age), "collection": "users", "documents": documents, "data_bytes": 10,
             "storage_bytes": 4096, "index_bytes": 4096}
            for age, documents in ((9, 0), (2, 1))
        ]
    )  # fmt: skip
    with sandbox.open() as project:
        found = {one.name: one for one in project.status().collections or ()}
    growth = found["users"].growth
    assert growth is not None
    assert growth.documents == 1
    assert growth.days == pytest.approx(2, abs=0.1)
    assert found["trips"].growth is None


def test_a_wrong_password(wayra_auth_server: TemporaryServer, tmp_path: Path) -> None:
    """Files and backups are told all the same, and which error it was."""
    sandbox = Sandbox(tmp_path, wayra_auth_server.uri, "app")
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
        project.backups.create(name="nightly")
    wrong = wayra_auth_server.uri.replace(str(wayra_auth_server.password), "wrong-word")
    with sandbox.open(environ={"MONGODB_URI": wrong}) as project:
        status = project.status()
        diagnosis = project.doctor()
    assert isinstance(status.failure, AuthenticationError)
    assert not status.healthy
    assert [(one.name, one.verdict) for one in status.migrations or ()] == [("step", "unknown")] * 2
    assert [one.verdict for one in status.seeds or ()] == ["unknown"]
    assert status.latest_backup is not None
    assert status.findings[0].id == "unreachable"
    assert diagnosis.findings[0].id == "unreachable"
    assert "wrong-word" not in str(status.to_dict()) + page(status)
    ended = sandbox.run("status", "--json", MONGODB_URI=wrong)
    assert ended.returncode == ExitCode.UNREACHABLE
    assert '"error": "AuthenticationError"' in ended.stdout
    assert '"nightly"' in ended.stdout


def test_a_server_that_goes_away_in_between(sandbox: Sandbox, wayra_server: ServerUnderTest) -> None:
    """It is not asked for each further part; what was read stands."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
    with (
        sandbox.open(environ={"WAYRA_SERVER_SELECTION_TIMEOUT": "0.3"}) as project,
        wayra_server.fail_command("listCollections", close_connection=True, times=None, app_name="wayra-db"),
    ):
        status = project.status()
    assert isinstance(status.failure, ConnectionFailedError)
    assert set(status.unreadable or {}) == {"connection"}
    assert {one.verdict for one in status.migrations or ()} == {"applied"}
    assert status.seeds is None
    assert status.backups is not None
    assert status.findings[0].id == "unreachable"


def test_a_locked_database_and_a_history_that_may_not_be_read(
    sandbox: Sandbox, wayra_server: ServerUnderTest, wayra_database: Documents
) -> None:
    """Who holds the lock is told; the part that is refused says why, and the rest stands."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
    deployment = Deployment(wayra_database.client, wayra_database.name)
    with locking.acquire(deployment, "migrate up", lease_seconds=30, timeout_seconds=0):
        with sandbox.open() as project:
            status = project.status()
        assert [one.severity for one in status.findings if one.id == "lock-holder"] == ["info"]
        assert status.healthy
    with (
        sandbox.open() as project,
        wayra_server.fail_command("aggregate", error_code=13, times=None, app_name="wayra-db"),
    ):
        status = project.status()
    assert {"lock", "collections"} <= set(status.unreadable or {})
    assert all("wants a user" in reason for reason in (status.unreadable or {}).values())
    assert {one.verdict for one in status.migrations or ()} == {"applied"}
    assert status.reachable
    assert not status.healthy


@pytest.mark.parametrize("harm", ["a file in its place", "a broken manifest", "a folder in a folder", "no access"])
def test_a_corrupt_backup_folder(sandbox: Sandbox, harm: str) -> None:
    """It is told, and everything else stands."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
        project.backups.create(name="nightly")
    folder = sandbox.folder / "backups"
    if harm == "a file in its place":
        folder.rename(sandbox.folder / "moved")
        folder.write_text("no folder")
    elif harm == "no access":
        folder.chmod(0)
    else:
        (folder / "broken").mkdir()
        (folder / "broken/manifest.json").write_text("{" if harm == "a broken manifest" else "[]")
    try:
        with sandbox.open() as project:
            status = project.status()
        readable = harm == "no access" and any(stat.S_ISDIR(one.stat().st_mode) for one in _list(folder))
    finally:
        if folder.is_dir():
            folder.chmod(0o700)
    assert status.reachable
    assert {one.verdict for one in status.migrations or ()} == {"applied"}
    assert status.collections
    if harm == "a file in its place":
        assert "backups" in (status.unreadable or {})
        assert not status.healthy
    elif harm == "no access":
        assert readable or "backups" in (status.unreadable or {})  # root may read everything
    else:
        assert [one.evidence["backup"] for one in status.findings if one.id == "backups-damaged"] == ["broken"]
        assert status.latest_backup is not None


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except PermissionError:
        return []


def test_the_page(sandbox: Sandbox) -> None:
    """One document that needs nothing from anywhere, with what the status tells, and names are escaped."""
    sandbox.complete()
    sandbox.write("collections/odd.py", 'from wayra_db import Collection\n\nodd = Collection("<b>odd</b>")\n')
    with sandbox.open() as project:
        project.initializer.run()
        project.backups.create(name="nightly")
        text = page(project.status())
    assert text.startswith("<!doctype html>")
    assert "<b>odd" not in text
    assert "&lt;b&gt;odd" in text
    for word in ("users", "nightly", "applied", "all is well"):
        assert word in text
    assert not any(word in text for word in ("http://", "https://", "<script", "src=", "@import", "url("))
