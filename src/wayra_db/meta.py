"""What the database says of itself in `_wayra_meta`: its environment, and whether a reset or a restore is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

COLLECTION = "_wayra_meta"
KEY = "database"
FORMAT = 1
PREFIX = "_wayra_"


def is_user_collection(name: str) -> bool:
    """Whether a collection is the user's: neither the server's (`system.*`) nor the tool's own (`_wayra_*`)."""
    return not name.startswith(("system.", PREFIX))


@dataclass(frozen=True, slots=True)
class Marker:
    """The environment that a database belongs to; `resetting` while a reset has begun and not ended.

    `restoring` is the journal of a restore whose swap has begun and not ended: what finishing it needs.
    """

    environment: str
    resetting: bool = False
    restoring: Mapping[str, Any] | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing destructive was cut off in the middle."""
        return not self.resetting and self.restoring is None


def read_marker(deployment: Deployment) -> Marker | None:
    """What the database says of itself, None when it was never initialised. One read; writes nothing."""
    with translated(deployment.address):
        document = deployment.metadata[COLLECTION].find_one({"_id": KEY})
    if document is None:
        return None
    return Marker(document["environment"], bool(document.get("resetting")), document.get("restoring"))


def has_user_data(deployment: Deployment) -> bool:
    """Whether the database holds any collection that is the user's. One read."""
    with translated(deployment.address):
        return any(is_user_collection(name) for name in deployment.database.list_collection_names())


def store_marker(marker: Marker) -> commands.Command:
    """The command that writes what the database says of itself."""
    document: dict[str, Any] = {"environment": marker.environment, "format": FORMAT, "setAt": datetime.now(UTC)}
    if marker.resetting:
        document["resetting"] = True
    if marker.restoring is not None:
        document["restoring"] = dict(marker.restoring)
    return commands.replace(COLLECTION, KEY, document)
