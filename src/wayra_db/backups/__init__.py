"""Backups: which ones lie in the project's folder."""

from wayra_db.backups.catalog import BackupEntry, list_backups

__all__ = ["BackupEntry", "list_backups"]
