"""Carries out a migration plan under a lease, step by step, each recorded as it is done."""

from __future__ import annotations

import logging
import time
from types import ModuleType
from typing import Any

from wayra_db import sourcefile
from wayra_db.context import call_with_context
from wayra_db.environment import Environment
from wayra_db.errors import ConnectionFailedError, LockError, MigrationFailedError, MigrationLoadError
from wayra_db.events import UnitFailed, UnitFinished, UnitStarted, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.migrations import history
from wayra_db.migrations.model import MigrationPlan, PlannedStep, RecordState
from wayra_db.mongo.commands import Command
from wayra_db.units import UnitRunner, advice, describe

logger = logging.getLogger("wayra_db.migrations")


def run_plan(plan: MigrationPlan, guard: Guard, lease: Lease) -> tuple[tuple[int, float], ...]:
    """Run every step; returns each version with the seconds it took.

    All files are executed once before the first step, so that an import error stops the run before anything changed.
    An atomic step and its record commit together. Another step is recorded as `started` first, then as applied or
    failed. Raises MigrationFailedError with what was done before, CancelledError between two steps, LockLostError.
    """
    modules = {step.migration.version: _load(step) for step in plan.steps}
    done: list[tuple[int, float]] = []
    with UnitRunner(guard.deployment, lease) as units:
        for step in plan.steps:
            guard.stop.check()
            with guard.stop.protected(), sourcefile.sibling_imports(step.migration.path.parent):
                started = time.monotonic()
                _run_step(step, modules[step.migration.version], units, guard, lease, [version for version, _ in done])
                done.append((step.migration.version, time.monotonic() - started))
    return tuple(done)


def _load(step: PlannedStep) -> ModuleType:
    path = step.migration.path
    try:
        return sourcefile.load_module(path, f"wayra_migration_{step.migration.version}")
    except sourcefile.SourceFileError as error:
        raise MigrationLoadError(
            error.message, path=path, line=error.line, hint="Nothing has run; fix the file and try again."
        ) from error


def _run_step(
    step: PlannedStep, module: ModuleType, units: UnitRunner, guard: Guard, lease: Lease, done: list[int]
) -> None:
    name = f"{step.migration.version:04d} {step.migration.name}"
    call = call_with_context(
        getattr(module, step.direction),
        takes_context=step.header.takes_context,
        name=name,
        logger=logger,
        observer=guard.observer,
        stop=guard.stop,
    )
    ended = RecordState.APPLIED if step.direction == "up" else RecordState.ROLLED_BACK

    def outcome(seconds: float) -> tuple[dict[str, Any], list[Command]]:
        record = history.record_of(step, ended, epoch=lease.epoch, seconds=seconds)
        return history.event_of(step, ended.value, seconds=seconds), [record]

    started = time.monotonic()
    notify(guard.observer, UnitStarted("migration", name, step.direction, step.atomic))
    try:
        if step.atomic:
            units.run_atomic(call, outcome, is_async=step.header.is_async)
        else:
            lease.write(
                history.event_of(step, "started"), history.record_of(step, RecordState.STARTED, epoch=lease.epoch)
            )
            units.run(call, is_async=step.header.is_async)
            event, record = outcome(time.monotonic() - started)
            lease.write(event, *record)
    except (LockError, ConnectionFailedError):
        raise
    except (Exception, SystemExit) as error:
        seconds = time.monotonic() - started
        failure = _failure(step, error, done, with_values=guard.environment is not Environment.PRODUCTION)
        notify(guard.observer, UnitFailed("migration", name, step.direction, seconds, failure.message))
        said = describe(error, with_values=False)
        units.record_failure(
            history.event_of(step, "failed", seconds=seconds, error=said),
            history.record_of(step, RecordState.FAILED, epoch=lease.epoch, seconds=seconds, error=said),
        )
        raise failure from error
    notify(guard.observer, UnitFinished("migration", name, step.direction, time.monotonic() - started))


def _failure(step: PlannedStep, error: BaseException, done: list[int], *, with_values: bool) -> MigrationFailedError:
    migration = step.migration
    line = sourcefile.line_in(error, migration.path)
    where = f"{migration.path}:{line}" if line else str(migration.path)
    if step.atomic:
        what_to_do = advice(error) or "Fix it and run `wayra-db migrate` again."
        hint = f"Nothing of it was kept. {what_to_do}"
    else:
        hint = (
            f"It is not atomic ({step.reason}): what it did before that line stays. Fix it, then see "
            "`wayra-db migrate status`."
        )
    return MigrationFailedError(
        f"{step.direction} of migration {migration.version} ({migration.name}) failed at {where}: "
        f"{describe(error, with_values=with_values)}",
        applied=done,
        failed=migration.version,
        path=migration.path,
        line=line,
        hint=hint,
    )
