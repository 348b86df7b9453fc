"""BackupKeeper: looks after the backups that are there. Needs no database and connects to none."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayra_db import __version__, environment
from wayra_db.backups import catalog
from wayra_db.backups import manifest as manifests
from wayra_db.backups.catalog import BackupEntry
from wayra_db.backups.copying import Copied, copy_backup, parse_manifest, read_manifest
from wayra_db.backups.open import open_backup
from wayra_db.backups.opened import WayraBackup
from wayra_db.backups.records import Records, Verified, VerifyKind
from wayra_db.backups.removal import leftovers, remove, remove_leftovers
from wayra_db.backups.report import VerifyReport
from wayra_db.backups.retention import RetentionPlan, plan_retention
from wayra_db.backups.source import BackupSource
from wayra_db.backups.stores import Store, open_store, split_address
from wayra_db.backups.stores.local import LocalStore
from wayra_db.backups.verify import verify_backup, verify_source
from wayra_db.environment import Action, Environment
from wayra_db.errors import BackupError, RefusedError
from wayra_db.events import Notice, Observer, SecurityEvent, log_observer, notify
from wayra_db.settings.model import KeepRules
from wayra_db.stopping import Stop


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune or a delete has removed: backups by name, and what killed runs had left."""

    removed: tuple[str, ...]
    leftovers: tuple[str, ...] = ()
    freed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"removed": list(self.removed), "leftovers": list(self.leftovers), "freed": self.freed}


