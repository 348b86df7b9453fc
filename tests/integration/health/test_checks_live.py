from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import IndexModel, MongoClient, WriteConcern
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db import locking
from wayra_db.errors import SeedFailedError
from wayra_db.health import facts_server
from wayra_db.health.checks import Context, Limits, not_made, run_checks
from wayra_db.health.facts import Facts, known
from wayra_db.health.findings import Finding
from wayra_db.mongo.client import Deployment
from wayra_db.testing import TemporaryServer, temporary_server

Documents = Database[dict[str, Any]]

PRODUCTION = Context("production")
NAMES = "collections/users.py"
BARE = 'from wayra_db import Collection\n\nusers = Collection("users")\n'


def found(facts: Facts, id: str, limits: Limits | None = None) -> list[Finding]:
    """What one check finds, in production."""
    return list(run_checks(facts, replace(PRODUCTION, limits=limits or Limits()), only=[id]))


def look(sandbox: Sandbox, *, deep: bool = False, **environ: str) -> Facts:
    """The facts as they are now."""
    with sandbox.open(environ=environ) as project:
        return project.facts(deep=deep)


@pytest.fixture
def ready(sandbox: Sandbox) -> Sandbox:
    """A project whose database is as it should be."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
    return sandbox


# --- the project's own parts ----------------------------------------------------------------------------------------


def _unclaimed(sandbox: Sandbox, database: Documents) -> None:
    database["_wayra_meta"].drop()


def _new(sandbox: Sandbox, database: Documents) -> None:
    database.client.drop_database(database.name)


def _mark(**fields: Any) -> Callable[[Sandbox, Documents], None]:
    def change(sandbox: Sandbox, database: Documents) -> None:
        database["_wayra_meta"].update_one({"_id": "database"}, {"$set": fields})

    return change


def _failed(sandbox: Sandbox, database: Documents) -> None:
    sandbox.migration(3, "raise ValueError", head="transactional = False")
    with sandbox.open() as project, pytest.raises(Exception, match="ValueError"):
        project.migrations.up()


def _edited(sandbox: Sandbox, database: Documents) -> None:
    sandbox.migration(2, "pass")


def _gone(sandbox: Sandbox, database: Documents) -> None:
    (sandbox.folder / "migrations/0002_step.py").unlink()


def _late(sandbox: Sandbox, database: Documents) -> None:
    (sandbox.folder / "migrations/0001_step.py").unlink()
    database["_wayra_migrations"].delete_one({"_id": 1})
    sandbox.migration(1, "pass")


def _pending(sandbox: Sandbox, database: Documents) -> None:
    sandbox.migration(3, "pass")


def _view(sandbox: Sandbox, database: Documents) -> None:
    database.users.drop()
    database.create_collection("users", viewOn="trips", pipeline=[])


def _no_validator(sandbox: Sandbox, database: Documents) -> None:
    database.command("collMod", "users", validator={})


def _no_index(sandbox: Sandbox, database: Documents) -> None:
    database.users.drop_index("email_1")


def _more(sandbox: Sandbox, database: Documents) -> None:
    database.legacy.insert_one({})
    database.users.create_index("name")


def _seed(text: str) -> Callable[[Sandbox, Documents], None]:
    def change(sandbox: Sandbox, database: Documents) -> None:
        sandbox.write("scripts/seeds/0002_more.py", 'environments = ["development"]\n\ndef seed(db):\n    ' + text)

    return change


def _failed_seed(sandbox: Sandbox, database: Documents) -> None:
    _seed("raise ValueError\n")(sandbox, database)
    with sandbox.open() as project, suppress(SeedFailedError):
        project.seeds.run()


def _changed_seed(sandbox: Sandbox, database: Documents) -> None:
    path = sandbox.folder / "scripts/seeds/0001_users.py"
    path.write_text(path.read_text() + "    db.users.insert_one({'email': 'x'})\n")


def _held(sandbox: Sandbox, database: Documents) -> None:
    database["_wayra_lock"].update_one(
        {"_id": "lock"},
        {
            "$set": {
                "holder": {"id": "x", "user": "ada", "host": "elsewhere", "pid": 7, "machine": "", "sessions": []},
                "what": "migrate up",
                "expiresAt": datetime.now(UTC) + timedelta(minutes=5),
            }
        },
    )


def _broken_declaration(sandbox: Sandbox, database: Documents) -> None:
    sandbox.write(NAMES, "users = 3\n")


def _half_a_restore(sandbox: Sandbox, database: Documents) -> None:
    database["_wayra_restore_ab_0"].insert_one({})


PROJECT: dict[str, Callable[[Sandbox, Documents], None]] = {
    "database-unclaimed": _unclaimed,
    "database-new": _new,
    "environment-mismatch": _mark(environment="production"),
    "reset-unfinished": _mark(resetting=True),
    "restore-unfinished": _mark(restoring={"backup": "nightly"}),
    "leftovers": _half_a_restore,
    "migrations-failed": _failed,
    "migrations-edited": _edited,
    "migrations-missing-file": _gone,
    "migrations-out-of-order": _late,
    "migrations-pending": _pending,
    "schema-conflict": _view,
    "schema-drift": _no_validator,
    "indexes-drift": _no_index,
    "collections-undeclared": _more,
    "indexes-undeclared": _more,
    "seeds-pending": _seed("pass\n"),
    "seeds-failed": _failed_seed,
    "seeds-changed": _changed_seed,
    "lock-holder": _held,
    "unreadable": _broken_declaration,
}


@pytest.mark.parametrize("id", PROJECT)
def test_what_the_project_shows(ready: Sandbox, wayra_database: Documents, id: str) -> None:
    """Silent before and found after a change by hand; what stands in the way makes the status unhealthy."""
    ready.write("collections/trips.py", BARE.replace("users", "trips"))
    with ready.open() as project:
        assert [one.id for one in project.status().findings if one.id == id] == []
        assert project.status().healthy
    PROJECT[id](ready, wayra_database)
    with ready.open() as project:
        status = project.status()
    assert id in [one.id for one in status.findings]
    assert status.healthy is not any(one.stands_in_the_way for one in status.findings)


def test_a_running_migration(ready: Sandbox, wayra_database: Documents) -> None:
    """While its runner lives it is told as running; when it does not, as interrupted."""
    ready.migration(3, "pass", head="transactional = False")
    deployment = Deployment(wayra_database.client, wayra_database.name)
    record = {"_id": 3, "name": "step", "state": "started", "direction": "up", "atomic": False, "checksum": "x"}
    with locking.acquire(deployment, "migrate up", lease_seconds=30, timeout_seconds=0) as lease:
        wayra_database["_wayra_migrations"].insert_one(
            {**record, "at": datetime.now(UTC), "epoch": lease.epoch, "format": 1, "seconds": 0.0, "host": "here"}
        )
        with ready.open() as project:
            assert [one.severity for one in project.status().findings if one.id == "migrations-running"] == ["info"]
    with ready.open() as project:
        assert [one.id for one in project.status().findings if one.id.startswith("migrations")] == ["migrations-failed"]


# --- documents, validators, indexes ---------------------------------------------------------------------------------


def test_documents_and_validators(ready: Sandbox, wayra_database: Documents) -> None:
    """Invalid ones are counted in a sample, no more; a declared collection without validator is told."""
    assert found(look(ready, deep=True), "documents-invalid") == []
    assert found(look(ready), "validators-missing") == []
    wayra_database.command("collMod", "users", validationLevel="off")
    wayra_database.users.insert_many([{"name": "nobody"}, {"name": "no one", "email": "a@b"}])
    wayra_database.command("collMod", "users", validationLevel="strict")
    (one,) = found(look(ready, deep=True), "documents-invalid")
    assert one.evidence == {"collection": "users", "sampled": 4, "invalid": 1}
    assert found(look(ready), "documents-invalid") == []  # which was not asked
    ready.write(NAMES, BARE)
    with ready.open() as project:
        project.schema.apply()
    (one,) = found(look(ready), "validators-missing")
    assert one.evidence == {"collections": ["users"]}


@contextmanager
def ttl_stopped(client: MongoClient[dict[str, Any]]) -> Iterator[None]:
    """Within the block nothing expires."""
    client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
    try:
        yield
    finally:
        client.admin.command("setParameter", 1, ttlMonitorEnabled=True)


def test_ttl(ready: Sandbox, wayra_database: Documents) -> None:
    """A monitor that is switched off, and a document that should be gone; without a TTL index neither is said."""
    with ttl_stopped(wayra_database.client):
        assert found(look(ready), "ttl-stopped") == []
        wayra_database.sessions.create_indexes(
            [
                IndexModel("at", expireAfterSeconds=60),
                IndexModel("until", expireAfterSeconds=0, partialFilterExpression={"until": {"$exists": True}}),
            ]
        )
        wayra_database.sessions.insert_many([{"at": datetime.now(UTC)}, {"at": "no date"}])
        facts = look(ready, deep=True)
        assert [one.severity for one in found(facts, "ttl-stopped")] == ["error"]
        assert found(facts, "ttl-overdue") == []
        wayra_database.sessions.insert_one({"at": datetime.now(UTC) - timedelta(hours=2)})
        wayra_database.sessions.insert_one({"until": datetime.now(UTC) - timedelta(hours=1)})
        overdue = {
            one.evidence["index"]: one.evidence["overdueSeconds"]
            for one in found(look(ready, deep=True), "ttl-overdue")
        }
        assert set(overdue) == {"at_1", "until_1"}
        assert 7000 < overdue["at_1"] < 7300
    assert found(look(ready), "ttl-stopped") == []


def test_indexes_that_serve_nobody(ready: Sandbox, wayra_database: Documents) -> None:
    """Unused over days that a kept sample knows of, and covered by another; the declared one is neither."""
    assert found(look(ready, deep=True), "indexes-unused") == []
    wayra_database.trips.create_indexes([IndexModel("a"), IndexModel([("a", 1), ("b", 1)]), IndexModel("c")])
    member = wayra_database.client.admin.command("hello")["me"]
    now = datetime.now(UTC)
    wayra_database["_wayra_index_samples"].insert_one(
        {
            "at": now - timedelta(seconds=1),
            "format": 1,
            "counters": [
                {
                    "member": member,
                    "collection": "trips",
                    "index": "c_1",
                    "key": [["c", 1]],
                    "uses": 0,
                    "since": now - timedelta(days=9),
                }
            ],
        }
    )
    facts = look(ready, deep=True)
    assert [one.evidence["index"] for one in found(facts, "indexes-unused")] == ["c_1"]
    assert [one.evidence["index"] for one in found(facts, "indexes-redundant")] == ["a_1"]
    assert found(look(ready), "indexes-redundant") == []


# --- a server that is run badly -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bad_server() -> Iterator[TemporaryServer]:
    """Open to everybody, few connections, an oplog of 64 MB; a module's tests make it worse."""
    with temporary_server(extra_args=["--bind_ip_all", "--maxConns", "40"]) as server:
        yield server


