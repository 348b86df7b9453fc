"""The members of the deployment as long work meets them: one after another, secondaries first, none left behind."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayra_db.errors import UnsupportedDeploymentError, WayraError
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.maintenance.operation import preference_of
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.mongo.members import find_members

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Member:
    """A data-bearing member. `address` is empty on a standalone server, which counts as a primary."""

    address: str
    primary: bool

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.address or 'the server'}{', the primary' if self.primary and self.address else ''}"


def read_members(deployment: Deployment) -> tuple[Member, ...]:
    """The members that serve reads, the primary last. Reads only.

    Raises UnsupportedDeploymentError on a sharded cluster, whose members cannot be told apart through mongos, and
    WayraError while a member is out of reach: the set then has none to spare.
    """
    if deployment.capabilities.sharded:
        raise UnsupportedDeploymentError(
            "members cannot be told apart through mongos",
            needs="a replica set or a standalone server",
            found="a sharded cluster",
            hint="Connect to each shard's replica set by itself.",
        )
    found = find_members(deployment)
    if found.unreachable:
        raise WayraError(
            f"{', '.join(found.unreachable)} cannot be reached, so that no other member can be spared",
            hint="Bring it back, or name every member in MONGODB_URI and leave out directConnection.",
        )
    members = [Member(address, is_primary(deployment, address)) for address in found.addresses or ("",)]
    return tuple(sorted(members, key=lambda member: (member.primary, member.address)))


def is_primary(deployment: Deployment, address: str) -> bool:
    """Whether a member takes writes now. One read."""
    return bool(_hello(deployment, address).get("isWritablePrimary"))


def wait_until_caught_up(
    guard: Guard, lease: Lease, address: str, *, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until a secondary has applied all that the primary has written so far.

    Raises WayraError when it has not in `patience_seconds`, CancelledError, LockLostError.
    """
    target = _applied(_hello(guard.deployment, ""))
    started = time.monotonic()
    while target is not None and (now := _applied(_hello(guard.deployment, address))) is not None and now < target:
        if time.monotonic() - started > patience_seconds:
            raise WayraError(
                f"{address} does not catch up with the primary: no other member was begun",
                hint="Look at rs.printSecondaryReplicationInfo(); run it again once the lag is gone.",
            )
        lease.check()
        if guard.stop.wait(POLL_SECONDS):
            guard.stop.check()


def _applied(hello: Mapping[str, Any]) -> Any:
    optime = hello.get("lastWrite", {}).get("opTime")
    return None if optime is None else (optime["t"], optime["ts"])


def _hello(deployment: Deployment, address: str) -> Mapping[str, Any]:
    with translated(deployment.address):
        reply: Mapping[str, Any] = deployment.client.get_database(
            "admin", read_preference=preference_of(address)
        ).command("hello", read_preference=preference_of(address))
    return reply
