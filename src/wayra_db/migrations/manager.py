"""MigrationManager: what a program and the command line call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from wayra_db import audit, locking
from wayra_db.environment import Action
from wayra_db.errors import HistoryMismatchError, InterruptedMigrationError, VersionNotFoundError
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.migrations import checkpoints, history
from wayra_db.migrations.arguments import require_count, require_duration, require_version
from wayra_db.migrations.checking import CheckReport, lint_files, unfinished
from wayra_db.migrations.loader import load_migrations
from wayra_db.migrations.model import (
    Checkpoints,
    Direction,
    Migration,
    MigrationPlan,
    MigrationStatus,
    Record,
    RecordState,
    Verdict,
)
from wayra_db.migrations.plan import plan_baseline, plan_redo, plan_rollback, plan_up, statuses
from wayra_db.migrations.renumber import Move, apply_moves, plan_moves, read_numbered
from wayra_db.migrations.revision import current_commit
from wayra_db.migrations.surroundings import On, Surroundings
from wayra_db.mongo.commands import Command

if TYPE_CHECKING:
    from wayra_db.migrations.autogenerate import DeclaredChanges
    from wayra_db.migrations.lint import LintReport
    from wayra_db.migrations.rehearsal import Rehearsal, RehearsalReport
    from wayra_db.migrations.runner import Done
    from wayra_db.migrations.scaffold import Kind

MarkAs = Literal["applied", "pending"]
NOTHING_ELSE = Surroundings()


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What a run did, in the order in which it was done."""

    direction: Direction
    ran: tuple[Done, ...]

    @property
    def changed(self) -> bool:
        """Whether anything ran."""
        return bool(self.ran)

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions that ran."""
        return tuple(done.version for done in self.ran)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"direction": self.direction, "changed": self.changed, "ran": [done.to_dict() for done in self.ran]}


class MigrationManager:
    """Plans, runs, rolls back and reports the migrations of one folder on one database.

    `guard` may be a function that makes it: what needs no database then connects to none. `surroundings` is what else
    is known of the project. Without `with_hooks` the project's own code around runs, `_hooks.py`, is left out.
    """

    def __init__(
        self,
        guard: Guard | Callable[[], Guard],
        directory: Path,
        *,
        surroundings: Surroundings = NOTHING_ELSE,
        with_hooks: bool = True,
    ) -> None:
        self._given_guard = guard
        self._directory = directory
        self._surroundings = surroundings
        self._with_hooks = with_hooks

    @cached_property
    def _guard(self) -> Guard:
        given = self._given_guard
        return given if isinstance(given, Guard) else given()

    def files(self) -> tuple[Migration, ...]:
        """The migration files, read without running them or touching the database."""
        return load_migrations(self._directory)

    def status(self) -> tuple[MigrationStatus, ...]:
        """Every version with its state. One find, and two more where one is half-done: how far it is, and whether
        somebody is at it. Writes nothing, and never refuses because of a bad state.
        """
        records, points = self._known()
        started = any(record.state is RecordState.STARTED for record in records.values())
        return statuses(self.files(), records, points, runner=self._runner() if started else "")

    def plan(
        self,
        *,
        to: int | None = None,
        steps: int | None = None,
        allow_out_of_order: bool = False,
        group: bool = False,
    ) -> MigrationPlan:
        """What `up` would run now. Reads only; raises what `up` would refuse."""
        _require(to=to, steps=steps)
        chosen: dict[str, Any] = {"to": to, "steps": steps, "allow_out_of_order": allow_out_of_order, "group": group}
        return self._planned(plan_up, self.files(), **chosen)

    def is_due(self, *, to: int | None = None, steps: int | None = None, allow_out_of_order: bool = False) -> bool:
        """Whether `up` has something to run. Reads only; raises what `plan` raises, but for a half-done migration that
        another runner is at right now: that is waited for, so it counts as due.
        """
        return self._has_steps(lambda: self.plan(to=to, steps=steps, allow_out_of_order=allow_out_of_order))

    def up(
        self,
        *,
        to: int | None = None,
        steps: int | None = None,
        allow_out_of_order: bool = False,
        group: bool = False,
        max_duration_seconds: float | None = None,
        before: Callable[[MigrationPlan], None] | None = None,
    ) -> MigrationResult:
        """Run the pending migrations, up to version `to` or the next `steps`. With `group` they run in one transaction,
        so that all of them are applied or none.

        Takes no lock and writes nothing when none is pending. Otherwise holds the lock, plans again under it, and runs
        each migration with its record. After `max_duration_seconds` it stops as on a signal: between two migrations or
        two batches, with CancelledError. `before` is called with the plan, under the lock, before anything is changed;
        what it raises stops the run. Raises RefusedError, LockHeldError, HistoryMismatchError,
        InterruptedMigrationError, GroupError, MigrationLoadError, MigrationFailedError, HookFailedError.
        """
        _require(to=to, steps=steps)
        require_duration("max_duration_seconds", max_duration_seconds)
        chosen: dict[str, Any] = {"to": to, "steps": steps, "allow_out_of_order": allow_out_of_order, "group": group}
        plan = partial(self._planned, plan_up, self.files(), **chosen)
        if not self._has_steps(plan):
            self._guard.require_settled(Action.MIGRATE)
            return MigrationResult("up", ())
        with self._guard.stop.within(max_duration_seconds), self._guard.changing(Action.MIGRATE, "migrate up") as lease:
            final = plan()
            if before is not None and final.steps:
                before(final)
            return self._run(final, lease)

    def plan_rollback(self, *, version: int | None = None, steps: int | None = None) -> MigrationPlan:
        """What `rollback` would undo now. Reads only; raises what `rollback` would refuse."""
        _require(version=version, steps=steps)
        return self._planned(plan_rollback, self.files(), version=version, steps=steps)

    def rollback(
        self,
        *,
        version: int | None = None,
        steps: int | None = None,
        everything: bool = False,
        max_duration_seconds: float | None = None,
    ) -> MigrationResult:
        """Undo migrations, newest first: version `version` and all above it, the last `steps`, or `everything`.

        One of the three must be given. Locks, records and stops as `up` does. Production needs the permission for
        Action.ROLLBACK.
        """
        if (version is None) + (steps is None) + (not everything) != 2:
            raise ValueError("say what to roll back: exactly one of version, steps or everything")
        _require(version=version, steps=steps)
        require_duration("max_duration_seconds", max_duration_seconds)
        self._guard.require(Action.ROLLBACK)
        plan = partial(self._planned, plan_rollback, self.files(), version=version, steps=steps)
        if not self._has_steps(plan):
            return MigrationResult("down", ())
        with (
            self._guard.stop.within(max_duration_seconds),
            self._guard.changing(Action.ROLLBACK, "migrate rollback") as lease,
        ):
            return self._run(plan(), lease)

    def plan_redo(self, *, version: int | None = None, steps: int | None = None) -> tuple[MigrationPlan, MigrationPlan]:
        """What `redo` would undo, and what it would apply again. Reads only; raises what `redo` would refuse."""
        _require(version=version, steps=steps)
        records, _ = self._known()
        return plan_redo(self.files(), records, transactions=self._transactions, version=version, steps=steps)

    def redo(self, *, version: int | None = None, steps: int | None = None) -> tuple[MigrationResult, MigrationResult]:
        """Undo migrations as `rollback` does and apply the same ones again, under one lock: the last one, the last
        `steps`, or `version` and all above it.
        """
        _require(version=version, steps=steps)
        steps = 1 if version is None and steps is None else steps
        self._guard.require(Action.ROLLBACK)
        if not self.plan_redo(version=version, steps=steps)[0].steps:
            return MigrationResult("down", ()), MigrationResult("up", ())
        with self._guard.changing(Action.ROLLBACK, "migrate redo") as lease:
            down, up = self.plan_redo(version=version, steps=steps)
            return self._run(down, lease), self._run(up, lease)

    def baseline(self, version: int) -> tuple[int, ...]:
        """Record all migrations up to and with `version` as applied without running them, on a database that was in
        use before wayra-db; returns their versions.

        Holds the lock and writes the audit log. Raises HistoryMismatchError when anything has been run here.
        """
        _require(version=version)
        plan_baseline(self.files(), history.read_records(self._guard.deployment), version=version)
        with self._guard.changing(Action.MIGRATE, "migrate baseline") as lease:
            chosen = plan_baseline(self.files(), history.read_records(self._guard.deployment), version=version)
            versions = tuple(migration.version for migration in chosen)
            lease.write(
                {"event": "migration baseline", "version": version, "versions": list(versions)},
                *(history.baselined(migration, epoch=lease.epoch) for migration in chosen),
            )
        return versions

    def history(
        self,
        *,
        version: int | None = None,
        since: datetime | None = None,
        user: str | None = None,
        newest: int | None = None,
    ) -> tuple[dict[str, Any], ...]:
        """What the audit log says of migrations, the oldest first: all of it, or only of one version, since a moment
        (in UTC where it names no time zone), by one user, and of these the `newest` entries. Reads only.
        """
        _require(version=version)
        require_count("newest", newest)
        moment = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
        selection = audit.Selection(event="migration", version=version, since=moment, user=user)
        return tuple(audit.read_entries(self._guard.deployment, selection, newest=newest))

    def lint(self, paths: Sequence[Path] = (), *, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> LintReport:
        """What can be said against the migrations, or against the files `paths`, without running them; no database.

        `select` and `ignore` name rules by id or slug. Declarations are executed where a rule asks for them. Raises
        ConfigError for an unknown rule.
        """
        return lint_files(self._directory, self._surroundings, paths, select=select, ignore=ignore)

    def check(self, *, live: bool = False) -> CheckReport:
        """What stands in the way of a merge: what the linter finds, without a database; with `live` also what is
        pending on the database, and where it differs from the declarations. Reads only.
        """
        report = self.lint()
        if not live:
            return CheckReport(report)
        drift = self._surroundings.drift
        return CheckReport(report, unfinished(self.status()), tuple(drift()) if drift else ())

    def plan_renumber(self, paths: Sequence[Path] = ()) -> tuple[Move, ...]:
        """Which files `renumber` would give which numbers. Needs no database, writes nothing."""
        return plan_moves(read_numbered(self._directory), paths)

    def renumber(self, paths: Sequence[Path] = ()) -> tuple[Move, ...]:
        """Put the files in order after a merge, and name the newest in `latest.txt`; returns what was renamed.

        Of two files with one version, the one that was created later goes behind all others; the files `paths` go there
        in any case. Needs no database, overwrites nothing. Raises VersionNotFoundError for a path that is none.
        """
        moves = self.plan_renumber(paths)
        apply_moves(self._directory, moves)
        return moves

    def rehearsal(self, *, on: On = "same") -> Rehearsal:
        """The rehearsal of the pending migrations, to be planned, shown and run.

        On the same deployment the server copies by itself, and times are those of the real hardware; the user needs
        readWriteAnyDatabase and dbAdminAnyDatabase there. On the embedded server nothing is written to the deployment,
        and what is copied leaves it, which production does not allow.
        """
        from wayra_db.migrations.rehearsal import Rehearsal

        around = self._surroundings
        if on not in get_args(On):
            raise ValueError(f"a rehearsal is on the same deployment or on the embedded server, not on {on!r}")
        target = self._guard.deployment
        if on == "embedded":
            if around.embedded is None:
                raise ValueError("this manager belongs to no project, so it knows no embedded server")
            target = around.embedded()
        return Rehearsal(self._guard, self._directory, target, around.demands() if around.demands else None)

    def rehearse(
        self,
        *,
        sample: int | None = None,
        crash: bool = False,
        to: int | None = None,
        on: On = "same",
        keep: bool = False,
    ) -> RehearsalReport:
        """Run the pending migrations on a copy of the database, which is only read, and report what was found.

        All documents of the collections that they touch are copied, or a `sample` of so many each, always the same.
        Each migration is run up, down and up again, up to version `to`, and with `crash` killed at its server commands.
        The copy is dropped at the end unless `keep`. See `Rehearsal` for what it writes and raises.
        """
        rehearsal = self.rehearsal(on=on)
        return rehearsal.run(rehearsal.plan(sample=sample, to=to), crash=crash, keep=keep)

    def create(self, name: str, *, kind: Kind = "data", is_async: bool = False) -> Path:
        """Write the next migration file from the template of its kind; needs no database."""
        from wayra_db.migrations.scaffold import create_migration

        return create_migration(self._directory, name, kind=kind, is_async=is_async)

    def create_from_declarations(self, changes: DeclaredChanges, name: str | None = None) -> Path:
        """Write the next migration file from what differs between declarations and database.

        Reads the history and writes nothing to the database. Raises HistoryMismatchError when the files and the
        database do not agree: what a pending migration will change would be written down a second time.
        """
        from wayra_db.migrations.scaffold import create_from_declarations

        behind = [one for one in self.status() if one.verdict is not Verdict.APPLIED]
        if behind:
            listed = ", ".join(f"{one.version} ({one.name}, {one.verdict.value})" for one in behind)
            raise HistoryMismatchError(
                f"the database is not where the migration files are: {listed}. Nothing was written",
                versions=[one.version for one in behind],
                hint="Run `wayra-db migrate` first, so that only what no migration does yet is written down.",
            )
        return create_from_declarations(self._directory, changes, name)

    def repair(self, version: int, mark_as: MarkAs) -> None:
        """Set the state of a version because a person has looked and knows what was done of it.

        Runs nothing of the migration. Holds the lock and writes the audit log. Raises VersionNotFoundError.
        """
        if mark_as not in get_args(MarkAs):
            raise ValueError(f"a version is marked as applied or as pending, not as {mark_as!r}")
        migration = self._file(version)

        def made(lease: Lease) -> Command:
            if mark_as == "pending":
                return history.forget(version)  # as one that never ran; what happened stands in the log
            return history.marked_applied(migration, epoch=lease.epoch)

        self._repair(migration, f"as {mark_as}", made)

    def forget(self, version: int) -> None:
        """Remove the record of a version whose file is gone for good. As `repair`; refused while the file is there."""
        _require(version=version)
        if any(migration.version == version for migration in self.files()):
            raise VersionNotFoundError(
                f"the file of version {version} is there, so its record stays",
                version=version,
                hint="To undo it, use `wayra-db migrate rollback`; to correct its state, `migrate repair --as`.",
            )
        if version not in history.read_records(self._guard.deployment):
            raise VersionNotFoundError(
                f"the database knows nothing of version {version}",
                version=version,
                hint="`wayra-db migrate status` lists the versions.",
            )
        with self._guard.changing(Action.MIGRATE, "migrate repair") as lease:
            lease.write(
                {"event": "migration repaired", "version": version, "said": "file gone for good"},
                history.forget(version),
                checkpoints.forget(version),
            )

    def accept_edit(self, version: int) -> None:
        """Take an applied migration's file as it is now. As `repair`; a version that is not applied is refused."""
        migration = self._file(version)
        record = history.read_records(self._guard.deployment).get(version)
        if record is None or not record.is_in_effect:
            raise VersionNotFoundError(
                f"version {version} is not applied, so its file may be edited freely",
                version=version,
                hint="`wayra-db migrate status` lists what is applied.",
            )
        self._repair(migration, "edit accepted", lambda lease: history.edit_accepted(migration, epoch=lease.epoch))

    def _file(self, version: int) -> Migration:
        _require(version=version)
        migration = next((one for one in self.files() if one.version == version), None)
        if migration is None:
            raise VersionNotFoundError(
                f"there is no migration file with version {version}",
                version=version,
                hint="`wayra-db migrate status` lists the versions.",
            )
        return migration

    def _repair(self, migration: Migration, said: str, made: Callable[[Lease], Command]) -> None:
        with self._guard.changing(Action.MIGRATE, "migrate repair") as lease:
            lease.write(
                {
                    "event": "migration repaired",
                    "version": migration.version,
                    "said": said,
                    "checksum": migration.checksum,
                },
                made(lease),
                checkpoints.forget(migration.version),
            )

    def _planned(
        self, planner: Callable[..., MigrationPlan], files: Sequence[Migration], **options: Any
    ) -> MigrationPlan:
        """A plan from files that were read once, and the database as it is now."""
        records, points = self._known()
        return planner(files, records, checkpoints=points, transactions=self._transactions, **options)

    @property
    def _transactions(self) -> bool:
        return self._guard.deployment.capabilities.transactions

    def _known(self) -> tuple[Mapping[int, Record], Checkpoints]:
        """The history, and how far half-done migrations are where there are any."""
        records = history.read_records(self._guard.deployment)
        half_done = any(record.is_half_done for record in records.values())
        return records, checkpoints.read_checkpoints(self._guard.deployment) if half_done else {}

    def _has_steps(self, plan: Callable[[], MigrationPlan]) -> bool:
        """Whether the plan holds any, asked without the lock: what looks half-done may be under way."""
        try:
            return bool(plan().steps)
        except InterruptedMigrationError:
            return bool(self._runner() or plan().steps)  # it may have ended between the two reads

    def _runner(self) -> str:
        """Who holds the lock now; empty when nobody does."""
        lock = locking.read_state(self._guard.deployment)
        return f"{lock.holder} on {lock.host}" if lock and lock.held else ""

    def _run(self, plan: MigrationPlan, lease: Lease) -> MigrationResult:
        from wayra_db.migrations.runner import run_plan  # what it brings along would double the time of a mere look

        commit = current_commit(self._directory)
        return MigrationResult(
            plan.direction, run_plan(plan, self._guard, lease, commit=commit, with_hooks=self._with_hooks)
        )


def _require(*, to: object = None, version: object = None, steps: object = None) -> None:
    """Refuse what can be no version and no number of migrations."""
    require_version("to", to)
    require_version("version", version)
    require_count("steps", steps)
