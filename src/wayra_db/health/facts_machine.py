"""Reads what lies on this side of the connection: permissions of the project's files, and where the connection goes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from wayra_db.health.facts import LooseFile, MachineFacts
from wayra_db.health.facts_server import attempt
from wayra_db.settings import Settings
from wayra_db.settings.model import OriginKind
from wayra_db.settings.uri import redact_uri

_WRITE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_READ_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH
# Enough to see what is wrong; a folder of thousands is told by its first.
_MOST_FILES = 500


def read_machine(settings: Settings, hosts: tuple[str, ...] = (), tls: bool | None = None) -> MachineFacts:
    """What is known here. Looks at modes of files, and into none of them; writes nothing."""
    return MachineFacts(
        loose_files=attempt(lambda: tuple(_loose(settings))),
        uri_in_file=_uri_in_file(settings),
        tls=tls,
        hosts=hosts,
    )


def _uri_in_file(settings: Settings) -> str:
    origin = settings.origin("database.uri")
    secret = settings.uri is not None and redact_uri(settings.uri) != settings.uri
    return str(origin) if secret and origin.kind is OriginKind.FILE else ""


def _loose(settings: Settings) -> Iterator[LooseFile]:
    if os.name == "nt" or settings.project_dir is None:  # Windows keeps permissions elsewhere
        return
    project = settings.project_dir
    file = project / "wayra-db.toml"
    secret = file if _uri_in_file(settings) else None
    code = [settings.collections_dir, settings.migrations_dir, settings.seeds_dir]
    for path in (project, file, *_below(*code)):
        yield from _judge(path, project, private="it holds a password" if path == secret else "")
    state = [settings.state_dir] if settings.state_dir.is_dir() else []
    for path in (*_below(settings.backups_dir), *state):
        yield from _judge(path, project, private="it holds data" if path != settings.backups_dir else "")


def _below(*folders: Path) -> Iterator[Path]:
    """The folders that exist and what lies directly in them, without what begins with a dot."""
    for folder in folders:
        if folder.is_dir():
            yield folder
            yield from [one for one in sorted(folder.iterdir()) if not one.name.startswith((".", "__"))][:_MOST_FILES]


def _judge(path: Path, project: Path, *, private: str) -> Iterator[LooseFile]:
    try:
        found = path.lstat()
    except OSError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return
    shown = str(path.relative_to(project)) if path.is_relative_to(project) else str(path)
    sticky = bool(mode & stat.S_ISVTX)
    if mode & stat.S_IWOTH and not sticky:
        yield LooseFile(shown, f"{mode:04o}", "write", "what is run or restored from here could be anybody's")
    elif private and mode & _READ_BY_OTHERS and (mode & stat.S_IROTH or not stat.S_ISDIR(found.st_mode)):
        yield LooseFile(shown, f"{mode:04o}", "read", private)
