"""What a deployment says of its own load, by commands that need few rights; what may not be asked is left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

STATUS: Mapping[str, Any] = {"serverStatus": 1}
MEMBERS: Mapping[str, Any] = {"replSetGetStatus": 1}
CONFIG: Mapping[str, Any] = {"replSetGetConfig": 1}
HELLO: Mapping[str, Any] = {"hello": 1}

PRIMARY, SECONDARY = 1, 2  # `state` of a member (manual, replSetGetStatus)


def delayed_members(config: Mapping[str, Any]) -> frozenset[int]:
    """The members that are behind on purpose, from `replSetGetConfig`; their ids are those of `replSetGetStatus`."""
    members = config.get("config", {}).get("members", ())
    return frozenset(
        one["_id"]
        for one in members
        if one.get("secondaryDelaySecs") or one.get("slaveDelay")  # the name before 5.0
    )


def lag_of_members(status: Mapping[str, Any], *, besides: Collection[int] = ()) -> float | None:
    """Seconds by which the slowest working secondary is behind the primary, from `replSetGetStatus`, those `besides`
    not counted.
    """
    members = [member for member in status.get("members", ()) if member.get("_id") not in besides]
    newest: list[datetime] = [member["optimeDate"] for member in members if member.get("state") == PRIMARY]
    behind: list[datetime] = [member["optimeDate"] for member in members if member.get("state") == SECONDARY]
    return max(0.0, (newest[0] - min(behind)).total_seconds()) if newest and behind else None


def lag_of_majority(hello: Mapping[str, Any]) -> float | None:
    """Seconds by which the majority is behind the primary, from `hello`, which every user may ask."""
    written = hello.get("lastWrite") or {}
    newest, majority = written.get("lastWriteDate"), written.get("majorityWriteDate")
    return None if newest is None or majority is None else max(0.0, (newest - majority).total_seconds())


def cache_shares(status: Mapping[str, Any]) -> tuple[float, float] | None:
    """The dirty and the used share of WiredTiger's cache, from `serverStatus`."""
    cache = (status.get("wiredTiger") or {}).get("cache") or {}
    size = cache.get("maximum bytes configured")
    if not size:
        return None
    return (
        cache.get("tracked dirty bytes in the cache", 0) / size,
        cache.get("bytes currently in the cache", 0) / size,
    )


def holds_back(status: Mapping[str, Any]) -> bool:
    """Whether flow control is slowing writers down, from `serverStatus`."""
    return bool((status.get("flowControl") or {}).get("isLagged"))
