"""Removing backups from a folder: gone from the list in one step, whatever happens to the process meanwhile."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from pathlib import Path

from wayra_db.backups.folder import PARTIAL, flush, remove_partials

DELETED = re.compile(r"\.[A-Za-z0-9_][A-Za-z0-9._-]*\.deleted-[0-9a-f]{16}")
# A run that has written nothing for so long is dead; so is an upload that nobody has gone on with.
OLD_SECONDS = 24 * 3600.0


def remove(parent: Path, name: str) -> None:
    """Remove a backup, a folder or a file, which must be there. Once it is renamed it is not listed any more."""
    hidden = parent / f".{name}.deleted-{secrets.token_hex(8)}"
    (parent / name).rename(hidden)
    flush(parent)
    _remove(hidden)


def leftovers(parent: Path) -> tuple[str, ...]:
    """What killed runs have left in the folder, and what runs that go on are writing there now; sorted."""
    if not parent.is_dir():
        return ()
    return tuple(sorted(path.name for path in parent.iterdir() if _is_leftover(path)))


def remove_leftovers(parent: Path, *, older_than_seconds: float = OLD_SECONDS) -> tuple[str, ...]:
    """Remove what is left of killed deletes, and of killed runs that wrote nothing for so long; returns the names."""
    removed = []
    for name in leftovers(parent):
        if DELETED.fullmatch(name):
            _remove(parent / name)
            removed.append(name)
    return (*removed, *remove_partials(parent, older_than_seconds=older_than_seconds, now=time.time()))


def _is_leftover(path: Path) -> bool:
    return not path.is_symlink() and bool(DELETED.fullmatch(path.name) or PARTIAL.fullmatch(path.name))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
