"""Restoring a backup: checked whole, loaded beside the data, compared, and swapped in.

Until the swap the live data stands untouched. See `swap` for what happens when a restore is killed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from wayra_db.backups import swap as swaps
from wayra_db.backups.extended import create_options, index_specs
from wayra_db.backups.live import BUCKETS, LiveCollection, read_index_specs, read_live, read_writes
from wayra_db.backups.load import THREADS, Loader, Temporary
from wayra_db.backups.memory import give_back_large_blocks
from wayra_db.backups.replay import replay
from wayra_db.backups.restore_plan import RestorePlan, RestoreRequest, Target, plan_restore, view_order
from wayra_db.backups.runs import corrupt
from wayra_db.backups.source import BackupSource
from wayra_db.backups.swap import Journal, Step
from wayra_db.backups.transfer.staging import finish_imports
from wayra_db.backups.unmasked import masked_already
from wayra_db.environment import Action
from wayra_db.errors import LockLostError, RestoreConflictError, WayraError
from wayra_db.events import Notice, Progress, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo.errors import translated

CHECKPOINTS = "_wayra_checkpoints"

# Makes a backup of the named collections and returns its name.
Safety = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did. `safety_backup` is the name of the one that was made of what was replaced."""

    plan: RestorePlan
    safety_backup: str | None = None
    cleaned: tuple[str, ...] = ()
    replayed: int = 0

    @property
    def backup(self) -> str:
        """The backup that was restored."""
        return self.plan.backup

    @property
    def database(self) -> str:
        """Where it was restored to."""
        return self.plan.database

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **self.plan.to_dict(),
            "safetyBackup": self.safety_backup,
            "cleaned": list(self.cleaned),
            "replayed": self.replayed,
        }


# Reads a whole backup and compares it with its hashes; raises what `BackupSource.check` does.
Check = Callable[[Guard, BackupSource], None]


def make_plan(guard: Guard, source: BackupSource, request: RestoreRequest) -> RestorePlan:
    """What a restore would do now. Reads the database's collections and counts; writes nothing."""
    manifest, live = source.manifest, read_live(guard.deployment)
    masked: frozenset[str] = frozenset()
    if manifest is not None and manifest.redacted and not request.allow_redacted:
        names = {request.rename.get(name, name): paths for name, paths in manifest.redactions.items()}
        masked = masked_already(guard.deployment, {name: paths for name, paths in names.items() if name in live})
    return plan_restore(
        request,
        backup=source.name,
        database=guard.deployment.database_name,
        environment=guard.environment.value,
        manifest=source.manifest,
        entries=source.collections,
        live=live,
        masked=masked,
        sharded_cluster=guard.deployment.capabilities.sharded,
    )


def action_for(plan: RestorePlan) -> Action:
    """What the environment is asked to allow."""
    return Action.RESTORE_OVER_DATA if plan.over_data else Action.RESTORE


def check(guard: Guard, source: BackupSource) -> None:
    """Read a whole backup and compare it with its hashes; a stop is honoured. Raises what `BackupSource.check` does."""

    def watch(done: int, total: int | None) -> None:
        guard.stop.check()
        notify(guard.observer, Progress(f"verifying {source.name}", done, total, "bytes"))

    source.check(watch)


def restore(
    guard: Guard,
    source: BackupSource,
    request: RestoreRequest,
    *,
    action: Action | None = None,
    safety: Safety | None = None,
    discard_writes: bool = False,
    threads: int = THREADS,
    whole: Check = check,
    accept: Callable[[RestorePlan], None] | None = None,
) -> RestoreReport:
    """Restore a backup into the guard's database, all of it or nothing.

    A restore or an import that was cut off is finished first. `whole` checks the backup, and `accept` may refuse the
    plan: before anything is written, as all that needs no lock. `action` is what the environment must allow; without
    it, it depends on whether data is replaced. `safety` backs up what is replaced. When somebody writes to a collection
    that is to be replaced, the restore gives up before the swap, unless `discard_writes`. Holds the lock, writes the
    audit log.
    Raises BackupCorruptError and BackupIncompleteError before anything is written, RestoreConflictError,
    RedactedBackupError, RefusedError, LockHeldError, LockLostError, CancelledError, DuplicateKeysError: with the
    data as it was.
    """
    give_back_large_blocks()
    swaps.finish(guard)
    plan = make_plan(guard, source, request)
    guard.require(action or action_for(plan))
    if accept is not None:
        accept(plan)
    source.require_readable()
    _require_definitions(plan)
    whole(guard, source)
    with guard.changing(action or action_for(plan), f"backup restore {source.name}") as lease:
        finish_imports(guard, lease)
        plan = make_plan(guard, source, request)  # the lock may have been waited for
        if action is None:
            guard.require(action_for(plan))
        return _Restore(guard, lease, source, plan, request, discard_writes, threads).run(safety)


