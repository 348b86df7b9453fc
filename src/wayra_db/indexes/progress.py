"""How far the server's index builds are. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from wayra_db.mongo.client import Deployment

# The server's words for its phases, and ours; the unit is what it counts meanwhile.
PHASES = (
    ("scanning collection", "reading", "documents"),
    ("inserting keys", "writing", "keys"),
    ("draining writes", "catching up with", "writes"),
)


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """One phase of the build on a collection, which begins anew with each phase, and in the second with each index."""

    collection: str
    phase: str
    done: int
    total: int
    unit: str

    @property
    def task(self) -> str:
        """What is under way, for people."""
        return f"indexes of {self.collection}, {self.phase}" if self.phase else f"indexes of {self.collection}"

    def __str__(self) -> str:
        return f"{self.phase or 'building'} {self.done:,} of {self.total:,} {self.unit}"


def parse(operation: Mapping[str, Any]) -> BuildProgress:
    """What an entry of `$currentOp` says of a build. Pure."""
    message = str(operation.get("msg", ""))
    found = (phase for phase in PHASES if phase[0] in message)
    _, phase, unit = next(found, ("", "", "documents"))
    progress = operation["progress"]
    total = int(progress["total"])
    # The server counts documents that come while it reads, and not in the total.
    done = min(int(progress["done"]), total)
    return BuildProgress(operation["ns"].partition(".")[2], phase, done, total, unit)


def read_progress(deployment: Deployment, collections: Collection[str]) -> dict[str, BuildProgress]:
    """How far the builds on these collections are; what nobody counts now is missing. One read.

    Raises the driver's error, such as for a user who may not see operations.
    """
    namespaces = [f"{deployment.database_name}.{collection}" for collection in collections]
    pipeline: list[dict[str, Any]] = [
        # A build that waits, for a lock or for other members, counts as idle.
        {"$currentOp": {"allUsers": True, "idleConnections": True}},
        {
            "$match": {
                "command.createIndexes": {"$exists": True},
                "ns": {"$in": namespaces},
                "progress.total": {"$gt": 0},
            }
        },
        {"$project": {"progress": 1, "ns": 1, "msg": 1}},
    ]
    found = map(parse, deployment.client.admin.aggregate(pipeline))
    return {one.collection: one for one in found}
