"""Reads what a deployment says of itself. Every fact by itself: what may not be asked is Unreadable, and no more.

Sends no command that reads a collection of a user. What `status` needs is a handful of commands, whatever the number of
collections.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from wayra_db.errors import CancelledError, WayraError
from wayra_db.health.facts import (
    Clock,
    Disk,
    Latency,
    Listening,
    Load,
    Member,
    Operation,
    Oplog,
    Replication,
    ServerFacts,
    TtlMonitor,
    Unreadable,
    User,
    WriteConcern,
    known,
)
from wayra_db.mongo import load
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.mongo.members import find_members

T = TypeVar("T")

PRIMARY, ARBITER = "PRIMARY", "ARBITER"
DEFAULT_PORT = 27017
# Clients of the server's own making: replication, sharding, the heartbeats of drivers.
_OWN_APPLICATIONS = ("OplogFetcher", "NetworkInterfaceTL")
_ASKED_BY_CLIENTS = frozenset({"query", "getmore", "insert", "update", "remove", "command"})


def attempt(read: Callable[[], T]) -> T | Unreadable:
    """The fact, or why it could not be read; only a request to stop goes through."""
    try:
        return read()
    except CancelledError:
        raise
    except (WayraError, OSError) as error:
        return Unreadable(error.message if isinstance(error, WayraError) else f"{error.strerror or error}")


def read_at_a_glance(deployment: Deployment) -> ServerFacts:
    """Members and their lag, load, disk and clock: at most five commands."""
    hello, clock = read_clock(deployment)
    return ServerFacts(
        replication=attempt(lambda: read_replication(deployment, hello)),
        load=attempt(lambda: read_load(deployment)),
        disk=attempt(lambda: read_disk(deployment)),
        clock=clock,
    )


def read_more(deployment: Deployment, facts: ServerFacts) -> ServerFacts:
    """What only a thorough look needs, added to what was read at a glance."""
    own = attempt(lambda: _own_roles(deployment))
    replicated = deployment.capabilities.topology == "replica set"
    return replace(
        facts,
        listening=attempt(lambda: _listening(deployment)),
        own_roles=own,
        users=attempt(lambda: _users(deployment)),
        write_concern=attempt(lambda: _write_concern(deployment)),
        oplog=attempt(lambda: _oplog(deployment)) if replicated else None,
        operations=attempt(lambda: _operations(deployment)),
        ttl_monitor=attempt(lambda: _ttl_monitor(deployment)),
    )


def _admin(deployment: Deployment, command: str, value: Any = 1, **more: Any) -> Mapping[str, Any]:
    with translated(deployment.address):
        reply: Mapping[str, Any] = deployment.client.admin.command(command, value, **more)
        return reply


def now() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


def read_clock(deployment: Deployment) -> tuple[Mapping[str, Any], Clock | Unreadable]:
    """The server's `hello`, and its clock against this machine's. Raises what the connection raises."""
    sent, started = now(), time.monotonic()
    hello = _admin(deployment, "hello")
    trip = time.monotonic() - started
    there = hello.get("localTime")
    if not isinstance(there, datetime):
        return hello, Unreadable("the server tells no time")
    there = there if there.tzinfo else there.replace(tzinfo=UTC)
    return hello, Clock((there - sent).total_seconds() - trip / 2, trip / 2)


def read_replication(deployment: Deployment, hello: Mapping[str, Any]) -> Replication | None:
    """The members as the primary sees them; where that may not be asked, those that this client reaches."""
    if "setName" not in hello:
        return None
    majority = load.lag_of_majority(hello)
    try:
        status = _admin(deployment, "replSetGetStatus")
    except WayraError:
        met = find_members(deployment, hello)
        primary = hello.get("primary")
        reached = [Member(one, PRIMARY if one == primary else "", True) for one in met.addresses]
        return Replication((*reached, *(Member(one, "", False) for one in met.unreachable)), majority)
    members = members_of(status, frozenset())
    if any(one.lag_seconds for one in members):  # it may be on purpose
        delayed = attempt(lambda: load.delayed_members(_admin(deployment, "replSetGetConfig")))
        members = members_of(status, known(delayed) or frozenset())
    return Replication(members, majority)


def members_of(status: Mapping[str, Any], delayed: frozenset[int]) -> tuple[Member, ...]:
    """The members from `replSetGetStatus`; `delayed` holds the ids of those that are behind on purpose."""
    listed = status.get("members", ())
    newest = next((one["optimeDate"] for one in listed if one.get("stateStr") == PRIMARY), None)

    def lag(one: Mapping[str, Any]) -> float | None:
        if newest is None or not one.get("health") or one.get("stateStr") != "SECONDARY":
            return None
        return float(max(0.0, (newest - one["optimeDate"]).total_seconds()))

    return tuple(
        Member(one["name"], one.get("stateStr", ""), bool(one.get("health")), lag(one), one.get("_id") in delayed)
        for one in listed
    )


def read_load(deployment: Deployment) -> Load:
    """The server's load. One command."""
    return load_of(_admin(deployment, "serverStatus"))