@pytest.fixture
def badly(bad_server: TemporaryServer, tmp_path: Path) -> Sandbox:
    """A project on it."""
    folder = tmp_path / "badly"
    folder.mkdir()
    sandbox = Sandbox(folder, bad_server.uri, "mine")
    sandbox.write(NAMES, BARE)
    return sandbox


def test_doors(badly: Sandbox, ready: Sandbox) -> None:
    """A server that listens to the world, asks for no password and speaks plainly; one on loopback may."""
    facts = look(badly)
    assert [one.severity for one in found(facts, "auth-off")] == ["error"]
    assert [one.severity for one in found(facts, "tls-off")] == ["warning"]
    quiet = look(ready)
    for id in ("auth-off", "tls-off", "port-default"):
        assert found(quiet, id) == []
    assert found(facts, "port-default") == []
    listening = known(facts.server.listening)
    assert listening is not None
    by_default = replace(listening, port=facts_server.listening_of({}).port)
    status = replace(facts.status, server=replace(facts.server, listening=by_default))
    assert [one.severity for one in found(replace(facts, status=status), "port-default")] == ["info"]


def test_write_concern(badly: Sandbox, bad_server: TemporaryServer) -> None:
    """A default below the majority, and a URI that asks for less."""
    assert found(look(badly), "write-concern") == []
    separator = "&" if "?" in bad_server.uri else "?"
    (one,) = found(look(badly, MONGODB_URI=f"{bad_server.uri}{separator}w=1"), "write-concern")
    assert "MONGODB_URI" in one.advice
    with bad_server.client() as client:
        client.admin.command("setDefaultRWConcern", 1, defaultWriteConcern={"w": 1})
        try:
            (one,) = found(look(badly), "write-concern")
            assert one.evidence == {"w": 1}
        finally:
            client.admin.command("setDefaultRWConcern", 1, defaultWriteConcern={"w": "majority"})


