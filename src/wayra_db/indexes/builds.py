"""Several collections' index builds side by side, watched, and left to the server or aborted when asked to stop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wayra_db.errors import CancelledError, WayraError
from wayra_db.guard import Guard
from wayra_db.indexes.quorum import read_quorum
from wayra_db.indexes.spec import IndexDocument
from wayra_db.indexes.watch import watching
from wayra_db.locking import Lease
from wayra_db.mongo.errors import translate

WhenStopped = Literal["wait", "leave", "abort"]
OnStop = Callable[[Sequence[str]], WhenStopped]


@dataclass(frozen=True, slots=True)
class Build:
    """One `createIndexes`. `joins` says that others have started it; `drops` are live indexes that must go first."""

    collection: str
    documents: tuple[IndexDocument, ...]
    joins: bool = False
    drops: tuple[IndexDocument, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of its indexes."""
        return [str(document["name"]) for document in self.documents]


class BuildFailure(Exception):
    """A build that the server refused; `error` is the driver's, `lost` are dropped indexes that are not back."""

    def __init__(self, build: Build, error: Exception, lost: tuple[IndexDocument, ...] = ()) -> None:
        super().__init__(build.collection)
        self.build = build
        self.error = error
        self.lost = lost


def leave(building: Sequence[str]) -> WhenStopped:
    """The server goes on without us, which costs nothing; the next run finds what it has made."""
    return "leave"


class Builder:
    """Runs builds, at most `parallel` collections at once, under the caller's lease."""

    def __init__(self, guard: Guard, lease: Lease, *, parallel: int, on_stop: OnStop = leave) -> None:
        self._guard = guard
        self._lease = lease
        self._parallel = max(1, parallel)
        self._on_stop = on_stop
        self._running: dict[str, Build] = {}
        self._ended: queue.SimpleQueue[tuple[Build, Exception | None]] = queue.SimpleQueue()

    def run(self, builds: Sequence[Build], built: Callable[[Build], None]) -> None:
        """Run all, one `createIndexes` a collection at a time; `built` is called on this thread for each that is done.

        After a failure no new one begins; those that run are waited for, and the first failure is raised. A stop asks
        `on_stop` what becomes of the running ones; then CancelledError. Raises BuildFailure, and LockLostError.
        """
        if not builds:
            return
        stop = self._guard.stop
        stop.check()
        waiting, failure, answer = list(builds), None, None
        quorum = read_quorum(self._guard.deployment)
        watched = watching(self._guard.deployment, lambda: list(self._running), self._guard.observer)
        with stop.protected(), watched:
            while self._running or (waiting and failure is None and not stop.requested):
                while waiting and len(self._running) < self._parallel and failure is None and not stop.requested:
                    self._lease.check()
                    self._start(waiting.pop(0), quorum)
                try:
                    build, error = self._ended.get(timeout=0.1)
                except queue.Empty:
                    if stop.requested and answer is None:
                        answer = self._on_stop(self._names())
                        if answer == "leave":
                            raise self._left() from None
                    if answer == "abort":
                        self._abort()
                        if all(build.joins for build in self._running.values()):
                            raise self._left() from None  # others have begun these, and they are theirs to end
                    continue
                del self._running[build.collection]
                if error is None:
                    built(build)
                else:
                    failure = failure or (error if isinstance(error, BuildFailure) else BuildFailure(build, error))
        if answer == "abort":
            raise CancelledError(
                "the index builds were aborted: what they had made is gone, what was built before stays",
                hint="Run `wayra-db indexes apply` again to build them.",
            )
        if failure is not None:
            raise failure
        stop.check()

    @property
    def running(self) -> bool:
        """Whether builds go on that were not waited for."""
        return bool(self._running)

    def _start(self, build: Build, quorum: str | None) -> None:
        self._running[build.collection] = build
        threading.Thread(
            target=self._work, args=(build, quorum), name=f"wayra-db-build-{build.collection}", daemon=True
        ).start()

    def _work(self, build: Build, quorum: str | None) -> None:
        error: Exception | None = None
        try:
            for live in build.drops:
                self._drop(build.collection, live["name"])
            self._create(build, build.documents, quorum)
        except Exception as caught:
            error = BuildFailure(build, caught, self._restore(build, quorum))
        self._ended.put((build, error))

    def _create(self, build: Build, documents: Sequence[IndexDocument], quorum: str | None) -> None:
        command: dict[str, Any] = {"createIndexes": build.collection, "indexes": [dict(one) for one in documents]}
        if quorum is not None and not build.joins:
            command["commitQuorum"] = quorum
        self._guard.deployment.metadata.command(command)

    def _drop(self, collection: str, name: str) -> None:
        self._guard.deployment.metadata.command({"dropIndexes": collection, "index": name})

    def _restore(self, build: Build, quorum: str | None) -> tuple[IndexDocument, ...]:
        """Build again what had to go for a build that then failed; returns what could not be."""
        from pymongo.errors import PyMongoError

        lost = []
        for live in build.drops:
            try:
                self._create(build, [live], quorum)
            except PyMongoError:
                lost.append(live)
        return tuple(lost)

    def _names(self) -> list[str]:
        return [f"{build.collection}.{name}" for build in self._running.values() for name in build.names]

    def _abort(self) -> None:
        """End the builds that this run has started; the waiting commands then fail by themselves."""
        from pymongo.errors import OperationFailure, PyMongoError

        for build in list(self._running.values()):
            if build.joins:
                continue
            try:
                self._guard.deployment.metadata.command({"dropIndexes": build.collection, "index": build.names})
            except OperationFailure:
                continue  # committed meanwhile, or not begun
            except PyMongoError as error:
                raise translate(error, self._guard.deployment.address) from error

    def _left(self) -> WayraError:
        return CancelledError(
            f"stopped; the server goes on building {', '.join(self._names())}",
            hint="`wayra-db indexes plan` shows when they are done; `wayra-db indexes apply` waits for them.",
        )
