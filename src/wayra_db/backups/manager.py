"""BackupManager: what a program and the command line call."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from wayra_db.backups.catalog import BackupEntry
from wayra_db.backups.keeper import BackupKeeper
from wayra_db.guard import Guard
from wayra_db.schema.collection import Collection


class BackupManager:
    """Makes, lists, verifies, restores and prunes the backups of one database in one folder.

    `collections` are the declared ones: they say which fields are sensitive.
    """

    def __init__(self, guard: Guard, folder: Path, *, collections: Sequence[Collection] = ()) -> None:
        self._guard = guard
        self._folder = folder
        self._collections = tuple(collections)

    def list(self) -> tuple[BackupEntry, ...]:
        """The backups in the folder, newest first. Reads only, and no database."""
        return self.keeper.list()

    @cached_property
    def keeper(self) -> BackupKeeper:
        """What looks after the backups that are there: verify, pin, prune, copy, delete. Needs no database."""
        guard = self._guard
        return BackupKeeper(self._folder, guard.environment, guard.observer, guard.stop, guard.permitted)
