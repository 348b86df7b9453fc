"""The driver's listeners. They run inside the application's operations, so they never block and never raise."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from pymongo import monitoring

if TYPE_CHECKING:
    from wayra_db.monitoring.recorder import PoolCounts, Recorder

_LOGGER = logging.getLogger("wayra_db.monitoring")
_L = TypeVar("_L", bound="_Listener")
_E = TypeVar("_E")
# What a connection says when it logs in is no operation of the application.
_LOGIN = frozenset({"authenticate", "copydb", "copydbgetnonce", "getnonce", "saslContinue", "saslStart"})


class _Listener:
    """What all of them share; `__slots__` keep a listener to what it needs."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told = False

    def _lost(self, what: str, error: Exception) -> None:
        """Something of ours went wrong: it is counted each time and logged once."""
        self._recorder.lost()
        if not self._told:
            self._told = True
            _LOGGER.warning("a %s was not counted, for %s in the monitor", what, type(error).__name__)


def _harmless(method: Callable[[_L, _E], None]) -> Callable[[_L, _E], None]:
    """The driver would print a traceback for each exception; the application has nothing from that."""

    @wraps(method)
    def guarded(self: _L, event: _E) -> None:
        try:
            method(self, event)
        except Exception as error:
            self._lost(type(event).__name__, error)

    return guarded


# The methods that are called for every operation do by themselves what `_harmless` does: a call more is a tenth of what
# a monitor costs.
class CommandWatch(_Listener, monitoring.CommandListener):
    """Counts commands."""

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Called by the driver before it sends a command."""
        try:
            name = event.command_name
            if name not in _LOGIN:
                self._recorder.started(event.request_id, event.operation_id, name, event.database_name, event.command)
        except Exception as error:
            self._lost(type(event).__name__, error)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Called by the driver after a command."""
        try:
            name = event.command_name
            if name not in _LOGIN:
                self._recorder.succeeded(event.request_id, name, event.duration_micros, event.reply)
        except Exception as error:
            self._lost(type(event).__name__, error)

    @_harmless
    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Called by the driver when a command failed."""
        name = event.command_name
        if name not in _LOGIN:
            self._recorder.failed(event.request_id, event.operation_id, name, event.duration_micros, event.failure)


class PoolWatch(_Listener, monitoring.ConnectionPoolListener):
    """Counts connections, and how long operations wait for one, which no command's duration holds."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._lock = recorder.lock
        # By the driver's own address, which costs nothing to look up. Only pools that are not closed are here.
        self._open: dict[Any, PoolCounts] = {}

    def _pool(self, event: Any) -> PoolCounts:
        """The counts of an event's pool. The caller holds the lock."""
        pool = self._open.get(event.address)
        if pool is None:
            pool = self._recorder.pool(_address(event))
            if not pool.ended:
                self._open[event.address] = pool
        return pool

    @_harmless
    def pool_created(self, event: monitoring.PoolCreatedEvent) -> None:
        """Called by the driver when it knows a server."""
        with self._lock:
            pool = self._recorder.pool(_address(event))
            pool.maximum = (event.options or {}).get("maxPoolSize", 100)
            pool.ended = False

    @_harmless
    def pool_ready(self, event: monitoring.PoolReadyEvent) -> None:
        """Called by the driver when a server answers."""

    @_harmless
    def pool_cleared(self, event: monitoring.PoolClearedEvent) -> None:
        """Called by the driver when a server has failed."""
        with self._lock:
            self._pool(event).cleared += 1

    @_harmless
    def pool_closed(self, event: monitoring.PoolClosedEvent) -> None:
        """Called by the driver when it closes, or a server has left."""
        with self._lock:
            self._pool(event).ended = True
            self._open.pop(event.address, None)

    @_harmless
    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        """Called by the driver when it opens a connection."""
        with self._lock:
            pool = self._pool(event)
            pool.created += 1
            pool.size += 1

    @_harmless
    def connection_ready(self, event: monitoring.ConnectionReadyEvent) -> None:
        """Called by the driver when a connection can be used."""

    @_harmless
    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        """Called by the driver when it closes a connection."""
        with self._lock:
            pool = self._pool(event)
            pool.closed += 1
            pool.size = max(0, pool.size - 1)

    def connection_check_out_started(self, event: monitoring.ConnectionCheckOutStartedEvent) -> None:
        """Called by the driver when an operation asks for a connection."""
        try:
            with self._lock:
                self._pool(event).waiting += 1
        except Exception as error:
            self._lost(type(event).__name__, error)

    @_harmless
    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None:
        """Called by the driver when an operation gets none."""
        with self._lock:
            pool = self._pool(event)
            pool.waiting = max(0, pool.waiting - 1)
            pool.failed += 1
            pool.wait.add(_micros(event.duration))

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        """Called by the driver when an operation gets one."""
        try:
            micros = _micros(event.duration)
            with self._lock:
                pool = self._pool(event)
                if pool.waiting:
                    pool.waiting -= 1
                pool.in_use += 1
                if pool.in_use > pool.most_in_use:
                    pool.most_in_use = pool.in_use
                pool.wait.add(micros)
        except Exception as error:
            self._lost(type(event).__name__, error)

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        """Called by the driver when an operation gives it back."""
        try:
            with self._lock:
                pool = self._pool(event)
                if pool.in_use:
                    pool.in_use -= 1
        except Exception as error:
            self._lost(type(event).__name__, error)


class HeartbeatWatch(_Listener, monitoring.ServerHeartbeatListener):
    """Counts the driver's heartbeats."""

    @_harmless
    def started(self, event: monitoring.ServerHeartbeatStartedEvent) -> None:
        """Called by the driver before it asks."""

    @_harmless
    def succeeded(self, event: monitoring.ServerHeartbeatSucceededEvent) -> None:
        """Called by the driver when a server answered."""
        with self._recorder.lock:
            server = self._recorder.server(_address(event))
            server.up = True
            server.succeeded += 1
            if not event.awaited:  # one that waits for news takes as long as there are none
                server.round_trip.add(int(event.duration * 1e6))

    @_harmless
    def failed(self, event: monitoring.ServerHeartbeatFailedEvent) -> None:
        """Called by the driver when a server did not answer."""
        with self._recorder.lock:
            server = self._recorder.server(_address(event))
            server.up = False
            server.failed += 1


def _micros(seconds: float | None) -> int:
    return int((seconds or 0.0) * 1e6)


def _address(event: Any) -> str:
    """`host:port`, or a socket's path."""
    address = getattr(event, "address", None) or event.connection_id
    host, port = address
    return f"{host}:{port}" if port is not None else str(host)
