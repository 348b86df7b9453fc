"""Rehearsal: plans it, carries the same plan out in a scratch database, and reports what was found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from wayra_db import sourcefile
from wayra_db.environment import Action
from wayra_db.errors import AuthenticationError, UnsupportedDeploymentError, WayraError
from wayra_db.events import Event, Notice, Observer, Progress
from wayra_db.guard import Guard
from wayra_db.migrations import hooks
from wayra_db.migrations.affected import affected
from wayra_db.migrations.manager import MigrationManager
from wayra_db.migrations.model import Migration
from wayra_db.migrations.rehearsal import copying, scratch, verdicts
from wayra_db.migrations.rehearsal.compare import State
from wayra_db.migrations.rehearsal.crash import Arena, Victim, share_of_kills
from wayra_db.migrations.rehearsal.demands import Demands
from wayra_db.migrations.rehearsal.estimate import estimate, too_long
from wayra_db.migrations.rehearsal.model import (
    Check,
    Crashes,
    Declared,
    Down,
    Finding,
    RehearsalPlan,
    RehearsalReport,
    Rehearsed,
    Severity,
)
from wayra_db.migrations.rehearsal.rounds import Round, Rounds, telling
from wayra_db.migrations.rehearsal.snapshot import read_state, share_of
from wayra_db.mongo.client import Deployment

# A copy may fill so much of what is free on the server's disk.
FREE_SHARE = 0.8


class Rehearsal:
    """Rehearses the pending migrations of `directory` on a copy of the guard's database, which is only read.

    The copy is made on the deployment `target`, in a database of its own. `declared` is what the declarations will ask
    of the data and is not live yet.
    """

    def __init__(self, guard: Guard, directory: Path, target: Deployment, declared: Declared | None = None) -> None:
        self._guard = guard
        self._directory = directory
        self._target = target
        self._declared = declared or Declared()

    def plan(self, *, sample: int | None = None, to: int | None = None) -> RehearsalPlan:
        """What would be copied and run: all documents, or at most `sample` of each collection, up to version `to`.

        Reads only, and runs none of the migrations' code. Raises RefusedError, and what `migrate` would refuse.
        """
        if sample is not None and sample < 1:
            raise ValueError("a sample is of at least one document")
        self._guard.require(Action.REHEARSE)
        source = self._guard.deployment
        planned = MigrationManager(self._guard, self._directory).plan(to=to)
        seen = affected([sourcefile.parse(step.migration.path) for step in planned.steps])
        listed = copying.read_collections(source)
        chosen = {*seen.chosen(tuple(listed)), *(self._declared.collections & set(listed))}
        chosen |= copying.looked_at(listed, chosen)
        return RehearsalPlan(
            planned,
            tuple(copying.plan_copy(source, listed[name], sample) for name in sorted(chosen)),
            elsewhere=tuple(sorted(set(listed) - chosen)),
            unclear=seen.unclear,
            sample=sample,
        )

    def run(self, plan: RehearsalPlan, *, crash: bool = False, keep: bool = False) -> RehearsalReport:
        """Carry out `plan`: copy, run each migration up, down and up again, compare, and drop the copy unless `keep`.

        With `crash`, each is also killed at its server commands, at most MOST_KILLS times in all, on copies of at most
        MOST_DOCUMENTS documents a collection. The project's hooks are not run. Writes in databases named
        `<database>_wayra_rehearsal_<random>` and nowhere else, and first drops those that killed rehearsals have left.
        What a migration does wrong is a finding; raises when the rehearsal itself is impossible, CancelledError.
        """
        self._guard.require(Action.REHEARSE)
        started = time.monotonic()
        if crash and self._target.uri is None:
            raise UnsupportedDeploymentError(
                "--crash kills processes that connect by themselves",
                needs="a MongoDB URI",
                found="a client given by the program",
                hint="Open the project by URI, or rehearse on the embedded server.",
            )
        scratch.drop_leftovers(self._target, self._guard.observer)
        self._require_room(plan)
        target = self._target.elsewhere(scratch.KIND.new_name(self._guard.deployment.database_name))
        guard = Guard(
            target,
            # The real one's, so that an error's text shows of documents only what it may show there.
            self._guard.environment,
            observer=_Quiet(self._guard.observer),
            stop=self._guard.stop,
            lease_seconds=scratch.LEASE_SECONDS,
            permitted=[Action.ROLLBACK],
        )
        with _permitted(), scratch.scratch_database(guard, keep=keep):
            rehearsed, findings = self._play(plan, guard, crash=crash)
        return RehearsalReport(
            database=self._guard.deployment.database_name,
            scratch=target.database_name,
            kept=keep,
            plan=plan,
            migrations=tuple(rehearsed),
            findings=tuple(findings),
            seconds=time.monotonic() - started,
            hooks_skipped=bool(plan.migrations.steps) and (self._directory / hooks.FILE).is_file(),
        )

    def _play(self, plan: RehearsalPlan, guard: Guard, *, crash: bool) -> tuple[list[Rehearsed], list[Finding]]:
        source, target, observer = self._guard.deployment, guard.deployment, self._guard.observer
        documents = sum(one.documents for one in plan.copies)
        with telling(observer, "copy", "copy", f"{documents:,} documents, {len(plan.copies)} collections"):
            copying.copy_collections(source, target, plan.copies, observer=observer, check=guard.stop.check)
            copying.copy_history(source, target)
        share, steps = share_of(documents), plan.migrations.steps
        rounds = Rounds(guard, self._directory, observer, lambda: read_state(target, share=share))
        demands = Demands(source, target, plan, rounds.shown)
        findings, rehearsed = list(verdicts.left_out(plan.copies)), list[Rehearsed]()
        state: State = read_state(target, share=share)
        demands.begin(state)
        with ExitStack() as resources:
            arena = None
            if crash and steps:
                arena = Arena(guard, self._directory, resources.enter_context(Victim()), observer)
                arena.begin()
            for number, step in enumerate(steps):
                guard.stop.check()
                played = rounds.play(step, state)
                findings += played.findings
                touched = self._touched(step.migration, plan)
                if played.error is not None:
                    findings += demands.failed(step.migration, played.error, touched)
                if played.state is not None:
                    demands.after(step.migration, state, played.state)
                crashes: tuple[Crashes, ...] = ()
                if arena is not None and played.state is not None:
                    with telling(observer, "crash", f"kill {step.migration.version:04d} {step.migration.name}"):
                        with_down = played.down in (Down.RESTORES, Down.DIFFERS)
                        crashes, found = arena.step(step, share_of_kills(steps), with_down=with_down)
                    findings += found
                if played.done is not None:
                    rehearsed.append(_rehearsed(played, plan, touched, crashes))
                    too_slow = too_long(step.migration.version, step.mode, rehearsed[-1].estimate)
                    findings += [too_slow] if too_slow else []
                if played.state is None:
                    findings += demands.end(read_state(target, share=share))
                    findings += [_not_reached(one.migration, step.migration) for one in steps[number + 1 :]]
                    return rehearsed, findings
                state = played.state
        findings += demands.end(state)
        findings += demands.declared(self._declared)
        return rehearsed, findings

    def _touched(self, migration: Migration, plan: RehearsalPlan) -> tuple[str, ...]:
        return affected([sourcefile.parse(migration.path)]).chosen([copy.name for copy in plan.copies])

    def _require_room(self, plan: RehearsalPlan) -> None:
        free = copying.free_bytes(self._target)
        if free is not None and plan.size_bytes > free * FREE_SHARE:
            needs, left = f"{plan.size_bytes / 1e9:.1f} GB", f"{free / 1e9:.1f} GB"
            raise WayraError(
                f"the copy would take about {needs} and the server's disk has {left} left; nothing was copied",
                hint="Rehearse on a part: --sample 10000.",
            )


@contextmanager
def _permitted() -> Iterator[None]:
    """Say what a user who may change the real database still lacks here."""
    try:
        yield
    except AuthenticationError as error:
        raise AuthenticationError(
            error.message,
            uri=error.uri,
            hint="A rehearsal makes a database with a name of its own, for which the user needs readWriteAnyDatabase "
            "and dbAdminAnyDatabase. Or rehearse on the embedded server: --on embedded.",
        ) from error


class _Quiet:
    """What happens in a scratch database must not look as if it happened in the real one."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def __call__(self, event: Event) -> None:
        if isinstance(event, (Progress, Notice)):
            self._observer(event)


def _rehearsed(played: Round, plan: RehearsalPlan, touched: tuple[str, ...], crashes: tuple[Crashes, ...]) -> Rehearsed:
    if played.done is None:
        raise ValueError("a migration whose `up` failed has nothing to be measured by")
    step, done = played.step, played.done
    return Rehearsed(
        version=step.migration.version,
        name=step.migration.name,
        mode=step.mode,
        seconds=done.seconds,
        estimate=estimate(done.seconds, plan.copies, touched),
        documents=done.written,
        changes=played.changes,
        down=played.down,
        down_seconds=played.down_seconds,
        crashes=crashes,
    )


def _not_reached(migration: Migration, failed: Migration) -> Finding:
    return Finding(
        Severity.NOTE,
        Check.NOT_REHEARSED,
        f"it was not reached, because migration {failed.version} stopped the rehearsal",
        f"Correct {failed.path.name} and rehearse again.",
        version=migration.version,
    )
