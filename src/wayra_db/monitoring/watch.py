"""Monitor, and `monitor(client)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wayra_db.monitoring.attach import attach
from wayra_db.monitoring.listeners import CommandWatch, HeartbeatWatch, PoolWatch
from wayra_db.monitoring.recorder import Limits, Recorder
from wayra_db.monitoring.snapshot import Snapshot

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient, MongoClient


class Monitor:
    """Counts what one client, or several, do. Thread-safe.

    `MongoClient(uri, event_listeners=Monitor(...).listeners)`, and the same for AsyncMongoClient. `limits` say what is
    slow, and how much is kept: it never grows past them.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._recorder = Recorder(self.limits)
        self._listeners = (
            CommandWatch(self._recorder),
            PoolWatch(self._recorder),
            HeartbeatWatch(self._recorder),
        )

    @property
    def listeners(self) -> list[Any]:
        """What the driver takes as `event_listeners`, with others or alone."""
        return list(self._listeners)

    def snapshot(self) -> Snapshot:
        """Everything seen so far. Asks no server."""
        return self._recorder.snapshot()

    def attach(self, client: MongoClient[Any] | AsyncMongoClient[Any]) -> None:
        """Listen to a client that is there already; what it did before is not known. Doing it twice does it once.

        The driver wants listeners when a client is made and has no way to add some later, so this reaches into it.
        Raises UnsupportedDeploymentError where the driver is not as known; `listeners` works with each.
        """
        for pool in attach(client, self._listeners):
            with self._recorder.lock:
                counts = self._recorder.pool(pool.server)
                counts.maximum, counts.size, counts.in_use = pool.maximum, pool.size, pool.in_use


def monitor(client: MongoClient[Any] | AsyncMongoClient[Any], limits: Limits | None = None) -> Monitor:
    """A new monitor, attached to this client: see `Monitor.attach` for how, and what it raises."""
    made = Monitor(limits)
    made.attach(client)
    return made
