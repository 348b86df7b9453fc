"""What a restore, a verification or a copy needs of a backup, whichever tool has written it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from wayra_db.backups.manifest import CollectionEntry, Manifest


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of whole documents as raw BSON, about 1 MiB; `file` and `offset` say where it lies, for messages."""

    data: bytes | memoryview
    documents: int
    file: str
    offset: int


# Called with the bytes that were read so far and all that there are, None where that is not known.
Watch = Callable[[int, int | None], None]


class BackupSource(Protocol):
    """An opened backup, for reading. Use as a context manager.

    Everything that does not fit is a BackupCorruptError with the file and the offset; a file that is missing is a
    BackupIncompleteError.
    """

    @property
    def name(self) -> str:
        """The backup's name."""

    @property
    def database(self) -> str:
        """The database that it was taken from."""

    @property
    def manifest(self) -> Manifest | None:
        """What it says of itself; None for what mongodump has written."""

    @property
    def collections(self) -> Sequence[CollectionEntry]:
        """What is in it."""

    def require_readable(self) -> None:
        """Raise what can be known without reading documents: ConfigError where no identity opens it, and
        BackupCorruptError where it does not say where its documents lie.
        """

    def check(self, watch: Watch | None = None) -> None:
        """Read the whole backup once and compare it with every hash, length and checksum that it has.

        Afterwards `collections` says how many documents and bytes each has, also where mongodump wrote none down.
        `watch` may raise to stop it.
        """

    def chunks(self, collection: CollectionEntry) -> Iterator[Chunk]:
        """The documents of a collection in the order of the file, each chunk checked against its hash where the backup
        has one. May be called for several collections side by side, from several threads.
        """

    def stream(self, collections: Sequence[CollectionEntry]) -> Iterator[tuple[CollectionEntry, Chunk]]:
        """The documents of all these collections in one pass over the backup, in the order in which they lie in it;
        those of one collection may be mixed with others'.
        """

    def oplog(self) -> Iterator[Chunk]:
        """The oplog slice that came with it; nothing when there is none."""

    def close(self) -> None:
        """Close its files."""

    def __enter__(self) -> Self:
        """The source itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