def _require_definitions(plan: RestorePlan) -> None:
    """Raise BackupCorruptError for options or indexes that the server could not be given."""
    from bson.errors import BSONError

    for entry in (one.entry for one in plan.targets if one.entry is not None):
        try:
            create_options(entry.options)
            index_specs(entry.indexes)
        except (BSONError, ValueError, TypeError, KeyError) as error:
            raise corrupt(entry.metadata, 0, f"what {entry.name} is cannot be read: {error}") from error


@dataclass
class _Restore:
    """One restore under its lease."""

    guard: Guard
    lease: Lease
    source: BackupSource
    plan: RestorePlan
    request: RestoreRequest
    discard_writes: bool
    threads: int
    id: str = field(default_factory=lambda: secrets.token_hex(4))

    def run(self, safety: Safety | None) -> RestoreReport:
        plan, guard = self.plan, self.guard
        marks = read_writes(guard.deployment, self._replaced())
        for warning in plan.warnings:
            notify(guard.observer, Notice(warning, "warning"))
        saved = safety(plan.to_save) if safety is not None and plan.over_data else None
        cleaned = swaps.drop_leftovers(guard, self.lease)
        event = {
            "backup": plan.backup,
            "collections": [one.name for one in plan.targets],
            **({"safetyBackup": saved} if saved else {}),
            **({"redacted": redacted} if (redacted := self._redacted()) else {}),
        }
        self.lease.write({"event": "restore started", **event})
        temporaries = self._temporaries()
        loader = Loader(guard, self.lease, threads=self.threads)
        with self._dropping_on_failure(temporaries, event):
            loader.create(temporaries.values())
            contents = loader.load(self.source, list(temporaries.values()))
            replayed = 0

            def change() -> None:
                nonlocal replayed
                replayed = self._replay(temporaries, loader)
                self._merge(temporaries, loader)

            needed = self._has_slice() or any(one.how == "merge" for one in plan.targets)
            loader.verify_and_build(list(temporaries.values()), contents, change if needed else None)
            if checkpoints := temporaries.get(CHECKPOINTS):
                self._hand_over(checkpoints)
            loader.step()
            loader.build_expiring(list(temporaries.values()))
            journal = Journal(self.id, plan.backup, tuple(self._steps(temporaries)))
            loader.step()
            self._require_unchanged(marks)
        swaps.swap(guard, self.lease, journal, event)
        return RestoreReport(plan, saved, tuple(cleaned), replayed)

    def _redacted(self) -> list[str]:
        """The collections that get masks in the place of values, for who asks the log later."""
        redactions = self.source.manifest.redactions if self.source.manifest else {}
        whole = [one for one in self.plan.targets if one.how in ("create", "replace") and one.entry is not None]
        return [one.name for one in whole if one.entry is not None and one.entry.name in redactions]

    def _replaced(self) -> list[LiveCollection]:
        """The live collections of the user that will be gone."""
        return [
            one.live
            for one in self.plan.targets
            if one.live is not None and one.live.kind != "view" and not one.name.startswith("_wayra_")
        ]

    def _temporaries(self) -> dict[str, Temporary]:
        """What is loaded for each target; a merge keeps the options and indexes of the live collection."""
        found: dict[str, Temporary] = {}
        database = self.guard.deployment.metadata
        for number, target in enumerate(self.plan.targets):
            entry = target.entry
            if entry is None or entry.kind == "view":
                continue
            options = create_options(entry.options)
            indexes: Sequence[Any] = [] if _copied(target) else index_specs(entry.indexes)
            if target.how == "merge" and target.live is not None:
                with translated(self.guard.deployment.address):
                    options = {key: value for key, value in target.live.options.items() if key != "uuid"}
                    indexes = read_index_specs(database, target.name)
            name = swaps.temporary_name(self.id, number)
            found[target.name] = Temporary(name, target.name, entry, options, indexes)
        return found

    def _steps(self, temporaries: dict[str, Temporary]) -> Iterator[Step]:
        for target in view_order(self.plan.targets):
            entry = target.entry
            if entry is None:
                yield Step("drop", target.name)
            elif entry.kind == "view":
                yield Step("view", target.name, options=create_options(entry.options))
            elif _copied(target):
                temporary = temporaries[target.name]
                yield Step("copy", target.name, temporary.name, temporary.options, index_specs(entry.indexes))
            else:
                yield Step("rename", target.name, temporaries[target.name].name)

    def _has_slice(self) -> bool:
        return next(self.source.oplog(), None) is not None

    def _replay(self, temporaries: dict[str, Temporary], loader: Loader) -> int:
        names = {
            (BUCKETS if one.entry.kind == "timeseries" else "") + one.entry.name: one.documents_in
            for one in temporaries.values()
        }
        return replay(self.guard.deployment, self.source.oplog(), self.source.database, names, loader.step)

    def _merge(self, temporaries: dict[str, Temporary], loader: Loader) -> None:
        """Put the live documents in beside the restored ones: the result is swapped in whole, as any other."""
        when_matched = "replace" if self.plan.on_conflict == "keep" else "keepExisting"
        for target in self.plan.targets:
            if target.how != "merge":
                continue
            loader.step()
            into = {
                "into": temporaries[target.name].name,
                "on": "_id",
                "whenMatched": when_matched,
                "whenNotMatched": "insert",
            }
            with translated(self.guard.deployment.address):
                self.guard.deployment.metadata[target.name].aggregate(
                    [{"$merge": into}], bypassDocumentValidation=True, allowDiskUse=True
                )

    def _hand_over(self, checkpoints: Temporary) -> None:
        """A checkpoint is moved on only by an epoch that is not below its own; those in the backup are of another lock
        or of another time.
        """
        with translated(self.guard.deployment.address):
            self.guard.deployment.metadata[checkpoints.name].update_many({}, {"$set": {"epoch": self.lease.epoch}})

    def _require_unchanged(self, marks: dict[str, object]) -> None:
        live = read_live(self.guard.deployment)
        appeared = [one.name for one in self.plan.targets if one.how == "create" and one.name in live]
        if appeared:
            raise RestoreConflictError(
                f"{', '.join(appeared)} came into being while the backup was loaded; nothing was replaced",
                collections=appeared,
                hint="Stop what writes to this database, and run it again.",
            )
        if self.discard_writes:
            return
        now = read_writes(self.guard.deployment, self._replaced())
        # The documents that were counted in `_replaced` are of the time of the plan, on both sides.
        written = sorted(name for name, mark in marks.items() if now.get(name) != mark)
        if written:
            raise RestoreConflictError(
                f"{', '.join(written)} was written to while the backup was loaded, and those writes would be lost; "
                "nothing was replaced",
                collections=written,
                hint="Stop what writes to it and run it again, or give the writes up: "
                f"{self.request.command(self.source.name)} --discard-writes.",
            )

    @contextmanager
    def _dropping_on_failure(self, temporaries: dict[str, Temporary], event: dict[str, Any]) -> Iterator[None]:
        """What was loaded is dropped when it is not to be used. Not once the lock is lost: then another may be at it,
        and the next restore finds what is left.
        """
        try:
            yield
        except LockLostError:
            raise
        except BaseException as error:
            with suppress(WayraError), self.guard.stop.protected():
                with translated(self.guard.deployment.address):
                    for one in temporaries.values():
                        self.lease.check()
                        self.guard.deployment.metadata.drop_collection(one.name)
                self.lease.write({"event": "restore failed", **event, "error": type(error).__name__})
            raise


def _copied(target: Target) -> bool:
    """Whether no rename can put it in its place."""
    return target.name == "system.js" or (target.entry is not None and target.entry.kind == "timeseries")
