"""Writes new migration files."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template

from wayra_db.errors import ConfigError
from wayra_db.migrations.loader import load_migrations

LATEST = "latest.txt"


def slug(name: str) -> str:
    """A migration's name as it stands in a file name: lower-case letters without accents, digits, underscores."""
    letters = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", name.lower()))
    found = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    if not found:
        raise ConfigError(
            f"{name!r} gives no file name", key="name", hint='Name what it does: --name "add user roles".'
        )
    return found[:80].rstrip("_")


def _title(name: str) -> str:
    """A migration's name as it stands in a docstring: one line of printable characters that cannot end it."""
    line = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    return line.replace("\\", "").replace('"""', "'''")


def create_migration(directory: Path, name: str) -> Path:
    """Write the next migration file from the template and name it in `latest.txt`; returns its path.

    `latest.txt` makes two branches that both add a migration conflict in version control before they are merged.
    Never overwrites a file. Raises MigrationLoadError when an existing file is broken.
    """
    existing = load_migrations(directory)
    version = existing[-1].version + 1 if existing else 1
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{version:04d}_{slug(name)}.py"
    template = resources.files("wayra_db.migrations").joinpath("templates/data.py.txt").read_text(encoding="utf-8")
    text = Template(template).substitute(
        title=_title(name),
        version=version,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    )
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    (directory / LATEST).write_text(path.name + "\n", encoding="utf-8")
    return path
