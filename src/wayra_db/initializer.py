"""DatabaseInitializer: takes a database from whatever it is to what the project declares, in steps.

Everything is planned before anything is changed; one lock covers all steps; each step can be repeated, so that after a
crash the same command goes on. A run that finds nothing to do takes no lock and writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wayra_db import environment, meta
from wayra_db.backups import BackupManager
from wayra_db.backups.restore_plan import RestoreRequest
from wayra_db.environment import Action
from wayra_db.errors import CancelledError, LockLostError, StepFailedError, WayraError
from wayra_db.events import Progress, StepFailed, StepFinished, StepStarted, notify
from wayra_db.guard import Guard
from wayra_db.health.collections import read_stats
from wayra_db.indexes import IndexManager
from wayra_db.indexes import history as index_history
from wayra_db.locking import Lease
from wayra_db.meta import Marker
from wayra_db.migrations import MigrationManager, checkpoints
from wayra_db.migrations import history as migration_history
from wayra_db.mongo.errors import translated
from wayra_db.schema.live import read_collections
from wayra_db.schema.manager import SchemaManager, create_collection
from wayra_db.seeds import SeedManager
from wayra_db.seeds import history as seed_history

if TYPE_CHECKING:
    from pymongo.collection import Collection as MongoCollection

    from wayra_db.backups.restore_plan import RestorePlan
    from wayra_db.mongo.client import Document

CLEAR_BATCH = 10_000

Outcome = Literal["changed", "unchanged", "skipped"]


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step: what it did in words, and how long it took."""

    step: str
    title: str
    outcome: Outcome
    seconds: float
    summary: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "step": self.step,
            "title": self.title,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 4),
            "summary": self.summary,
        }


