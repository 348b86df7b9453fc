"""Which backup `latest` means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wayra_db.backups.open import newest_whole, open_backup
from wayra_db.backups.restore import check
from wayra_db.errors import BackupCorruptError, BackupIncompleteError, BackupNotFoundError
from wayra_db.events import Notice, notify
from wayra_db.guard import Guard


def newest_intact(guard: Guard, folder: Path, identities: Sequence[str] | Path = ()) -> str:
    """The name of the newest backup of this database's whole data that is as it was written.

    Reads backups whole, the newest first, until one is; each that is damaged is told of. Raises BackupNotFoundError.
    """
    for candidate in newest_whole(folder):
        if candidate.database != guard.deployment.database_name:
            continue
        try:
            with open_backup(folder, candidate.name, identities or ["unknown"]) as source:
                check(guard, source)
            return candidate.name
        except (BackupCorruptError, BackupIncompleteError) as error:
            notify(guard.observer, Notice(f"the backup {candidate.name} is passed over: {error.message}", "warning"))
    raise BackupNotFoundError(
        f"there is no intact backup of {guard.deployment.database_name} in {folder}",
        name="latest",
        hint="`wayra-db backup list` shows what is there: safety and redacted backups, and those of other databases, "
        "are restored only by name.",
    )
