"""BackupManager: what a program and the command line call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wayra_db.backups.catalog import BackupEntry, list_backups
from wayra_db.backups.restore_plan import OnConflict, RestorePlan, RestoreRequest
from wayra_db.backups.safety import Safety, take_safety_backup
from wayra_db.environment import Action
from wayra_db.guard import Guard
from wayra_db.schema.collection import Collection

if TYPE_CHECKING:
    from wayra_db.backups.clone import CloneResult
    from wayra_db.backups.create import BackupResult
    from wayra_db.backups.manifest import Codec, Reason
    from wayra_db.backups.restore import RestoreReport

# Hashes of encrypted files can be compared by everybody.
NOBODY = ("nobody",)


class BackupManager:
    """Makes, lists, verifies, restores and prunes the backups of one database in one folder.

    `collections` are the declared ones: they say which fields are sensitive. `codec` and `recipients` are what a
    backup is made with when the call names none. `safety` makes the backup of what is about to be replaced.
    """

    def __init__(
        self,
        guard: Guard,
        folder: Path,
        *,
        collections: Sequence[Collection] = (),
        codec: Codec = "zstd",
        recipients: Sequence[str] = (),
        safety: Safety = take_safety_backup,
    ) -> None:
        self._guard = guard
        self._folder = folder
        self._collections = tuple(collections)
        self._codec = codec
        self._recipients = tuple(recipients)
        self._safety = safety

    def list(self) -> tuple[BackupEntry, ...]:
        """The backups in the folder, newest first. Reads only, and no database."""
        return list_backups(self._folder)

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
        sensitive fields out; in production it is that or `include_sensitive`. Raises RefusedError,
        ConnectionFailedError and RestoreConflictError before anything is written; what fails later is dropped there
        again.
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

    def plan_restore(
        self,
        name_or_path: str | Path,
        *,
        to: str | None = None,
        identities: Sequence[str] | Path = (),
        request: RestoreRequest = RestoreRequest(),  # noqa: B008  # frozen
        check: bool = True,
    ) -> RestorePlan:
        """Check a backup as a whole and say what `restore` would do with it. Writes nothing; raises what it would.

        Without `check` one of our own is taken at its manifest's word; `restore` checks it in any case.
        """
        from wayra_db.backups.open import open_backup
        from wayra_db.backups.restore import check as check_whole
        from wayra_db.backups.restore import make_plan

        guard = self._guard_of(to)
        with open_backup(self._folder, name_or_path, identities) as source:
            plan = make_plan(guard, source, request)  # a conflict needs no reading of the whole backup
            if not check and source.manifest is not None:
                return plan
            check_whole(guard, source)
            return make_plan(guard, source, request)

    def restore(
        self,
        name_or_path: str | Path,
        *,
        drop_existing: bool = False,
        to: str | None = None,
        collections: Sequence[str] | None = None,
        rename: Mapping[str, str] | None = None,
        on_conflict: OnConflict = "refuse",
        safety_backup: bool = True,
        identities: Sequence[str] | Path = (),
        allow_redacted: bool = False,
        discard_writes: bool = False,
        action: Action | None = None,
    ) -> RestoreReport:
        """Restore a backup, all of it or nothing: checked first, loaded beside the data, compared, swapped in.

        By name in the folder, or by path, also of what mongodump has written. Collections with documents are replaced
        with `drop_existing`, merged by _id with `on_conflict`, else met with RestoreConflictError. `to` names another
        database of the deployment, `collections` some in the backup, `rename` new names for them. What is replaced is
        backed up first, unless `safety_backup` is false. `action` is for callers with a permission of their own.
        Locks, writes the audit log; see `wayra_db.backups.restore.restore` for what is raised.
        """
        from wayra_db.backups.open import open_backup
        from wayra_db.backups.restore import restore

        guard = self._guard_of(to)
        request = RestoreRequest(
            drop_existing=drop_existing,
            collections=None if collections is None else tuple(collections),
            rename=dict(rename or {}),
            on_conflict=on_conflict,
            allow_redacted=allow_redacted,
        )
        with open_backup(self._folder, name_or_path, identities) as source:
            return restore(
                guard,
                source,
                request,
                action=action,
                safety=(lambda names: self._save(guard, names)) if safety_backup else None,
                discard_writes=discard_writes,
            )

    def applied_in(self, name_or_path: str | Path, *, identities: Sequence[str] | Path = ()) -> tuple[int, ...] | None:
        """The versions of the migrations that a backup's data has; None where mongodump has written it."""
        from wayra_db.backups.open import open_backup

        with open_backup(self._folder, name_or_path, identities) as source:
            return source.manifest.applied if source.manifest else None

    def continue_restore(self, *, to: str | None = None) -> str | None:
        """Finish a restore that was cut off while it was swapped in; the name of its backup, None when there is none.

        Locks and writes only when there is one.
        """
        from wayra_db.backups.swap import finish

        return finish(self._guard_of(to))

    def newest_intact(self, identities: Sequence[str] | Path = ()) -> str:
        """The name of the newest backup of the whole data that is as it was written: what `latest` means.

        Reads backups whole until one is. Safety backups and redacted ones do not count. Raises BackupNotFoundError.
        """
        from wayra_db.backups.latest import newest_intact

        return newest_intact(self._guard, self._folder, identities)

    def save(self) -> str:
        """Back up all collections before something destructive, and check the backup; returns its name.

        Takes no lock. Raises what making and checking it do: then nothing destructive is to be done.
        """
        return self._save(self._guard, None)

    def _save(self, guard: Guard, collections: Sequence[str] | None) -> str:
        from wayra_db.backups.open import open_backup
        from wayra_db.backups.restore import check

        name = self._safety(guard, self._folder, collections, self._recipients)
        with open_backup(self._folder, name, NOBODY) as source:
            check(guard, source)
        return name

    def _guard_of(self, database: str | None) -> Guard:
        if database is None or database == self._guard.deployment.database_name:
            return self._guard
        return self._guard.beside(database)
