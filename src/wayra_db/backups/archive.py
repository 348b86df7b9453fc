"""Archives as `mongodump --archive` writes them, plain or gzip, read in one pass with little memory.

An archive is a magic number, a header, the metadata of all collections, a terminator, and then blocks. A block is a
header that names its collection, documents, and a terminator; blocks of several collections are mixed. A collection's
last block has no documents and carries the CRC-64 of all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from wayra_db.backups import folder as folders
from wayra_db.backups.catalog import ARCHIVE_MAGIC, GZIP_MAGIC
from wayra_db.backups.crc64 import Checker, checker
from wayra_db.backups.documents import LARGEST, SMALLEST
from wayra_db.backups.manifest import CollectionEntry
from wayra_db.backups.mongodump import BUCKETS, SERVER_DATABASES, entry_of, is_restorable, parse_metadata
from wayra_db.backups.runs import AGAIN, RUN, corrupt, open_gzip, unpacking
from wayra_db.backups.source import Chunk, Watch
from wayra_db.errors import BackupCorruptError, BackupError, BackupIncompleteError

TERMINATOR = -1
OPLOG = ("", "oplog")

_read_length = struct.Struct("<i").unpack

Namespace = tuple[str, str]


def is_archive(path: Path) -> bool:
    """Whether a file begins like an archive, as it is or inside gzip."""
    try:
        with _opened(path) as file, unpacking(path.name):
            return file.read(len(ARCHIVE_MAGIC)) == ARCHIVE_MAGIC
    except BackupCorruptError:
        return False


class MongodumpArchive:
    """The archive of one database. Each reading is a pass over the whole file."""

    manifest = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name
        self._checked = False
        with _opened(path) as file:
            _, prelude = _read_prelude(_Reader(file, path.name))
        self.database = _one_database(prelude, path)
        entries = []
        for document in prelude:
            if document["db"] != self.database or not is_restorable(document["collection"]):
                continue
            metadata = parse_metadata(document.get("metadata") or "", path.name)
            entry = entry_of(metadata, file=path.name, fallback=document["collection"], data=document["collection"])
            entries.append(replace(entry, data=BUCKETS + entry.name) if entry.kind == "timeseries" else entry)
        self.collections: Sequence[CollectionEntry] = tuple(entries)

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
        """Read all of it: every checksum must match, and every collection must have its end."""
        total = self._path.stat().st_size
        documents: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for (database, name), chunk, position in self._pass():
            if database == self.database:
                documents[name] = documents.get(name, 0) + chunk.documents
                sizes[name] = sizes.get(name, 0) + len(chunk.data)
            if watch:
                watch(position, total)
        self.collections = tuple(
            replace(one, documents=documents.get(one.data or "", 0), bytes=sizes.get(one.data or "", 0))
            for one in self.collections
        )

    def chunks(self, collection: CollectionEntry) -> Iterator[Chunk]:
        """A collection's documents; passes over all others."""
        for _, chunk in self.stream([collection]):
            yield chunk

    def stream(self, collections: Sequence[CollectionEntry]) -> Iterator[tuple[CollectionEntry, Chunk]]:
        """In one pass, mixed as they lie in the file."""
        wanted = {(self.database, one.data): one for one in collections if one.data is not None}
        for namespace, chunk, _ in self._pass():
            if entry := wanted.get(namespace):
                yield entry, chunk

    def oplog(self) -> Iterator[Chunk]:
        """The oplog that `mongodump --oplog` has put in."""
        for namespace, chunk, _ in self._pass():
            if namespace == OPLOG:
                yield chunk

    def _pass(self) -> Iterator[tuple[Namespace, Chunk, int]]:
        """Every run of documents with its namespace and the place in the file, checked as far as it has been read."""
        with _opened(self._path) as file, unpacking(self.name):
            reader = _Reader(file, self.name)
            _read_prelude(reader)
            open_ones: dict[Namespace, Checker] = {}
            ended: set[Namespace] = set()
            while (header := reader.document(at_end=True)) is not None:
                if header.raw is None:
                    raise corrupt(self.name, header.offset, "a block has no header")
                fields = header.decode(self.name)
                database, name = fields.get("db"), fields.get("collection")
                if not isinstance(database, str) or not isinstance(name, str):
                    raise corrupt(self.name, header.offset, "a block does not say whose it is")
                namespace = (database, name)
                if namespace in ended:
                    raise corrupt(self.name, header.offset, f"documents of {namespace[1]} follow its end")
                check = open_ones.setdefault(namespace, checker())
                if fields.get("EOF"):
                    if not check.matches(int(fields.get("CRC", 0))):
                        raise corrupt(self.name, header.offset, f"the checksum of {namespace[1]} does not match")
                    ended.add(namespace)
                    end = reader.document()
                    if end is None or end.raw is not None:
                        raise corrupt(self.name, reader.offset, "documents follow the end of their collection")
                    continue
                for chunk in reader.block():
                    check.update(chunk.data)
                    yield namespace, chunk, file.tell()
            unfinished = sorted(set(open_ones) - ended)
            # A view has no documents and no end.
            expected = {(self.database, one.data) for one in self.collections if one.data is not None}
            missing = sorted(name for _, name in expected - ended if name)
            if unfinished or missing:
                name = unfinished[0][1] if unfinished else missing[0]
                raise BackupIncompleteError(
                    f"the archive {self.name} is cut: the end of {name} is missing", file=self.name, hint=AGAIN
                )


