"""The backups that lie in a folder: dumps and archives as `mongodump` writes them."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

GZIP_MAGIC = b"\x1f\x8b"
ARCHIVE_MAGIC = b"\x6d\xe2\x99\x81"


@dataclass(frozen=True, slots=True)
class BackupEntry:
    """One backup; `size` in bytes, `modified_at` the time of its newest file."""

    name: str
    kind: Literal["dump directory", "archive"]
    size: int
    modified_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "size": self.size,
            "modifiedAt": self.modified_at.isoformat(),
        }


def list_backups(directory: Path) -> tuple[BackupEntry, ...]:
    """The backups in a folder, newest first; a missing folder holds none. Follows no symlink, writes nothing."""
    if not directory.is_dir():
        return ()
    entries = [entry for path in directory.iterdir() if not path.is_symlink() and (entry := _entry(path))]
    return tuple(sorted(entries, key=lambda entry: (entry.modified_at, entry.name), reverse=True))


def _entry(path: Path) -> BackupEntry | None:
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
        if not any(file.name.endswith((".bson", ".bson.gz", ".bson.zst")) for file in files):
            return None
        stats = [file.stat() for file in files]
        return BackupEntry(
            path.name, "dump directory", sum(stat.st_size for stat in stats), _time(max(s.st_mtime for s in stats))
        )
    if path.is_file() and _is_archive(path):
        stat = path.stat()
        return BackupEntry(path.name, "archive", stat.st_size, _time(stat.st_mtime))
    return None


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