@dataclass(frozen=True, slots=True)
class InitReport:
    """What a run did, step by step."""

    database: str
    environment: str
    steps: tuple[StepReport, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return any(step.outcome == "changed" for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "database": self.database,
            "environment": self.environment,
            "changed": self.changed,
            "steps": [step.to_dict() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class ClearReport:
    """How many documents were deleted from each declared collection."""

    database: str
    deleted: tuple[tuple[str, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"database": self.database, "deleted": dict(self.deleted)}


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """What a recovery will do: the restore, and the migrations to run on what was restored, None where the backup does
    not say which it has.
    """

    restore: RestorePlan
    migrations: tuple[int, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        migrations = None if self.migrations is None else list(self.migrations)
        return {"restore": self.restore.to_dict(), "migrations": migrations}


@dataclass(frozen=True, slots=True)
class _Step:
    """`due` looks and says whether there is work, raising what would stop it; `work` does it and returns a summary,
    empty when nothing was changed after all; `idle` is the summary when nothing is due."""

    name: str
    title: str
    due: Callable[[], bool]
    work: Callable[[], str]
    idle: Callable[[], str]
    skipped: str = ""


class DatabaseInitializer:
    """Runs the project's managers in the right order, under one lock.

    Without `backups` nothing can be recovered, and a reset takes no safety backup.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        schema: SchemaManager,
        migrations: MigrationManager,
        indexes: IndexManager,
        seeds: SeedManager,
        backups: BackupManager | None = None,
    ) -> None:
        self._guard = guard
        self._schema = schema
        self._migrations = migrations
        self._indexes = indexes
        self._seeds = seeds
        self._backups = backups

    def run(self, *, quick: bool = False) -> InitReport:
        """Collections and validators, migrations, indexes, seeds where the environment has them, and a health check.

        With `quick` only migrations and indexes. A reset or a restore that was cut off is finished first. Locks and
        writes only when something is to be done. Raises StepFailedError with what was done and what was not,
        RefusedError, LockHeldError, CancelledError.
        """
        marker = self._marker()
        if marker and marker.resetting:
            return self.reset()
        if marker and marker.restoring is not None and self._backups is not None:
            self._backups.continue_restore()
        steps = self._steps(quick)
        connection = self._connection()
        self._guard.require(Action.APPLY_SCHEMA)
        looked = self._look(steps)
        if marker is not None and not any(due for due, _ in looked):
            idle = [self._idle(step, seconds) for step, (_, seconds) in zip(steps, looked, strict=True)]
            return self._report([connection, *idle, self._health(changed=False)])
        with self._guard.changing(Action.APPLY_SCHEMA, "init"):
            done = self._work(steps)
        return self._report([connection, *done, self._health(changed=True)])

    def reset(self, *, safety_backup: bool = True) -> InitReport:
        """Drop every collection of the database but the tool's own log and lock, then run all steps as on an empty one.

        Where there are documents, a backup of them is made and checked first, unless `safety_backup` is false; the
        report names the command that restores it. Development and test only. A reset that is cut off is finished by the
        next `reset` or `run`; until then every other change is refused. Raises RefusedError, and what is wrong with a
        file, before anything is touched.
        """
        from wayra_db.backups.transfer.staging import finish_imports

        connection = self._connection()
        steps = self._steps(quick=False)
        with self._guard.changing(Action.RESET, "reset") as lease:
            for files in (self._migrations.files, self._seeds.files):
                files()
            finish_imports(self._guard, lease)  # so that the safety backup holds no half of one
            saved = [self._save(self._backups)] if self._backups and safety_backup and self._holds_documents() else []
            dropped = self._drop_everything(lease)
            done = self._work(steps)
        return self._report([connection, *saved, dropped, *done, self._health(changed=True)])

    def plan_recovery(
        self, backup: str = "latest", *, identities: Sequence[str] | Path = (), allow_redacted: bool = False
    ) -> RecoveryPlan:
        """What `recover` would do now. Reads the whole backup, and writes nothing to the database."""
        backups = self._require_backups()
        name = backups.newest_intact(identities) if backup == "latest" else backup
        backups.require_recovers(name, identities=identities)
        plan = backups.plan_restore(
            name,
            identities=identities,
            request=RestoreRequest(drop_existing=True, allow_redacted=allow_redacted, recovering=True),
            check=backup != "latest",
        )
        applied = backups.applied_in(name, identities=identities)
        pending = None if applied is None else [one.version for one in self._migrations.files()]
        return RecoveryPlan(
            plan, None if pending is None else tuple(version for version in pending if version not in (applied or ()))
        )

    def recover(
        self,
        backup: str = "latest",
        *,
        safety_backup: bool = True,
        identities: Sequence[str] | Path = (),
        with_seeds: bool = False,
        allow_redacted: bool = False,
        discard_writes: bool = False,
    ) -> InitReport:
        """Restore a backup over what is there, by default the newest intact one, and bring the database up to the code:
        collections and validators, migrations, indexes, with `with_seeds` seeds, and a health check.

        What is replaced is backed up first, unless `safety_backup` is false; `allow_redacted` and `discard_writes` are
        as in `BackupManager.restore`. One lock covers all of it; a recovery that
        is cut off is begun again, or finished by `run`. Production needs the permission for Action.RECOVER. Raises as
        `BackupManager.restore` and `run` do.
        """
        backups = self._require_backups()
        backups.continue_restore()
        self._guard.require(Action.RECOVER)
        connection = self._connection()
        steps = [step for step in self._steps(quick=False) if with_seeds or step.name != "seeds"]
        name = backups.newest_intact(identities) if backup == "latest" else backup
        backups.require_recovers(name, identities=identities)
        with self._guard.changing(Action.RECOVER, f"recover {name}"):
            for files in (self._migrations.files, self._seeds.files):
                files()
            started = time.monotonic()
            notify(self._guard.observer, StepStarted("restore", "Restore"))
            report = backups.restore(
                name,
                drop_existing=True,
                safety_backup=safety_backup,
                identities=identities,
                allow_redacted=allow_redacted,
                discard_writes=discard_writes,
                action=Action.RECOVER,
            )
            summary = f"{_count(report.plan.documents, 'document')} of {name}"
            if report.safety_backup:
                summary += f"; what was there is in {report.safety_backup}"
            restored = self._finished("restore", "Restore", started, changed=True, summary=summary)
            done = self._work(steps)
        return self._report([connection, restored, *done, self._health(changed=True)])

    def _require_backups(self) -> BackupManager:
        if self._backups is None:
            raise WayraError("this initializer was made without backups", hint="Give it a BackupManager.")
        return self._backups

    def _holds_documents(self) -> bool:
        """Whether there is anything to save. Half of what a cut-off reset has left is not."""
        marker = self._marker()
        if marker is not None and marker.resetting:
            return False
        names = [one.name for one in read_collections(self._guard.deployment).values() if one.kind != "view"]
        return any(one.documents for one in read_stats(self._guard.deployment, names))

    def _save(self, backups: BackupManager) -> StepReport:
        started = time.monotonic()
        notify(self._guard.observer, StepStarted("safety", "Safety backup"))
        name = backups.save()
        summary = f"to bring it all back: wayra-db backup restore {name} --drop-existing"
        return self._finished("safety", "Safety backup", started, changed=True, summary=summary)

    def clear(self) -> ClearReport:
        """Delete all documents of the declared collections; collections, indexes and migration history stay.

        The record of the seeds goes with their data, so that they run again. Development and test only.
        """
        guard = self._guard
        with guard.changing(Action.CLEAR, "clear") as lease:
            lease.write({"event": "clear started"}, seed_history.forget_all())
            deleted = []
            live = read_collections(guard.deployment)
            for collection in self._schema.collections:
                if collection.name in live:
                    guard.stop.check()
                    lease.check()
                    deleted.append((collection.name, self._empty(collection.name)))
            seed_history.forget_documents(guard.deployment)
            self._indexes.apply()
            lease.write({"event": "cleared", "deleted": dict(deleted)})
        return ClearReport(guard.deployment.database_name, tuple(deleted))

    def _empty(self, name: str) -> int:
        """Delete a collection's documents; a kind that cannot lose single ones is made anew, without indexes."""
        database = self._guard.deployment.metadata
        declared = next(collection for collection in self._schema.collections if collection.name == name)
        with translated(self._guard.deployment.address):
            if declared.timeseries is None and declared.capped is None:
                return self._delete_all(database[name])
            count = database[name].count_documents({})
            database.drop_collection(name)
        create_collection(self._guard.deployment, declared)
        return count

    def _delete_all(self, collection: MongoCollection[Document]) -> int:
        """Delete in batches, so that it can be watched and stopped, and no operation fills the server's cache."""
        total = collection.estimated_document_count()
        deleted = 0
        while batch := [one["_id"] for one in collection.find({}, {"_id": 1}).limit(CLEAR_BATCH)]:
            self._guard.stop.check()
            deleted += collection.delete_many({"_id": {"$in": batch}}).deleted_count
            notify(self._guard.observer, Progress(collection.name, deleted, max(total, deleted), "documents"))
        return deleted

    def _drop_everything(self, lease: Lease) -> StepReport:
        guard = self._guard
        started = time.monotonic()
        notify(guard.observer, StepStarted("reset", "Reset"))
        with guard.stop.protected(), translated(guard.deployment.address):
            here = guard.environment.value
            lease.write({"event": "reset started"}, meta.store_marker(Marker(here, resetting=True)))
            names = sorted(read_collections(guard.deployment))
            for name in names:
                lease.check()
                guard.deployment.metadata.drop_collection(name)
            seed_history.forget_documents(guard.deployment)
            lease.write(
                {"event": "reset", "dropped": names},
                migration_history.forget_all(),
                checkpoints.forget_all(),
                seed_history.forget_all(),
                index_history.forget_all(),
                meta.store_marker(Marker(here)),
            )
        summary = f"dropped {_count(len(names), 'collection')}" if names else "was empty"
        return self._finished("reset", "Reset", started, changed=True, summary=summary)

    def _marker(self) -> Marker | None:
        return meta.read_marker(self._guard.deployment)

    def _steps(self, quick: bool) -> Sequence[_Step]:
        migrations = _Step(
            "migrations",
            "Migrations",
            self._migrations.is_due,
            self._migrate if quick else self._migrate_and_declare,
            lambda: f"{len(self._migrations.files())} applied, none pending",
        )
        indexes = _Step(
            "indexes",
            "Indexes",
            lambda: not self._indexes.plan().empty,
            self._index,
            lambda: f"{sum(len(one.indexes) for one in self._schema.collections)} as declared",
        )
        if quick:
            return [migrations, indexes]
        collections = _Step(
            "collections",
            "Collections and validators",
            lambda: not self._schema.plan().empty,
            self._create,
            lambda: f"{len(self._schema.collections)} as declared",
        )
        refused = isinstance(environment.check(Action.SEED, self._guard.environment), environment.Refused)
        seeds = _Step(
            "seeds",
            "Seeds",
            lambda: not refused and bool(self._seeds.plan().run),
            self._seed,
            lambda: "all have run",
            skipped=f"never in {self._guard.environment}" if refused else "",
        )
        return [collections, migrations, indexes, seeds]

    def _look(self, steps: Sequence[_Step]) -> list[tuple[bool, float]]:
        """Whether each step has work, and how long it took to see; a step that could not do its work stops the run
        before any other has begun.
        """
        looked = []
        for step in steps:
            started = time.monotonic()
            try:
                due = step.due()
            except CancelledError:
                raise
            except WayraError as error:
                raise _failed(step, error, done=None, not_done=[one.title for one in steps]) from error
            looked.append((due, time.monotonic() - started))
        return looked

    def _work(self, steps: Sequence[_Step]) -> list[StepReport]:
        guard = self._guard
        done: list[StepReport] = []
        for number, step in enumerate(steps):
            guard.stop.check()
            started = time.monotonic()
            notify(guard.observer, StepStarted(step.name, step.title))
            try:
                summary = "" if step.skipped or not step.due() else step.work()
            except (CancelledError, LockLostError):
                raise
            except WayraError as error:
                notify(guard.observer, StepFailed(step.name, step.title, time.monotonic() - started, error.message))
                raise _failed(
                    step,
                    error,
                    done=[one.title for one in done],
                    not_done=[one.title for one in steps[number + 1 :]],
                ) from error
            if summary:
                done.append(self._finished(step.name, step.title, started, changed=True, summary=summary))
            else:
                done.append(self._idle(step, time.monotonic() - started))
        return done

    def _connection(self) -> StepReport:
        started = time.monotonic()
        notify(self._guard.observer, StepStarted("connection", "Connection"))
        found = self._guard.deployment.capabilities
        summary = f"MongoDB {found.version}, {found.topology}"
        return self._finished("connection", "Connection", started, changed=False, summary=summary)

    def _create(self) -> str:
        result = self._schema.apply()
        parts = [f"created {', '.join(result.created)}"] if result.created else []
        if result.changed_options:
            parts.append(f"changed the validators of {', '.join(result.changed_options)}")
        return "; ".join(parts)

    def _migrate(self) -> str:
        ran = self._migrations.up().versions
        return f"applied {', '.join(map(str, ran))}" if ran else ""

    def _migrate_and_declare(self) -> str:
        """A migration of old may have set a validator that the declarations have moved on from since."""
        summary = self._migrate()
        self._schema.apply()
        return summary

    def _index(self) -> str:
        result = self._indexes.apply()
        parts = [f"created {len(result.created)}"] if result.created else []
        if result.modified:
            parts.append(f"changed {len(result.modified)}")
        if result.replaced:
            parts.append(f"replaced {len(result.replaced)}")
        if gone := len(result.hidden) + len(result.dropped):
            parts.append(f"hid or dropped {gone}")
        return ", ".join(parts)

    def _seed(self) -> str:
        result = self._seeds.run()
        parts = [f"ran {len(result.ran)}"] if result.ran else []
        if result.failed:
            parts.append(f"failed, not required: {', '.join(name for name, _ in result.failed)}")
        return "; ".join(parts)

    def _health(self, *, changed: bool) -> StepReport:
        """Count the documents and, where the steps have `changed` something, look again at what they have done; raises
        StepFailedError when a plan still has work.
        """
        guard = self._guard
        started = time.monotonic()
        notify(guard.observer, StepStarted("health", "Health check"))
        live = set(read_collections(guard.deployment))
        wrong = [f"collection {one.name} is missing" for one in self._schema.collections if one.name not in live]
        if changed:
            wrong += [] if self._migrations.plan().steps == () else ["migrations are still pending"]
            wrong += [] if self._indexes.plan().empty else ["indexes are not as declared"]
        names = [collection.name for collection in self._schema.collections if collection.name in live]
        stats = read_stats(guard.deployment, names)
        if wrong:
            error = WayraError("; ".join(wrong), hint="See `wayra-db status`.")
            notify(guard.observer, StepFailed("health", "Health check", time.monotonic() - started, error.message))
            raise StepFailedError(
                f"the health check found: {error.message}",
                step="health",
                done=[],
                not_done=[],
                exit_code=error.exit_code,
                hint=error.hint,
            )
        counted = ", ".join(f"{one.name} {one.documents:,}" for one in stats)
        return self._finished(
            "health", "Health check", started, changed=False, summary=f"documents: {counted}" if counted else "well"
        )

    def _finished(self, step: str, title: str, started: float, *, changed: bool, summary: str) -> StepReport:
        seconds = time.monotonic() - started
        notify(self._guard.observer, StepFinished(step, title, seconds, changed, summary))
        return StepReport(step, title, "changed" if changed else "unchanged", seconds, summary)

    def _idle(self, step: _Step, seconds: float) -> StepReport:
        """The report of a step that had nothing to do, which it found out in `seconds`."""
        outcome: Outcome = "skipped" if step.skipped else "unchanged"
        summary = step.skipped or step.idle()
        notify(self._guard.observer, StepFinished(step.name, step.title, seconds, False, summary))
        return StepReport(step.name, step.title, outcome, seconds, summary)

    def _report(self, steps: Sequence[StepReport]) -> InitReport:
        return InitReport(self._guard.deployment.database_name, self._guard.environment.value, tuple(steps))


def _failed(step: _Step, error: WayraError, *, done: Sequence[str] | None, not_done: Sequence[str]) -> StepFailedError:
    """The step's error with where the run stands; `done` is None when nothing had begun."""
    if done is None:
        stands = "Nothing was changed."
    else:
        stands = f"Done: {', '.join(done) or 'no whole step'}. Not done: {', '.join([step.title, *not_done])}."
    return StepFailedError(
        f"{step.title}: {error.message}",
        step=step.name,
        done=done or (),
        not_done=not_done,
        exit_code=error.exit_code,
        hint=f"{error.hint}\n{stands} The same command goes on from here.".strip(),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
