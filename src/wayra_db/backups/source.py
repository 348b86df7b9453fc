"""What a restore, a verification or a copy needs of a backup, whichever tool has written it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from wayra_db.backups.manifest import CollectionEntry, Manifest


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole documents as raw BSON, about 1 MiB; `file` and `offset` say where it lies, for messages."""

    data: bytes | memoryview
    documents: int
    file: str
    offset: int


class BackupSource(Protocol):
    """An opened backup, for reading. Use as a context manager.

    Everything that does not fit is a BackupCorruptError with the file and the offset; a file that is missing is a
    BackupIncompleteError. `manifest` is None for what mongodump has written.
    """

    name: str
    manifest: Manifest | None
    collections: Sequence[CollectionEntry]

    def chunks(self, collection: CollectionEntry) -> Iterator[Chunk]:
        """The documents of a collection in the order of the file, each chunk checked against its hash where the backup
        has one. May be called for several collections side by side, from several threads.
        """

    def oplog(self) -> Iterator[Chunk]:
        """The oplog slice that came with it; nothing when there is none."""

    def close(self) -> None:
        """Close its files."""