@dataclass(frozen=True, slots=True)
class _Found:
    """A document with its place; `raw` is None for a terminator."""

    raw: bytes | None
    offset: int

    def decode(self, file: str) -> Mapping[str, Any]:
        """Its fields; for headers only, which are small."""
        import bson
        from bson.errors import InvalidBSON

        try:
            fields: Mapping[str, Any] = bson.decode(self.raw or b"")
        except (InvalidBSON, UnicodeDecodeError) as error:
            raise corrupt(file, self.offset, "a header is damaged") from error
        return fields


@dataclass(slots=True)
class _Reader:
    """Reads an archive piece by piece; `offset` is the place in the unpacked file."""

    file: IO[bytes]
    name: str
    offset: int = 0
    _parts: list[bytes] = field(default_factory=list)

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        data = self.file.read(size)
        while len(data) < size:
            more = self.file.read(size - len(data))
            if not more:
                raise corrupt(self.name, self.offset + len(data), "the archive is cut")
            data += more
        self.offset += size
        return data

    def document(self, *, at_end: bool = False) -> _Found | None:
        """The next document or terminator; None at the end of the file, where one is allowed `at_end`."""
        start = self.offset
        head = self.file.read(4)
        if not head and at_end:
            return None
        if len(head) < 4:
            head += self.file.read(4 - len(head))
        if len(head) < 4:
            raise corrupt(self.name, start, "the archive is cut")
        self.offset += 4
        (size,) = _read_length(head)
        if size == TERMINATOR:
            return _Found(None, start)
        if not SMALLEST <= size <= LARGEST:
            raise corrupt(self.name, start, f"a document claims {size} bytes")
        body = self.exactly(size - 4)
        if body[-1]:
            raise corrupt(self.name, start, "a document does not end where it says")
        return _Found(head + body, start)

    def block(self) -> Iterator[Chunk]:
        """The documents up to the next terminator, in runs of about 1 MiB."""
        parts: list[bytes] = []
        size, start = 0, self.offset
        while True:
            found = self.document()
            raw = found.raw if found else None
            if parts and (raw is None or size + len(raw) > RUN):
                yield Chunk(b"".join(parts), len(parts), self.name, start)
                parts, size = [], 0
            if found is None or raw is None:
                return
            if not parts:
                start = found.offset
            parts.append(raw)
            size += len(raw)


def _read_prelude(reader: _Reader) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The header and the metadata of the collections."""
    with unpacking(reader.name):
        if reader.exactly(4) != ARCHIVE_MAGIC:
            raise corrupt(reader.name, 0, "it is no archive of mongodump")
        found = reader.document()
        if found is None or found.raw is None:
            raise corrupt(reader.name, 4, "it has no header")
        header = found.decode(reader.name)
        collections = []
        while (found := reader.document()) is not None and found.raw is not None:
            fields = found.decode(reader.name)
            if not isinstance(fields.get("db"), str) or not isinstance(fields.get("collection"), str):
                raise corrupt(reader.name, found.offset, "it does not say which collection it describes")
            collections.append(fields)
    return header, collections


def _one_database(prelude: Sequence[Mapping[str, Any]], path: Path) -> str:
    found = sorted({one["db"] for one in prelude} - {"", *SERVER_DATABASES})
    if len(found) != 1:
        raise BackupError(
            f"the archive {path.name} holds {len(found)} databases: {', '.join(found) or 'none'}",
            hint="Dump one of them alone: mongodump --db DATABASE --archive=FILE.",
        )
    return str(found[0])


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The archive, unpacked while it is read where it is packed. Follows no link."""
    with folders.open_file(path.parent, path.name) as raw:
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if not packed:
            yield raw
            return
        with open_gzip(raw) as file:
            yield file
