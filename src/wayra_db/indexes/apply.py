"""Executes a plan that was found good: builds side by side, changes in place, replaces without a gap, drops last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from wayra_db.errors import (
    CancelledError,
    ConnectionFailedError,
    DuplicateKeysError,
    IndexManagementError,
    LockLostError,
    WayraError,
)
from wayra_db.events import Notice, notify
from wayra_db.guard import Guard
from wayra_db.indexes import history
from wayra_db.indexes.builds import Build, Builder, BuildFailure, OnStop, leave
from wayra_db.indexes.changes import change_of, planned_changes
from wayra_db.indexes.history import Change, Record
from wayra_db.indexes.plan import IndexPlan, PlannedIndex, Step
from wayra_db.indexes.spec import definition
from wayra_db.indexes.validation import Validator, duplicate_error
from wayra_db.locking import Lease
from wayra_db.mongo.errors import DUPLICATE_KEY, translate, translated

CANNOT_CONVERT_TO_UNIQUE = 359


@dataclass(frozen=True, slots=True)
class How:
    """How a plan is applied: how many collections at once, and what a stop does with running builds."""

    parallel: int = 2
    on_stop: OnStop = leave


class Applier:
    """Applies one plan under the caller's lease, with its record in the history."""

    def __init__(self, guard: Guard, lease: Lease, validator: Validator, how: How) -> None:
        self._guard = guard
        self._lease = lease
        self._validator = validator
        self._how = how
        self._done: list[Change] = []
        self._left = False

    def run(self, plan: IndexPlan, command: str, closes: Sequence[Record] = ()) -> list[Change]:
        """Do all of it and return what was changed. `closes` are records of earlier runs, settled with this one's.

        In the order of `Step`. What fails leaves what was done before it, recorded. Raises DuplicateKeysError,
        IndexManagementError, CancelledError, LockLostError.
        """
        record = history.new_record(command, self._lease.epoch, planned_changes(plan))
        self._lease.write(
            {"event": f"indexes {command} started", "changes": [one.to_dict() for one in record.changes]},
            *(history.store(one) for one in closes),
            history.store(record),
        )
        try:
            self._steps(plan)
        except LockLostError:
            raise
        except BaseException as error:
            # A build that was left to the server, or whose server is out of reach, is not over: the next run tells what
            # became of it.
            if not self._left and not isinstance(error, ConnectionFailedError):
                self._end(record, command, "interrupted" if isinstance(error, CancelledError) else "failed")
            raise
        self._end(record, command, "done")
        return self._done

    def _end(self, record: Record, command: str, state: history.State) -> None:
        event = {"event": f"indexes {command} {state}", "changes": [one.to_dict() for one in self._done]}
        ended = history.store(history.ended(record, state, self._done))
        if state == "done":
            self._lease.write(event, ended)
            return
        with suppress(WayraError):  # the failure itself is what counts
            self._lease.write(event, ended)

    def _steps(self, plan: IndexPlan) -> None:
        for one in plan.of(Step.CHANGE):
            self._change(one, one.changes)
            self._record(one)
        self._build(plan)
        for one in plan.of(Step.CONVERT):
            self._convert(one)
            self._record(one)
        self._rebuild(plan)
        for one in plan.of(Step.HIDE):
            self._change(one, {"hidden": True})
            self._record(one)
        for one in plan.of(Step.DROP):
            self._drop(one)
            self._record(one)

    def _record(self, one: PlannedIndex) -> None:
        self._done.append(change_of(one))

    def _build(self, plan: IndexPlan) -> None:
        """Everything new of a collection in one `createIndexes`; then the old of each swap goes."""
        planned = plan.of(Step.CREATE, Step.SWAP)
        waits = plan.of(Step.WAIT)
        builds = [
            # Asking for an index that is being built waits for that build.
            *(Build(name, tuple(one.document for one in indexes), joins=True) for name, indexes in _grouped(waits)),
            *(Build(name, tuple(one.document for one in indexes)) for name, indexes in _grouped(planned)),
        ]

        def built(build: Build) -> None:
            for one in waits if build.joins else planned:
                if one.collection != build.collection:
                    continue
                # Until the old one is gone a swap counts as a creation, which is what undoing must see.
                self._done.append(Change(one.collection, one.step.value, None, one.document))

        self._run(builds, built)
        for one in plan.of(Step.SWAP):
            self._drop(one)
            self._done.remove(Change(one.collection, one.step.value, None, one.document))
            self._record(one)

    def _rebuild(self, plan: IndexPlan) -> None:
        planned = plan.of(Step.REBUILD)
        builds = [
            Build(
                name,
                tuple(one.document for one in indexes),
                drops=tuple(definition(one.live) for one in indexes if one.live is not None),
            )
            for name, indexes in _grouped(planned)
        ]

        def built(build: Build) -> None:
            for one in planned:
                if one.collection == build.collection:
                    self._record(one)

        self._run(builds, built)

    def _run(self, builds: Sequence[Build], built: Callable[[Build], None]) -> None:
        builder = Builder(self._guard, self._lease, parallel=self._how.parallel, on_stop=self._how.on_stop)
        # Joined builds first: a collection takes one command at a time.
        for joined in (True, False):
            try:
                builder.run([one for one in builds if one.joins is joined], built)
            except BuildFailure as failure:
                for live in failure.lost:
                    self._done.append(Change(failure.build.collection, Step.DROP.value, live, None))
                raise self._refused(failure) from failure.error
            finally:
                self._left = builder.running

    def _convert(self, one: PlannedIndex) -> None:
        """From the moment of `prepareUnique` new duplicates are refused; old ones are then looked for by the server."""
        from pymongo.errors import OperationFailure

        self._change(one, {"prepareUnique": True})
        try:
            with self._guard.stop.protected():
                self._raw({"collMod": one.collection, "index": {"name": one.old_name, "unique": True}})
        except OperationFailure as error:
            self._change(one, {"prepareUnique": False})
            if error.code != CANNOT_CONVERT_TO_UNIQUE:
                raise translate(error, self._guard.deployment.address) from error
            problem = self._validator.duplicates(one.collection, one.document)
            if problem is None:
                raise IndexManagementError(
                    f"{one.namespace} could not be made unique: documents had the same key for a moment",
                    hint="Run the command again.",
                ) from error
            raise duplicate_error([problem]) from error
        if one.changes:
            self._change(one, one.changes)

    def _change(self, one: PlannedIndex, changes: Mapping[str, Any]) -> None:
        self._guard.stop.check()
        self._lease.check()
        # The server takes prepareUnique only alone.
        alone = {key: value for key, value in changes.items() if key == "prepareUnique"}
        others = {key: value for key, value in changes.items() if key != "prepareUnique"}
        for part in (alone, others):
            if part:
                self._command({"collMod": one.collection, "index": {"name": one.old_name, **part}})

    def _drop(self, one: PlannedIndex) -> None:
        self._guard.stop.check()
        self._lease.check()
        self._command({"dropIndexes": one.collection, "index": one.old_name})

    def _command(self, command: Mapping[str, Any]) -> None:
        with translated(self._guard.deployment.address):
            self._raw(command)

    def _raw(self, command: Mapping[str, Any]) -> None:
        self._guard.deployment.metadata.command(dict(command))

    def _refused(self, failure: BuildFailure) -> WayraError:
        """What the server said of a build, in our words."""
        from pymongo.errors import OperationFailure, PyMongoError

        build, error = failure.build, failure.error
        lost = _lost(failure)
        if isinstance(error, OperationFailure) and error.code == DUPLICATE_KEY:
            key = dict((error.details or {}).get("keyPattern", {}))
            index = next((one for one in build.documents if dict(one["key"]) == key), build.documents[0])
            problem = self._validator.duplicates(build.collection, index)
            if problem is not None and not lost:
                return duplicate_error([problem])
            return DuplicateKeysError(
                f"documents of {build.collection} had the same {', '.join(key)} while {index['name']} was built{lost}",
                index=f"{build.collection}.{index['name']}",
                hint=f"Look for them: wayra-db indexes duplicates {build.collection}.{index['name']}",
            )
        if isinstance(error, PyMongoError):
            known = translate(error, self._guard.deployment.address)
            if not isinstance(error, OperationFailure):
                return known
            return IndexManagementError(
                f"the indexes {', '.join(build.names)} of {build.collection} were not built: {known.message}{lost}",
                hint=known.hint or "Nothing of this collection was built; what was done before it stays.",
            )
        raise error


def _lost(failure: BuildFailure) -> str:
    if not failure.lost:
        return "; the old indexes are back" if failure.build.drops else ""
    names = ", ".join(f"{failure.build.collection}.{one['name']}" for one in failure.lost)
    return f"; {names} had gone for it and could not be built again: wayra-db indexes undo tries that"


def _grouped(indexes: Sequence[PlannedIndex]) -> list[tuple[str, list[PlannedIndex]]]:
    grouped: dict[str, list[PlannedIndex]] = {}
    for index in indexes:
        grouped.setdefault(index.collection, []).append(index)
    return list(grouped.items())


def tell_interrupted(guard: Guard, sentences: Sequence[str]) -> None:
    """Say what became of an earlier run."""
    for sentence in sentences:
        notify(guard.observer, Notice(sentence, "warning"))
