"""How far index builds are, asked of the server while the command that started them waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wayra_db.events import Observer, Progress, notify
from wayra_db.mongo.client import Deployment

EVERY_SECONDS = 0.5


@contextmanager
def build_progress(deployment: Deployment, collection: str, observer: Observer) -> Iterator[None]:
    """Within the block, report the progress of builds on a collection twice a second, from `$currentOp`.

    Reads on a thread of its own. A user who may not see the operations gets no progress, and the build goes on.
    """
    ended = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(deployment, collection, observer, ended), name="wayra-db-build-progress", daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _watch(deployment: Deployment, collection: str, observer: Observer, ended: threading.Event) -> None:
    from pymongo.errors import PyMongoError

    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": True, "idleConnections": False}},
        {
            "$match": {
                "command.createIndexes": collection,
                "ns": f"{deployment.database_name}.{collection}",
                "progress.total": {"$gt": 0},
            }
        },
        {"$project": {"progress": 1}},
    ]
    while not ended.wait(EVERY_SECONDS):
        try:
            for found in deployment.client.admin.aggregate(pipeline):
                done, total = int(found["progress"]["done"]), int(found["progress"]["total"])
                notify(observer, Progress(f"indexes of {collection}", done, total, "documents"))
        except PyMongoError:
            return
