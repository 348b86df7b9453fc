from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.health.test_status import NOW, STANDALONE, WELL, Unit
from wayra_db.error_pages import PAGES
from wayra_db.errors import ConnectionFailedError
from wayra_db.health.checks import CHECKS, Context, Limits, check_named, not_made, run_checks
from wayra_db.health.collections import CollectionStats, Growth
from wayra_db.health.facts import (
    BackupFact,
    Clock,
    DeepFacts,
    Disk,
    Facts,
    IndexNote,
    InvalidDocuments,
    Latency,
    Listening,
    Load,
    LooseFile,
    MachineFacts,
    Member,
    Operation,
    Oplog,
    Overdue,
    Replication,
    ServerFacts,
    TtlMonitor,
    Unreadable,
    User,
    Validated,
    WriteConcern,
)
from wayra_db.health.status import IndexSummary, SchemaSummary
from wayra_db.locking import LockState
from wayra_db.mongo.capabilities import Capabilities

LOAD = Load(86_400.0, 12, 800, 0.01, 0.4, False, {"reads": Latency(5000, 5_000_000)}, 1440, 5000, 4000, 3)
SERVER = ServerFacts(
    replication=Replication((Member("a:1", "PRIMARY", True), Member("b:1", "SECONDARY", True, 0.0)), 0.0),
    load=LOAD,
    disk=Disk(40, 100),
    clock=Clock(0.01, 0.002),
    listening=Listening(("127.0.0.1",), 27017, "requireTLS", True),
    own_roles=("dbAdmin@wayra", "readWrite@wayra"),
    users=(User("root@admin", ("root@admin",)), User("app@wayra", ("readWrite@wayra",))),
    write_concern=WriteConcern(None, "majority"),
    oplog=Oplog(200_000.0, 1.0),
    operations=(Operation("find", "wayra.trips", 2.0),),
    ttl_monitor=TtlMonitor(True, 60.0),
)
STATUS = replace(
    WELL, server=SERVER, deployment=Capabilities("replica set", (8, 0, 4), "8.0", "rs0", ("a:1", "b:1"), True)
)
FACTS = Facts(
    NOW,
    STATUS,
    collections=(Validated("users", True, True), Validated("legacy", False, False)),
    ttl_indexes=2,
    machine=MachineFacts((), "", True, ("db.example.com",)),
    deep=DeepFacts((InvalidDocuments("users", 1000, 0),), (), (IndexNote("oversized", "users", "a_1", "much", "x"),)),
)
PRODUCTION = Context("production")


def server(**changes: Any) -> Facts:
    """The healthy facts with other facts of the server."""
    return replace(FACTS, status=replace(STATUS, server=replace(SERVER, **changes)))


def load(**changes: Any) -> Facts:
    """The healthy facts under another load."""
    return server(load=replace(LOAD, **changes))


def status(**changes: Any) -> Facts:
    """The healthy facts with another status."""
    return replace(FACTS, status=replace(STATUS, **changes))


def machine(**changes: Any) -> Facts:
    """The healthy facts on another machine."""
    return replace(FACTS, machine=replace(FACTS.machine, **changes))


def backup(**changes: Any) -> BackupFact:
    """The newest backup, otherwise than it should be."""
    return replace(WELL.backup_facts[0], **changes)


def member(**changes: Any) -> Facts:
    """The second member in another state."""
    first, second = SERVER.replication.members  # type: ignore[union-attr]
    return server(replication=Replication((first, replace(second, **changes)), 0.0))


def lock(**changes: Any) -> LockState:
    """A lock."""
    return LockState(3, "ada (pid 7)", "host", "migrate up", NOW, False, **changes)


LOOSE = LooseFile("migrations", "0777", "write", "anybody's")
OPEN = ("0.0.0.0",)

