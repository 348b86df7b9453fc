"""Making a mongod that answers into a replica set that accepts writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wayra_db.errors import ServerStartError

if TYPE_CHECKING:
    from pymongo import MongoClient

_POLL_SECONDS = 0.005
_ALREADY_INITIALIZED = 23


def ensure_primary(
    uri: str,
    *,
    name: str,
    hosts: Sequence[str],
    deadline: float,
    is_alive: Callable[[], bool],
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Bring the server at `uri` to the state of primary of the replica set `name`, or a secondary of several.

    Safe to repeat from any state a killed predecessor left: a set that was never initiated is, with `hosts` as members
    and `settings`; one whose address has changed (a moved folder) is told so by force and keeps its data. Opens its own
    direct connection and closes it. Raises ServerStartError when `is_alive()` says no or after `deadline`, in the terms
    of `time.monotonic()`.
    """
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    config: dict[str, Any] = {
        "_id": name,
        "members": [{"_id": number, "host": host} for number, host in enumerate(hosts)],
    }
    if settings:
        config["settings"] = dict(settings)
    client: MongoClient[dict[str, Any]] = MongoClient(
        uri, directConnection=True, serverSelectionTimeoutMS=1000, appname="wayra-db server"
    )
    last_error: Exception | None = None
    with client:
        while is_alive() and time.monotonic() < deadline:
            try:
                hello = client.admin.command("hello")
                if hello["isWritablePrimary"] or (len(hosts) > 1 and hello.get("secondary")):
                    return
                if "setName" not in hello:
                    _configure(client, config)
            except PyMongoError as error:
                # Every refusal here may be a state it passes through while it starts; the deadline is the judge.
                last_error = error
            time.sleep(_POLL_SECONDS)
    raise ServerStartError("the server did not become a writable primary") from last_error


def _configure(client: MongoClient[dict[str, Any]], config: dict[str, Any]) -> None:
    """Initiate the replica set; if that was done before, correct the address of its only member."""
    from pymongo.errors import OperationFailure

    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise
        stored = client.admin.command("replSetGetConfig")["config"]
        moved = readdressed(stored, config["members"])
        if moved is not None:
            client.admin.command("replSetReconfig", moved, force=True)


def readdressed(stored: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The configuration `stored` with the hosts of `members`; None when it has them already."""
    hosts = {member["_id"]: member["host"] for member in members}
    if all(member["host"] == hosts.get(member["_id"]) for member in stored["members"]):
        return None
    corrected = [{**member, "host": hosts[member["_id"]]} for member in stored["members"] if member["_id"] in hosts]
    return {**stored, "version": stored["version"] + 1, "members": corrected}
