"""What checks judge: plain facts about a deployment, a project and this machine. Pure values.

Each fact can be had by itself: one that could not be read is an `Unreadable` with its reason, one that nobody asked for
is None. A check says nothing about either; what could not be read is listed apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from wayra_db.health.status import Status

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A fact that could not be read, and why."""

    reason: str


def known(fact: T | Unreadable | None) -> T | None:
    """The fact, None where it was not asked for or could not be read."""
    return None if isinstance(fact, Unreadable) else fact


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a replica set; `lag_seconds` behind the primary where known, `delayed` when that is on purpose."""

    address: str
    state: str
    reachable: bool
    lag_seconds: float | None = None
    delayed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "address": self.address,
            "state": self.state,
            "reachable": self.reachable,
            "lagSeconds": self.lag_seconds,
            "delayed": self.delayed,
        }


@dataclass(frozen=True, slots=True)
class Replication:
    """The members, and how far the majority is behind the primary, in seconds."""

    members: tuple[Member, ...]
    majority_lag_seconds: float | None = None

    @property
    def lag_seconds(self) -> float | None:
        """Of the slowest member that is not slow on purpose; of the majority where members tell nothing."""
        lags = [one.lag_seconds for one in self.members if one.lag_seconds is not None and not one.delayed]
        return max(lags, default=self.majority_lag_seconds)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"members": [one.to_dict() for one in self.members], "lagSeconds": self.lag_seconds}


@dataclass(frozen=True, slots=True)
class Latency:
    """Operations of one kind since the server started, and how long they took together, in microseconds."""

    operations: int
    microseconds: int

    @property
    def milliseconds(self) -> float:
        """Of one operation, on average."""
        return self.microseconds / 1000 / self.operations if self.operations else 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What `serverStatus` says of the server's work; counters run since it started, shares go from 0 to 1."""

    uptime_seconds: float
    connections: int
    connections_available: int
    cache_dirty: float | None
    cache_used: float | None
    holds_back_writers: bool
    latencies: Mapping[str, Latency]
    ttl_passes: int
    documents_examined: int
    documents_returned: int
    collection_scans: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "uptimeSeconds": self.uptime_seconds,
            "connections": self.connections,
            "connectionsAvailable": self.connections_available,
            "cacheDirty": _rounded(self.cache_dirty),
            "cacheUsed": _rounded(self.cache_used),
            "holdsBackWriters": self.holds_back_writers,
        }


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that the data lies on, in bytes."""

    used: int
    total: int

    @property
    def share(self) -> float:
        """How full it is, 0 to 1."""
        return self.used / self.total if self.total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"used": self.used, "total": self.total}


@dataclass(frozen=True, slots=True)
class Listening:
    """How the server was started: where it listens, and what it asks of those who come."""

    bind_addresses: tuple[str, ...]
    port: int
    tls_mode: str
    authorization: bool

    @property
    def open_to_others(self) -> bool:
        """Whether anything but this machine can reach it."""
        return any(address not in LOOPBACK and not address.startswith("/") for address in self.bind_addresses)


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "ip6-localhost"})


@dataclass(frozen=True, slots=True)
class User:
    """A database user with the roles granted to it directly, as `role@database`."""

    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteConcern:
    """What acknowledged writes wait for: by this connection's own words, and by the deployment's default."""

    of_connection: str | int | None
    of_deployment: str | int | None


@dataclass(frozen=True, slots=True)
class Oplog:
    """The time between its oldest and its newest entry, in seconds, and how full it is, 0 to 1: only a full one drops
    entries.
    """

    seconds: float
    filled: float


@dataclass(frozen=True, slots=True)
class BackupFact:
    """What a check needs of one backup; `whole` when it could bring this database back, `seconds` it took."""

    name: str
    created_at: datetime
    seconds: float
    whole: bool
    verified: bool
    damaged: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One that runs now; never its command, which holds values."""

    kind: str
    namespace: str
    seconds: float
    application: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "seconds": self.seconds,
            "application": self.application,
        }


@dataclass(frozen=True, slots=True)
class TtlMonitor:
    """Whether the server lets documents expire, and how often it looks."""

    enabled: bool
    every_seconds: float


@dataclass(frozen=True, slots=True)
class Clock:
    """By how much the server's clock is ahead of this machine's, known as exactly as half a round trip; seconds."""

    ahead_seconds: float
    give_or_take_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "aheadSeconds": round(self.ahead_seconds, 3),
            "giveOrTakeSeconds": round(self.give_or_take_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the deployment says of itself. The first four are read by `status`, the others only by `doctor`."""

    replication: Replication | Unreadable | None = None
    load: Load | Unreadable | None = None
    disk: Disk | Unreadable | None = None
    clock: Clock | Unreadable | None = None
    listening: Listening | Unreadable | None = None
    own_roles: tuple[str, ...] | Unreadable | None = None
    users: tuple[User, ...] | Unreadable | None = None
    write_concern: WriteConcern | Unreadable | None = None
    oplog: Oplog | Unreadable | None = None
    operations: tuple[Operation, ...] | Unreadable | None = None
    ttl_monitor: TtlMonitor | Unreadable | None = None


@dataclass(frozen=True, slots=True)
class Validated:
    """A collection as its documents were created: whether there is a validator, and whether it is declared."""

    name: str
    has_validator: bool
    declared: bool


@dataclass(frozen=True, slots=True)
class InvalidDocuments:
    """How many sampled documents of a collection its live validator would refuse."""

    collection: str
    sampled: int
    invalid: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """An index that lets documents expire, and for how long the oldest of them should have been gone; seconds."""

    collection: str
    index: str
    seconds: float


@dataclass(frozen=True, slots=True)
class IndexNote:
    """What speaks against a live index, as the index manager found it."""

    kind: str
    collection: str
    index: str
    evidence: str
    advice: str


@dataclass(frozen=True, slots=True)
class DeepFacts:
    """What is learnt only from documents or one by one: samples with a limit in number and time, and index use."""

    invalid: tuple[InvalidDocuments, ...] | Unreadable | None = None
    overdue: tuple[Overdue, ...] | Unreadable | None = None
    indexes: tuple[IndexNote, ...] | Unreadable | None = None


@dataclass(frozen=True, slots=True)
class LooseFile:
    """A file or folder of the project that others may write to, or read though it holds secrets or data."""

    path: str
    mode: str
    others_may: str
    why: str


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """This side of the connection. `uri_in_file` names the place of a password in the project's file, else empty."""

    loose_files: tuple[LooseFile, ...] | Unreadable | None = None
    uri_in_file: str = ""
    tls: bool | None = None
    hosts: tuple[str, ...] = ()

    @property
    def remote(self) -> bool:
        """Whether the connection leaves this machine."""
        return any(host not in LOOPBACK and not host.startswith("/") for host in self.hosts)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was gathered, at `at` by this machine's clock."""

    at: datetime
    status: Status
    collections: tuple[Validated, ...] | Unreadable | None = None
    ttl_indexes: int | Unreadable | None = None
    machine: MachineFacts = field(default_factory=MachineFacts)
    deep: DeepFacts = field(default_factory=DeepFacts)

    @property
    def server(self) -> ServerFacts:
        """What the deployment says of itself."""
        return self.status.server


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
