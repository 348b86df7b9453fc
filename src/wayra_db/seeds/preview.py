"""What a run would do, found by doing it in a transaction that is given up: the server itself says what it would write.

Nothing of it stays, no lock is taken and nothing is recorded; but the code of Python seeds does run. What cannot join a
transaction is only read and compared where that is enough, and else said to be unknown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wayra_db import sourcefile
from wayra_db.errors import CancelledError, ConnectionFailedError, LockError
from wayra_db.guard import Guard
from wayra_db.mongo import commands
from wayra_db.mongo.aio import LoopThread
from wayra_db.mongo.errors import translated
from wayra_db.seeds.clearing import count_made
from wayra_db.seeds.model import PlannedSeed, SeedPlan
from wayra_db.seeds.results import Forecast, SeedPreview, Upserted
from wayra_db.seeds.run import SeedRun
from wayra_db.seeds.work import Work, load
from wayra_db.units import describe

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.client_session import ClientSession

    from wayra_db.mongo.tally import Counts
    from wayra_db.seeds.generate.generator import Source


class _GiveUpError(Exception):
    """Ends the transaction once everything in it has been counted."""


class _FailedError(Exception):
    """A seed failed, which ends the transaction for those after it as well."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


def preview(
    plan: SeedPlan, guard: Guard, *, fresh: frozenset[str] = frozenset(), source: Source | None = None
) -> SeedPreview:
    """What a run of the plan would do. Raises SeedLoadError for a file that cannot be loaded."""
    works = [(planned, load(planned.seed)) for planned in plan.run]
    trial = _Trial(guard, fresh, source)
    works = [one for one in works if trial.can_be_told(one[0])]
    with translated(guard.deployment.address):
        if guard.deployment.capabilities.transactions:
            trial.run([one for one in works if not one[0].seed.is_async], trial.sync)
            trial.run([one for one in works if one[0].seed.is_async], trial.asynchronous)
        else:
            trial.compare(works)
    found = tuple(trial.forecasts[planned.seed.name] for planned in plan.run)
    return SeedPreview(plan.environment.value, found, tuple(seed.name for seed in plan.changed))


