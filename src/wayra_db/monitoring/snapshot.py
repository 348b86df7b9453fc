"""What a monitor has seen up to a moment: frozen values with plain forms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wayra_db.monitoring.histogram import Latency


@dataclass(frozen=True, slots=True)
class Commands:
    """One command on one collection. `database` and `collection` are `(other)` for what came after the cap."""

    database: str
    collection: str
    command: str
    latency: Latency
    failed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "database": self.database,
            "collection": self.collection,
            "command": self.command,
            "failed": self.failed,
            "latency": self.latency.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Errors:
    """How often a command met one kind of error: a server's code name, or the driver's error class."""

    command: str
    kind: str
    count: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"command": self.command, "kind": self.kind, "count": self.count}


@dataclass(frozen=True, slots=True)
class Slow:
    """Slow operations of one shape, which holds no values."""

    database: str
    collection: str
    command: str
    shape: str
    count: int
    total_seconds: float
    longest_seconds: float
    latest: datetime

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "database": self.database,
            "collection": self.collection,
            "command": self.command,
            "shape": self.shape,
            "count": self.count,
            "totalMilliseconds": round(self.total_seconds * 1000, 3),
            "longestMilliseconds": round(self.longest_seconds * 1000, 3),
            "latest": self.latest.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Pool:
    """The connections to one server.

    `size` are open, `in_use` of them checked out, `waiting` operations ask for one. `wait` is how long they waited,
    also where the wait was in vain. The rest counts since the monitor was made.
    """

    server: str
    maximum: int | None
    size: int
    in_use: int
    waiting: int
    most_in_use: int
    wait: Latency
    created: int
    closed: int
    cleared: int
    failed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "server": self.server,
            "maximum": self.maximum,
            "size": self.size,
            "inUse": self.in_use,
            "waiting": self.waiting,
            "mostInUse": self.most_in_use,
            "wait": self.wait.to_dict(),
            "created": self.created,
            "closed": self.closed,
            "cleared": self.cleared,
            "failed": self.failed,
        }


@dataclass(frozen=True, slots=True)
class Server:
    """What the driver's heartbeats say of one server: `up` at the last one, and the round trips of those that do not
    wait for news.
    """

    server: str
    up: bool
    round_trip: Latency
    succeeded: int
    failed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "server": self.server,
            "up": self.up,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "roundTrip": self.round_trip.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was seen from `since` to `at`, the costliest commands and slow shapes first.

    `retries` are commands that the driver sent again, by name. `in_flight` commands are not answered yet. `untold` are
    events that a fault of the monitor itself lost; anything but 0 is worth a report.
    """

    since: datetime
    at: datetime
    commands: tuple[Commands, ...]
    errors: tuple[Errors, ...]
    retries: tuple[tuple[str, int], ...]
    slow: tuple[Slow, ...]
    pools: tuple[Pool, ...]
    servers: tuple[Server, ...]
    in_flight: int
    untold: int

    @property
    def operations(self) -> int:
        """How many commands were answered."""
        return sum(one.latency.count for one in self.commands)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "since": self.since.isoformat(),
            "at": self.at.isoformat(),
            "operations": self.operations,
            "inFlight": self.in_flight,
            "commands": [one.to_dict() for one in self.commands],
            "errors": [one.to_dict() for one in self.errors],
            "retries": [{"command": command, "count": count} for command, count in self.retries],
            "slow": [one.to_dict() for one in self.slow],
            "pools": [one.to_dict() for one in self.pools],
            "servers": [one.to_dict() for one in self.servers],
            "untold": self.untold,
        }
