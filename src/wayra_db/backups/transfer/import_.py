"""Import of a file into one collection: all of it or nothing, unless the caller wants what is good.

The file is read into a temporary collection with the target's validator and unique indexes, so that the server judges
each document, and goes from there into its place: by a rename, where it makes up the whole collection, or by `$merge`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from wayra_db.backups.transfer import staging
from wayra_db.backups.transfer.conflicts import invalid_when_merged, known_ids, taken_keys
from wayra_db.backups.transfer.destination import Destination, Way, inspect
from wayra_db.backups.transfer.files import DamagedError, Format, Input, collection_of, kind_of, opened
from wayra_db.backups.transfer.loading import Loader
from wayra_db.backups.transfer.readers import TableOptions, read_documents
from wayra_db.backups.transfer.rejects import Places, Reject, Rejects
from wayra_db.backups.transfer.split import BrokenFileError, Place
from wayra_db.environment import Action
from wayra_db.errors import ConfigError, DatabaseOperationError, ImportFailedError, WayraError
from wayra_db.events import Notice, Progress, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.schema.collection import Collection

Mode = Literal["insert", "upsert", "merge"]
OnError = Literal["stop", "skip"]

STDIN = "standard input"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a file is imported. `key` are the fields by which `upsert` and `merge` know a document again."""

    collection: str | None = None
    format: Format | None = None
    clear_existing: bool = False
    mode: Mode = "insert"
    key: Sequence[str] = ("_id",)
    on_error: OnError = "stop"
    errors_file: Path | None = None
    dry_run: bool = False
    batch_documents: int = 1000
    table: TableOptions = field(default_factory=TableOptions)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of the documents of a file.

    `imported` are in the collection, or would be after a `dry_run`; `rejected` are not, for `reasons`, which say how
    often each was met; `first_rejects` are the first of them, `errors_file` holds all.
    """

    collection: str
    file: str
    mode: str
    read: int
    imported: int
    rejected: int
    replaced_all: bool
    dry_run: bool
    seconds: float
    reasons: Mapping[str, int]
    first_rejects: tuple[Reject, ...] = ()
    errors_file: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "collection": self.collection,
            "file": self.file,
            "mode": self.mode,
            "read": self.read,
            "imported": self.imported,
            "rejected": self.rejected,
            "replacedAll": self.replaced_all,
            "dryRun": self.dry_run,
            "seconds": round(self.seconds, 3),
            "reasons": dict(self.reasons),
            "firstRejects": [one.to_dict() for one in self.first_rejects],
            "errorsFile": None if self.errors_file is None else str(self.errors_file),
        }


def import_collection(
    guard: Guard,
    collections: Sequence[Collection],
    source: Path | IO[bytes],
    options: ImportOptions,
) -> ImportResult:
    """Import a file, or a stream of known `format`. Takes the lock and writes the audit log.

    With `on_error="stop"` the collection is as it was when anything is wrong: Raises ImportFailedError. A process that
    is killed leaves it as it was as well, or the next import finishes what it had begun to put into place. With `skip`
    what is good is imported. A dry run imports nothing, and counts what would be. Raises RefusedError, ConfigError,
    LockHeldError, CancelledError.
    """
    name, format = _names(source, options)
    guard.require(Action.IMPORT)
    with ExitStack() as resources:
        file = resources.enter_context(opened(source)) if isinstance(source, Path) else Input(source)
        label = str(source) if isinstance(source, Path) else STDIN
        rejects = resources.enter_context(Rejects(label, options.errors_file))
        lease = resources.enter_context(guard.changing(Action.IMPORT, f"import {name}"))
        staging.finish_imports(guard, lease)
        declared = next((one for one in collections if one.name == name), None)
        destination = inspect(guard.deployment, name, declared, options)
        return _Import(guard, lease, destination, options, file, label, format, rejects).run()


def _names(source: Path | IO[bytes], options: ImportOptions) -> tuple[str, Format]:
    if not isinstance(source, Path):
        if options.collection is None or options.format is None:
            raise ConfigError(
                "a stream says neither its collection nor its format",
                key="collection",
                hint="Give --collection and --format.",
            )
        return options.collection, options.format
    name = collection_of(source.name) if options.collection is None else options.collection
    return name, kind_of(source.name, options.format).format


class _Import:
    """One import under its lease."""

    def __init__(
        self,
        guard: Guard,
        lease: Lease,
        destination: Destination,
        options: ImportOptions,
        file: Input,
        label: str,
        format: Format,
        rejects: Rejects,
    ) -> None:
        self._guard = guard
        self._deployment = guard.deployment
        self._lease = lease
        self._to = destination
        self._options = options
        self._file = file
        self._label = label
        self._format = format
        self._rejects = rejects
        self._started = time.monotonic()
        self._going_over = False
        self._stops = options.on_error == "stop" and not options.dry_run

    def run(self) -> ImportResult:
        if self._to.way is Way.DIRECT:
            return self._directly()
        name = staging.new_name()
        try:
            with Places() as places:
                return self._beside(name, places)
        finally:
            if self._going_over:
                text = f"the documents are on their way into {self._to.name}: the next import brings that to its end"
                notify(self._guard.observer, Notice(text, "warning"))
            else:
                self._drop(name)

    def _drop(self, name: str) -> None:
        """The next import would drop it as well; an error that is on its way must not be hidden by another."""
        try:
            staging.drop(self._deployment, name)
        except WayraError as error:
            notify(self._guard.observer, Notice(f"{name} could not be dropped: {error.message}", "warning"))

    def _directly(self) -> ImportResult:
        """Into the collection itself, what is good of it."""
        if not self._to.exists:
            staging.create(self._deployment, self._to.name, self._to.options)
            staging.build_indexes(self._deployment, self._to.name, self._to.indexes)
        self._lease.write({**self._event(), "event": "import started"})
        loader = self._loader(self._to.name, None)
        try:
            self._load(loader)
        finally:
            self._lease.write({**self._event(loader.loaded), "event": "import finished"})
        return self._result(loader, loader.loaded)

    def _beside(self, name: str, places: Places) -> ImportResult:
        staging.create(self._deployment, name, self._to.staging_options)
        staging.build_indexes(self._deployment, name, self._to.indexes_before)
        loader = self._loader(name, places)
        self._load(loader)
        self._stop_if_rejected(loader.read)
        rest = loader.loaded
        if self._to.way is Way.MERGE and self._to.exists:
            rest -= self._judge(name, places)
            self._stop_if_rejected(loader.read)
        if not self._options.dry_run:
            self._put(name, rest)
        return self._result(loader, rest)

    def _put(self, name: str, documents: int) -> None:
        # From here on it is brought to its end: a stop that is asked for waits.
        self._guard.stop.check()
        with self._guard.stop.protected():
            if self._to.way is Way.REPLACE:
                staging.build_indexes(self._deployment, name, self._to.indexes_after)
                self._lease.write({**self._event(documents), "event": "import started", "staging": name})
                staging.put_in_place(self._deployment, self._lease, name, self._to.name, documents)
                self._lease.write({**self._event(documents), "event": "import finished"})
                return
            record = staging.Merge(name, self._to.name, self._options.mode, self._to.key)
            self._going_over = True
            try:
                staging.merge(self._deployment, self._lease, record, self._event(documents))
            except DatabaseOperationError as error:
                self._going_over = False
                raise self._met_a_writer() from error
            self._lease.write({**self._event(documents), "event": "import finished"}, record.forget())
            self._going_over = False

    def _loader(self, name: str, places: Places | None) -> Loader:
        return Loader(
            self._deployment,
            name,
            self._rejects,
            places=places if self._to.way is Way.MERGE else None,
            key=self._to.key,
            batch_documents=self._options.batch_documents,
        )

    def _load(self, loader: Loader) -> None:
        documents = read_documents(self._file.read, self._format, self._options.table)
        try:
            loader.load(documents, stop_at_first=self._stops, at_batch=self._at_batch)
        except BrokenFileError as error:
            self._rejects.add(error.place, error.reason)
            raise self._failed(loader, broken=True) from error
        except DamagedError as error:
            self._rejects.add(Place(loader.read + 1, 0, 0, 0), f"{error}: it cannot be read on")
            raise self._failed(loader, broken=True) from error

    def _at_batch(self, read: int) -> None:
        self._guard.stop.check()
        self._lease.check()
        notify(self._guard.observer, Progress(f"import {self._to.name}", read, None, "documents"))

    def _judge(self, name: str, places: Places) -> int:
        """Reject what the target itself would refuse; returns how many."""
        options, target = self._options, self._to.name
        questions: list[tuple[str, list[dict[str, Any]], Mapping[str, Any]]] = []
        modern = self._deployment.capabilities.server_version >= (5, 0)
        if options.mode == "insert":
            questions.append(("duplicate key: the collection has a document with this _id", known_ids(target), {}))
        for index in self._to.unique if modern else ():
            fields = ", ".join(index["key"])
            if options.mode != "insert" and tuple(index["key"]) == self._to.key:
                continue
            pipeline = taken_keys(target, index, self._to.key, replacing=options.mode != "insert")
            collation = {"collation": index["collation"]}
            reason = f"duplicate key: the collection has a document with the same {fields}"
            questions.append((reason, pipeline, collation))
        if options.mode == "merge" and modern and self._to.validator:
            pipeline = invalid_when_merged(target, self._to.key, self._to.validator)
            questions.append(("the validator refuses the document that it would make", pipeline, {}))
        removed = 0
        for reason, pipeline, asked in questions:
            # Finding places reads all of them, so that it is done for many at once.
            for keys in staging.batched(staging.ask(self._deployment, name, pipeline, **asked), 100_000):
                self._guard.stop.check()
                for place in places.find(keys):
                    self._rejects.add(place, reason)
                for part in staging.batched(keys):
                    removed += staging.remove(self._deployment, name, self._to.key, part)
        return removed

    def _met_a_writer(self) -> ImportFailedError:
        """What the server refuses now was not there when it was asked: somebody else is writing."""
        if self._options.mode == "insert":
            said, hint = "it was undone as a whole", "Run it again."
        else:
            said = "a part of the documents is in the collection"
            hint = "Running it again is safe: what is there is replaced by itself."
        return ImportFailedError(
            f"the import into {self._to.name} met a document that was not there a moment ago, and {said}",
            file=self._label,
            hint=hint,
        )

    def _stop_if_rejected(self, read: int) -> None:
        if self._stops and self._rejects.count:
            raise self._failed(None, broken=False)

    def _failed(self, loader: Loader | None, *, broken: bool) -> ImportFailedError:
        first = self._rejects.first[0] if not broken else self._rejects.last
        assert first is not None  # noqa: S101  # there is one, or nothing failed
        if self._to.way is Way.DIRECT and loader is not None:
            state = f"{loader.loaded:,} documents before it were imported into {self._to.name}"
        else:
            state = f"{self._to.name} is as it was"
        more = f" ({self._rejects.count:,} documents in all)" if self._rejects.count > 1 else ""
        hint = "Correct the file."
        if not broken and self._options.on_error == "stop":
            hint = "Correct the file, or import what is good with --on-error skip; --dry-run lists all that is wrong."
        return ImportFailedError(
            f"{first}{more}; {state}",
            file=self._label,
            line=first.line,
            column=first.column,
            rejected=self._rejects.count,
            errors_file=self._rejects.path,
            hint=hint,
        )

    def _event(self, documents: int | None = None) -> dict[str, Any]:
        file = Path(self._label).name if self._label != STDIN else STDIN
        event: dict[str, Any] = {
            "collection": self._to.name,
            "file": file,
            "mode": self._options.mode,
            "clearExisting": self._options.clear_existing,
        }
        return event if documents is None else {**event, "documents": documents}

    def _result(self, loader: Loader, imported: int) -> ImportResult:
        return ImportResult(
            collection=self._to.name,
            file=self._label,
            mode=self._options.mode,
            read=loader.read,
            imported=imported,
            rejected=self._rejects.count,
            replaced_all=self._options.clear_existing,
            dry_run=self._options.dry_run,
            seconds=time.monotonic() - self._started,
            reasons=self._rejects.reasons,
            first_rejects=tuple(self._rejects.first),
            errors_file=self._rejects.path,
        )
