"""BackupManager: what a program and the command line call."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wayra_db.backups.catalog import BackupEntry
from wayra_db.backups.keeper import BackupKeeper
from wayra_db.environment import Action
from wayra_db.guard import Guard
from wayra_db.schema.collection import Collection

if TYPE_CHECKING:
    from wayra_db.backups.clone import CloneResult
    from wayra_db.backups.create import BackupResult
    from wayra_db.backups.manifest import Codec, Reason


class BackupManager:
    """Makes, lists, verifies, restores and prunes the backups of one database in one folder.

    `collections` are the declared ones: they say which fields are sensitive. `codec` and `recipients` are what a
    backup is made with when the call names none.
    """

    def __init__(
        self,
        guard: Guard,
        folder: Path,
        *,
        collections: Sequence[Collection] = (),
        codec: Codec = "zstd",
        recipients: Sequence[str] = (),
    ) -> None:
        self._guard = guard
        self._folder = folder
        self._collections = tuple(collections)
        self._codec = codec
        self._recipients = tuple(recipients)

    def list(self) -> tuple[BackupEntry, ...]:
        """The backups in the folder, newest first. Reads only, and no database."""
        return self.keeper.list()

    @cached_property
    def keeper(self) -> BackupKeeper:
        """What looks after the backups that are there: verify, pin, prune, copy, delete. Needs no database."""
        guard = self._guard
        return BackupKeeper(self._folder, guard.environment, guard.observer, guard.stop, guard.permitted)

    def create(
        self,
        name: str | None = None,
        *,
        reason: Reason = "manual",
        collections: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        include_sensitive: bool = False,
        plaintext: bool = False,
        recipients: Sequence[str] = (),
        codec: Codec | None = None,
        level: int | None = None,
        jobs: int | None = None,
    ) -> BackupResult:
        """Back up the database, consistently, into a new folder. Takes no lock and writes nothing to the database.

        Without a name it gets one from the database and the time. Sensitive fields are left out unless
        `include_sensitive`, which needs `recipients` (`age1...`, or a file of them), or outside production `plaintext`.
        Raises RefusedError, ConfigError and BackupError before anything is written; what fails later leaves nothing.
        """
        from wayra_db.backups.create import create_backup

        return create_backup(
            self._guard,
            self._folder,
            name=name,
            reason=reason,
            collections=collections,
            exclude=exclude,
            include_sensitive=include_sensitive,
            plaintext=plaintext,
            recipients=recipients or (() if plaintext else self._recipients),
            codec=codec or self._codec,
            level=level,
            jobs=jobs,
            declared=self._collections,
        )

    def clone(
        self,
        to_uri: str,
        *,
        to_database: str | None = None,
        collections: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        redact: bool = False,
        include_sensitive: bool = False,
        jobs: int | None = None,
    ) -> CloneResult:
        """Copy the database into an empty one, with no file between. Only reads here, and takes no lock.

        The other one is `to_database`, or the one that the URI names, or one of the same name. `redact` leaves
        sensitive fields out; in production it is that or `include_sensitive`. Raises RefusedError, ConnectionFailedError
        and RestoreConflictError before anything is written; what fails later is dropped there again.
        """
        from wayra_db.backups.clone import clone_database
        from wayra_db.mongo.client import connect
        from wayra_db.settings.uri import database_in_uri, redact_uri

        guard = self._guard
        guard.require(Action.BACKUP_CREATE)
        name = to_database or database_in_uri(to_uri) or guard.deployment.database_name
        target = connect(
            to_uri, name, address=redact_uri(to_uri), server_selection_timeout_seconds=10.0, observer=guard.observer
        )
        try:
            return clone_database(
                guard,
                target,
                collections=collections,
                exclude=exclude,
                redact=redact,
                include_sensitive=include_sensitive,
                jobs=jobs,
                declared=self._collections,
            )
        finally:
            target.close()