def test_connections(badly: Sandbox, bad_server: TemporaryServer) -> None:
    """Most of forty are taken."""
    assert found(look(badly), "connections-limit") == []
    with bad_server.client(maxPoolSize=40) as client:
        client.bad.slow.insert_one({})
        readers = [
            threading.Thread(target=lambda: list(client.bad.slow.find({"$where": "sleep(1500) || true"})))
            for _ in range(30)
        ]
        for reader in readers:
            reader.start()
        deadline = time.monotonic() + 10
        while client.admin.command("serverStatus")["connections"]["current"] < 33 and time.monotonic() < deadline:
            time.sleep(0.05)
        (one,) = found(look(badly), "connections-limit")
        for reader in readers:
            reader.join()
    assert one.evidence["most"] == 40


def test_slow_and_long_operations(badly: Sandbox, bad_server: TemporaryServer) -> None:
    """Reads that take long on average, one that runs on, and scans of a whole collection."""
    quick = Limits(slow_operations=3, scan_ratio=50.0, operation_long=1.0)
    with bad_server.client(appname="report") as client:
        client.bad.wide.insert_many([{"n": n} for n in range(500)])
        client.bad.slow.drop()
        client.bad.slow.insert_one({})
        before = look(badly)
        assert found(before, "operations-long", quick) == []
        assert [one for one in found(before, "slow-operations", quick) if "scans" in one.evidence] == []
        for _ in range(60):
            assert list(client.bad.wide.find({"n": -1})) == []
        thread = threading.Thread(target=lambda: list(client.bad.slow.find({"$where": "sleep(4000) || true"})))
        thread.start()
        deadline = time.monotonic() + 10
        while not (long := found(look(badly), "operations-long", quick)) and time.monotonic() < deadline:
            time.sleep(0.2)
        thread.join()
        after = found(look(badly), "slow-operations", quick)
    assert [(one.evidence["namespace"], one.evidence["application"]) for one in long] == [("bad.slow", "report")]
    assert "sleep" not in str(long)
    assert any("scans" in one.evidence for one in after)
    reads = Limits(slow_operations=3, slow_milliseconds=20.0)
    assert [one.evidence["kind"] for one in found(look(badly), "slow-operations", reads) if "kind" in one.evidence] == [
        "reads"
    ]


