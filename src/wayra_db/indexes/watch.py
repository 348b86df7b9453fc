"""Index builds, watched while the commands that started them wait: how far they are, and whether one hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from wayra_db.errors import WayraError
from wayra_db.events import Notice, Observer, Progress, notify
from wayra_db.indexes import quorum
from wayra_db.indexes.progress import BuildProgress, read_progress
from wayra_db.mongo.client import Deployment

EVERY_SECONDS = 0.5
QUORUM_EVERY_TICKS = 4


@contextmanager
def watching(deployment: Deployment, building: Callable[[], Collection[str]], observer: Observer) -> Iterator[None]:
    """Within the block, look twice a second at the builds on the collections that `building` names.

    Reports their progress from `$currentOp`. When a voting member goes down, lets them commit by the majority, or they
    would wait for it. Works on a thread of its own. A user who may not see the operations gets no progress, and the
    builds go on.
    """
    ended = threading.Event()
    watcher = _Watcher(deployment, building, observer)
    thread = threading.Thread(target=watcher.run, args=(ended,), name="wayra-db-build-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Watcher:
    def __init__(self, deployment: Deployment, building: Callable[[], Collection[str]], observer: Observer) -> None:
        self._deployment = deployment
        self._building = building
        self._observer = observer
        self._sees_operations = True
        self._freed: set[str] = set()
        self._phases: dict[str, BuildProgress] = {}

    def run(self, ended: threading.Event) -> None:
        tick = 0
        while not ended.wait(EVERY_SECONDS):
            tick += 1
            collections = tuple(self._building())
            if not collections:
                continue
            if self._sees_operations:
                self._report(collections)
            if tick % QUORUM_EVERY_TICKS == 0 and len(self._deployment.capabilities.members) > 1:
                self._free(collections)

    def _report(self, collections: Collection[str]) -> None:
        from pymongo.errors import PyMongoError

        try:
            found = read_progress(self._deployment, collections)
            for collection in collections:
                before, now = self._phases.get(collection), found.get(collection)
                if before is not None and (now is None or now.task != before.task):
                    del self._phases[collection]
                    notify(self._observer, Progress(before.task, before.total, before.total, before.unit))
                if now is not None:
                    self._phases[collection] = now
                    notify(self._observer, Progress(now.task, now.done, now.total, now.unit))
        except PyMongoError:
            self._sees_operations = False

    def _free(self, collections: Collection[str]) -> None:
        try:
            if quorum.read_quorum(self._deployment) != quorum.MAJORITY:
                return
            for collection in collections:
                for name in quorum.free_builds(self._deployment, collection):
                    if f"{collection}.{name}" not in self._freed:
                        self._freed.add(f"{collection}.{name}")
                        message = (
                            f"a voting member is down: {collection}.{name} is committed once the majority has built it"
                        )
                        notify(self._observer, Notice(message, "warning"))
        except WayraError:
            return  # the next tick tries again
