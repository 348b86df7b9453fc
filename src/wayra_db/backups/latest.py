"""Which backup `latest` means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wayra_db.backups.catalog import BackupEntry, list_backups
from wayra_db.backups.manifest import Manifest
from wayra_db.backups.open import open_backup
from wayra_db.backups.policy import is_of_some_collections
from wayra_db.backups.restore import Check
from wayra_db.errors import BackupCorruptError, BackupIncompleteError, BackupNotFoundError
from wayra_db.events import Notice, notify
from wayra_db.guard import Guard


def newest_intact(guard: Guard, folder: Path, whole: Check, identities: Sequence[str] | Path = ()) -> str:
    """The name of the newest backup of this database's whole data that is as it was written.

    One that a verification has found damaged is passed over, and so is one that `whole` finds so now: backups are read,
    the newest first, until one is sound. Each that is passed over is told of. Raises BackupNotFoundError.
    """
    for entry, manifest in _candidates(guard.deployment.database_name, folder):
        problem = "a verification has found it damaged" if entry.damaged else ""
        if not problem:
            try:
                with open_backup(folder, entry.name, identities or ["unknown"]) as source:
                    whole(guard, source)
                return manifest.name
            except (BackupCorruptError, BackupIncompleteError) as error:
                problem = error.message
        notify(guard.observer, Notice(f"the backup {entry.name} is passed over: {problem}", "warning"))
    raise BackupNotFoundError(
        f"there is no intact backup of {guard.deployment.database_name} in {folder}",
        name="latest",
        hint="`wayra-db backup list` shows what is there: safety, redacted and empty backups, those of single "
        "collections, and those of other databases, are restored only by name.",
    )


def _candidates(database: str, folder: Path) -> Iterator[tuple[BackupEntry, Manifest]]:
    """Our own backups of a database's whole data, the newest first: no safety backups, which hold what was to be
    replaced, none that was redacted, holds nothing or holds only some collections. Nothing but manifests is read.
    """
    for entry in list_backups(folder):
        manifest = entry.manifest
        if manifest is None or manifest.source.database != database or manifest.reason == "safety":
            continue
        if not manifest.redacted and manifest.documents and not is_of_some_collections(manifest):
            yield entry, manifest