# Check: facts that show the fault, and the severity in production.
FAULTS: dict[str, tuple[Facts, str]] = {
    "unreachable": (status(failure=ConnectionFailedError("no MongoDB answers", hint="Start it.")), "error"),
    "unreadable": (status(unreadable={"seeds": "broken"}), "error"),
    "database-unclaimed": (status(stored_environment=None, unclaimed_data=True), "error"),
    "environment-mismatch": (status(stored_environment="production"), "error"),
    "reset-unfinished": (status(resetting=True), "error"),
    "restore-unfinished": (status(restoring="nightly"), "error"),
    "migrations-failed": (status(migrations=[Unit("a", "interrupted")]), "error"),
    "migrations-edited": (status(migrations=[Unit("a", "edited")]), "error"),
    "migrations-missing-file": (status(migrations=[Unit("a", "missing file")]), "error"),
    "migrations-out-of-order": (status(migrations=[Unit("a", "pending"), Unit("b", "applied")]), "error"),
    "schema-conflict": (status(schema=SchemaSummary(1, (), (), ("users: it is a view",))), "error"),
    "seeds-failed": (status(seeds=[Unit("a", "failed")]), "error"),
    "database-new": (status(stored_environment=None), "warning"),
    "leftovers": (status(leftovers=("_wayra_import_ab", "_wayra_restore_ab_0")), "warning"),
    "migrations-pending": (status(migrations=[Unit("a", "stopped")]), "warning"),
    "schema-drift": (status(schema=SchemaSummary(1, ("users does not exist",))), "warning"),
    "indexes-drift": (status(indexes=IndexSummary(1, 0, ("index a is missing",))), "warning"),
    "seeds-pending": (status(seeds=[Unit("a", "pending")]), "warning"),
    "lock-holder": (status(lock=lock()), "info"),
    "migrations-running": (status(migrations=[Unit("a", "running")]), "info"),
    "collections-undeclared": (status(schema=SchemaSummary(1, (), ("legacy",))), "info"),
    "indexes-undeclared": (status(indexes=IndexSummary(1, 1, (), ("users.old_1",))), "info"),
    "seeds-changed": (status(seeds=[Unit("a", "changed since it ran")]), "info"),
    "primary-missing": (status(deployment=replace(STATUS.deployment, writable_primary=False)), "error"),  # type: ignore[type-var]
    "members-unreachable": (member(reachable=False), "error"),
    "replication-lag": (member(lag_seconds=61.0), "error"),
    "transactions-missing": (status(deployment=STANDALONE), "info"),
    "oplog-window": (server(oplog=Oplog(4.0, 0.95)), "error"),
    "write-concern": (server(write_concern=WriteConcern(1, "majority")), "warning"),
    "backups-damaged": (status(backup_facts=[*WELL.backup_facts, backup(name="old", damaged=True)]), "error"),
    "backups-old": (status(backup_facts=[backup(created_at=NOW - timedelta(hours=25))]), "warning"),
    "backups-unverified": (status(backup_facts=[backup(verified=False)]), "warning"),
    "disk-space": (server(disk=Disk(98, 100)), "error"),
    "cache-pressure": (load(cache_dirty=0.21), "warning"),
    "connections-limit": (load(connections=700, connections_available=100), "warning"),
    "slow-operations": (load(latencies={"reads": Latency(200, 200 * 150_000)}), "warning"),
    "operations-long": (server(operations=(Operation("find", "wayra.trips", 90.0, "app"),)), "warning"),
    "auth-off": (server(listening=Listening(OPEN, 27018, "requireTLS", False)), "error"),
    "tls-off": (machine(tls=False), "error"),
    "port-default": (server(listening=Listening(OPEN, 27017, "requireTLS", True)), "info"),
    "roles-own": (server(own_roles=("readWriteAnyDatabase@admin",)), "warning"),
    "roles-broad": (server(users=(User("a@x", ("root@admin",)), User("b@x", ("dbOwner@x",)))), "warning"),
    "uri-in-file": (machine(uri_in_file="wayra-db.toml:3"), "warning"),
    "files-loose": (machine(loose_files=(LOOSE,)), "error"),
    "validators-missing": (replace(FACTS, collections=(Validated("users", False, True),)), "info"),
    "documents-invalid": (
        replace(FACTS, deep=replace(FACTS.deep, invalid=(InvalidDocuments("users", 1000, 3),))),
        "warning",
    ),
    "ttl-stopped": (server(ttl_monitor=TtlMonitor(False, 60.0)), "error"),
    "ttl-overdue": (replace(FACTS, deep=replace(FACTS.deep, overdue=(Overdue("users", "at_1", 1000.0),))), "warning"),
    "fragmentation": (
        status(collections=[CollectionStats("users", 3, 100, 200_000_000, 8192, free_size=150_000_000)]),
        "info",
    ),
    "indexes-unused": (
        replace(FACTS, deep=replace(FACTS.deep, indexes=(IndexNote("unused", "users", "a_1", "no use", "Drop it."),))),
        "info",
    ),
    "indexes-redundant": (
        replace(FACTS, deep=replace(FACTS.deep, indexes=(IndexNote("duplicate", "users", "a_1", "b", "Drop it."),))),
        "info",
    ),
    "server-unsupported": (
        status(deployment=Capabilities("replica set", (6, 0, 5), "6.0", "rs0", (), True)),
        "warning",
    ),
    "compatibility-behind": (
        status(deployment=Capabilities("replica set", (8, 0, 4), "7.0", "rs0", (), True)),
        "info",
    ),
    "clock-skew": (server(clock=Clock(-30.0, 0.1)), "warning"),
}

