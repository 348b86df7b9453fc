"""`verify-backups` and `prune-backups`: is the newest backup whole, and which are past their time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from wayra_db import environment
from wayra_db.backups import BackupKeeper
from wayra_db.backups.catalog import BackupEntry
from wayra_db.backups.retention import RetentionPlan
from wayra_db.environment import Action, Environment
from wayra_db.errors import RefusedError
from wayra_db.indexes.charts import size
from wayra_db.locking import Lease
from wayra_db.maintenance.model import Done, PlannedTask, Request, Task
from wayra_db.maintenance.worker import counted


@dataclass(frozen=True, slots=True)
class VerificationPlan(PlannedTask):
    """The backup to be verified."""

    backup: BackupEntry | None = None


@dataclass(frozen=True, slots=True)
class PrunePlan(PlannedTask):
    """What the retention policy removes."""

    retention: RetentionPlan = field(default_factory=lambda: RetentionPlan((), ()))


@dataclass
class Verification:
    """Verifies the newest backup that nobody has verified, every byte of it. Needs no key for an encrypted one."""

    keeper: BackupKeeper

    def plan(self, request: Request) -> VerificationPlan:
        """The newest one; nothing when it is verified already."""
        newest = newest_unverified(self.keeper.list())
        if newest is None:
            return VerificationPlan(Task.VERIFY_BACKUPS, notes=("the newest backup is verified, or there is none",))
        work = f"verify {newest.name}, {size(newest.size)}"
        return VerificationPlan(Task.VERIFY_BACKUPS, work=(work,), backup=newest)

    def run(self, planned: VerificationPlan, lease: Lease) -> Done:
        """Read the backup whole. Raises BackupCorruptError for one that is damaged."""
        assert planned.backup is not None  # noqa: S101  # it is due
        report = self.keeper.verify(planned.backup.name)
        report.require_ok()
        warnings = tuple(str(one) for one in report.findings)
        return Done(f"{planned.backup.name} is whole", warnings)


def newest_unverified(entries: Iterable[BackupEntry]) -> BackupEntry | None:
    """The newest backup, if nobody has verified it as far as that goes without a key. Pure.

    An older one would not be what a restore takes.
    """
    sound = [entry for entry in entries if entry.manifest is not None and not entry.damaged]
    newest = max(sound, key=lambda entry: (entry.modified_at, entry.name), default=None)
    return newest if newest is not None and not newest.well_verified else None


@dataclass
class Pruning:
    """Removes the backups that no rule keeps, those that the tool makes by itself among them, and what killed runs have
    left in the folder.
    """

    keeper: BackupKeeper

    def plan(self, request: Request) -> PrunePlan:
        """What the settings' rules remove. Passed over where the environment wants a word for it."""
        retention = self.keeper.plan_prune()
        names = tuple(entry.name for entry in retention.remove)
        left = self.keeper.leftovers()
        work = [f"remove {entry.name}, {size(entry.size)}" for entry in retention.remove]
        if left:
            work.append(f"remove of {', '.join(left)} what nobody has written to for a day")
        notes = (f"{counted(len(retention.keep), 'backup')} kept",)
        planned = PrunePlan(Task.PRUNE_BACKUPS, tuple(work), notes, names, retention=retention)
        if not work:
            return planned
        refusal = self._refusal(retention.remove)
        if refusal is None:
            return planned
        if request.names(Task.PRUNE_BACKUPS):
            raise refusal
        return replace(planned, skipped=f"{refusal.message}. {refusal.allowed_by}")

    def run(self, planned: PrunePlan, lease: Lease) -> Done:
        """Remove what was planned and is still past its time: a verification may have changed what is to be kept."""
        due = {entry.name for entry in self.keeper.plan_prune().remove}
        remove = tuple(entry for entry in planned.retention.remove if entry.name in due)
        done = self.keeper.prune(replace(planned.retention, remove=remove))
        gone = f"removed {counted(len(done.removed), 'backup')}, {size(done.freed)}"
        left = f", and {counted(len(done.leftovers), 'leftover')}" if done.leftovers else ""
        return Done(gone + left, changed=True)

    def _refusal(self, entries: Iterable[BackupEntry]) -> RefusedError | None:
        """Why the removal is not allowed: here, or in the environment that a backup is of."""
        concerned = {self.keeper.environment.value}
        concerned |= {entry.manifest.source.environment for entry in entries if entry.manifest is not None}
        for name in sorted(concerned & set(Environment)):
            try:
                environment.require(Action.BACKUP_DELETE, Environment(name), permitted=self.keeper.permitted)
            except RefusedError as error:
                return error
        return None
