"""SeedManager: plans, runs and reports the seeds of one folder on one database."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from wayra_db import sourcefile
from wayra_db.context import Context, call_with_context
from wayra_db.environment import Action
from wayra_db.errors import ConnectionFailedError, LockError, SeedFailedError, SeedLoadError
from wayra_db.events import Notice, UnitFailed, UnitFinished, UnitStarted, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo.commands import Command
from wayra_db.seeds import history
from wayra_db.seeds.loader import load_seeds
from wayra_db.seeds.model import PlannedSeed, Seed, SeedPlan, SeedStatus
from wayra_db.seeds.plan import plan_seeds, statuses
from wayra_db.units import UnitRunner, Written, advice, describe

logger = logging.getLogger("wayra_db.seeds")


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What a run did: each seed with its seconds, and the optional ones that failed with the reason."""

    ran: tuple[tuple[str, float], ...]
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything ran."""
        return bool(self.ran)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "changed": self.changed,
            "ran": [{"name": name, "seconds": round(seconds, 4)} for name, seconds in self.ran],
            "failed": [{"name": name, "error": error} for name, error in self.failed],
        }


class SeedManager:
    """Runs seeds, each once: in a transaction with its record where the deployment has transactions."""

    def __init__(self, guard: Guard, directory: Path) -> None:
        self._guard = guard
        self._directory = directory

    def files(self) -> tuple[Seed, ...]:
        """The seed files, read without running them or touching the database."""
        return load_seeds(self._directory)

    def status(self) -> tuple[SeedStatus, ...]:
        """Every seed with its state here. One find; writes nothing."""
        return statuses(self.files(), history.read_records(self._guard.deployment), self._guard.environment)

    def plan(self, *, again: bool = False) -> SeedPlan:
        """What `run` would run now. Reads only."""
        return plan_seeds(
            self.files(),
            history.read_records(self._guard.deployment),
            self._guard.environment,
            transactions=self._guard.deployment.capabilities.transactions,
            again=again,
        )

    def run(self, *, again: bool = False) -> SeedResult:
        """Run this environment's seeds that have not run; with `again`, also those that have.

        Refused in production. Takes no lock and writes nothing when none is due. A failing seed with `required = True`
        stops the run with SeedFailedError; another is reported and the rest goes on. Raises RefusedError,
        LockHeldError, SeedLoadError, SeedFailedError.
        """
        self._guard.require(Action.SEED)
        if not self.plan(again=again).run:
            return SeedResult(())
        with self._guard.changing(Action.SEED, "seed") as lease:
            return self._run(self.plan(again=again), lease)

    def _run(self, plan: SeedPlan, lease: Lease) -> SeedResult:
        modules = {planned.seed.name: _load(planned.seed) for planned in plan.run}
        ran: list[tuple[str, float]] = []
        failed: list[tuple[str, str]] = []
        with UnitRunner(self._guard.deployment, lease) as units:
            for planned in plan.run:
                self._guard.stop.check()
                started = time.monotonic()
                try:
                    with self._guard.stop.protected(), sourcefile.sibling_imports(planned.seed.path.parent):
                        self._run_one(planned, modules[planned.seed.name], units, lease)
                except SeedFailedError as error:
                    if planned.seed.required:
                        raise
                    failed.append((planned.seed.name, error.message))
                    notify(self._guard.observer, Notice(f"{error.message} (not required, going on)", "warning"))
                else:
                    ran.append((planned.seed.name, time.monotonic() - started))
        return SeedResult(tuple(ran), tuple(failed))

    def _run_one(self, planned: PlannedSeed, module: ModuleType, units: UnitRunner, lease: Lease) -> None:
        seed = planned.seed
        call = call_with_context(
            module.seed,
            takes_context=seed.takes_context,
            make=lambda session: Context(seed.name, session, logger, self._guard.observer, self._guard.stop),
        )
        done = history.record_of(seed, done=True, epoch=lease.epoch)
        event = {"event": "seed ran", "name": seed.name, "checksum": seed.checksum}

        def outcome(seconds: float, written: Written) -> tuple[Mapping[str, Any], Sequence[Command]]:
            return {**event, "seconds": seconds, **written}, [done]

        started = time.monotonic()
        notify(self._guard.observer, UnitStarted("seed", seed.name, "seed", planned.atomic))
        try:
            if planned.atomic:
                units.run_atomic(call, outcome, is_async=seed.is_async)
            else:
                lease.write({**event, "event": "seed started"}, history.record_of(seed, done=False, epoch=lease.epoch))
                written = units.run(call, is_async=seed.is_async)
                lease.write({**event, **written}, done)
        except (LockError, ConnectionFailedError):
            raise
        except (Exception, SystemExit) as error:
            failure = _failure(planned, error)
            notify(
                self._guard.observer,
                UnitFailed("seed", seed.name, "seed", time.monotonic() - started, failure.message),
            )
            said = describe(error, with_values=False)
            units.record_failure(
                {**event, "event": "seed failed", "error": said},
                history.record_of(seed, done=False, epoch=lease.epoch, error=said),
            )
            raise failure from error
        notify(self._guard.observer, UnitFinished("seed", seed.name, "seed", time.monotonic() - started))


def _load(seed: Seed) -> ModuleType:
    try:
        return sourcefile.load_module(seed.path, f"wayra_seed_{seed.name}")
    except sourcefile.SourceFileError as error:
        raise SeedLoadError(
            error.message, path=seed.path, line=error.line, hint="Nothing has run; fix the file and try again."
        ) from error


def _failure(planned: PlannedSeed, error: BaseException) -> SeedFailedError:
    seed = planned.seed
    line = sourcefile.line_in(error, seed.path)
    where = f"{seed.path}:{line}" if line else str(seed.path)
    kept = "Nothing of it was kept." if planned.atomic else f"It is not atomic ({planned.reason}): what it did stays."
    return SeedFailedError(
        f"seed {seed.name} failed at {where}: {describe(error)}",
        path=seed.path,
        line=line,
        hint=f"{kept} {advice(error) or 'Fix it and run `wayra-db seed` again.'}",
    )
