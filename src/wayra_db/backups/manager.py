"""BackupManager: what a program and the command line call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from wayra_db import environment
from wayra_db.backups.catalog import BackupEntry
from wayra_db.backups.keeper import BackupKeeper
from wayra_db.backups.restore_plan import OnConflict, RestorePlan, RestoreRequest
from wayra_db.backups.safety import Safety, require_safety, take_safety_backup
from wayra_db.environment import Action
from wayra_db.errors import BackupCorruptError, BackupError, BackupIncompleteError
from wayra_db.guard import Guard
from wayra_db.schema.collection import Collection

if TYPE_CHECKING:
    from wayra_db.backups.clone import CloneResult
    from wayra_db.backups.create import BackupResult
    from wayra_db.backups.manifest import Codec, Reason
    from wayra_db.backups.report import VerifyReport
    from wayra_db.backups.restore import RestoreReport
    from wayra_db.backups.source import BackupSource
    from wayra_db.backups.transfer import ExportResult, ImportResult
    from wayra_db.backups.transfer.files import Format
    from wayra_db.backups.transfer.import_ import Mode, OnError
    from wayra_db.backups.transfer.readers import TableOptions

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
        return self.keeper.list()

    @cached_property
    def keeper(self) -> BackupKeeper:
        """What looks after the backups that are there: verify, pin, prune, copy, delete. Needs no database."""
        guard = self._guard
        return BackupKeeper(self._folder, guard.environment, guard.observer, guard.stop, guard.permitted)

    def verify_deep(self, name: str, *, identities: Sequence[str] | Path = ()) -> VerifyReport:
        """Verify a backup in the folder, and if nothing is wrong restore it into a scratch database and compare that.

        The scratch database lies on the same deployment under a name of its own and is dropped in the end; the
        database itself is neither read nor written. Raises as `BackupKeeper.verify` and `restore`.
        """
        from wayra_db.backups.deep import verify_deep
        from wayra_db.backups.open import open_backup
        from wayra_db.backups.restore import restore

        guard = self._guard
        environment.require(Action.RESTORE, guard.environment, permitted=guard.permitted)
        report = self.keeper.verify(name, identities=identities or None)
        if not report.ok:
            return report

        def into(source: BackupSource, database_name: str) -> None:
            restore(guard.beside(database_name), source, RestoreRequest(allow_redacted=True), action=Action.RESTORE)

        with open_backup(self._folder, name, identities) as source:
            found = verify_deep(source, guard.deployment, into, observer=guard.observer, stop=guard.stop)
        report = replace(report, kind="deep", findings=(*report.findings, *found))
        self.keeper.remember(report)
        return report

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
        ConnectionFailedError and RestoreConflictError before anything is written; what fails later is dropped again.
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

    def export_collection(
        self,
        name: str,
        *,
        query: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        limit: int = 0,
        fields: Sequence[str] = (),
        exclude: Sequence[str] = (),
        path: str | Path | IO[bytes] | None = None,
        format: Format | None = None,
        canonical: bool = False,
        pretty: bool = False,
        typed_header: bool = False,
        redact: bool = False,
        force: bool = False,
    ) -> ExportResult:
        """Export a collection or view: the documents that match `query`, in the order of `sort`, at most `limit`.

        Without a `path` it goes to `<name>_export.json` in the backup folder, or with the ending of `format`; a path
        tells both format and compression by its ending (`users.csv.gz`); a binary stream is written to as well.
        `fields` chooses dotted paths, `exclude` leaves some out. `canonical` keeps every number's type in Extended
        JSON, `typed_header` does in CSV. `redact` masks what is declared as sensitive. The file has mode 0600, comes
        into its place whole, and replaces another one only with `force`. Nothing is written to the database.

        In production the action EXPORT must be permitted, and EXPORT_SENSITIVE for sensitive fields as they are.
        Raises RefusedError, BackupError, ConfigError, CancelledError.
        """
        from wayra_db.backups.transfer import ExportOptions, export_collection

        options = ExportOptions(
            query=query or {},
            sort=sort or {},
            limit=limit,
            fields=fields,
            exclude=exclude,
            format=format,
            canonical=canonical,
            pretty=pretty,
            typed_header=typed_header,
            redact=redact,
            force=force,
        )
        is_path = isinstance(path, (str, Path))
        return export_collection(
            self._guard,
            self._collections,
            name,
            options,
            folder=self._folder,
            path=Path(path) if isinstance(path, (str, Path)) else None,
            stream=None if is_path or path is None else path,  # type: ignore[arg-type]  # what is no path is a stream
        )

    def import_collection(
        self,
        source: str | Path | IO[bytes],
        *,
        collection: str | None = None,
        format: Format | None = None,
        clear_existing: bool = False,
        mode: Mode = "insert",
        key: Sequence[str] = ("_id",),
        on_error: OnError = "stop",
        errors_file: str | Path | None = None,
        dry_run: bool = False,
        batch_documents: int = 1000,
        table: TableOptions | None = None,
    ) -> ImportResult:
        """Import a file, or a binary stream, into a collection: by default the one that the file's name says.

        A relative path is looked for in the working directory, in the project and in the backup folder. The documents
        are loaded into a temporary collection, where the server judges them, and go from there into their place; with
        `on_error="stop"` the collection stays as it was when anything is wrong, with `"skip"` what is good is imported.
        `clear_existing` replaces all documents, in one step. `mode`: `insert` refuses what is there, `upsert` replaces
        the document with the same `key`, `merge` sets its fields. Bad documents are listed in `errors_file`, by default
        `<source>.errors.jsonl` in the backup folder. `table` says how CSV is read. Takes the lock.

        Raises ImportFailedError, RefusedError, ConfigError, BackupError, LockHeldError, CancelledError.
        """
        from wayra_db.backups.transfer import ImportOptions, import_collection
        from wayra_db.backups.transfer.readers import TableOptions

        found = self._find(Path(source)) if isinstance(source, (str, Path)) else source
        stem = found.name if isinstance(found, Path) else f"{collection}_import"
        options = ImportOptions(
            collection=collection,
            format=format,
            clear_existing=clear_existing,
            mode=mode,
            key=tuple(key),
            on_error=on_error,
            errors_file=self._folder / f"{stem}.errors.jsonl" if errors_file is None else Path(errors_file),
            dry_run=dry_run,
            batch_documents=batch_documents,
            table=table or TableOptions(),
        )
        return import_collection(self._guard, self._collections, found, options)

    def _find(self, path: Path) -> Path:
        candidates = (path, self._folder.parent / path, self._folder / path)
        return next((one for one in candidates if one.exists()), path)

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
            source.require_readable()
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
            recovering=action is Action.RECOVER,
        )
        with open_backup(self._folder, name_or_path, identities) as source:
            return restore(
                guard,
                source,
                request,
                action=action,
                safety=(lambda names: self._save(guard, names)) if safety_backup else None,
                discard_writes=discard_writes,
                whole=self._check,
                accept=self._require_safety if safety_backup else None,
            )

    def applied_in(self, name_or_path: str | Path, *, identities: Sequence[str] | Path = ()) -> tuple[int, ...] | None:
        """The versions of the migrations that a backup's data has; None where mongodump has written it."""
        from wayra_db.backups.open import open_backup

        with open_backup(self._folder, name_or_path, identities) as source:
            return source.manifest.applied if source.manifest else None

    def require_recovers(self, name_or_path: str | Path, *, identities: Sequence[str] | Path = ()) -> None:
        """Raise BackupError for what brings no database back: an empty backup, or one of some collections alone."""
        from wayra_db.backups.open import open_backup
        from wayra_db.backups.policy import is_of_some_collections

        with open_backup(self._folder, name_or_path, identities) as source:
            manifest = source.manifest
            if manifest is None:
                return
            why = "holds no documents" if not manifest.documents else ""
            if is_of_some_collections(manifest):
                why = f"holds only {', '.join(one.name for one in manifest.collections)}"
            if why:
                raise BackupError(
                    f"the backup {source.name} {why}, and brings no database back; nothing was changed",
                    hint=f"Name another one, or restore what is in it: wayra-db backup restore {source.name} "
                    "--drop-existing.",
                )

    def continue_restore(self, *, to: str | None = None) -> str | None:
        """Finish a restore that was cut off while it was swapped in; the name of its backup, None when there is none.

        Locks and writes only when there is one.
        """
        from wayra_db.backups.swap import finish

        return finish(self._guard_of(to))

    def clean_leftovers(self) -> tuple[str, ...]:
        """Drop what restores that were cut off have left, and finish or undo imports; returns the temporary collections
        that are gone. After `continue_restore`; locks and writes only when there are some.
        """
        from wayra_db.backups.leftovers import clean

        return clean(self._guard)

    def newest_intact(self, identities: Sequence[str] | Path = ()) -> str:
        """The name of the newest backup of the whole data that is as it was written: what `latest` means.

        Reads backups whole until one is, and remembers what it finds. Safety, redacted and empty backups do not count,
        nor those of single collections, nor what a verification has found damaged. Raises BackupNotFoundError.
        """
        from wayra_db.backups.latest import newest_intact

        return newest_intact(self._guard, self._folder, self._check, identities)

    def save(self) -> str:
        """Back up all collections before something destructive, and check the backup; returns its name.

        Takes no lock. Raises what making and checking it do: then nothing destructive is to be done.
        """
        return self._save(self._guard, None)

    def _save(self, guard: Guard, collections: Sequence[str] | None) -> str:
        from wayra_db.backups.open import open_backup

        name = self._safety(guard, self._folder, collections, self._recipients)
        with open_backup(self._folder, name, NOBODY) as source:
            self._check(guard, source)
        return name

    def _check(self, guard: Guard, source: BackupSource) -> None:
        """Compare a whole backup with its hashes, and remember how that ended."""
        from wayra_db.backups.restore import check

        try:
            check(guard, source)
        except (BackupCorruptError, BackupIncompleteError):
            self.keeper.remember_hashes(source, ok=False)
            raise
        self.keeper.remember_hashes(source, ok=True)

    def _require_safety(self, plan: RestorePlan) -> None:
        """Raise RefusedError where what is replaced could not be backed up first."""
        if plan.over_data and self._safety is take_safety_backup:
            require_safety(self._guard, self._recipients)

    def _guard_of(self, database: str | None) -> Guard:
        if database is None or database == self._guard.deployment.database_name:
            return self._guard
        return self._guard.beside(database)