# More faults of checks that know several, with the severity in production; None is silence.
EDGES: dict[str, tuple[str, Facts, Context, str | None]] = {
    "lag is a warning first": ("replication-lag", member(lag_seconds=11.0), PRODUCTION, "warning"),
    "a delayed member is meant to lag": ("replication-lag", member(lag_seconds=3600.0, delayed=True), PRODUCTION, None),
    "only the majority is known": (
        "replication-lag", server(replication=Replication((), 90.0)), PRODUCTION, "error",
    ),
    "a member that recovers": ("members-unreachable", member(state="RECOVERING"), PRODUCTION, "warning"),
    "an arbiter works": ("members-unreachable", member(state="ARBITER"), PRODUCTION, None),
    "the oplog has room": ("oplog-window", server(oplog=Oplog(4.0, 0.2)), PRODUCTION, None),
    "the oplog is short": ("oplog-window", server(oplog=Oplog(600.0, 1.0)), PRODUCTION, "warning"),
    "of the embedded server it may be": (
        "oplog-window", server(oplog=Oplog(4.0, 1.0)), Context("development", embedded=True), None,
    ),
    "a development database may be open": ("tls-off", machine(tls=False), Context("development"), "info"),
    "but not without a password": (
        "auth-off", server(listening=Listening(OPEN, 1, "disabled", False)), Context("development"), "error",
    ),
    "loopback needs no password": (
        "auth-off", server(listening=Listening(("localhost",), 1, "disabled", False)), PRODUCTION, None,
    ),
    "a socket neither": (
        "auth-off", server(listening=Listening(("/run/m.sock",), 1, "disabled", False)), PRODUCTION, None,
    ),
    "TLS on loopback is not asked for": ("tls-off", machine(tls=False, hosts=("127.0.0.1",)), PRODUCTION, None),
    "a server that would take plain connections": (
        "tls-off", server(listening=Listening(OPEN, 1, "allowTLS", True)), PRODUCTION, "warning",
    ),
    "one administrator": ("roles-broad", server(users=(User("a@x", ("root@admin",)),)), PRODUCTION, None),
    "a URI that says w=majority": (
        "write-concern", server(write_concern=WriteConcern("majority", 1)), PRODUCTION, None,
    ),
    "a default below the majority": (
        "write-concern", server(write_concern=WriteConcern(None, 1)), PRODUCTION, "warning",
    ),
    "no backup at all": ("backups-old", status(backup_facts=[]), PRODUCTION, "error"),
    "no data, no backup": (
        "backups-old", status(backup_facts=[], collections=[CollectionStats("users", 0, 0, 0, 0)]), PRODUCTION, None,
    ),
    "a redacted one does not count": ("backups-old", status(backup_facts=[backup(whole=False)]), PRODUCTION, "error"),
    "a longer policy": (
        "backups-old",
        status(backup_facts=[backup(created_at=NOW - timedelta(days=3))]),
        Context("production", backup_max_age=timedelta(days=7)),
        None,
    ),
    "the disk is filling": ("disk-space", server(disk=Disk(90, 100)), PRODUCTION, "warning"),
    "a full cache": ("cache-pressure", load(cache_used=0.96), PRODUCTION, "warning"),
    "writers are held back": ("cache-pressure", load(holds_back_writers=True), PRODUCTION, "warning"),
    "few operations say nothing": (
        "slow-operations", load(latencies={"reads": Latency(3, 3_000_000)}), PRODUCTION, None,
    ),
    "scans": (
        "slow-operations",
        load(collection_scans=500, documents_examined=10_000_000, documents_returned=100),
        PRODUCTION,
        "warning",
    ),
    "an index build may take its time": (
        "operations-long", server(operations=(Operation("createIndexes", "wayra.trips", 900.0),)), PRODUCTION, None,
    ),
    "a monitor that never ran": ("ttl-stopped", load(ttl_passes=0), PRODUCTION, "warning"),
    "one that has just started": ("ttl-stopped", load(ttl_passes=0, uptime_seconds=30.0), PRODUCTION, None),
    "nothing relies on it": (
        "ttl-stopped", replace(server(ttl_monitor=TtlMonitor(False, 60.0)), ttl_indexes=0), PRODUCTION, None,
    ),
    "a slow round trip is no skew": ("clock-skew", server(clock=Clock(2.0, 1.5)), PRODUCTION, None),
    "others may read a secret": (
        "files-loose",
        machine(loose_files=(LooseFile("wayra-db.toml", "0644", "read", "a password"),)),
        PRODUCTION,
        "warning",
    ),
    "what a restore under way is using": (
        "leftovers", status(leftovers=("_wayra_restore_ab_0",), lock=lock()), PRODUCTION, None,
    ),
    "a dead holder": ("lock-holder", status(lock=lock(died=True)), PRODUCTION, "info"),
    "other limits": (
        "fragmentation",
        status(collections=[CollectionStats("users", 3, 100, 1000, 8192, free_size=600)]),
        Context("production", limits=Limits(fragmented_least=500)),
        "info",
    ),
}  # fmt: skip


