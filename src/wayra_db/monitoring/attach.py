"""Give listeners to a client that exists. The one place that reaches into the driver.

PyMongo takes listeners when a client is made, and has no public way to add some later. What it keeps them in is one
object that the client and all its pools share, so adding to that object is enough for commands and heartbeats; pools
remember whether anybody listens, and are told. A driver that is built otherwise is refused, never half attached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.errors import UnsupportedDeploymentError

_PREFIX = "_EventListeners__"
_KINDS = {
    "command_listeners": ("CommandListener", "enabled_for_commands"),
    "cmap_listeners": ("ConnectionPoolListener", "enabled_for_cmap"),
    "server_heartbeat_listeners": ("ServerHeartbeatListener", "enabled_for_server_heartbeat"),
}


@dataclass(frozen=True, slots=True)
class OpenPool:
    """A pool as it is when a monitor comes to it."""

    server: str
    maximum: int | None
    size: int
    in_use: int


def attach(client: Any, listeners: Sequence[Any]) -> tuple[OpenPool, ...]:
    """Add listeners to a client that has not got them yet; returns the pools that it already has.

    Raises UnsupportedDeploymentError, and has then changed nothing.
    """
    try:
        kept = client.options.pool_options._event_listeners
        lists = {name: getattr(kept, _PREFIX + name) for name in _KINDS}
        for _, switch in _KINDS.values():
            getattr(kept, _PREFIX + switch)
        pools = list(_pools(client))
        gates = [_gate(pool) for pool in pools]
        found = tuple(_as_found(pool) for pool in pools)
    except (AttributeError, TypeError, ValueError) as error:
        raise _unknown() from error
    if any(one in lists["command_listeners"] for one in listeners):
        return ()
    _add(kept, lists, listeners)
    for gate, name in gates:
        setattr(gate, name, True)
    return found


def _add(kept: Any, lists: dict[str, list[Any]], listeners: Sequence[Any]) -> None:
    from pymongo import monitoring

    for name, (kind, switch) in _KINDS.items():
        lists[name].extend(one for one in listeners if isinstance(one, getattr(monitoring, kind)))
        setattr(kept, _PREFIX + switch, True)


def _pools(client: Any) -> Iterator[Any]:
    """The pools for operations that are open; a client that was not used yet may have none."""
    topology = client._topology
    for server in list(topology._servers.values()) if topology is not None else ():
        yield server._pool


def _gate(pool: Any) -> tuple[Any, str]:
    """Where a pool remembers whether anybody listens to it."""
    if hasattr(pool, "_telemetry"):
        if not hasattr(pool._telemetry, "_should_publish"):
            raise AttributeError("_should_publish")
        return pool._telemetry, "_should_publish"
    if not hasattr(pool, "enabled_for_cmap"):
        raise AttributeError("enabled_for_cmap")
    return pool, "enabled_for_cmap"


def _as_found(pool: Any) -> OpenPool:
    host, port = pool.address
    maximum = pool.opts.max_pool_size
    in_use = int(pool.active_sockets)
    return OpenPool(f"{host}:{port}" if port is not None else str(host), maximum, len(pool.conns) + in_use, in_use)


def _unknown() -> UnsupportedDeploymentError:
    import pymongo

    return UnsupportedDeploymentError(
        "a monitor cannot be added to a client that exists",
        needs="a PyMongo client that is built as those of PyMongo 4.17 to 4.20",
        found=f"PyMongo {pymongo.version}",
        hint="Give it when the client is made: MongoClient(uri, event_listeners=Monitor().listeners).",
    )
