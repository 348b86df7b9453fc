"""The contract of a store: a place with whole backups in it, each a set of files under a name.

Every store keeps these promises, and one suite of tests holds all of them to it:

- A backup that is being uploaded, was cut off there, or is being deleted is not among `names()`.
- `put` keeps a file whole and with the checksum it should have, or not at all.
- What an upload has finished outlives it: another upload under the same name and key finds it there by `holds`.
- `publish` makes the backup appear in one step, with the files of its manifest and no others.
- `delete` makes it disappear in one step; a delete that is cut off leaves nothing that is listed.
- Names and paths never lead out of the store's place, and nothing follows a link.

Nothing here is safe against two uploads of one backup at once; whole files of the same content are all they can make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import IO, Protocol, Self

from wayra_db.backups.manifest import FileEntry
from wayra_db.errors import BackupCorruptError

Opener = Callable[[int], IO[bytes]]
"""Opens a file for reading from an offset."""

Moved = Callable[[int], None]
"""Is told how many bytes more have come along."""


def not_as_stated(path: str) -> BackupCorruptError:
    """What `put` raises."""
    return BackupCorruptError(
        f"{path} is not what the manifest says: it was not copied",
        file=path,
        hint="Verify the backup that it comes from: wayra-db backup verify.",
    )


class Upload(Protocol):
    """A backup on its way into a store. Files may be put from several threads."""

    def holds(self, path: str, entry: FileEntry) -> bool:
        """Whether this file is there already, with this size and checksum."""

    def put(self, path: str, entry: FileEntry, open_at: Opener, moved: Moved) -> None:
        """Bring one file, going on from where an upload before was cut off where the store can.

        Raises BackupCorruptError when what is read, or what has arrived, is not what `entry` says.
        """

    def publish(self, manifest: bytes, paths: Iterable[str]) -> None:
        """List the backup, with this manifest and these files. Files that do not belong to it are removed."""


class Store(Protocol):
    """A place with backups. `address` is for people, without secrets. Use as a context manager, or close it."""

    @property
    def address(self) -> str:
        """Where it is."""

    def names(self) -> tuple[str, ...]:
        """The names of the backups that are whole, sorted."""

    def files(self, name: str) -> Mapping[str, int]:
        """Every file of a backup with its size, the manifest among them, every link, and every empty folder with a `/`
        behind its name. Raises BackupNotFoundError.
        """

    def open(self, name: str, path: str, offset: int = 0) -> IO[bytes]:
        """A file for reading. Raises FileNotFoundError when it is not there, BackupError for a link."""

    def exposed(self, name: str) -> Iterable[str]:
        """The files and folders of a backup that others than its owner may read or write, where the store tells."""

    def upload(self, name: str, key: str) -> AbstractContextManager[Upload]:
        """Begin a backup, or go on with one. `key`, 16 hexadecimal digits, tells different backups of one name apart.

        Raises BackupError when a backup of this name is there.
        """

    def delete(self, name: str) -> None:
        """Delete a backup. Raises BackupNotFoundError."""

    def close(self) -> None:
        """Give back what it holds."""

    def __enter__(self) -> Self:
        """The store."""

    def __exit__(self, *error: object) -> None:
        """Close it."""
