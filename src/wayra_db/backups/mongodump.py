"""Directories as `mongodump` writes them, plain or gzip, opened for reading."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from wayra_db.backups import folder as folders
from wayra_db.backups.manifest import CollectionEntry, Kind
from wayra_db.backups.names import collection_of
from wayra_db.backups.runs import AGAIN, corrupt, open_gzip, runs, unpacking
from wayra_db.backups.source import Chunk, Watch
from wayra_db.errors import BackupError, BackupIncompleteError

METADATA = (".metadata.json", ".metadata.json.gz")
DATA = (".bson", ".bson.gz")
BUCKETS = "system.buckets."
SERVER_DATABASES = ("admin", "config", "local")


def is_dump_directory(path: Path) -> bool:
    """Whether it is the folder of a dump, or of one database in a dump."""
    return path.is_dir() and any(_metadata_files(one) for one in (path, *_subfolders(path)))


class MongodumpDirectory:
    """The dump of one database. `path` is the folder that mongodump was told, or the one of the database in it."""

    manifest = None

    def __init__(self, path: Path) -> None:
        self._folder = _database_folder(path)
        self._root = path
        self.name = path.name
        self.database = self._folder.name
        self.collections: Sequence[CollectionEntry] = _entries(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is kept open between reads."""

    def require_readable(self) -> None:
        """What can be known at once was known when it was opened."""

    def check(self, watch: Watch | None = None) -> None:
        """Walk over all documents, unpacking what is packed: such a dump has no hashes to compare with."""
        total = sum((self._folder / one.data).stat().st_size for one in self.collections if one.data)
        done, checked = 0, []
        for one in self.collections:
            documents = size = 0
            for chunk in self.chunks(one):
                documents += chunk.documents
                size += len(chunk.data)
                if watch and one.data:
                    share = size if one.data.endswith(".bson") else 0
                    watch(done + share, total)
            checked.append(replace(one, documents=documents, bytes=size))
            done += (self._folder / one.data).stat().st_size if one.data else 0
            if watch:
                watch(done, total)
        self.collections = tuple(checked)

    def chunks(self, collection: CollectionEntry) -> Iterator[Chunk]:
        """A collection's documents. See BackupSource."""
        if collection.data is not None:
            yield from _documents(self._folder, collection.data)

    def stream(self, collections: Sequence[CollectionEntry]) -> Iterator[tuple[CollectionEntry, Chunk]]:
        """One collection after the other."""
        for collection in collections:
            for chunk in self.chunks(collection):
                yield collection, chunk
                del chunk  # or it would be held while the next is read

    def oplog(self) -> Iterator[Chunk]:
        """`oplog.bson` beside the databases, as `mongodump --oplog` writes it."""
        for name in ("oplog.bson", "oplog.bson.gz"):
            if (self._root / name).exists():
                yield from _documents(self._root, name)


def entry_of(metadata: Any, *, file: str, fallback: str | None, data: str | None) -> CollectionEntry:
    """A collection from its `metadata.json`. `fallback` is its name by the file's; `data` where its documents are.

    Raises BackupCorruptError when the text is none.
    """
    if not isinstance(metadata, dict):
        raise corrupt(file, 0, "it is no JSON object")
    name = metadata.get("collectionName") or fallback
    options, indexes = metadata.get("options") or {}, metadata.get("indexes") or []
    if not isinstance(name, str) or not isinstance(options, dict) or not isinstance(indexes, list):
        raise corrupt(file, 0, "it does not say what the collection is")
    kind: Kind = "collection"
    if metadata.get("type") == "view" or "viewOn" in options:
        kind = "view"
    elif metadata.get("type") == "timeseries" or "timeseries" in options:
        kind = "timeseries"
    return CollectionEntry(
        name=name,
        kind=kind,
        options=options,
        indexes=indexes,
        metadata=file,
        uuid=metadata.get("uuid"),
        data=None if kind == "view" else data,
    )


def parse_metadata(text: bytes | str, file: str) -> Any:
    """The JSON of a `metadata.json`. Raises BackupCorruptError."""
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise corrupt(file, 0, f"it is no JSON: {error}") from error


def is_restorable(name: str) -> bool:
    """Whether a collection of a dump is one to restore; of the server's own only stored functions are."""
    return name == "system.js" or not name.startswith(("system.", "$admin."))


def _entries(folder: Path) -> tuple[CollectionEntry, ...]:
    names = {path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()}
    found, used = [], set()
    for file in sorted(_metadata_files(folder)):
        ending = next(one for one in METADATA if file.endswith(one))
        stem = file.removesuffix(ending)
        with _reading(folder, file) as opened, unpacking(file):
            metadata = parse_metadata(opened.read(), file)
        entry = entry_of(metadata, file=file, fallback=collection_of(stem), data=None)
        if not is_restorable(entry.name):
            used.add(stem)
            continue
        if entry.kind != "view":
            wanted = BUCKETS + stem if entry.kind == "timeseries" else stem
            data = next((wanted + one for one in DATA if wanted + one in names), None)
            if data is None and entry.kind == "timeseries":
                data = _cut_name(names, entry.name)
            if data is None:
                raise _missing(f"{folder.name}/{wanted}.bson")
            used.add(data.partition(".bson")[0])
            entry = replace(entry, data=data)
        found.append(entry)
    for name in sorted(names):
        stem, dot, ending = name.rpartition(".bson")
        if not dot or ending not in ("", ".gz") or stem in used:
            continue
        if stem.startswith(("system.", "$admin.")) or stem == "oplog":
            continue
        raise _missing(f"{folder.name}/{stem}.metadata.json")
    return tuple(found)


def _cut_name(names: set[str], collection: str) -> str | None:
    """The file of a time series' buckets whose name was too long to be written out."""
    from wayra_db.backups.names import file_stem

    stem = file_stem(BUCKETS + collection)
    return next((stem + one for one in DATA if stem + one in names), None)


def _database_folder(path: Path) -> Path:
    if path.is_symlink():
        raise BackupError(f"{path} is a link, and none is followed", hint="Name the real folder.")
    if _metadata_files(path):
        return path
    databases = [one for one in _subfolders(path) if _metadata_files(one) and one.name not in SERVER_DATABASES]
    if len(databases) != 1:
        found = ", ".join(one.name for one in databases) or "none"
        raise BackupError(
            f"{path} holds the dumps of {len(databases)} databases: {found}",
            hint=f"Name the folder of one of them, as {path / (databases[0].name if databases else 'DATABASE')}.",
        )
    return databases[0]


def _subfolders(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.is_symlink())


def _metadata_files(path: Path) -> list[str]:
    return [one.name for one in path.iterdir() if one.name.endswith(METADATA) and one.is_file()]


def _documents(folder: Path, name: str) -> Iterator[Chunk]:
    with _reading(folder, name) as file, unpacking(name):
        yield from runs(file, name)


@contextmanager
def _reading(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A file of the dump, unpacked while it is read where its name says that it is packed. Follows no link."""
    try:
        raw = folders.open_file(folder, name)
    except FileNotFoundError as error:
        raise _missing(name) from error
    with raw:
        if name.endswith(".gz"):
            with open_gzip(raw) as file:
                yield file
        else:
            yield raw


def _missing(file: str) -> BackupIncompleteError:
    return BackupIncompleteError(f"the dump is incomplete: {file} is missing", file=file, hint=AGAIN)