def test_cache_and_oplog(badly: Sandbox, bad_server: TemporaryServer) -> None:
    """A cache full of what waits to be written, and an oplog that a backup would outlive."""
    with badly.open() as project:
        project.initializer.run()
        project.backups.create(name="short")
    many = Limits(oplog_backups=100_000.0)
    before = look(badly)
    assert found(before, "cache-pressure") == []
    assert found(before, "oplog-window", many) == []
    with bad_server.client() as client:
        # No eviction before the cache is nearly all dirty.
        client.admin.command(
            "setParameter", 1, wiredTigerEngineRuntimeConfig="eviction_dirty_target=90,eviction_dirty_trigger=95"
        )
        big = client.bad.get_collection("big", write_concern=WriteConcern(1))
        text = os.urandom(100_000)
        for _ in range(20):
            big.insert_many([{"text": text} for _ in range(60)])
            if found(look(badly), "cache-pressure"):
                break
        (one,) = found(look(badly), "cache-pressure")
        client.admin.command(
            "setParameter", 1, wiredTigerEngineRuntimeConfig="eviction_dirty_target=5,eviction_dirty_trigger=20"
        )
    assert one.evidence["dirty"] >= 0.2
    facts = look(badly)
    oplog = known(facts.server.oplog)
    assert oplog is not None
    assert [one.id for one in found(facts, "oplog-window", replace(many, oplog_filled=oplog.filled))] == [
        "oplog-window"
    ]


