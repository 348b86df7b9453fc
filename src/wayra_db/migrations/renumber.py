"""Gives migrations new numbers after a merge: two with one version, or one that came late."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayra_db import sourcefile
from wayra_db.errors import VersionNotFoundError
from wayra_db.migrations import latest
from wayra_db.migrations.loader import FILE_NAME

CREATED = re.compile(r"^Created:[ \t]*(\S+)", re.MULTILINE)
VERSION = re.compile(r"^(Version:[ \t]*)(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A file with the version in its name, and when its header says that it was created."""

    path: Path
    version: int
    created: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A file and the version that it gets."""

    path: Path
    version: int

    @property
    def target(self) -> Path:
        """Its new place."""
        return self.path.with_name(f"{self.version:04d}_{self.path.name.partition('_')[2]}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"file": self.path.name, "becomes": self.target.name}


def read_numbered(folder: Path) -> list[Numbered]:
    """The migration files of a folder, by name alone: their numbers may clash. Runs no code.

    A file that has its old name still beside its new one, because a call of `apply_moves` was cut off, counts once.
    """
    left = set(_left_names(folder))
    found = []
    for path in sorted(folder.glob("*.py")):
        if (match := FILE_NAME.fullmatch(path.name)) and path not in left:
            created = CREATED.search(sourcefile.read_source(path))
            found.append(Numbered(path, int(match["version"]), created[1] if created else ""))
    return found


def _left_names(folder: Path) -> list[Path]:
    """The old names of files that have a new one already: of two names of one file, the lower number."""
    newest: dict[tuple[int, int], tuple[int, Path]] = {}
    left = []
    for path in sorted(folder.glob("*.py")):
        if match := FILE_NAME.fullmatch(path.name):
            status, mine = path.stat(), (int(match["version"]), path)
            other = newest.setdefault((status.st_dev, status.st_ino), mine)
            if other is not mine:
                left.append(min(other, mine)[1])
                newest[status.st_dev, status.st_ino] = max(other, mine)
    return left


def plan_moves(files: Sequence[Numbered], chosen: Sequence[Path] = ()) -> tuple[Move, ...]:
    """The files that get a new number behind all others: those `chosen`, or of each number all but the oldest.

    The oldest is the one whose header was created first. Pure. Raises VersionNotFoundError for a file that is none.
    """
    names = {file.path.name for file in files}
    if unknown := [path.name for path in chosen if path.name not in names]:
        raise VersionNotFoundError(
            f"{unknown[0]} is no migration of this project", version=0, hint=f"There are: {', '.join(sorted(names))}."
        )
    in_order = sorted(files, key=lambda file: (file.version, file.created, file.path.name))
    if chosen:
        wanted = {path.name for path in chosen}
        moving = [file for file in in_order if file.path.name in wanted]
    else:
        moving = [file for before, file in itertools.pairwise(in_order) if before.version == file.version]
    moving.sort(key=lambda file: (file.created, file.version, file.path.name))
    staying = [file.version for file in files if file not in moving]
    first = max(staying, default=0) + 1
    moves = [Move(file.path, first + number) for number, file in enumerate(moving)]
    return tuple(move for move in moves if move.target != move.path)


def apply_moves(folder: Path, moves: Sequence[Move]) -> None:
    """Rename the files, make the `Version:` line of each agree, and name the newest in `latest.txt`.

    Overwrites nothing. Cut off in between, it is finished by the next call.
    """
    for name in _left_names(folder):
        name.unlink()
    for move in moves:
        os.link(move.path, move.target)  # unlike a rename, this refuses to replace a file
        move.path.unlink()
    for file in read_numbered(folder):
        _agree(file)
    newest = max(read_numbered(folder), key=lambda file: file.version, default=None)
    if newest is not None:
        latest.write(folder, newest.path)


def _agree(file: Numbered) -> None:
    """Make the first `Version:` line the number in the name; the rest stays to the byte."""
    text = file.path.read_bytes().decode("utf-8")
    stated = VERSION.search(text)
    if stated is not None and int(stated[2]) != file.version:
        beside = file.path.with_name(f".{file.path.name}.{os.getpid()}")
        beside.write_bytes(VERSION.sub(rf"\g<1>{file.version}", text, count=1).encode("utf-8"))
        shutil.copymode(file.path, beside)
        beside.replace(file.path)
