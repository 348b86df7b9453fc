"""Recorder: counts what the driver's listeners hear. Thread-safe, and of bounded size whatever an application does."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wayra_db.monitoring.histogram import Histogram
from wayra_db.monitoring.shapes import shape
from wayra_db.monitoring.snapshot import Commands, Errors, Pool, Server, Slow, Snapshot

OTHER = "(other)"
# A command that never ends is forgotten after so many others; a cancelled task may leave one.
_PENDING = 10_000
_FAILED = 1_000
# The commands whose first value is a collection's name; that of others may be a user's.
_ON_COLLECTIONS = frozenset(
    {
        *("aggregate", "collMod", "collStats", "compact", "count", "create", "createIndexes", "delete", "distinct"),
        *("drop", "dropIndexes", "find", "findAndModify", "insert", "killCursors", "listIndexes", "mapReduce"),
        *("update", "validate"),
    }
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is slow, in milliseconds, and how much is kept of what.

    `series` are command and collection pairs: what comes after them is counted as one more, `(other)`. Of slow shapes
    the costliest are kept. `servers` are addresses; pools that are closed make room.
    """

    slow_milliseconds: float = 100
    series: int = 256
    shapes: int = 100
    kinds_of_error: int = 100
    servers: int = 64


@dataclass(slots=True)
class _Series:
    latency: Histogram = field(default_factory=Histogram)
    failed: int = 0


@dataclass(slots=True)
class _Shape:
    latest: datetime
    count: int = 0
    micros: int = 0
    longest: int = 0


@dataclass(slots=True)
class PoolCounts:
    """One pool's counts; the listener changes them under `Recorder.lock`."""

    maximum: int | None = None
    size: int = 0
    in_use: int = 0
    waiting: int = 0
    most_in_use: int = 0
    wait: Histogram = field(default_factory=Histogram)
    created: int = 0
    closed: int = 0
    cleared: int = 0
    failed: int = 0
    ended: bool = False


@dataclass(slots=True)
class ServerCounts:
    """One server's heartbeats; the listener changes them under `Recorder.lock`."""

    up: bool = False
    round_trip: Histogram = field(default_factory=Histogram)
    succeeded: int = 0
    failed: int = 0