def test_fragmentation(badly: Sandbox, bad_server: TemporaryServer) -> None:
    """What was deleted leaves room in the file, once no snapshot can ask for it any more."""
    limits = Limits(fragmented_least=100_000)

    def seen(client: MongoClient[dict[str, Any]]) -> list[Finding]:
        client.admin.command("fsync")
        return found(look(badly), "fragmentation", limits)

    with bad_server.client() as client:
        client.admin.command("setParameter", 1, minSnapshotHistoryWindowInSeconds=0)
        client.mine.trips.insert_many([{"text": os.urandom(900)} for _ in range(3000)])
        assert seen(client) == []
        client.mine.trips.delete_many({})
        deadline = time.monotonic() + 30
        while not (holes := seen(client)) and time.monotonic() < deadline:
            client.mine.other.insert_one({})
            time.sleep(0.2)
        client.drop_database("mine")
    assert [one.evidence["collection"] for one in holes] == ["trips"]


def test_versions(badly: Sandbox, bad_server: TemporaryServer) -> None:
    """A release out of support, and one that still works like the one before."""
    facts = look(badly)
    assert [one.evidence["version"] for one in found(facts, "server-unsupported")] == [
        facts.status.deployment.version if facts.status.deployment else ""
    ]
    young = replace(facts, at=datetime(2022, 1, 1, tzinfo=UTC))
    assert found(young, "server-unsupported") == []
    assert found(facts, "compatibility-behind") == []
    with bad_server.client() as client:
        now = client.admin.command({"getParameter": 1, "featureCompatibilityVersion": 1})
        current = now["featureCompatibilityVersion"]["version"]
        older = f"{int(current.split('.')[0]) - 1}.0"
        client.admin.command("setFeatureCompatibilityVersion", older)
        try:
            assert [one.evidence["compatibility"] for one in found(look(badly), "compatibility-behind")] == [older]
        finally:
            client.admin.command("setFeatureCompatibilityVersion", current)