def test_every_check_has_a_fault_here() -> None:
    """And ids are told apart, are words with hyphens, and every check says what it is and why."""
    assert sorted(FAULTS) == sorted(check.id for check in CHECKS)
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert not {check.id for check in CHECKS} & set(PAGES)  # `explain` knows both
    assert all(check.title and check.why.endswith(".") for check in CHECKS)


def test_where_all_is_well_every_check_is_silent() -> None:
    """In production too."""
    assert run_checks(FACTS, PRODUCTION) == ()
    assert not_made(FACTS) == ()


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_found_by_its_check(id: str) -> None:
    """With its id, its severity, a sentence, plain evidence, and what to do unless there is nothing."""
    facts, severity = FAULTS[id]
    found = [one for one in run_checks(facts, PRODUCTION) if one.id == id]
    assert [one.severity for one in found] == [severity] * len(found)
    assert found
    assert all(one.next_step for one in found if severity != "info" and id != "unreadable")
    assert json.loads(json.dumps([one.to_dict() for one in found]))
    assert run_checks(facts, PRODUCTION, only=[id]) == tuple(found)


@pytest.mark.parametrize("name", EDGES)
def test_how_a_check_judges(name: str) -> None:
    """From where on something is worth saying, and how bad it is."""
    id, facts, context, severity = EDGES[name]
    found = run_checks(facts, context, only=[id])
    assert [one.severity for one in found] == ([severity] if severity else [])


@pytest.mark.parametrize("id", [check.id for check in CHECKS])
def test_a_check_without_its_facts_is_not_made(id: str) -> None:
    """It finds nothing and is listed, with the reason; a fact that nobody asked for is not worth a word."""
    away = Unreadable("not authorized")
    nothing = replace(SERVER, **dict.fromkeys(SERVER.__dataclass_fields__, away))
    facts = replace(
        FACTS,
        status=replace(STATUS, server=nothing),
        collections=away,
        ttl_indexes=away,
        machine=MachineFacts(away),
        deep=DeepFacts(away, away, away),
    )
    check = check_named(id)
    assert check is not None
    assert run_checks(facts, PRODUCTION, only=[id]) == ()
    assert [one.id for one in not_made(facts, only=[id])] == ([id] if check.facts(facts) else [])
    bare = Facts(NOW, replace(STATUS, server=ServerFacts()))
    assert not_made(bare, only=[id]) == ()


def test_what_status_and_doctor_make() -> None:
    """Doctor makes all; status those that need no more than a glance, and what is an error there stands in the way."""
    for id, (facts, _) in FAULTS.items():
        check = check_named(id)
        assert check is not None
        at_a_glance = [one.id for one in run_checks(facts, PRODUCTION, at_a_glance=True)]
        assert (id in at_a_glance) is check.glance


def test_the_disk_that_grows() -> None:
    """Where samples were kept, the time that is left is told."""
    growth = Growth(NOW - timedelta(days=2), 10, 100, 4, 2.0)
    grown = replace(WELL.collections[0], growth=growth)  # type: ignore[index]
    facts = replace(FACTS, status=replace(STATUS, collections=[grown], server=replace(SERVER, disk=Disk(90, 100))))
    assert [one.evidence["daysLeft"] for one in run_checks(facts, PRODUCTION, only=["disk-space"])] == [5.0]


def test_no_value_of_a_document_is_evidence() -> None:
    """Operations are told by command, namespace, time and application."""
    facts, _ = FAULTS["operations-long"]
    (found,) = run_checks(facts, PRODUCTION, only=["operations-long"])
    assert set(found.evidence) == {"kind", "namespace", "seconds", "application"}
