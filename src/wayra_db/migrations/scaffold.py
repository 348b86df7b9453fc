"""Writes new migration files: from a template of the package or of the project, or from what the declarations say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Literal, get_args

from wayra_db import sourcefile
from wayra_db.errors import MigrationError, MigrationLoadError
from wayra_db.migrations import latest
from wayra_db.migrations.loader import load_migrations, read_migration

if TYPE_CHECKING:
    from wayra_db.migrations.autogenerate import DeclaredChanges

Kind = Literal["data", "batched", "indexes"]

TEMPLATES = "_templates"  # in the project's folder of migrations
SUFFIX = ".py.txt"


class UnusableNameError(MigrationError):
    """A new migration's name has nothing in it that a file name can be made of."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Header:
    """What a template may name: `$title`, `$version` and `$created`."""

    title: str
    version: int
    created: str

    def values(self) -> dict[str, str]:
        """The placeholders."""
        return {"title": self.title, "version": str(self.version), "created": self.created}


def slug(name: str) -> str:
    """A migration's name as it stands in a file name: lower-case letters without accents, digits, underscores."""
    letters = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", name.lower()))
    found = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    if not found:
        raise UnusableNameError(
            f"{name!r} gives no file name: that is made of the letters a to z and of digits",
            hint='Name what it does in such letters, for example --name "add user roles"; the header of the file may '
            "say it in any words.",
        )
    return found[:80].rstrip("_")


def _title(name: str) -> str:
    """A migration's name as it stands in a docstring: one line of printable characters that cannot end it."""
    line = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    return line.replace("\\", "").replace('"""', "'''")


def template_names() -> tuple[str, ...]:
    """The templates that there are, as a project names its own: `data`, `data_async`, ..."""
    return tuple(f"{kind}{suffix}" for kind in get_args(Kind) for suffix in ("", "_async"))


def create_migration(directory: Path, name: str, *, kind: Kind = "data", is_async: bool = False) -> Path:
    """Write the next migration file from its template and name it in `latest.txt`; returns its path.

    A file `_templates/<kind>.py.txt` in `directory` (`<kind>_async.py.txt` with `is_async`) wins over the package's
    own. `latest.txt` makes two branches that both add a migration conflict in version control before they are merged.
    Never overwrites a file. Raises MigrationLoadError, having written nothing, when an existing file or the template is
    broken, UnusableNameError when `name` gives no file name.
    """
    template = f"{kind}_async" if is_async else kind
    _refuse_unknown_templates(directory / TEMPLATES)
    own = directory / TEMPLATES / f"{template}{SUFFIX}"
    if own.is_file():
        return _write(directory, name, lambda header: _filled(own, header), template=own)
    shipped = resources.files("wayra_db.migrations").joinpath(f"templates/{template}{SUFFIX}")
    text = shipped.read_text(encoding="utf-8")
    return _write(directory, name, lambda header: Template(text).substitute(header.values()))


def create_from_declarations(directory: Path, changes: DeclaredChanges, name: str | None = None) -> Path:
    """Write the next migration file from what differs between declarations and database; as `create_migration`.

    Without a `name` it is called after what it does. Templates have no part in it. Raises MigrationError for a value
    that cannot be written as Python.
    """
    from wayra_db.migrations.autogenerate import write_source

    return _write(
        directory,
        name or changes.name,
        lambda header: write_source(changes, title=header.title, version=header.version, created=header.created),
    )


def _write(directory: Path, name: str, text_of: Callable[[Header], str], *, template: Path | None = None) -> Path:
    """Write what `text_of` makes of the header as the next migration, if it can be read as one."""
    latest.require_settled(directory)
    existing = load_migrations(directory)
    version = existing[-1].version + 1 if existing else 1
    path = directory / f"{version:04d}_{slug(name)}.py"
    text = text_of(Header(_title(name), version, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")))
    directory.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    try:
        read_migration(path)
    except MigrationLoadError as error:
        path.unlink()
        if template is None:
            raise
        said = error.message.removeprefix(f"{path}:{error.line}: ").removeprefix(f"{path}: ")
        raise MigrationLoadError(
            f"what this template gives is no migration: {said}",
            path=template,
            line=error.line,
            hint=f"{error.hint} Correct the template; nothing was written.",
        ) from error
    latest.write(directory, path)
    return path


def _filled(path: Path, header: Header) -> str:
    """A project's template, filled in. Raises MigrationLoadError that names file, line and wrong placeholder."""
    try:
        text = sourcefile.read_source(path)
    except sourcefile.SourceFileError as error:
        raise MigrationLoadError(error.message, path=path, hint="Nothing was written.") from error
    values = header.values()
    for match in Template.pattern.finditer(text):
        if match["escaped"] is not None:
            continue
        placeholder = match["named"] or match["braced"]
        if placeholder not in values:
            line = text.count("\n", 0, match.start()) + 1
            shown = f"${placeholder}" if placeholder else text[match.start() :].split("\n", 1)[0][:20]
            raise MigrationLoadError(
                f"`{shown}` is not a placeholder",
                path=path,
                line=line,
                hint=f"There are {', '.join(f'${name}' for name in values)}; write $$ for a dollar sign. Nothing was "
                "written.",
            )
    return Template(text).substitute(values)


def _refuse_unknown_templates(folder: Path) -> None:
    """A template that nothing would use has a wrong name, and its author should hear of it."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path.name.removesuffix(SUFFIX) not in template_names():
            raise MigrationLoadError(
                "no kind of migration has this name",
                path=path,
                hint=f"Name it like one of {', '.join(f'{name}{SUFFIX}' for name in template_names())}.",
            )