class _Trial:
    """The forecasts as they come in, by seed."""

    def __init__(self, guard: Guard, fresh: frozenset[str], source: Source | None) -> None:
        self.forecasts: dict[str, Forecast] = {}
        self._guard = guard
        self._fresh = fresh
        self._source = source

    def can_be_told(self, planned: PlannedSeed) -> bool:
        """Whether the work of a seed could be given up again, or need not be done at all."""
        seed, lost = planned.seed, self._lost()
        reason = next((f"{name} before it cannot be told" for name in seed.depends_on if name in lost), "")
        if not planned.atomic and seed.data is None:
            reason = planned.reason
        if reason:
            self.forecasts[seed.name] = Forecast(seed.name, planned.atomic, unknown=reason)
        return not reason

    def run(
        self, works: Sequence[tuple[PlannedSeed, Work]], attempt: Callable[[Sequence[tuple[PlannedSeed, Work]]], None]
    ) -> None:
        """Try them all in one transaction, so that each sees what the ones before it made; without those that fail,
        and without what depends on them, once more.
        """
        left = list(works)
        while left:
            try:
                attempt(left)
            except _GiveUpError:
                return
            except _FailedError as failed:
                self._fail(failed, left)
                left = [one for one in left if one[0].seed.name not in self._lost()]

    def _fail(self, failed: _FailedError, left: Sequence[tuple[PlannedSeed, Work]]) -> None:
        by_name = {planned.seed.name: planned for planned, _ in left}
        planned = by_name[failed.name]
        self.forecasts[failed.name] = Forecast(failed.name, planned.atomic, error=describe(failed.error))
        after = [one for one, _ in left]
        stops = planned.seed.required
        for one in after[after.index(planned) + 1 :]:
            lost = next((name for name in one.seed.depends_on if name in self._lost()), failed.name if stops else None)
            if lost is not None:
                self.forecasts[one.seed.name] = Forecast(one.seed.name, one.atomic, unknown=f"{lost} would fail")

    def _lost(self) -> set[str]:
        return {name for name, found in self.forecasts.items() if found.error or found.unknown}

    def sync(self, works: Sequence[tuple[PlannedSeed, Work]]) -> None:
        """One attempt over the synchronous driver; always raises."""
        guard = self._guard

        def body(session: ClientSession) -> None:
            with session.bind(end_session=False):
                for planned, work in works:
                    with self._forecasting(planned, guard.deployment.database, session) as run:
                        work.run(run, guard.stop, fresh=planned.seed.name in self._fresh)
            raise _GiveUpError

        with guard.deployment.client.start_session() as session:
            session.with_transaction(body, **commands.transaction_options())

    def asynchronous(self, works: Sequence[tuple[PlannedSeed, Work]]) -> None:
        """One attempt over the asynchronous driver; always raises."""
        guard = self._guard
        with LoopThread(guard.deployment) as thread:

            async def attempt() -> None:
                database = (await thread.client())[guard.deployment.database_name]

                async def body(session: AsyncClientSession) -> None:
                    async with session.bind(end_session=False):
                        for planned, work in works:
                            with self._forecasting(planned, database, session) as run:
                                await work.run(run, guard.stop, fresh=planned.seed.name in self._fresh)
                    raise _GiveUpError

                await (await thread.session()).with_transaction(body, **commands.transaction_options())

            thread.run(attempt())

    def compare(self, works: Sequence[tuple[PlannedSeed, Work]]) -> None:
        """Without transactions: data files against what is there, which writes nothing; the rest cannot be told."""
        for planned, work in works:
            try:
                with self._forecasting(planned, self._guard.deployment.database, None) as run:
                    work.run(run, self._guard.stop)
            except _FailedError as failed:
                self._fail(failed, works)

    @contextmanager
    def _forecasting(self, planned: PlannedSeed, database: Any, session: Any) -> Iterator[SeedRun]:
        """Around one seed, whose forecast is known afterwards."""
        seed, guard = planned.seed, self._guard
        fresh = seed.name in self._fresh
        run = SeedRun(
            seed.name,
            database,
            session,
            is_async=seed.is_async,
            observer=lambda event: None,
            check=guard.stop.check,
            write=planned.atomic,
            source=self._source,
        )
        try:
            with sourcefile.sibling_imports(seed.path.parent), self._counting() as counts:
                yield run
        except (CancelledError, ConnectionFailedError, LockError):
            raise
        except (Exception, SystemExit) as error:
            if getattr(error, "has_error_label", lambda label: False)("TransientTransactionError"):
                raise
            raise _FailedError(seed.name, error) from error
        forecast = _forecast(planned, run, counts)
        if fresh and not planned.atomic:
            forecast = self._after_clearing(forecast)
        self.forecasts[seed.name] = forecast

    def _after_clearing(self, forecast: Forecast) -> Forecast:
        """What is compared was not deleted before: all of it would be, and would be made again."""
        made = sum(count_made(self._guard.deployment, [forecast.name]).get(forecast.name, {}).values())
        again = min(made, forecast.changed + forecast.kept + forecast.unchanged)
        return dataclasses.replace(forecast, deleted=made, inserted=forecast.inserted + again, changed=0, kept=0)

    @contextmanager
    def _counting(self) -> Iterator[Counts | None]:
        tally = self._guard.deployment.tally
        if tally is None:
            yield None
            return
        with tally.counting() as counts:
            yield counts


def _forecast(planned: PlannedSeed, run: SeedRun, counts: Counts | None) -> Forecast:
    """The server's own counts where there are any; of a caller's client only what went through `ctx.upsert`."""
    upserted = sum(run.upserted.values(), Upserted())
    name, atomic = planned.seed.name, planned.atomic
    if counts is None or not planned.atomic:
        return Forecast(
            name,
            atomic,
            inserted=upserted.inserted,
            changed=upserted.changed,
            kept=upserted.kept,
            unchanged=upserted.unchanged,
            collections=dict(run.upserted),
        )
    return Forecast(
        name,
        atomic,
        inserted=counts.inserted,
        changed=counts.modified,
        kept=upserted.kept,
        unchanged=upserted.unchanged + counts.matched - counts.modified,
        deleted=counts.deleted,
        collections=dict(run.upserted),
    )
