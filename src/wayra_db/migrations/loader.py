"""Migration files read without running them: names, versions, flags, and which operations cannot join a transaction."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from wayra_db import sourcefile
from wayra_db.atomicity import blockers, goes_in_batches, is_plain
from wayra_db.errors import DuplicateVersionError, MigrationLoadError
from wayra_db.migrations.model import DirectionHeader, Migration, Retry
from wayra_db.sourcefile import ParsedFile, SourceFileError

FILE_NAME = re.compile(r"(?P<version>[0-9]+)_(?P<slug>[A-Za-z0-9_]+)\.py")
HEADER_LINE = re.compile(r"^(Migration|Version):[ \t]*(.+?)[ \t]*$", re.MULTILINE)
HIGHEST_VERSION = 2**63 - 1  # what BSON can hold


def load_migrations(directory: Path) -> tuple[Migration, ...]:
    """The migrations of a folder in the order of their versions; a missing folder holds none. Runs no code.

    Every `.py` file that doesn't begin with `_` must be a migration. Raises MigrationLoadError with file and line, and
    DuplicateVersionError when two files carry one version.
    """
    found: dict[int, Migration] = {}
    for path in sorted(directory.glob("*.py")):
        if path.name.startswith("_"):
            continue
        migration = read_migration(path)
        other = found.setdefault(migration.version, migration)
        if other is not migration:
            raise DuplicateVersionError(
                f"version {migration.version} stands twice: {other.path.name} and {path.name}",
                versions=[migration.version],
                hint="Give the newer file the next free number: wayra-db migrate renumber.",
            )
    return tuple(found[version] for version in sorted(found))


def read_migration(path: Path) -> Migration:
    """One migration file. Raises MigrationLoadError with file, line and the fix."""
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        raise MigrationLoadError(
            "is not named like a migration",
            path=path,
            hint="Name it like 0003_add_user_roles.py, or begin the name with _ if it is a helper.",
        )
    version = int(match["version"])
    if not 1 <= version <= HIGHEST_VERSION:
        raise MigrationLoadError(
            f"versions go from 1 to {HIGHEST_VERSION}", path=path, hint="Number the file 0001 or higher."
        )
    try:
        parsed = sourcefile.parse(path)
    except SourceFileError as error:
        raise MigrationLoadError(error.message, path=path, line=error.line, hint="Nothing has run.") from error
    header = dict(reversed(HEADER_LINE.findall(parsed.docstring)))  # the first of each counts
    if (stated := header.get("Version")) is not None and stated.lstrip("0") != str(version):
        raise MigrationLoadError(
            f"the header says version {stated}, the file name {version}",
            path=path,
            line=_line_of(path, "Version:"),
            hint="Make the two agree.",
        )
    plain = is_plain(parsed.text)
    up = _direction(parsed, "up", other="down", plain=plain)
    if up is None:
        raise MigrationLoadError("has no `up` function", path=path, hint="Add `def up(db): ...`.")
    down = _direction(parsed, "down", other="up", plain=plain)
    transactional = _flag(parsed, "transactional", (True, False), default=None)
    if transactional and (up.batched or (down and down.batched)):
        raise MigrationLoadError(
            "`transactional = True` and `ctx.batches` do not go together: each batch is a transaction of its own",
            path=path,
            line=parsed.constants["transactional"].line,
            hint="Remove the line, or do it all in one transaction without batches.",
        )
    return Migration(
        version=version,
        name=header.get("Migration") or match["slug"].replace("_", " "),
        path=path,
        checksum=parsed.checksum,
        up=up,
        down=down,
        transactional=transactional,
        retry=_flag(parsed, "retry", get_args(Retry), default=None),
    )


def _line_of(path: Path, text: str) -> int | None:
    lines = sourcefile.read_source(path).split("\n")
    return next((number for number, line in enumerate(lines, 1) if text in line), None)


def _direction(parsed: ParsedFile, name: str, *, other: str, plain: bool) -> DirectionHeader | None:
    function = parsed.functions.get(name)
    if function is None:
        return None
    if function.positional < 1:
        raise MigrationLoadError(
            f"`{name}` takes no database", path=parsed.path, line=function.line, hint=f"Write `def {name}(db): ...`."
        )
    if function.unfilled:
        raise MigrationLoadError(
            f"`{name}` asks for `{function.unfilled[0]}`, and it is called with the database and the context alone",
            path=parsed.path,
            line=function.line,
            hint=f"Write `def {name}(db): ...` or `def {name}(db, ctx): ...`.",
        )
    if function.yields:
        raise MigrationLoadError(
            f"`{name}` has a `yield`, so calling it would run nothing",
            path=parsed.path,
            line=function.line,
            hint="Take the `yield` out.",
        )
    return DirectionHeader(
        line=function.line,
        is_async=function.is_async,
        takes_context=function.positional >= 2,
        blockers=() if plain else tuple(blockers(parsed.tree, skip=other)),
        batched=not plain and goes_in_batches(parsed.tree, skip=other),
    )


def _flag(parsed: ParsedFile, name: str, allowed: tuple[Any, ...], *, default: Any) -> Any:
    constant = parsed.constants.get(name)
    if constant is None:
        return default
    if not constant.literal or (type(constant.value), constant.value) not in [(type(one), one) for one in allowed]:
        raise MigrationLoadError(
            f"`{name}` must be {' or '.join(repr(one) for one in allowed)}, written out",
            path=parsed.path,
            line=constant.line,
            hint=f"{name} = {allowed[0]!r}",
        )
    return constant.value
