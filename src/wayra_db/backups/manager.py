"""BackupManager: what a program and the command line call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from wayra_db.backups.catalog import BackupEntry, list_backups
from wayra_db.environment import Action
from wayra_db.guard import Guard
from wayra_db.schema.collection import Collection

if TYPE_CHECKING:
    from wayra_db.backups.clone import CloneResult
    from wayra_db.backups.create import BackupResult
    from wayra_db.backups.manifest import Codec, Reason
    from wayra_db.backups.transfer import ExportResult, ImportResult
    from wayra_db.backups.transfer.files import Format
    from wayra_db.backups.transfer.import_ import Mode, OnError
    from wayra_db.backups.transfer.readers import TableOptions


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
