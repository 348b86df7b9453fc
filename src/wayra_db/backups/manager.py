"""BackupManager: what a program and the command line call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from wayra_db.backups.catalog import BackupEntry, list_backups
from wayra_db.guard import Guard
from wayra_db.schema.collection import Collection

if TYPE_CHECKING:
    from wayra_db.backups.transfer import ExportResult, ImportResult
    from wayra_db.backups.transfer.files import Format
    from wayra_db.backups.transfer.import_ import Mode, OnError
    from wayra_db.backups.transfer.readers import TableOptions


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
        return list_backups(self._folder)

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
