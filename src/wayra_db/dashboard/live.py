"""What is read of the database and the disk for the live parts, each cheap enough for every second. Writes nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from wayra_db.migrations.checkpoints import read_checkpoints
from wayra_db.mongo import load
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

# The sections that are long and not shown.
_WITHOUT = dict.fromkeys(("metrics", "locks", "repl", "tcmalloc", "sharding", "transactions", "security"), 0)


def read_server(deployment: Deployment) -> dict[str, Any]:
    """`serverStatus` of the member that is asked, without its longest sections."""
    with translated(deployment.address):
        return dict(deployment.client.admin.command({**load.STATUS, **_WITHOUT}))


def read_builds(deployment: Deployment) -> list[dict[str, Any]]:
    """The index builds that run in this database, from `$currentOp`; asks for the right `inprog`."""
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": True, "idleConnections": False}},
        {
            "$match": {
                "command.createIndexes": {"$exists": True},
                "ns": {"$regex": f"^{re.escape(deployment.database_name)}[.]"},
            }
        },
        {"$project": {"ns": 1, "msg": 1, "progress": 1, "microsecs_running": 1, "command.indexes.name": 1}},
    ]
    builds: dict[tuple[str, ...], dict[str, Any]] = {}
    with translated(deployment.address):
        for found in deployment.client.admin.aggregate(pipeline):
            collection = str(found["ns"]).partition(".")[2]
            names = [str(one.get("name", "")) for one in (found.get("command") or {}).get("indexes", ())]
            progress = found.get("progress") or {}
            # The command that waits and the thread that builds are two operations; the one with progress tells more.
            if progress or (collection, *names) not in builds:
                builds[(collection, *names)] = {
                    "collection": collection,
                    "indexes": names,
                    "phase": str(found.get("msg", "")).partition(":")[2].partition(":")[0].strip() or "starting",
                    "done": int(progress.get("done", 0)),
                    "total": int(progress.get("total", 0)),
                    "seconds": round(found.get("microsecs_running", 0) / 1e6, 1),
                }
    return list(builds.values())


def read_batches(deployment: Deployment) -> list[dict[str, Any]]:
    """How far batched migrations are that have begun and not ended. Keys are values, and stay out."""
    return [
        {
            "version": point.version,
            "direction": point.direction,
            "collection": point.collection,
            "done": point.done,
            "documents": point.documents,
            "batches": point.batches,
            "total": point.total,
        }
        for points in read_checkpoints(deployment).values()
        for point in points
    ]


def read_unfinished(folder: Path, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Backups that are being written, or whose writer died: what there is of them. Sizes in bytes."""
    return [found for name in names if ".partial-" in name and (found := _unfinished(folder / name))]


def _unfinished(path: Path) -> dict[str, Any] | None:
    size, newest = 0, 0.0
    try:
        for entry in (path, *path.rglob("*")):
            stat = entry.lstat()
            size += stat.st_size if entry is not path and entry.is_file() else 0
            newest = max(newest, stat.st_mtime)
    except FileNotFoundError:  # it has just come to its end, one way or the other
        return None
    return {
        "name": path.name.lstrip(".").rpartition(".partial-")[0],
        "bytes": size,
        "idleSeconds": round(max(0.0, time.time() - newest), 1),
    }
