"""Backups: consistent copies of a database in a folder, verified, and restored beside the data."""

from wayra_db.backups.catalog import BackupEntry, list_backups
from wayra_db.backups.keeper import BackupKeeper
from wayra_db.backups.manager import BackupManager

__all__ = ["BackupEntry", "BackupKeeper", "BackupManager", "list_backups"]
