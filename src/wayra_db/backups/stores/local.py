"""Backups in a folder: the project's own, and any other on this machine."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from wayra_db.backups.catalog import not_found
from wayra_db.backups.folder import BLOCK, flush, flush_folders, hash_file, list_files, open_file
from wayra_db.backups.manifest import FILE, FileEntry, safe_path
from wayra_db.backups.names import BACKUP_NAME, require_backup_name
from wayra_db.backups.removal import remove
from wayra_db.backups.stores.base import Moved, Opener, not_as_stated
from wayra_db.errors import BackupError


class LocalStore:
    """A folder with a folder for each backup. An upload is a hidden folder that is renamed in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The folder."""
        return str(self.folder)

    def names(self) -> tuple[str, ...]:
        """The folders with a manifest in them."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.folder.iterdir() if _is_backup(path)))

    def files(self, name: str) -> Mapping[str, int]:
        """The files below the backup's folder; links and empty folders count as files."""
        folder = self._existing(name)
        return {path: (folder / path).lstat().st_size for path in list_files(folder)}

    def open(self, name: str, path: str, offset: int = 0) -> IO[bytes]:
        """The file; not through a link."""
        file = open_file(self._existing(name), path)
        file.seek(offset)
        return file

    def exposed(self, name: str) -> Iterator[str]:
        """What has any permission for group or others; nothing on Windows, which has other ones."""
        folder = self._existing(name)
        if os.name == "nt":
            return
        if _is_exposed(folder):
            yield "."
        for current, folders, files in os.walk(folder):
            for one in sorted([*folders, *files]):
                path = Path(current) / one
                if not path.is_symlink() and _is_exposed(path):
                    yield path.relative_to(folder).as_posix()

    @contextmanager
    def upload(self, name: str, key: str) -> Iterator[LocalUpload]:
        """Write into a hidden folder whose name holds the key."""
        target = self.folder / require_backup_name(name)
        if target.exists() or target.is_symlink():
            raise _taken(target)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.folder / f".{name}.partial-{key}"
        if partial.is_symlink():
            raise BackupError(f"{partial} is a link, and none is followed", hint="Remove it.")
        partial.mkdir(mode=0o700, exist_ok=True)
        yield LocalUpload(partial, target)

    def delete(self, name: str) -> None:
        """Rename it to a hidden name, then remove that."""
        self._existing(name)
        remove(self.folder, name)

    def close(self) -> None:
        """There is nothing to give back."""

    def _existing(self, name: str) -> Path:
        folder = self.folder / name
        if not BACKUP_NAME.fullmatch(name) or folder.is_symlink() or not folder.is_dir():
            raise not_found(self.folder, name)
        return folder


class LocalUpload:
    """A hidden folder; a file that is not whole yet ends in `.part`, and is gone on with."""

    def __init__(self, partial: Path, target: Path) -> None:
        self._partial = partial
        self._target = target

    def holds(self, path: str, entry: FileEntry) -> bool:
        """Reads the file to know."""
        try:
            return hash_file(self._partial, safe_path(path)) == entry
        except FileNotFoundError:
            return False

    def put(self, path: str, entry: FileEntry, open_at: Opener, moved: Moved) -> None:
        """Write beside and rename; goes on behind what an upload before has written, if that turns out right."""
        target = self._partial / safe_path(path)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        resumed = part.exists()
        whole = self._append(part, entry, open_at, moved)
        if not whole and resumed:
            part.unlink()
            whole = self._append(part, entry, open_at, lambda size: None)
        if not whole:
            part.unlink()
            raise not_as_stated(path)
        part.rename(target)

    def _append(self, part: Path, entry: FileEntry, open_at: Opener, moved: Moved) -> bool:
        """Whether the file is whole and right afterwards."""
        digest, size = hashlib.sha256(), 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(part, flags, 0o600), "r+b", buffering=0) as file:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
            if size > entry.size:
                return False
            moved(size)
            with open_at(size) as source:
                while block := source.read(BLOCK):
                    view = memoryview(block)
                    while view:
                        view = view[file.write(view) :]
                    digest.update(block)
                    size += len(block)
                    moved(len(block))
            os.fsync(file.fileno())
        return FileEntry(size, digest.hexdigest()) == entry

    def publish(self, manifest: bytes, paths: Iterable[str]) -> None:
        """Remove what does not belong, write the manifest, flush, rename."""
        wanted = set(paths)
        for path in list(list_files(self._partial)):
            if path not in wanted and not path.endswith("/"):
                (self._partial / path).unlink()
        while empty := [path for path in list_files(self._partial) if path.endswith("/")]:
            for path in empty:
                (self._partial / path).rmdir()
        entry = FileEntry(len(manifest), hashlib.sha256(manifest).hexdigest())
        self.put(FILE, entry, lambda offset: io.BytesIO(manifest[offset:]), lambda size: None)
        flush_folders(self._partial)
        if self._target.exists() or self._target.is_symlink():
            raise _taken(self._target)
        self._partial.rename(self._target)  # onto a folder with something in it, the system refuses
        flush(self._target.parent)


def _is_backup(path: Path) -> bool:
    return bool(BACKUP_NAME.fullmatch(path.name)) and not path.is_symlink() and (path / FILE).is_file()


def _is_exposed(path: Path) -> bool:
    return bool(path.lstat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _taken(target: Path) -> BackupError:
    return BackupError(
        f"there is a backup named {target.name} in {target.parent} already; nothing was copied",
        hint=f"Delete that one first: wayra-db backup delete {target.name}.",
    )
