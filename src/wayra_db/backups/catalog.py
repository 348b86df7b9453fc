"""The backups that lie in a folder: those of wayra-db by their manifests, dumps and archives of `mongodump` as such.

Cheap: of a backup only the manifest is read, and no data.
"""

from __future__ import annotations

import difflib
import gzip
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from wayra_db.backups import manifest as manifests
from wayra_db.backups.folder import open_file
from wayra_db.backups.manifest import FILE, Manifest, ManifestError
from wayra_db.backups.names import BACKUP_NAME
from wayra_db.backups.records import Records, Verified
from wayra_db.errors import BackupError, BackupNotFoundError

GZIP_MAGIC = b"\x1f\x8b"
ARCHIVE_MAGIC = b"\x6d\xe2\x99\x81"
MOST_NAMES = 5  # that an error tells of

EntryKind = Literal["backup", "dump directory", "archive"]


@dataclass(frozen=True, slots=True)
class BackupEntry:
    """One backup; `size` in bytes.

    `modified_at` is when it was begun, and the time of its newest file where there is no manifest that could say it.
    A `backup` whose manifest cannot be read has none, and a `problem`.
    """

    name: str
    kind: EntryKind
    size: int
    modified_at: datetime
    manifest: Manifest | None = None
    verified: Verified | None = None
    pinned: bool = False
    problem: str = ""

    @property
    def damaged(self) -> bool:
        """Whether it is known that it cannot be relied on."""
        return bool(self.problem) or (self.verified is not None and not self.verified.ok)

    @property
    def well_verified(self) -> bool:
        """Whether the last verification found nothing wrong and went as far as it can without a key: into the content,
        or where that is encrypted over all hashes.
        """
        encrypted = self.manifest is not None and self.manifest.encrypted
        return self.verified is not None and self.verified.ok and (self.verified.in_depth or encrypted)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        found: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "size": self.size,
            "modifiedAt": self.modified_at.isoformat(),
            "damaged": self.damaged,
            "pinned": self.pinned,
            "verified": self.verified.to_dict() if self.verified else None,
            "wellVerified": self.well_verified,
            "problem": self.problem or None,
        }
        if (manifest := self.manifest) is not None:
            found |= {
                "id": manifest.id,
                "createdAt": manifest.created_at.isoformat(),
                "reason": manifest.reason,
                "database": manifest.source.database,
                "environment": manifest.source.environment,
                "collections": len(manifest.collections),
                "documents": manifest.documents,
                "consistency": manifest.consistency.kind,
                "apart": list(manifest.apart),
                "encrypted": manifest.encrypted,
                "redacted": manifest.redacted,
                "newestMigration": max(manifest.applied, default=None),
            }
        return found


def list_backups(directory: Path) -> tuple[BackupEntry, ...]:
    """The backups in a folder, newest first; a missing folder holds none. Follows no symlink, writes nothing."""
    if not directory.is_dir():
        return ()
    records = Records(directory)
    entries = [entry for path in directory.iterdir() if not path.is_symlink() and (entry := _entry(path, records))]
    return tuple(sorted(entries, key=lambda entry: (entry.modified_at, entry.name), reverse=True))


def find_backup(directory: Path, name: str) -> BackupEntry:
    """The backup of this name. Raises BackupNotFoundError."""
    path = directory / name
    plain = name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"}
    entry = _entry(path, Records(directory)) if plain and not path.is_symlink() else None
    if entry is None:
        raise not_found(directory, name)
    return entry


def not_found(directory: Path, name: str) -> BackupNotFoundError:
    """The error for a backup that is not in a folder: with the name that was meant, or those that there are."""
    # Not by `list_backups`: to find dumps that walks every tree below, and the folder of a mistyped address may be any.
    found = sorted(directory.iterdir(), key=lambda path: path.name, reverse=True) if directory.is_dir() else []
    there = [path.name for path in found if BACKUP_NAME.fullmatch(path.name) and (path / FILE).is_file()]
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.6)
    more = f" and {len(there) - MOST_NAMES} more" if len(there) > MOST_NAMES else ""
    if near:
        hint = f"Did you mean {near[0]}? `wayra-db backup list` shows all."
    elif there:
        hint = f"There are: {', '.join(there[:MOST_NAMES])}{more}. `wayra-db backup list` shows all."
    else:
        hint = "There are none in it yet; `wayra-db backup create` makes one."
    return BackupNotFoundError(f"there is no backup {name} in {directory}", name=name, hint=hint)


def _entry(path: Path, records: Records) -> BackupEntry | None:
    if path.name.startswith("."):
        return None
    if path.is_dir():
        return _backup(path, records) if (path / FILE).is_file() and BACKUP_NAME.fullmatch(path.name) else _dump(path)
    if path.is_file() and _is_archive(path):
        stat = path.stat()
        return BackupEntry(path.name, "archive", stat.st_size, _time(stat.st_mtime))
    return None


def _backup(path: Path, records: Records) -> BackupEntry:
    try:
        with open_file(path, FILE) as file:
            content = file.read()
        manifest = manifests.from_json(content)
    except (ManifestError, BackupError, OSError) as error:
        problem = f"{FILE}: {error.strerror if isinstance(error, OSError) else error}"
        return BackupEntry(path.name, "backup", 0, _time((path / FILE).lstat().st_mtime), problem=problem)
    return BackupEntry(
        path.name,
        "backup",
        manifest.size + len(content),
        manifest.created_at.astimezone(UTC),
        manifest,
        records.verified(manifest.id, manifests.digest(manifest)),
        records.pinned(manifest.id),
    )


def _dump(path: Path) -> BackupEntry | None:
    files = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    if not any(file.name.endswith((".bson", ".bson.gz", ".bson.zst")) for file in files):
        return None
    stats = [file.stat() for file in files]
    return BackupEntry(
        path.name, "dump directory", sum(stat.st_size for stat in stats), _time(max(s.st_mtime for s in stats))
    )


def _is_archive(path: Path) -> bool:
    """Whether it begins like an archive, as it is or inside gzip."""
    try:
        with path.open("rb") as file:
            if file.read(2) == GZIP_MAGIC:
                with gzip.open(path) as unpacked:
                    return unpacked.read(4) == ARCHIVE_MAGIC
            file.seek(0)
            return file.read(4) == ARCHIVE_MAGIC
    except (OSError, EOFError, zlib.error):
        return False


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
