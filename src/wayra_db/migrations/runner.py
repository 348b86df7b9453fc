"""Carries out a migration plan under a lease, step by step, each recorded as it is done."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wayra_db import sourcefile
from wayra_db.context import call_with_context
from wayra_db.environment import Environment
from wayra_db.errors import (
    CancelledError,
    ConnectionFailedError,
    GroupError,
    LockError,
    LockLostError,
    MigrationFailedError,
    MigrationLoadError,
    WayraError,
)
from wayra_db.events import UnitFailed, UnitFinished, UnitStarted, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.migrations import batches, checkpoints, history, hooks
from wayra_db.migrations.context import MigrationContext
from wayra_db.migrations.failures import facts_of, failure_of, title
from wayra_db.migrations.model import MigrationPlan, PlannedStep, RecordState
from wayra_db.mongo import commands
from wayra_db.mongo.commands import Command
from wayra_db.mongo.errors import translate
from wayra_db.mongo.ports import Port
from wayra_db.units import UnitRunner, Written, awaited, describe, finished

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

logger = logging.getLogger("wayra_db.migrations")

# A batched migration that meets a passing trouble goes on from its checkpoint so often without getting any further.
TRIES_WITHOUT_PROGRESS = 5


@dataclass(frozen=True, slots=True)
class Done:
    """A step that has run: how long it took, and how many documents its writes found and changed."""

    version: int
    seconds: float
    written: Written

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"version": self.version, "seconds": round(self.seconds, 4), "documents": dict(self.written)}


def run_plan(
    plan: MigrationPlan, guard: Guard, lease: Lease, *, commit: str | None, with_hooks: bool = True
) -> tuple[Done, ...]:
    """Run every step; returns what each did.

    All files, hooks included, are executed once before the first step, so that an import error stops the run before
    anything changed. An atomic step and its record commit together; a batched one commits each batch with its
    checkpoint; another is recorded as `started` first, then as applied or failed. `commit` goes to the audit log.
    Without `with_hooks` the project's own code around the run is left out. The steps of a grouped plan commit together.
    Raises MigrationFailedError with what was done before, HookFailedError, CancelledError between two steps or two
    batches, LockLostError.
    """
    if not plan.steps:
        return ()
    modules = {step.migration.version: _load(step) for step in plan.steps}
    around = hooks.load_hooks(plan.steps[0].migration.path.parent) if with_hooks else hooks.Hooks()
    if plan.grouped:
        _refuse_hooks_between(around, plan)
    done: list[Done] = []
    with UnitRunner(guard.deployment, lease) as units:
        run = _Run(plan, guard, lease, units, commit)

        with_values = guard.environment is not Environment.PRODUCTION

        def tell(name: str, step: PlannedStep | None = None, **ended: Any) -> None:
            if name not in around.functions:
                return
            versions = [one.version for one in done]
            info = dataclasses.replace(hooks.run_info(plan, versions, step), **ended)
            around.call(name, units, info, done=versions, with_values=with_values)

        tell("before_run")
        try:
            with sourcefile.sibling_imports(plan.steps[0].migration.path.parent):
                if plan.grouped:
                    with guard.stop.protected():
                        done.extend(run.together(plan.steps, modules))
                for step in () if plan.grouped else plan.steps:
                    guard.stop.check()
                    tell("before_each", step)
                    with guard.stop.protected():
                        done.append(run.step(step, modules[step.migration.version], done))
                    tell("after_each", step)
        except (LockError, ConnectionFailedError):
            raise  # nothing more may be written, or nothing can be
        except BaseException as error:
            outcome = "stopped" if isinstance(error, (CancelledError, KeyboardInterrupt)) else "failed"
            try:
                tell("after_run", outcome=outcome, error=describe(error))
            except WayraError as second:
                logger.warning("%s", second.message)  # what went wrong first matters more
            raise
        tell("after_run", outcome="succeeded")
    return tuple(done)


def _load(step: PlannedStep) -> ModuleType:
    path = step.migration.path
    try:
        return sourcefile.load_module(
            path, f"wayra_migration_{step.migration.version}", expected_checksum=step.migration.checksum
        )
    except sourcefile.SourceFileError as error:
        raise MigrationLoadError(
            error.message, path=path, line=error.line, hint="Nothing has run; fix the file and try again."
        ) from error


def _refuse_hooks_between(around: hooks.Hooks, plan: MigrationPlan) -> None:
    between = [name for name in ("before_each", "after_each") if name in around.functions]
    if between:
        raise GroupError(
            f"{around.path}: `{between[0]}` runs between migrations, and one transaction has no between",
            versions=plan.versions,
            hint="Run them without --group, or use `before_run` and `after_run`.",
        )


class _Run:
    """What the steps of one run share."""

    def __init__(self, plan: MigrationPlan, guard: Guard, lease: Lease, units: UnitRunner, commit: str | None) -> None:
        self._ended = RecordState.APPLIED if plan.direction == "up" else RecordState.ROLLED_BACK
        self._guard = guard
        self._lease = lease
        self._units = units
        self._commit = {"commit": commit} if commit else {}
        self._before: Written = {}

    def step(self, step: PlannedStep, module: ModuleType, done: Sequence[Done]) -> Done:
        """Run one step and record it; `done` is what was done before it, for the error."""
        guard, name = self._guard, title(step)
        self._before, self._units.kept = {}, {}
        function = getattr(module, step.direction)
        started = time.monotonic()
        notify(guard.observer, UnitStarted("migration", name, step.direction, step.atomic))
        try:
            written = self._atomically(step, function) if step.atomic else self._stepwise(step, function)
        except LockLostError as error:
            raise self._lease.why_lost(error) from error.__cause__
        except (LockError, ConnectionFailedError):
            raise
        except CancelledError as error:
            if step.atomic:
                raise
            self._record(step, RecordState.STOPPED, started, reason=error.signal_name)
            raise CancelledError(
                error.message, signal_name=error.signal_name, hint=f"{self._stands(step)} {error.hint}"
            ) from error
        except (Exception, SystemExit) as error:
            failure = self._failure(step, error, done)
            self._failed(step, failure, error, started)
            raise failure from error
        seconds = time.monotonic() - started
        notify(guard.observer, UnitFinished("migration", name, step.direction, seconds))
        return Done(step.migration.version, seconds, written)

    def together(self, steps: Sequence[PlannedStep], modules: Mapping[int, ModuleType]) -> list[Done]:
        """Run steps in one transaction: all of them and their records are kept, or nothing is.

        A stop that is asked for is honoured between two of them, and then none has run.
        """
        guard, observer = self._guard, self._guard.observer
        current, began = steps[0], time.monotonic()
        done: list[Done] = []
        before: Written = {}

        def begin(step: PlannedStep) -> None:
            nonlocal current, began
            guard.stop.check()
            current, began = step, time.monotonic()
            notify(observer, UnitStarted("migration", title(step), step.direction, atomic=True))

        def end(step: PlannedStep) -> None:
            nonlocal before
            written = self._units.written()
            own = {name: number - before.get(name, 0) for name, number in written.items()}
            done.append(Done(step.migration.version, time.monotonic() - began, {n: v for n, v in own.items() if v}))
            before = written

        def start_over() -> None:
            nonlocal before
            done.clear()
            before = self._units.written()

        def call(database: Any, session: Any) -> None:
            start_over()
            for step in steps:
                begin(step)
                with awaited():
                    finished(self._call(step, modules)(database, session))
                end(step)

        async def call_async(database: Any, session: Any) -> None:
            start_over()
            for step in steps:
                begin(step)
                with awaited():
                    finished(await self._call(step, modules)(database, session))
                end(step)

        def outcome(seconds: float, written: Written) -> tuple[list[dict[str, Any]], list[Command]]:
            ended = [self._outcome(step, one.seconds, one.written) for step, one in zip(steps, done, strict=True)]
            return [event for event, _ in ended], [commands.together([record for _, record in ended])]

        try:
            is_async = steps[0].header.is_async
            self._units.run_atomic(call_async if is_async else call, outcome, is_async=is_async)
        except (LockError, ConnectionFailedError):
            raise
        except CancelledError as error:
            raise CancelledError(
                error.message, signal_name=error.signal_name, hint="None of them was applied. Run it again."
            ) from error
        except (Exception, SystemExit) as error:
            failure = self._failure(current, error, ())
            failure.hint = f"All ran in one transaction, so none of the {len(steps)} is applied. {failure.hint}"
            self._failed(current, failure, error, began)
            raise failure from error
        for step, one in zip(steps, done, strict=True):
            notify(observer, UnitFinished("migration", title(step), step.direction, one.seconds))
        return done

    def _call(self, step: PlannedStep, modules: Mapping[int, ModuleType]) -> Callable[[Any, Any], Any]:
        return call_with_context(
            getattr(modules[step.migration.version], step.direction),
            takes_context=step.header.takes_context,
            make=lambda session: self._context(step, session),
        )

    def _atomically(self, step: PlannedStep, function: Callable[..., Any]) -> Written:
        last: Written = {}

        def outcome(seconds: float, written: Written) -> tuple[list[dict[str, Any]], list[Command]]:
            nonlocal last
            last = written
            event, record = self._outcome(step, seconds, written)
            return [event], [record]

        call = call_with_context(
            function, takes_context=step.header.takes_context, make=lambda session: self._context(step, session)
        )
        self._units.run_atomic(call, outcome, is_async=step.header.is_async)
        return last

    def _stepwise(self, step: PlannedStep, function: Callable[..., Any]) -> Written:
        started = time.monotonic()
        if step.resumes and step.header.batched:
            self._before = self._written_before(step)
        what = "resumed" if step.resumes else "started"
        self._lease.write(
            history.event_of(step, what, **self._before, **self._commit),
            history.record_of(step, RecordState.STARTED, epoch=self._lease.epoch),
        )
        if step.header.batched:
            written = self._in_batches(step, function)
        else:
            call = call_with_context(
                function, takes_context=step.header.takes_context, make=lambda session: self._context(step, session)
            )
            written = self._units.run(call, is_async=step.header.is_async)
        total = checkpoints.added(self._before, written)
        event, record = self._outcome(step, time.monotonic() - started, total)
        self._lease.write(event, record, checkpoints.forget(step.migration.version))
        return written

    def _in_batches(self, step: PlannedStep, function: Callable[..., Any]) -> Written:
        """Run it; where a transaction fails for a passing reason, go on from the checkpoint as after a crash."""
        from pymongo.errors import ConnectionFailure

        deployment = self._guard.deployment
        run: batches.Run | None = None
        done, tries = -1, 0

        def call(port: Port) -> Any:
            nonlocal run
            run = self._walks(step, port)
            return function(port.database, self._context(step, None, run))

        def again(error: PyMongoError) -> bool:
            nonlocal done, tries
            reached = run.documents if run else 0
            tries = 0 if reached > done else tries + 1
            done = max(done, reached)
            passing = _passes(error) and deployment.capabilities.transactions and step.migration.retry != "manual"
            if not passing or tries >= TRIES_WITHOUT_PROGRESS:
                return False
            logger.info("%s: goes on after %s", title(step), describe(error, with_values=False))
            self._guard.stop.wait(0.1 * 2**tries)
            return True

        try:
            written = self._units.run_with_port(call, is_async=step.header.is_async, stop=self._guard.stop, again=again)
        except ConnectionFailure as error:
            raise translate(error, deployment.address) from error  # no record can be written; it goes on from there
        if run is not None:
            run.require_ended()
        return written

    def _walks(self, step: PlannedStep, port: Port) -> batches.Run:
        guard = self._guard
        return batches.Run(
            name=title(step),
            version=step.migration.version,
            direction=step.direction,
            port=port,
            lease=self._lease,
            observer=guard.observer,
            stop=guard.stop,
            deployment=guard.deployment,
            redo_doubtful=step.migration.retry == "safe",
        )

    def _context(self, step: PlannedStep, session: Any, run: batches.Run | None = None) -> MigrationContext:
        return MigrationContext(title(step), session, logger, self._guard.observer, self._guard.stop, run)

    def _outcome(self, step: PlannedStep, seconds: float, written: Written) -> tuple[dict[str, Any], Command]:
        event = history.event_of(step, self._ended.value, seconds=seconds, **written, **self._commit)
        return event, history.record_of(step, self._ended, epoch=self._lease.epoch, seconds=seconds)

    def _failure(self, step: PlannedStep, error: BaseException, done: Sequence[Done]) -> MigrationFailedError:
        with_values = self._guard.environment is not Environment.PRODUCTION
        return failure_of(step, error, [one.version for one in done], with_values=with_values)

    def _failed(self, step: PlannedStep, failure: MigrationFailedError, error: BaseException, started: float) -> None:
        """Tell and record a failure."""
        seconds = time.monotonic() - started
        notify(self._guard.observer, UnitFailed("migration", title(step), step.direction, seconds, failure.message))
        self._record(step, RecordState.FAILED, started, **facts_of(step, error))

    def _record(self, step: PlannedStep, state: RecordState, started: float, *, reason: str = "", **facts: Any) -> None:
        """Record an end that is none, with what is known of it and what stays of what it wrote. Where it stopped
        stands in the checkpoints.
        """
        seconds, written = time.monotonic() - started, checkpoints.added(self._before, self._units.kept)
        said = {"reason": reason} if reason else facts
        self._units.record_failure(
            history.event_of(step, state.value, seconds=seconds, **said, **written, **self._commit),
            history.still_applied(step, epoch=self._lease.epoch, **facts)
            if step.atomic and step.direction == "down"
            else history.record_of(step, state, epoch=self._lease.epoch, seconds=seconds, **facts),
        )

    def _written_before(self, step: PlannedStep) -> Written:
        """What former runs of a batched migration wrote, the one that was killed included."""
        points = checkpoints.read_checkpoints(self._guard.deployment).get(step.migration.version, ())
        return checkpoints.added(*(point.written for point in points if point.direction == step.direction))

    def _stands(self, step: PlannedStep) -> str:
        points = checkpoints.read_checkpoints(self._guard.deployment).get(step.migration.version, ())
        return " ".join(f"{title(step)}: {point.describe()}." for point in points)


def _passes(error: PyMongoError) -> bool:
    """Whether a batched migration may go on from its checkpoint after this: it says what has committed."""
    from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError

    if isinstance(error, ServerSelectionTimeoutError):
        return False  # the driver has waited for a server already
    labels = ("TransientTransactionError", "UnknownTransactionCommitResult")
    return isinstance(error, AutoReconnect) or any(error.has_error_label(label) for label in labels)
