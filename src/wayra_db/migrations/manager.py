"""MigrationManager: what a program and the command line call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wayra_db.environment import Action
from wayra_db.errors import HistoryMismatchError, VersionNotFoundError
from wayra_db.guard import Guard
from wayra_db.migrations import history
from wayra_db.migrations.loader import load_migrations
from wayra_db.migrations.model import Direction, Migration, MigrationPlan, MigrationStatus, RecordState, Verdict
from wayra_db.migrations.plan import plan_rollback, plan_up, statuses
from wayra_db.migrations.runner import run_plan
from wayra_db.migrations.scaffold import Kind, create_from_declarations, create_migration

if TYPE_CHECKING:
    from wayra_db.migrations.autogenerate import DeclaredChanges


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What a run did: each version with its seconds, in the order in which they ran."""

    direction: Direction
    ran: tuple[tuple[int, float], ...]

    @property
    def changed(self) -> bool:
        """Whether anything ran."""
        return bool(self.ran)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "direction": self.direction,
            "changed": self.changed,
            "ran": [{"version": version, "seconds": round(seconds, 4)} for version, seconds in self.ran],
        }


class MigrationManager:
    """Plans, runs, rolls back and reports the migrations of one folder on one database."""

    def __init__(self, guard: Guard, directory: Path) -> None:
        self._guard = guard
        self._directory = directory

    def files(self) -> tuple[Migration, ...]:
        """The migration files, read without running them or touching the database."""
        return load_migrations(self._directory)

    def status(self) -> tuple[MigrationStatus, ...]:
        """Every version with its state. One find; writes nothing, and never refuses because of a bad state."""
        return statuses(self.files(), history.read_records(self._guard.deployment))

    def plan(
        self, *, to: int | None = None, steps: int | None = None, allow_out_of_order: bool = False
    ) -> MigrationPlan:
        """What `up` would run now. Reads only; raises what `up` would refuse."""
        return plan_up(
            self.files(),
            history.read_records(self._guard.deployment),
            transactions=self._guard.deployment.capabilities.transactions,
            to=to,
            steps=steps,
            allow_out_of_order=allow_out_of_order,
        )

    def up(
        self, *, to: int | None = None, steps: int | None = None, allow_out_of_order: bool = False
    ) -> MigrationResult:
        """Run the pending migrations, up to version `to` or the next `steps`.

        Takes no lock and writes nothing when none is pending. Otherwise holds the lock, plans again under it, and runs
        each migration with its record. Raises RefusedError, LockHeldError, HistoryMismatchError,
        InterruptedMigrationError, MigrationLoadError, MigrationFailedError.
        """
        if not self.plan(to=to, steps=steps, allow_out_of_order=allow_out_of_order).steps:
            return MigrationResult("up", ())
        with self._guard.changing(Action.MIGRATE, "migrate up") as lease:
            plan = self.plan(to=to, steps=steps, allow_out_of_order=allow_out_of_order)
            return MigrationResult("up", run_plan(plan, self._guard, lease))

    def plan_rollback(self, *, version: int | None = None, steps: int | None = None) -> MigrationPlan:
        """What `rollback` would undo now. Reads only; raises what `rollback` would refuse."""
        return plan_rollback(
            self.files(),
            history.read_records(self._guard.deployment),
            transactions=self._guard.deployment.capabilities.transactions,
            version=version,
            steps=steps,
        )

    def rollback(
        self, *, version: int | None = None, steps: int | None = None, everything: bool = False
    ) -> MigrationResult:
        """Undo migrations, newest first: version `version` and all above it, the last `steps`, or `everything`.

        One of the three must be given. Locks and records as `up` does. Production needs the permission for
        Action.ROLLBACK.
        """
        if (version is None) + (steps is None) + (not everything) != 2:
            raise ValueError("say what to roll back: exactly one of version, steps or everything")
        self._guard.require(Action.ROLLBACK)
        if not self.plan_rollback(version=version, steps=steps).steps:
            return MigrationResult("down", ())
        with self._guard.changing(Action.ROLLBACK, "migrate rollback") as lease:
            plan = self.plan_rollback(version=version, steps=steps)
            return MigrationResult("down", run_plan(plan, self._guard, lease))

    def create(self, name: str, *, kind: Kind = "data", is_async: bool = False) -> Path:
        """Write the next migration file from the template of its kind; needs no database."""
        return create_migration(self._directory, name, kind=kind, is_async=is_async)

    def create_from_declarations(self, changes: DeclaredChanges, name: str | None = None) -> Path:
        """Write the next migration file from what differs between declarations and database.

        Reads the history and writes nothing to the database. Raises HistoryMismatchError when the files and the
        database do not agree: what a pending migration will change would be written down a second time.
        """
        behind = [one for one in self.status() if one.verdict is not Verdict.APPLIED]
        if behind:
            listed = ", ".join(f"{one.version} ({one.name}, {one.verdict.value})" for one in behind)
            raise HistoryMismatchError(
                f"the database is not where the migration files are: {listed}. Nothing was written",
                versions=[one.version for one in behind],
                hint="Run `wayra-db migrate` first, so that only what no migration does yet is written down.",
            )
        return create_from_declarations(self._directory, changes, name)

    def repair(self, version: int, mark_as: Literal["applied", "pending"]) -> None:
        """Set the state of a version because a person has looked and knows what was done of it.

        Runs nothing of the migration. Holds the lock and writes the audit log. Raises VersionNotFoundError.
        """
        state = RecordState.APPLIED if mark_as == "applied" else RecordState.ROLLED_BACK
        self._set(self._file(version), state, f"as {mark_as}")

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
        self._set(migration, RecordState.APPLIED, "edit accepted")

    def _file(self, version: int) -> Migration:
        migration = next((one for one in self.files() if one.version == version), None)
        if migration is None:
            raise VersionNotFoundError(
                f"there is no migration file with version {version}",
                version=version,
                hint="`wayra-db migrate status` lists the versions.",
            )
        return migration

    def _set(self, migration: Migration, state: RecordState, said: str) -> None:
        with self._guard.changing(Action.MIGRATE, "migrate repair") as lease:
            lease.write(
                {
                    "event": "migration repaired",
                    "version": migration.version,
                    "said": said,
                    "checksum": migration.checksum,
                },
                history.repaired(migration, state, epoch=lease.epoch),
            )
