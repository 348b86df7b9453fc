"""How many members must have built an index before it is committed, and a build freed that waits for one that is down.

The server's default waits for every voting member. With one down such a build hangs, and looks like a slow one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.spec import is_building
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

ALL = "votingMembers"
MAJORITY = "majority"
_WORKING = (1, 2)  # PRIMARY, SECONDARY


def decide(config: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """All voting members when all of them are up and build indexes, else the majority. Pure."""
    states = {member["_id"]: member["state"] for member in status["members"] if member.get("health", 0) == 1}
    for member in config["members"]:
        if not member.get("votes", 1) or member.get("arbiterOnly"):
            continue
        if not member.get("buildIndexes", True) or states.get(member["_id"]) not in _WORKING:
            return MAJORITY
    return ALL


def read_quorum(deployment: Deployment) -> str | None:
    """The commit quorum that cannot hang now; None where there is no replica set to agree. Two reads.

    A user who may not see the members' states gets the majority, which no single member can hold up.
    """
    from pymongo.errors import OperationFailure

    if deployment.capabilities.topology != "replica set":
        return None
    admin = deployment.client.admin
    with translated(deployment.address):
        try:
            return decide(admin.command("replSetGetConfig")["config"], admin.command("replSetGetStatus"))
        except OperationFailure:
            return MAJORITY


def free_builds(deployment: Deployment, collection: str) -> list[str]:
    """Let every build on a collection commit by the majority; returns the names of the indexes."""
    from pymongo.errors import OperationFailure

    builds: dict[Any, list[str]] = {}
    for document in read_indexes(deployment, [collection])[collection]:
        if is_building(document):
            builds.setdefault(document["buildUUID"], []).append(document["name"])
    freed: list[str] = []
    for names in builds.values():
        with translated(deployment.address):
            try:
                deployment.metadata.command(
                    {"setIndexCommitQuorum": collection, "indexNames": names, "commitQuorum": MAJORITY}
                )
            except OperationFailure:
                continue  # it has been committed meanwhile
        freed += names
    return freed