def test_disk_and_clock(badly: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own figures of its disk, and its time against a machine that is a minute behind."""
    with badly.open() as project:
        project.initializer.run()
    facts = look(badly)
    disk = known(facts.server.disk)
    assert disk is not None
    assert 0 < disk.used < disk.total
    assert found(facts, "disk-space", Limits(disk_warning=1.0)) == []
    assert [one.severity for one in found(facts, "disk-space", Limits(disk_warning=disk.share))] == ["warning"]
    assert found(facts, "clock-skew") == []

    monkeypatch.setattr(facts_server, "now", lambda: datetime.now(UTC) - timedelta(minutes=1))
    (one,) = found(look(badly), "clock-skew")
    assert 59 < one.evidence["aheadSeconds"] < 61


# --- members, users, files, backups ---------------------------------------------------------------------------------


def test_members(wayra_three_nodes: TemporaryServer, tmp_path: Path) -> None:
    """One that applies nothing lags, one that was killed is out of reach, and without a majority nobody writes."""
    sandbox = Sandbox(tmp_path, wayra_three_nodes.uri, "members")
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
        quiet = project.facts()
        for id in ("members-unreachable", "replication-lag", "primary-missing"):
            assert found(quiet, id) == []
        primary = wayra_three_nodes.primary()
        slow, killed = [node for node in wayra_three_nodes.nodes if node is not primary]
        direct: MongoClient[dict[str, Any]]
        with MongoClient(slow.host, directConnection=True) as direct:
            direct.admin.command({"configureFailPoint": "rsSyncApplyStop", "mode": "alwaysOn"})
            writes: Any = project.deployment.client["members"].get_collection("trips", write_concern=WriteConcern(1))
            short = Limits(lag_warning=1.0)
            deadline = time.monotonic() + 20
            while not (lagging := found(project.facts(), "replication-lag", short)) and time.monotonic() < deadline:
                writes.insert_one({"at": datetime.now(UTC)})
                time.sleep(0.3)
            direct.admin.command({"configureFailPoint": "rsSyncApplyStop", "mode": "off"})
        assert [one.evidence["members"] for one in lagging] == [[slow.host]]
        killed.kill()
        deadline = time.monotonic() + 20
        while not (missing := found(project.facts(), "members-unreachable")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [one.evidence["address"] for one in missing] == [killed.host]
        status = project.status()
        assert status.reachable
        assert not status.healthy
        assert {one.verdict for one in status.migrations or ()} == {"applied"}
    primary.kill()
    lonely = Sandbox(tmp_path, f"mongodb://{slow.host}/?directConnection=true", "members")
    deadline = time.monotonic() + 20
    while not (gone := found(look(lonely), "primary-missing")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [one.severity for one in gone] == ["error"]


def test_a_standalone(wayra_standalone: TemporaryServer, ready: Sandbox, tmp_path: Path) -> None:
    """It has no transactions; a replica set of one has."""
    sandbox = Sandbox(tmp_path, wayra_standalone.uri, "alone")
    facts = look(sandbox)
    assert [one.severity for one in found(facts, "transactions-missing")] == ["info"]
    assert not_made(facts) == ()
    assert found(look(ready), "transactions-missing") == []


def test_users_and_rights(wayra_auth_server: TemporaryServer, tmp_path: Path) -> None:
    """Too broad roles are told; who has few rights sees the rest, and which checks were not made and why."""
    sandbox = Sandbox(tmp_path, wayra_auth_server.uri, "rights")
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
    assert [one.evidence["roles"] for one in found(look(sandbox), "roles-own")] == [["root@admin"]]
    with wayra_auth_server.client() as client:
        before = found(look(sandbox), "roles-broad")
        client.rights.command("createUser", "owner", pwd="x", roles=["dbOwner"])
        client.rights.command("createUser", "app", pwd="x", roles=["readWrite", "dbAdmin"])
        client.rights.command(
            "createUser", "watcher", pwd="x", roles=["read", "dbAdmin", {"role": "clusterMonitor", "db": "admin"}]
        )
        (wide,) = found(look(sandbox), "roles-broad")
        assert before == []
        assert [one["user"] for one in wide.evidence["users"]] == ["root@admin", "owner@rights"]
        host = wayra_auth_server.nodes[0].host
        little = look(sandbox, deep=True, MONGODB_URI=f"mongodb://app:x@{host}/rights?replicaSet=wayra")
        assert found(little, "roles-own") == []
        assert {one.id for one in not_made(little)} >= {"auth-off", "oplog-window", "cache-pressure", "roles-broad"}
        assert all("may not do this" in one.reason for one in not_made(little))
        assert little.status.unreadable == {}
        assert [one.reachable for one in little.status.server.replication.members] == [True]  # type: ignore[union-attr]
        enough = look(sandbox, deep=True, MONGODB_URI=f"mongodb://watcher:x@{host}/rights?replicaSet=wayra")
        assert [one.id for one in not_made(enough)] in ([], ["roles-broad"])
        for user in ("owner", "app", "watcher"):
            client.rights.command("dropUser", user)


def test_files(ready: Sandbox) -> None:
    """Code that others may change, a password that others may read; a fresh project is as it should be."""
    with ready.open() as project:
        project.backups.create(name="nightly")
    quiet = look(ready)
    assert found(quiet, "files-loose") == []
    assert found(quiet, "uri-in-file") == []
    (ready.folder / "migrations").chmod(0o777)
    (one,) = found(look(ready), "files-loose")
    assert (one.severity, one.evidence) == ("error", {"files": [{"path": "migrations", "mode": "0777"}]})
    assert one.command == "chmod o-w migrations"
    (ready.folder / "migrations").chmod(0o755)
    secret = f"mongodb://user:hunter2@127.0.0.1:1/{ready.database}"
    file = ready.write("wayra-db.toml", f'[database]\nuri = "{secret}"\nserver_selection_timeout_seconds = 0.1\n')
    file.chmod(0o644)
    facts = look(ready, MONGODB_URI="")
    assert [one.evidence["place"] for one in found(facts, "uri-in-file")] == [f"{file}:2"]
    assert [one.evidence["files"][0]["path"] for one in found(facts, "files-loose")] == ["wayra-db.toml"]
    assert "hunter2" not in str([one.to_dict() for one in run_checks(facts, PRODUCTION)])
    assert [one.severity for one in found(facts, "unreachable")] == ["error"]


def test_backups(ready: Sandbox) -> None:
    """None, one that nobody verified, an old one, a damaged one."""
    assert [one.severity for one in found(look(ready), "backups-old")] == ["error"]
    with ready.open() as project:
        project.backups.create(name="nightly")
    facts = look(ready)
    assert found(facts, "backups-old") == found(facts, "backups-damaged") == []
    with ready.open() as project:
        project.backup_keeper.verify("nightly")
    facts = look(ready)
    assert found(facts, "backups-unverified") == []
    later = replace(facts, at=facts.at + timedelta(days=2))
    assert [one.evidence["backup"] for one in found(later, "backups-old")] == ["nightly"]
    manifest = next((ready.folder / "backups/nightly").glob("manifest*"))
    manifest.write_text(manifest.read_text()[:-20])
    facts = look(ready)
    assert [one.evidence["backup"] for one in found(facts, "backups-damaged")] == ["nightly"]
    assert [one.severity for one in found(facts, "backups-old")] == ["error"]


def test_a_fresh_backup_is_not_verified(ready: Sandbox) -> None:
    """Unless making it has done so already."""
    with ready.open() as project:
        project.backups.create(name="nightly")
        status = project.status()
    facts = replace(
        project.facts(), status=replace(status, backup_facts=[replace(status.backup_facts[0], verified=False)])
    )
    assert [one.command for one in found(facts, "backups-unverified")] == ["wayra-db backup verify nightly"]


def test_doctor_of_the_library(ready: Sandbox) -> None:
    """All checks, those named, and an id that does not exist."""
    with ready.open() as project:
        diagnosis = project.doctor()
        assert diagnosis.healthy
        assert diagnosis.made > 40
        assert set(diagnosis.versions) == {"wayra-db", "python", "pymongo", "mongodb"}
        assert [one.id for one in project.doctor(only=["server-unsupported"]).findings] == ["server-unsupported"]
        with pytest.raises(Exception, match="there is no check 'tls-of'") as raised:
            project.doctor(only=["tls-of"])
    assert "tls-off" in raised.value.hint  # type: ignore[attr-defined]
