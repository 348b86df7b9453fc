"""Opening a backup by its name or path, whichever tool has written it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wayra_db.backups import manifest as manifests
from wayra_db.backups.archive import MongodumpArchive, is_archive
from wayra_db.backups.catalog import not_found
from wayra_db.backups.mongodump import MongodumpDirectory, is_dump_directory
from wayra_db.backups.names import BACKUP_NAME
from wayra_db.backups.opened import WayraBackup
from wayra_db.backups.source import BackupSource
from wayra_db.errors import BackupError


def open_backup(folder: Path, name_or_path: str | Path, identities: Sequence[str] | Path = ()) -> BackupSource:
    """A backup for reading: one of ours, a dump directory or an archive of mongodump; by its name in `folder` or path.

    Reads its manifest or metadata, and no documents. `identities` open an encrypted one: `AGE-SECRET-KEY-...`, or a
    file with them. Raises BackupNotFoundError, BackupCorruptError, BackupIncompleteError.
    """
    path = _find(folder, name_or_path)
    if path.is_symlink():
        raise BackupError(f"{path} is a link, and none is followed", hint="Name the real folder or file.")
    if path.is_file():
        if is_archive(path):
            return MongodumpArchive(path)
        raise BackupError(
            f"{path} is no backup",
            hint="A backup is a folder made by `wayra-db backup create`, or what mongodump has written; "
            "`wayra-db backup import` reads exports of one collection.",
        )
    if (path / manifests.FILE).exists():
        return WayraBackup(path, identities)
    if is_dump_directory(path):
        return MongodumpDirectory(path)
    raise BackupError(f"{path} is no backup: it has neither a manifest nor files of mongodump", hint=_listed(folder))


def _find(folder: Path, name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text.startswith("s3:"):
        name = text.rstrip("/").rpartition("/")[2]
        raise BackupError(
            f"{text} lies in a store, and is read from this machine only",
            hint=f"Copy it here first: wayra-db backup copy {text}. Its name is then {name}.",
        )
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
        name_or_path = text
    if BACKUP_NAME.fullmatch(text) and ((folder / text).exists() or (folder / text).is_symlink()):
        return folder / text
    path = Path(name_or_path)
    if path.exists() or path.is_symlink():
        return path
    raise not_found(folder, text)


def _listed(folder: Path) -> str:
    return f"`wayra-db backup list` shows the backups in {folder}."
