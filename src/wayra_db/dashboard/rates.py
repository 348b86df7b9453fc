"""From two answers of `serverStatus` to what happens in a second. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wayra_db.mongo.load import cache_shares

_KINDS = ("query", "getmore", "insert", "update", "delete", "command")
_LATENCIES = ("reads", "writes", "commands")


class Rates:
    """Remembers the last answer. The server's own uptime is the clock, so a slow network bends no rate."""

    def __init__(self) -> None:
        self._last: Mapping[str, Any] | None = None

    def add(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """What holds now, and the rates since the last answer: None at the first one, and after a restart."""
        last, self._last = self._last, status
        return {
            "host": status.get("host"),
            "uptimeSeconds": _uptime(status),
            "operations": {kind: int(_number(status, "opcounters", kind)) for kind in _KINDS},
            "connections": _connections(status),
            "queued": _queued(status),
            "cache": _cache(status),
            "memoryMegabytes": (status.get("mem") or {}).get("resident"),
            "rates": between(last, status) if last else None,
        }


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any] | None:
    """Rates a second between two answers of one server; None when it began to count anew, or no time has passed."""
    seconds = _uptime(after) - _uptime(before)
    if seconds <= 0 or before.get("host") != after.get("host") or before.get("pid") != after.get("pid"):
        return None

    def rate(*path: str) -> float:
        return round(max(0.0, _number(after, *path) - _number(before, *path)) / seconds, 2)

    operations = {kind: rate("opcounters", kind) for kind in _KINDS}
    return {
        "seconds": round(seconds, 3),
        "operations": operations,
        "total": round(sum(operations.values()), 2),
        "latencyMilliseconds": {kind: _latency(before, after, kind) for kind in _LATENCIES},
        "bytesIn": rate("network", "bytesIn"),
        "bytesOut": rate("network", "bytesOut"),
        "connectionsOpened": rate("connections", "totalCreated"),
    }


def _latency(before: Mapping[str, Any], after: Mapping[str, Any], kind: str) -> float | None:
    """The mean of the operations that ended in between, in milliseconds; None where none did."""
    count = _number(after, "opLatencies", kind, "ops") - _number(before, "opLatencies", kind, "ops")
    micros = _number(after, "opLatencies", kind, "latency") - _number(before, "opLatencies", kind, "latency")
    return round(micros / count / 1000, 3) if count > 0 else None


def _connections(status: Mapping[str, Any]) -> dict[str, int]:
    found = status.get("connections") or {}
    current, available = int(found.get("current", 0)), int(found.get("available", 0))
    return {"current": current, "active": int(found.get("active", 0)), "limit": current + available}


def _queued(status: Mapping[str, Any]) -> dict[str, int]:
    queue = (status.get("globalLock") or {}).get("currentQueue") or {}
    return {"readers": int(queue.get("readers", 0)), "writers": int(queue.get("writers", 0))}


def _cache(status: Mapping[str, Any]) -> dict[str, float] | None:
    shares = cache_shares(status)
    return {"dirty": round(shares[0], 4), "used": round(shares[1], 4)} if shares else None


def _uptime(status: Mapping[str, Any]) -> float:
    millis = status.get("uptimeMillis")
    return float(status.get("uptime", 0)) if millis is None else float(millis) / 1000


def _number(document: Mapping[str, Any], *path: str) -> float:
    value: Any = document
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return float(value or 0)
