"""How far a batched migration is: `_wayra_checkpoints`, one document for each walk over a collection.

A batch and its checkpoint commit in one transaction. A runner adopts a checkpoint before its first batch by writing its
epoch into it; every later write asks for that epoch, so whoever lost the lock meanwhile can move it no further.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from wayra_db.errors import LockLostError
from wayra_db.migrations.model import Checkpoint
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

COLLECTION = "_wayra_checkpoints"
FORMAT = 1


def read_checkpoints(deployment: Deployment) -> dict[int, list[Checkpoint]]:
    """The checkpoints of every version that is under way, in their order. One find; writes nothing."""
    found: dict[int, list[Checkpoint]] = {}
    with translated(deployment.address):
        stored = deployment.metadata[COLLECTION].with_options(codec_options=commands.any_date())
        for document in stored.find(sort=[("_id", 1)]):
            found.setdefault(document["version"], []).append(decode(document))
    return found


def decode(document: Mapping[str, Any]) -> Checkpoint:
    """A stored document as a checkpoint."""
    return Checkpoint(
        version=document["version"],
        direction=document["direction"],
        number=document["number"],
        collection=document["collection"],
        done=document["done"],
        documents=document["documents"],
        batches=document["batches"],
        total=document.get("total"),
        last=tuple(document["last"]),
        doubt=tuple(document.get("doubt", ())),
        written=dict(document.get("written", {})),
    )


def added(*counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of documents, summed up by name."""
    total: dict[str, int] = {}
    for one in counts:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total


def fingerprint(key: str, conditions: Mapping[str, Any]) -> str:
    """What a walk is over: a hash of its key and filter, so that another walk never goes on from its checkpoint."""
    import bson

    return hashlib.sha256(bson.encode({"key": key, "filter": dict(conditions)})).hexdigest()


def adopt(fresh: Checkpoint, walk: str, *, epoch: int) -> commands.Command:
    """The command that takes a checkpoint over for `epoch`, or makes it; its reply holds it as it is now.

    Meets a duplicate key when a later epoch has it already.
    """
    return {
        "findAndModify": COLLECTION,
        "query": {"_id": _id(fresh), "epoch": {"$lte": epoch}},
        "update": {
            "$set": {"epoch": epoch},
            "$setOnInsert": {
                "format": FORMAT,
                "version": fresh.version,
                "direction": fresh.direction,
                "number": fresh.number,
                "collection": fresh.collection,
                "walk": walk,
                "done": False,
                "documents": 0,
                "batches": 0,
                "total": fresh.total,
                "last": [],
                "at": datetime.now(UTC),
            },
        },
        "upsert": True,
        "new": True,
    }


def advance(point: Checkpoint, *, epoch: int) -> commands.Command:
    """The command that stores how far a walk is; `check_advanced` reads its reply."""
    stored: dict[str, Any] = {
        "done": point.done,
        "documents": point.documents,
        "batches": point.batches,
        "total": point.total,
        "last": list(point.last),
        "doubt": list(point.doubt),
        "written": dict(point.written),
        "at": datetime.now(UTC),
    }
    return {
        "update": COLLECTION,
        "updates": [{"q": {"_id": _id(point), "epoch": epoch}, "u": {"$set": stored}}],
    }


def check_advanced(reply: Mapping[str, Any], *, epoch: int) -> None:
    """Raise LockLostError unless the write met the checkpoint of this epoch."""
    commands.check(reply)
    if reply.get("n") != 1:
        raise LockLostError(
            "another runner has taken this migration over; this batch was not kept",
            epoch=epoch,
            hint="See `wayra-db migrate status`.",
        )


def fence(epoch: int) -> commands.Command:
    """The command after which no holder of an earlier epoch can move any checkpoint, though nobody adopts it yet."""
    return {"update": COLLECTION, "updates": [{"q": {}, "u": {"$max": {"epoch": epoch}}, "multi": True}]}


def forget(version: int) -> commands.Command:
    """The command that forgets how far a version is, once that no longer matters."""
    return {"delete": COLLECTION, "deletes": [{"q": {"version": version}, "limit": 0}]}


def forget_all() -> commands.Command:
    """The command that forgets all of them."""
    return {"delete": COLLECTION, "deletes": [{"q": {}, "limit": 0}]}


def _id(point: Checkpoint) -> str:
    return f"{point.version} {point.direction} {point.number:04d}"