class Recorder:
    """The counts of one monitor. `lock` guards all of them and is held for a few operations at most."""

    def __init__(self, limits: Limits) -> None:
        self.lock = threading.Lock()
        self._slow_micros = int(limits.slow_milliseconds * 1000)
        self._limits = limits
        self._since = datetime.now(UTC)
        self._pending: dict[int, tuple[str, str, Mapping[str, Any]]] = {}
        self._failed: OrderedDict[int, str] = OrderedDict()
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._errors: dict[tuple[str, str], int] = {}
        self._retries: dict[str, int] = {}
        self._slow: dict[tuple[str, str, str, str], _Shape] = {}
        self._pools: dict[str, PoolCounts] = {}
        self._servers: dict[str, ServerCounts] = {}
        self._untold = 0

    def started(
        self, request: int, operation: int | None, name: str, database: str, command: Mapping[str, Any]
    ) -> None:
        """A command is about to be sent. It is held until it is answered, and only read if it turns out slow."""
        target = command.get("collection") if name == "getMore" else name in _ON_COLLECTIONS and command.get(name)
        collection = target if isinstance(target, str) else ""
        with self.lock:
            self._pending[request] = (database, collection, command)
            if len(self._pending) > _PENDING:
                del self._pending[next(iter(self._pending))]
            if self._failed and operation is not None and self._failed.pop(operation, None) == name:
                self._retries[name] = self._retries.get(name, 0) + 1

    def succeeded(self, request: int, name: str, micros: int, reply: Mapping[str, Any]) -> None:
        """A command was answered; a write may have been refused in part all the same."""
        with self.lock:
            command = self._ended(request, name, micros)
            if refused := reply.get("writeErrors"):
                for one in refused:
                    self._error(name, "DuplicateKey" if one.get("code") == 11000 else f"write error {one.get('code')}")
            if concern := reply.get("writeConcernError"):
                self._error(name, str(concern.get("codeName") or "write concern error"))
        if command is not None:
            self._keep_slow(command, name, micros)

    def failed(self, request: int, operation: int | None, name: str, micros: int, failure: Mapping[str, Any]) -> None:
        """A command was refused, or its connection broke. What the error says may quote a document, so it is not
        kept.
        """
        with self.lock:
            command = self._ended(request, name, micros, failed=True)
            kind = failure.get("codeName") or failure.get("errtype") or f"code {failure.get('code', 'unknown')}"
            self._error(name, str(kind))
            if operation is not None:
                self._failed[operation] = name
                if len(self._failed) > _FAILED:
                    self._failed.popitem(last=False)
        if command is not None:
            self._keep_slow(command, name, micros)

    def pool(self, server: str) -> PoolCounts:
        """The counts of a server's pool. The caller holds the lock."""
        found = self._pools.get(server)
        if found is None:
            if len(self._pools) >= self._limits.servers:
                ended = next((name for name, counts in self._pools.items() if counts.ended), None)
                if ended is None:
                    server = OTHER
                else:
                    del self._pools[ended]
            found = self._pools.setdefault(server, PoolCounts())
        return found

    def server(self, address: str) -> ServerCounts:
        """The counts of a server's heartbeats. The caller holds the lock."""
        if address not in self._servers and len(self._servers) >= self._limits.servers:
            address = OTHER
        return self._servers.setdefault(address, ServerCounts())

    def lost(self) -> None:
        """An event was not counted, for a fault of ours."""
        with self.lock:
            self._untold += 1

    def _ended(
        self, request: int, name: str, micros: int, *, failed: bool = False
    ) -> tuple[str, str, Mapping[str, Any]] | None:
        """Count a command under its collection; returns it where it was slow."""
        found = self._pending.pop(request, None)
        database, collection, _ = found or ("", "", None)
        key = (database, collection, name)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= self._limits.series:
                key = (OTHER, OTHER, OTHER)
            series = self._series.setdefault(key, _Series())
        series.latency.add(micros)
        series.failed += failed
        return found if micros >= self._slow_micros else None

    def _error(self, name: str, kind: str) -> None:
        key = (name, kind)
        if key not in self._errors and len(self._errors) >= self._limits.kinds_of_error:
            key = (OTHER, OTHER)
        self._errors[key] = self._errors.get(key, 0) + 1

    def _keep_slow(self, pending: tuple[str, str, Mapping[str, Any]], name: str, micros: int) -> None:
        database, collection, command = pending
        key = (database, collection, name, shape(command))  # outside the lock: this takes longest
        with self.lock:
            if key not in self._slow and len(self._slow) >= self._limits.shapes:
                cheapest = min(self._slow, key=lambda known: self._slow[known].micros)
                if self._slow[cheapest].micros >= micros:
                    return
                del self._slow[cheapest]
            kept = self._slow.setdefault(key, _Shape(datetime.now(UTC)))
            kept.latest = datetime.now(UTC)
            kept.count += 1
            kept.micros += micros
            kept.longest = max(kept.longest, micros)

    def snapshot(self) -> Snapshot:
        """Everything as it is now."""
        with self.lock:
            commands = [Commands(*key, one.latency.freeze(), one.failed) for key, one in self._series.items()]
            slow = [
                Slow(*key, one.count, one.micros / 1e6, one.longest / 1e6, one.latest)
                for key, one in self._slow.items()
            ]
            return Snapshot(
                since=self._since,
                at=datetime.now(UTC),
                commands=tuple(sorted(commands, key=lambda one: -one.latency.total_micros)),
                errors=tuple(Errors(*key, count) for key, count in sorted(self._errors.items())),
                retries=tuple(sorted(self._retries.items())),
                slow=tuple(sorted(slow, key=lambda one: -one.total_seconds)),
                pools=tuple(_pool(name, counts) for name, counts in sorted(self._pools.items())),
                servers=tuple(
                    Server(name, one.up, one.round_trip.freeze(), one.succeeded, one.failed)
                    for name, one in sorted(self._servers.items())
                ),
                in_flight=len(self._pending),
                untold=self._untold,
            )


def _pool(server: str, counts: PoolCounts) -> Pool:
    return Pool(
        server=server,
        maximum=counts.maximum,
        size=counts.size,
        in_use=counts.in_use,
        waiting=counts.waiting,
        most_in_use=counts.most_in_use,
        wait=counts.wait.freeze(),
        created=counts.created,
        closed=counts.closed,
        cleared=counts.cleared,
        failed=counts.failed,
    )
