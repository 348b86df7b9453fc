"""Export of one collection or view into a file, or to a stream. Reads only.

The server chooses, sorts, projects and masks; what it sends stays raw BSON unless the format is text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from wayra_db.backups.documents import split
from wayra_db.backups.names import file_stem
from wayra_db.backups.transfer.exposure import exposed, sources_of
from wayra_db.backups.transfer.files import FileKind, Format, Output, kind_of, new_file, packed
from wayra_db.backups.transfer.redaction import Masked, mask
from wayra_db.backups.transfer.writers import Writer, writer_for
from wayra_db.environment import Action
from wayra_db.errors import BackupError, ConfigError
from wayra_db.events import Notice, Progress, SecurityEvent, notify
from wayra_db.guard import Guard
from wayra_db.mongo.errors import translated
from wayra_db.schema.collection import Collection
from wayra_db.schema.live import LiveCollection, read_collections

if TYPE_CHECKING:
    from wayra_db.mongo.client import Document

BATCH_DOCUMENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is exported and how it is written; `limit` 0 means all. Types of columns go into a `typed_header` of CSV."""

    query: Mapping[str, Any] = field(default_factory=dict)
    sort: Mapping[str, Any] = field(default_factory=dict)
    limit: int = 0
    fields: Sequence[str] = ()
    exclude: Sequence[str] = ()
    format: Format | None = None
    canonical: bool = False
    pretty: bool = False
    typed_header: bool = False
    redact: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was written; `bytes` is the size before it was packed, `path` None for a stream.

    `inexact` counts the documents of which the format could not hold everything.
    """

    collection: str
    path: Path | None
    format: Format
    documents: int
    bytes: int
    redacted: bool
    inexact: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "collection": self.collection,
            "path": None if self.path is None else str(self.path),
            "format": self.format,
            "documents": self.documents,
            "bytes": self.bytes,
            "redacted": self.redacted,
            "inexact": self.inexact,
        }


def export_collection(
    guard: Guard,
    collections: Sequence[Collection],
    name: str,
    options: ExportOptions,
    *,
    folder: Path,
    path: Path | None = None,
    stream: IO[bytes] | None = None,
) -> ExportResult:
    """Export a collection or view to `path`, to `stream`, or to `<folder>/<name>_export.<format>`.

    A file is written beside its place with mode 0600 and put there whole; nothing is left when it fails. Locks and
    writes nothing in the database. Raises RefusedError, ConfigError, BackupError, CancelledError.
    """
    _require_sensible(options)
    live = _live(guard, name)
    kind, target = _target(name, options, folder, path, stream)
    masked = _masked(guard, collections, live, options)
    place: AbstractContextManager[Output]
    if stream is not None:
        place = packed(stream, kind.compression)
    else:
        assert target is not None  # noqa: S101  # without a stream there is a path
        if path is not None and not target.parent.exists():
            raise BackupError(
                f"there is no folder {target.parent}; nothing was written",
                hint=f"Make it first, mkdir -p {target.parent}, or choose another --output.",
            )
        place = new_file(target, kind.compression, force=options.force)
    with place as output:
        writer = writer_for(
            output,
            kind.format,
            canonical=options.canonical,
            pretty=options.pretty,
            fields=options.fields,
            typed_header=options.typed_header,
            folder=None if target is None else str(target.parent),
        )
        documents = _copy(guard, live, options, masked, writer)
        writer.finish()
        guard.stop.check()
        size = output.size
    if writer.inexact:
        words = "documents hold" if writer.inexact > 1 else "document holds"
        text = f"{writer.inexact:,} {words} what {kind.format} cannot say exactly; --format bson keeps every byte"
        notify(guard.observer, Notice(text, "warning"))
    return ExportResult(name, target, kind.format, documents, size, options.redact, writer.inexact)


def _require_sensible(options: ExportOptions) -> None:
    if options.fields and options.exclude:
        raise ConfigError(
            "fields are chosen and left out at once", key="fields", hint="Give --fields or --exclude, not both."
        )
    for path in (*options.fields, *options.exclude):
        if not all(path.split(".")) or path.startswith("$") or "\0" in path:
            raise ConfigError(f"{path!r} is no path of a field", key="fields", hint="Write it like profile.firstName.")
    if options.limit < 0:
        raise ConfigError("the limit is below 0", key="limit", hint="Give how many documents at most; 0 for all.")


def _live(guard: Guard, name: str) -> LiveCollection:
    guard.require(Action.EXPORT)
    live = read_collections(guard.deployment)
    if name not in live:
        known = ", ".join(sorted(live)) or "none"
        raise BackupError(f"there is no collection {name!r} to export", hint=f"There are: {known}.")
    return live[name]


def _target(
    name: str, options: ExportOptions, folder: Path, path: Path | None, stream: IO[bytes] | None
) -> tuple[FileKind, Path | None]:
    if stream is not None:
        return FileKind(options.format or "json"), None
    if path is None:
        path = folder / f"{file_stem(name)}_export.{options.format or 'json'}"
    kind = kind_of(path.name, options.format)
    if options.pretty and kind.format != "json":
        raise ConfigError(
            f"{kind.format} has no pretty form", key="pretty", hint="Use --format json, or leave out --pretty."
        )
    return kind, path


def _masked(
    guard: Guard, collections: Sequence[Collection], live: LiveCollection, options: ExportOptions
) -> Masked | None:
    """How the documents are masked, None where they come as they are, which the environment must allow."""
    declared = {one.name: one for one in collections}
    own = declared.get(live.name)
    if live.kind == "view" and (own is None or not own.sensitive):
        sensitive = sorted(_sensitive_below(guard, live, declared))
        if sensitive and options.redact:
            raise ConfigError(
                f"which fields of the view {live.name} are sensitive is not declared, and it reads {sensitive[0]}",
                key="redact",
                hint=f"Declare the view with its sensitive fields, or export {sensitive[0]} with --redact.",
            )
        shown: Sequence[str] = sensitive
    else:
        paths = own.sensitive if own is not None else {}
        if options.redact and own is not None and paths:
            return mask(own, literal_names=guard.deployment.capabilities.server_version >= (5, 0))
        if options.redact:
            text = f"no sensitive fields are declared for {live.name}: its documents are exported as they are"
            notify(guard.observer, Notice(text, "warning"))
        shown = exposed(paths, options.fields, options.exclude)
    if shown and not options.redact:
        guard.require(Action.EXPORT_SENSITIVE)
        what = f"export of {live.name}, sensitive fields included"
        notify(guard.observer, SecurityEvent(Action.EXPORT_SENSITIVE.value, "allowed", guard.environment.value, what))
    return None


def _sensitive_below(guard: Guard, view: LiveCollection, declared: Mapping[str, Collection]) -> set[str]:
    """The collections with sensitive fields that a view reads, through other views too."""
    live = read_collections(guard.deployment)
    seen: set[str] = set()
    pending = [view.name]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += sources_of(live[name].options) if name in live else ()
    return {name for name in seen if name in declared and declared[name].sensitive}


def _copy(guard: Guard, live: LiveCollection, options: ExportOptions, masked: Masked | None, writer: Writer) -> int:
    task, documents = f"export {live.name}", 0
    with translated(guard.deployment.address):
        total = _total(guard, live, options)
        for batch in _batches(guard, live.name, options, masked):
            guard.stop.check()
            found = [batch[begin:end] for begin, end in split(batch)]
            writer.write(found)
            documents += len(found)
            notify(guard.observer, Progress(task, documents, max(total, documents) if total else None, "documents"))
    return documents


def _total(guard: Guard, live: LiveCollection, options: ExportOptions) -> int:
    """About how many documents there are to come, 0 where that would have to be counted."""
    if options.query or live.kind == "view":
        return options.limit
    total = guard.deployment.database[live.name].estimated_document_count()
    return min(total, options.limit) if options.limit else total


def _batches(guard: Guard, name: str, options: ExportOptions, masked: Masked | None) -> Iterator[bytes]:
    """The documents as the server sends them, in runs of raw BSON."""
    collection = guard.deployment.database[name]
    projection = _projection(options)
    if masked is None:
        found = collection.find_raw_batches(
            dict(options.query),
            projection,
            sort=list(options.sort.items()) or None,
            limit=options.limit,
            batch_size=BATCH_DOCUMENTS,
            allow_disk_use=True if options.sort else None,
        )
        with found:
            yield from found
        return
    pipeline: list[Document] = [{"$match": dict(options.query)}] if options.query else []
    pipeline += [{"$sort": dict(options.sort)}] if options.sort else []
    pipeline += [{"$limit": options.limit}] if options.limit else []
    pipeline += masked.stages(projection)
    aggregated: Any = collection.aggregate_raw_batches(pipeline, batchSize=BATCH_DOCUMENTS, allowDiskUse=True)
    with aggregated:
        for batch in aggregated:
            yield masked.finish(batch)


def _projection(options: ExportOptions) -> dict[str, int] | None:
    """What the server leaves out. Of two chosen fields one inside the other, the outer one says it all."""
    if options.exclude:
        return dict.fromkeys(_outermost(options.exclude), 0)
    if not options.fields:
        return None
    chosen = dict.fromkeys(_outermost(options.fields), 1)
    return chosen if any(path.split(".")[0] == "_id" for path in chosen) else {**chosen, "_id": 0}


def _outermost(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not any(path.startswith(f"{other}.") for other in paths)]
