"""Cache, connections, slow and long operations, disk. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from wayra_db.health.checks.model import Check, Context
from wayra_db.health.facts import Facts, known
from wayra_db.health.findings import Finding, found
from wayra_db.health.words import size, span


def _cache(facts: Facts, context: Context) -> Iterator[Finding]:
    load, limits = known(facts.server.load), context.limits
    if load is None or load.cache_used is None or load.cache_dirty is None:
        return
    evidence = {"used": round(load.cache_used, 4), "dirty": round(load.cache_dirty, 4)}
    if load.cache_dirty >= limits.cache_dirty:
        yield found(
            "warning",
            f"{load.cache_dirty:.0%} of the server's cache wait to be written: operations are made to help",
            evidence=evidence,
            advice="Smaller batches, fewer indexes on what is written, or a faster disk.",
        )
    elif load.cache_used >= limits.cache_used:
        yield found(
            "warning",
            f"the server's cache is full ({load.cache_used:.0%}): operations wait for room",
            evidence=evidence,
            advice="Give it more memory (wiredTigerCacheSizeGB), or read less: wayra-db indexes suggest.",
        )
    if load.holds_back_writers:
        yield found(
            "warning",
            "the server holds writers back, since the majority does not keep up",
            evidence={"flowControl": True},
            advice="See replication lag: a slow member slows all writes.",
        )


def _slow(facts: Facts, context: Context) -> Iterator[Finding]:
    load, limits = known(facts.server.load), context.limits
    if load is None:
        return
    for kind, latency in load.latencies.items():
        if kind == "transactions" or latency.operations < limits.slow_operations:
            continue
        if latency.milliseconds >= limits.slow_milliseconds:
            yield found(
                "warning",
                f"{kind} take {latency.milliseconds:,.0f} ms on average",
                evidence={"kind": kind, "milliseconds": round(latency.milliseconds, 1), "of": latency.operations},
                advice="Record the slow ones and see what would help: wayra-db indexes profile on, then",
                command="wayra-db indexes suggest",
            )
    returned = max(load.documents_returned, 1)
    ratio = load.documents_examined / returned
    if load.collection_scans >= limits.slow_operations and ratio >= limits.scan_ratio:
        yield found(
            "warning",
            f"{ratio:,.0f} documents are read for each one returned, by {load.collection_scans:,} scans of whole "
            "collections",
            evidence={"examined": load.documents_examined, "returned": returned, "scans": load.collection_scans},
            advice="An index is missing",
            command="wayra-db indexes suggest",
        )


def _connections(facts: Facts, context: Context) -> Iterator[Finding]:
    load = known(facts.server.load)
    if load is None or not load.connections_available + load.connections:
        return
    most = load.connections + load.connections_available
    if load.connections / most >= context.limits.connections:
        yield found(
            "warning",
            f"{load.connections:,} of {most:,} connections are in use",
            evidence={"connections": load.connections, "most": most},
            advice="The next clients are turned away: look for clients that open one after another, lower maxPoolSize, "
            "or raise net.maxIncomingConnections.",
        )


def _long(facts: Facts, context: Context) -> Iterator[Finding]:
    running = [one for one in known(facts.server.operations) or () if one.seconds >= context.limits.operation_long]
    # An index build and the tool's own work may take their time.
    for one in sorted(running, key=lambda one: -one.seconds):
        if one.kind == "createIndexes":
            continue
        by = f" by {one.application}" if one.application else ""
        yield found(
            "warning",
            f"a {one.kind} on {one.namespace}{by} runs for {span(one.seconds)}",
            evidence=one.to_dict(),
            advice="See it in db.currentOp(), and end it with db.killOp() if nobody waits for it.",
        )


def _disk(facts: Facts, context: Context) -> Iterator[Finding]:
    disk, limits = known(facts.server.disk), context.limits
    if disk is None or disk.share < limits.disk_warning:
        return
    evidence: dict[str, Any] = disk.to_dict()
    growing = sum(
        max(0, one.growth.storage_size) / one.growth.days
        for one in facts.status.collections or ()
        if one.growth is not None and one.growth.days >= 1
    )
    until = ""
    if growing:
        days = (disk.total - disk.used) / growing
        evidence["daysLeft"] = round(days, 1)
        until = f"; as it grows it is full in {days:,.0f} days"
    yield found(
        "error" if disk.share >= limits.disk_error else "warning",
        f"the disk below the data is {disk.share:.0%} full, {size(disk.total - disk.used)} are left{until}",
        evidence=evidence,
        advice="A full disk stops the server. Make room, or enlarge it.",
    )


CHECKS: Sequence[Check] = (
    Check(
        "disk-space",
        "load",
        "The disk is nearly full",
        "A server that cannot write its journal stops, and needs room to start again.",
        _disk,
        lambda facts: (facts.server.disk,),
        glance=True,
    ),
    Check(
        "cache-pressure",
        "load",
        "The cache is under pressure",
        "Operations then do the work of eviction themselves, and everything slows down at once.",
        _cache,
        lambda facts: (facts.server.load,),
        glance=True,
    ),
    Check(
        "connections-limit",
        "load",
        "Connections are nearly used up",
        "Beyond the limit new clients are refused, this tool among them.",
        _connections,
        lambda facts: (facts.server.load,),
        glance=True,
    ),
    Check(
        "slow-operations",
        "load",
        "Operations are slow",
        "Most often a query without an index.",
        _slow,
        lambda facts: (facts.server.load,),
    ),
    Check(
        "operations-long",
        "load",
        "Operations that run for long",
        "They hold snapshots, and with them memory, and stand in the way of index builds and collMod.",
        _long,
        lambda facts: (facts.server.operations,),
    ),
)