@dataclass
class BackupKeeper:
    """Lists, verifies, pins, prunes, copies and deletes the backups of one folder.

    `permitted` is as in Guard; deleting asks for it in production, and for backups of production anywhere.
    """

    folder: Path
    environment: Environment
    observer: Observer = log_observer
    stop: Stop = field(default_factory=Stop)
    permitted: Collection[Action] = ()
    rules: KeepRules = field(default_factory=KeepRules)
    endpoint_url: str | None = None

    def list(self, address: str | None = None) -> tuple[BackupEntry, ...]:
        """The backups in the folder, or in the store at an address, newest first. Writes nothing."""
        if address is None:
            return catalog.list_backups(self.folder)
        with self._store(address) as store:
            if isinstance(store, LocalStore):
                return catalog.list_backups(store.folder)
            found = [_entry(store, name) for name in store.names()]
        return tuple(sorted(found, key=lambda entry: (entry.modified_at, entry.name), reverse=True))

    def leftovers(self) -> tuple[str, ...]:
        """What killed runs have left in the folder, or runs that go on are writing; the next prune removes the old."""
        return leftovers(self.folder)

    def show(self, address: str) -> BackupEntry:
        """One backup, by its name or address. Raises BackupNotFoundError."""
        place, name = split_address(address)
        if place is None:
            return catalog.find_backup(self.folder, name)
        with self._store(place) as store:
            return _find(store, name)

    def verify(self, address: str, *, identities: Sequence[str] | Path | None = None) -> VerifyReport:
        """Verify one backup, by its name or address, and remember the result of one in a folder.

        Raises BackupNotFoundError; a damaged backup raises nothing: see the report. What mongodump has made holds no
        hashes: of that the structure is checked, and what an archive's own checksums cover.
        """
        place, name = split_address(address)
        with LocalStore(self.folder) if place is None else self._store(place) as store:
            if isinstance(store, LocalStore) and _find(store, name).kind != "backup":
                with open_backup(store.folder, name) as source:
                    return verify_source(source, store.address, stop=self.stop)
            report = verify_backup(store, name, identities=identities, observer=self.observer, stop=self.stop)
            if isinstance(store, LocalStore):
                self.remember(report, store.folder)
        return report

    def remember(self, report: VerifyReport, folder: Path | None = None) -> None:
        """Keep the result of a verification beside the backups. A folder that cannot be written to is only noted."""
        if report.digest is None or report.identifier is None:
            return
        self._keep(folder or self.folder, report.identifier, report.digest, report.kind, report.ok)

    def remember_hashes(self, source: BackupSource, *, ok: bool) -> None:
        """Keep what a comparison of all hashes has found, as `remember` does; of one of our own in this folder."""
        if isinstance(source, WayraBackup) and source.folder.parent == self.folder:
            self._keep(self.folder, source.manifest.id, manifests.digest(source.manifest), "hashes", ok)

    def _keep(self, folder: Path, identifier: str, digest: str, kind: VerifyKind, ok: bool) -> None:
        records = Records(folder)
        record = Verified(datetime.now(UTC), kind, ok, digest, __version__)
        try:
            records.set_verified(identifier, record.with_depth_of(records.verified(identifier, digest)))
        except OSError as error:
            notify(self.observer, Notice(f"the result was not kept beside the backup: {error.strerror}", "warning"))

    def pin(self, name: str, *, pinned: bool = True) -> BackupEntry:
        """Keep a backup from being pruned and deleted, or no longer. Raises BackupError for one without a manifest."""
        entry = catalog.find_backup(self.folder, name)
        if entry.manifest is None:
            raise BackupError(
                f"{name} cannot be pinned: {entry.problem or 'wayra-db has not made it'}",
                hint="Prune never removes it anyway.",
            )
        records = Records(self.folder)
        if pinned:
            records.pin(entry.manifest.id, now=datetime.now(UTC))
        else:
            records.unpin(entry.manifest.id)
        return catalog.find_backup(self.folder, name)

    def plan_prune(self, rules: KeepRules | None = None) -> RetentionPlan:
        """What `prune` would remove by these rules, or by those of the settings. Writes nothing."""
        return plan_retention(self.list(), rules or self.rules)

    def prune(self, plan: RetentionPlan) -> Pruned:
        """Remove what the plan says, and old leftovers. A backup that has changed since the plan stays.

        Raises RefusedError in production, and for backups of production, without permission.
        """
        self._require(plan.remove, f"prune {len(plan.remove)} backups")
        now = {entry.name: entry for entry in self.list()}
        removed = [entry for entry in plan.remove if now.get(entry.name) == entry]
        for entry in removed:
            self.stop.check()
            _remove(self.folder, entry)
        freed = sum(entry.size for entry in removed)
        return Pruned(tuple(entry.name for entry in removed), remove_leftovers(self.folder), freed)

    def delete(self, addresses: Sequence[str]) -> Pruned:
        """Delete backups by their names or addresses.

        Raises, before any is deleted, BackupNotFoundError, BackupError for a pinned one, and RefusedError in
        production, and for backups of production, without permission.
        """
        with ExitStack() as stack:
            found = []
            for address in dict.fromkeys(addresses):
                place, name = split_address(address)
                store = stack.enter_context(LocalStore(self.folder) if place is None else self._store(place))
                found.append((store, _find(store, name)))
            for _, entry in found:
                if entry.pinned:
                    raise BackupError(
                        f"{entry.name} is pinned: nothing was deleted",
                        hint=f"Take the pin off first: wayra-db backup unpin {entry.name}.",
                    )
            self._require([entry for _, entry in found], f"delete {', '.join(addresses)}")
            removed: builtins.list[str] = []
            for store, entry in found:
                self.stop.check()
                if isinstance(store, LocalStore):
                    _remove(store.folder, entry)
                else:
                    store.delete(entry.name)
                removed.append(entry.name)
        return Pruned(tuple(removed), remove_leftovers(self.folder), sum(entry.size for _, entry in found))

    def copy(self, address: str, target: str | None = None) -> Copied:
        """Copy a backup, by its name or address, into the store at an address, or into this folder.

        Goes on with a copy that was cut off. See `copy_backup` for what it raises.
        """
        place, name = split_address(address)
        with ExitStack() as stack:
            source: Store = stack.enter_context(LocalStore(self.folder) if place is None else self._store(place))
            into: Store = stack.enter_context(LocalStore(self.folder) if target is None else self._store(target))
            if source.address == into.address:
                raise BackupError(f"{name} is in {into.address} already", hint="Name another place to copy it to.")
            return copy_backup(source, name, into, observer=self.observer, stop=self.stop)

    def _require(self, entries: Iterable[BackupEntry], what: str) -> None:
        concerned = {self.environment.value}
        concerned |= {entry.manifest.source.environment for entry in entries if entry.manifest is not None}
        for one in sorted(concerned & set(Environment)):
            try:
                environment.require(Action.BACKUP_DELETE, Environment(one), permitted=self.permitted)
            except RefusedError as error:
                notify(self.observer, SecurityEvent(Action.BACKUP_DELETE.value, "refused", one, error.message))
                raise
        notify(self.observer, SecurityEvent(Action.BACKUP_DELETE.value, "allowed", self.environment.value, what))

    def _store(self, address: str) -> Store:
        return open_store(address, endpoint_url=self.endpoint_url)


def _find(store: Store, name: str) -> BackupEntry:
    return catalog.find_backup(store.folder, name) if isinstance(store, LocalStore) else _entry(store, name)


def _remove(folder: Path, entry: BackupEntry) -> None:
    """Remove a backup, and with the last copy of it in the folder what is known of it."""
    remove(folder, entry.name)
    if entry.manifest is not None:
        left = [one.manifest.id for one in catalog.list_backups(folder) if one.manifest is not None]
        if entry.manifest.id not in left:
            Records(folder).forget(entry.manifest.id)


def _entry(store: Store, name: str) -> BackupEntry:
    """A backup in a store that is no folder; what verifications found is not kept there."""
    content = read_manifest(store, name)
    try:
        manifest = parse_manifest(content)
    except BackupError as error:
        return BackupEntry(name, "backup", 0, datetime.fromtimestamp(0, UTC), problem=error.message)
    return BackupEntry(name, "backup", manifest.size + len(content), manifest.created_at.astimezone(UTC), manifest)