def load_of(status: Mapping[str, Any]) -> Load:
    """The load from a reply of `serverStatus`; what an engine or a mongos does not tell is 0 or None."""
    dirty, used = load.cache_shares(status) or (None, None)
    connections = status.get("connections") or {}
    metrics = status.get("metrics") or {}
    executor = metrics.get("queryExecutor") or {}
    return Load(
        uptime_seconds=float(status.get("uptime", 0)),
        connections=int(connections.get("current", 0)),
        connections_available=int(connections.get("available", 0)),
        cache_dirty=dirty,
        cache_used=used,
        holds_back_writers=load.holds_back(status),
        latencies={
            kind: Latency(int(one["ops"]), int(one["latency"]))
            for kind, one in (status.get("opLatencies") or {}).items()
            if isinstance(one, Mapping) and "ops" in one
        },
        ttl_passes=int((metrics.get("ttl") or {}).get("passes", 0)),
        documents_examined=int(executor.get("scannedObjects", 0)),
        documents_returned=int((metrics.get("document") or {}).get("returned", 0)),
        collection_scans=int((executor.get("collectionScans") or {}).get("nonTailable", 0)),
    )


def read_disk(deployment: Deployment) -> Disk | None:
    """The file system below the data; None where the server does not tell. One command."""
    with translated(deployment.address):
        stats = deployment.database.command("dbStats")
    total = int(stats.get("fsTotalSize", 0))
    return Disk(int(stats.get("fsUsedSize", 0)), total) if total else None


def _listening(deployment: Deployment) -> Listening:
    return listening_of(_admin(deployment, "getCmdLineOpts").get("parsed") or {})


def listening_of(parsed: Mapping[str, Any]) -> Listening:
    """How the server listens, from the parsed options of `getCmdLineOpts`."""
    net, security = parsed.get("net") or {}, parsed.get("security") or {}
    bound = str(net.get("bindIp", "localhost"))
    addresses = tuple(part.strip() for part in bound.split(",") if part.strip())
    if net.get("bindIpAll"):
        addresses = ("0.0.0.0",)  # noqa: S104  # told, not bound
    return Listening(
        addresses,
        int(net.get("port", DEFAULT_PORT)),
        str((net.get("tls") or net.get("ssl") or {}).get("mode", "disabled")),
        # A key file asks for a password too (manual, Internal Authentication).
        security.get("authorization") == "enabled" or "keyFile" in security or "clusterAuthMode" in security,
    )


def _role(granted: Mapping[str, Any]) -> str:
    return f"{granted['role']}@{granted['db']}"


def _own_roles(deployment: Deployment) -> tuple[str, ...]:
    info = _admin(deployment, "connectionStatus").get("authInfo") or {}
    return tuple(sorted(_role(one) for one in info.get("authenticatedUserRoles", ())))


def _users(deployment: Deployment) -> tuple[User, ...]:
    try:
        reply = _admin(deployment, "usersInfo", {"forAllDBs": True})
    except WayraError:
        with translated(deployment.address):
            reply = deployment.database.command("usersInfo", 1)
    return tuple(
        User(f"{one['user']}@{one['db']}", tuple(sorted(_role(role) for role in one.get("roles", ()))))
        for one in sorted(reply.get("users", ()), key=lambda one: (one["db"], one["user"]))
    )


def _write_concern(deployment: Deployment) -> WriteConcern:
    of_connection = deployment.database.write_concern.document.get("w")
    if deployment.capabilities.topology == "standalone":
        return WriteConcern(of_connection, None)
    found = _admin(deployment, "getDefaultRWConcern").get("defaultWriteConcern") or {}
    return WriteConcern(of_connection, found.get("w", 1))


def _oplog(deployment: Deployment) -> Oplog:
    """Two reads of one entry each, at the oplog's two ends, and one of its size."""
    local = deployment.client.local
    with translated(deployment.address):
        ends = [local["oplog.rs"].find_one({}, {"ts": 1}, sort=[("$natural", order)]) for order in (1, -1)]
        stats = local.command("collStats", "oplog.rs")
    times = [one["ts"].time for one in ends if one]
    filled = stats.get("size", 0) / stats["maxSize"] if stats.get("maxSize") else 1.0
    return Oplog(float(times[-1] - times[0]) if times else 0.0, filled)


def _operations(deployment: Deployment) -> tuple[Operation, ...]:
    """What clients have running; where others' may not be asked for, this user's own."""
    try:
        listed = _current_operations(deployment, all_users=True)
    except WayraError:
        listed = _current_operations(deployment, all_users=False)
    return tuple(one for one in map(operation_of, listed) if one is not None)


def _current_operations(deployment: Deployment, *, all_users: bool) -> Sequence[Mapping[str, Any]]:
    stages: list[Mapping[str, Any]] = [
        {"$currentOp": {"allUsers": all_users}},
        {"$match": {"active": True, "microsecs_running": {"$gte": 1_000_000}}},
    ]
    with translated(deployment.address):
        return list(deployment.client.admin.aggregate(stages))


def operation_of(running: Mapping[str, Any]) -> Operation | None:
    """An operation of a client; None for the server's own, and for cursors that wait for what is to come."""
    command = running.get("command") or {}
    kind = str(running.get("op", ""))
    application = str(running.get("appName", ""))
    waiting = command.get("awaitData") or "hello" in command or "isMaster" in command or "ismaster" in command
    cursor = (running.get("cursor") or {}) if kind == "getmore" else {}
    if "client" not in running or kind not in _ASKED_BY_CLIENTS or waiting or cursor.get("tailable"):
        return None
    if application.startswith(_OWN_APPLICATIONS):
        return None
    seconds = float(running.get("microsecs_running", 0)) / 1_000_000
    name = next(iter(command), kind) if kind == "command" else kind
    return Operation(name, str(running.get("ns", "")), round(seconds, 1), application)


def _ttl_monitor(deployment: Deployment) -> TtlMonitor:
    reply = _admin(deployment, "getParameter", 1, ttlMonitorEnabled=1, ttlMonitorSleepSecs=1)
    return TtlMonitor(bool(reply.get("ttlMonitorEnabled", True)), float(reply.get("ttlMonitorSleepSecs", 60)))
