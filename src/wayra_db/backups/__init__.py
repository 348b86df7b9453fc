"""Backups: consistent copies of a database in a folder, verified, and restored beside the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wayra_db._lazy import lazily

if TYPE_CHECKING:
    from wayra_db.backups.catalog import BackupEntry, list_backups
    from wayra_db.backups.keeper import BackupKeeper
    from wayra_db.backups.manager import BackupManager

__all__ = ["BackupEntry", "BackupKeeper", "BackupManager", "list_backups"]

# Loaded when first asked for: `status` lists backups and does nothing else with them.
__getattr__ = lazily(
    __name__,
    {
        "BackupEntry": "wayra_db.backups.catalog",
        "BackupKeeper": "wayra_db.backups.keeper",
        "BackupManager": "wayra_db.backups.manager",
        "list_backups": "wayra_db.backups.catalog",
    },
)
