"""A command that takes long, on one member, killed when the run is to stop."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from typing import Any

from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.members import reads_from

POLL_SECONDS = 0.2


def preference_of(address: str) -> Any:
    """What reaches one member; the primary where members have no names."""
    from pymongo import ReadPreference

    return reads_from(address) if address else ReadPreference.PRIMARY


def run_on(guard: Guard, lease: Lease, address: str, command: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run `command` on the member at `address`, and return its reply.

    A stop kills the operation on the server; where that ends it, CancelledError is raised. One that cannot be killed is
    waited for. Raises the driver's errors, and LockLostError once the operation is killed.
    """
    preference, comment = preference_of(address), f"wayra-db maintenance {secrets.token_hex(8)}"
    replies: list[Mapping[str, Any]] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            replies.append(
                guard.deployment.metadata.command({**command, "comment": comment}, read_preference=preference)
            )
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="wayra-db-maintenance", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        try:
            lease.check()
        except Exception:
            _kill(guard.deployment, preference, comment)
            raise
        if guard.stop.requested and thread.is_alive():
            _kill(guard.deployment, preference, comment)
    if replies:
        return replies[0]
    if guard.stop.requested:
        guard.stop.check()
    raise errors[0]


def _kill(deployment: Deployment, preference: Any, comment: str) -> None:
    """Ask the member to end the operation; it does so at its own next safe point."""
    from pymongo.errors import PyMongoError

    try:
        admin = deployment.client.get_database("admin", read_preference=preference)
        mine: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": {"command.comment": comment}}]
        for operation in admin.aggregate(mine):
            admin.command({"killOp": 1, "op": operation["opid"]}, read_preference=preference)
    except PyMongoError:
        return  # it is asked again while the operation goes on
