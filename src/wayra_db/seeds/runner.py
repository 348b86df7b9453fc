"""Runs the seeds of a plan under a lease, each in a transaction with its record, or honestly without one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wayra_db import sourcefile
from wayra_db.errors import CancelledError, ConnectionFailedError, LockError, SeedFailedError
from wayra_db.events import Notice, UnitFailed, UnitFinished, UnitStarted, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo.commands import Command
from wayra_db.mongo.tally import Watched
from wayra_db.seeds import history, ledger
from wayra_db.seeds.model import PlannedSeed, SeedPlan
from wayra_db.seeds.results import SeedResult
from wayra_db.seeds.run import SeedDataError, SeedRun
from wayra_db.seeds.work import Work, load
from wayra_db.units import UnitRunner, Written, advice, describe, line_of

if TYPE_CHECKING:
    from wayra_db.seeds.generate.generator import Source


def run_plan(
    plan: SeedPlan, guard: Guard, lease: Lease, *, fresh: frozenset[str] = frozenset(), source: Source | None = None
) -> SeedResult:
    """Run every seed of the plan; of those in `fresh`, what they made is deleted first.

    All files are loaded before the first seed runs. Raises SeedFailedError when a required one fails, with what was
    done before; SeedLoadError, CancelledError, LockLostError.
    """
    works = [(planned, load(planned.seed)) for planned in plan.run]
    ran: list[tuple[str, float]] = []
    failed: dict[str, str] = {}
    skipped: dict[str, str] = {}
    kept = 0
    with UnitRunner(guard.deployment, lease) as units:
        for planned, work in works:
            guard.stop.check()
            seed = planned.seed
            started = time.monotonic()
            try:
                lost = next((name for name in seed.depends_on if name in failed or name in skipped), None)
                if lost is not None:
                    raise _not_run(planned, lost)
                with guard.stop.protected(), sourcefile.sibling_imports(seed.path.parent):
                    kept += _One(planned, work, guard, lease, units, source, fresh=seed.name in fresh).run()
            except SeedFailedError as error:
                if seed.required:
                    raise _with_what_was_done(error, [name for name, _ in ran]) from error.__cause__
                (failed if lost is None else skipped)[seed.name] = error.message
                notify(guard.observer, Notice(f"{error.message} (not required, going on)", "warning"))
            else:
                ran.append((seed.name, time.monotonic() - started))
    return SeedResult(tuple(ran), tuple(failed.items()), tuple(skipped.items()), kept)


class _One:
    """One seed's run."""

    def __init__(
        self,
        planned: PlannedSeed,
        work: Work,
        guard: Guard,
        lease: Lease,
        units: UnitRunner,
        source: Source | None,
        *,
        fresh: bool,
    ) -> None:
        self._planned = planned
        self._seed = planned.seed
        self._work = work
        self._guard = guard
        self._lease = lease
        self._units = units
        self._source = source
        self._fresh = fresh
        self._run: SeedRun | None = None
        self._event = {"event": "seed ran", "name": self._seed.name, "checksum": self._seed.checksum}

    def run(self) -> int:
        """Run it and record that; returns of how many documents a person's edits were kept."""
        observer, name, started = self._guard.observer, self._seed.name, time.monotonic()
        notify(observer, UnitStarted("seed", name, "seed", self._planned.atomic))
        try:
            with self._watching() as watched:
                if self._planned.atomic:
                    self._atomically(watched)
                else:
                    self._stepwise(watched)
        except (LockError, ConnectionFailedError):
            raise
        except CancelledError as error:
            stands = "Nothing of it was kept." if self._planned.atomic else "Its whole batches stay."
            raise CancelledError(
                f"seed {name}: {error.message}", signal_name=error.signal_name, hint=f"{stands} {error.hint}"
            ) from error
        except (Exception, SystemExit) as error:
            failure = _failure(self._planned, error)
            notify(observer, UnitFailed("seed", name, "seed", time.monotonic() - started, failure.message))
            said = describe(error, with_values=False)
            self._units.record_failure(
                {**self._event, "event": "seed failed", "error": said}, self._record(done=False, error=said)
            )
            raise failure from error
        notify(observer, UnitFinished("seed", name, "seed", time.monotonic() - started))
        return sum(counts.kept for counts in self._run.upserted.values()) if self._run else 0

    def _atomically(self, watched: Watched) -> None:
        def call(database: Any, session: Any) -> Any:
            watched.clear()  # the driver may try the transaction once more
            return self._call(database, session)

        def outcome(seconds: float, written: Written) -> tuple[Sequence[Mapping[str, Any]], Sequence[Command]]:
            self._require_declared(watched)
            return [{**self._event, "seconds": seconds, **written}], [
                self._record(done=True),
                *ledger.note(self._seed.name, watched.made),
            ]

        self._units.run_atomic(call, outcome, is_async=self._seed.is_async)

    def _stepwise(self, watched: Watched) -> None:
        """What it made by itself is noted when it ends, however it does but for a kill."""
        self._lease.write({**self._event, "event": "seed started"}, self._record(done=False))
        try:
            written = self._units.run(self._call, is_async=self._seed.is_async)
        except BaseException:
            if watched.made:
                noted = {**self._event, "event": "seed stopped"}
                self._units.record_failure(noted, *ledger.note(self._seed.name, watched.made))
            raise
        self._require_declared(watched)
        self._lease.write(
            {**self._event, **written}, self._record(done=True), *ledger.note(self._seed.name, watched.made)
        )

    def _call(self, database: Any, session: Any) -> Any:
        guard = self._guard

        def check() -> None:
            guard.stop.check()
            self._lease.check()

        self._run = SeedRun(
            self._seed.name,
            database,
            session,
            is_async=self._seed.is_async,
            observer=guard.observer,
            check=check,
            source=self._source,
        )
        return self._work.run(self._run, guard.stop, fresh=self._fresh)

    def _record(self, *, done: bool, error: str = "") -> Command:
        return history.record_of(self._seed, done=done, epoch=self._lease.epoch, error=error)

    def _require_declared(self, watched: Watched) -> None:
        """A seed that says where it writes is held to it, since what it says is what people and `clear` go by."""
        wrong = sorted(watched.collections - set(self._seed.collections)) if self._seed.collections else []
        if wrong:
            raise SeedDataError(
                f"it wrote to {', '.join(wrong)}, which its `collections` does not name",
                hint=f"Add {wrong[0]!r} to `collections` in the file.",
            )

    @contextmanager
    def _watching(self) -> Iterator[Watched]:
        """A caller's own client cannot be watched; then only what `ctx.upsert` does is known."""
        deployment = self._guard.deployment
        if deployment.tally is None:
            yield Watched(deployment.database_name)
            return
        with deployment.tally.watching(deployment.database_name) as watched:
            yield watched


def _not_run(planned: PlannedSeed, lost: str) -> SeedFailedError:
    return SeedFailedError(
        f"seed {planned.seed.name} was not run: it depends on {lost}, which did not end well",
        path=planned.seed.path,
        hint=f"Fix {lost} and run `wayra-db seed` again.",
    )


def _with_what_was_done(error: SeedFailedError, done: Sequence[str]) -> SeedFailedError:
    before = f"Before it ran and stay: {', '.join(done)}." if done else "No other seed was run before it."
    return SeedFailedError(error.message, path=error.path, line=error.line, hint=f"{error.hint} {before}")


def _failure(planned: PlannedSeed, error: BaseException) -> SeedFailedError:
    seed = planned.seed
    line = error.line if seed.data and isinstance(error, SeedDataError) else line_of(error, seed.path)
    where = f"{seed.path}:{line}" if line else str(seed.path)
    kept = "Nothing of it was kept." if planned.atomic else f"It is not atomic ({planned.reason}): what it did stays."
    return SeedFailedError(
        f"seed {seed.name} failed at {where}: {describe(error).removeprefix(f'{where}: ')}",
        path=seed.path,
        line=line,
        hint=f"{kept} {advice(error) or 'Fix it and run `wayra-db seed` again.'}",
    )
