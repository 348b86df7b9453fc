"""`latest.txt`: names the newest migration, so that two branches which both add one conflict before they are merged."""

from __future__ import annotations

import os
from pathlib import Path

from wayra_db.errors import MigrationLoadError

FILE = "latest.txt"
CONFLICT_MARKS = ("<<<<<<<", "=======", ">>>>>>>")


def problem(folder: Path, newest: Path | None) -> str:
    """What is wrong with the `latest.txt` of a folder whose newest migration is `newest`; empty when nothing is."""
    path = folder / FILE
    if newest is None:
        return ""
    if not path.is_file():
        return f"{FILE} is missing; it should name {newest.name}"
    text = path.read_text(encoding="utf-8", errors="replace")
    if has_conflict(text):
        return f"{FILE} holds a merge conflict: two branches have added migrations"
    return "" if text.strip() == newest.name else f"{FILE} names {text.strip()!r} and not {newest.name}"


def has_conflict(text: str) -> bool:
    """Whether version control has left its marks of a conflict in the text."""
    return any(line.startswith(CONFLICT_MARKS) for line in text.splitlines())


def require_settled(folder: Path) -> None:
    """Raise MigrationLoadError when `latest.txt` holds a merge conflict."""
    path = folder / FILE
    if path.is_file() and has_conflict(path.read_text(encoding="utf-8", errors="replace")):
        raise MigrationLoadError(
            "holds a merge conflict: two branches have added migrations",
            path=path,
            hint="Put the migrations in order: wayra-db migrate renumber.",
        )


def write(folder: Path, newest: Path) -> None:
    """Name the newest migration, in one step: a reader sees the old name or the new."""
    beside = folder / f".{FILE}.{os.getpid()}"
    beside.write_text(newest.name + "\n", encoding="utf-8")
    beside.replace(folder / FILE)
