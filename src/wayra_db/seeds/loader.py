"""Seed files read without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wayra_db import sourcefile
from wayra_db.atomicity import blockers
from wayra_db.environment import Environment
from wayra_db.errors import SeedLoadError
from wayra_db.seeds.checks import checked_environments, checked_names
from wayra_db.seeds.data.header import EXAMPLE, SUFFIXES, read_data_seed
from wayra_db.seeds.model import Seed
from wayra_db.seeds.order import in_order
from wayra_db.sourcefile import ParsedFile, SourceFileError


def load_seeds(directory: Path) -> tuple[Seed, ...]:
    """The seeds of a folder in the order in which they run; a missing folder holds none. Runs no code.

    Every `.py` file, and every data file, that doesn't begin with `_` must be a seed. Raises SeedLoadError with file,
    line and the fix.
    """
    # The usual folder holds few files, and most projects no data files.
    files = sorted(path for path in directory.glob("*.*") if not path.name.startswith(("_", ".")))
    seeds: list[Seed] = []
    lines: dict[str, int] = {}
    headers = {path.stem: path for path in files if path.suffix == ".toml"}
    for path in files:
        if path.suffix == ".py":
            seed, line = _read(path)
        elif path.suffix in SUFFIXES:
            seed, line = read_data_seed(_header(headers, path), path)
        else:
            continue
        seeds.append(seed)
        if line is not None:
            lines[seed.name] = line
    data = {seed.name for seed in seeds if seed.data is not None}
    for header in (header for stem, header in headers.items() if stem not in data):
        raise SeedLoadError(
            "has no data file of the same name beside it",
            path=header,
            hint=f"It describes {header.stem}.json, .jsonl, .csv or .bson.",
        )
    return in_order(seeds, lines)


def read_seed(path: Path) -> Seed:
    """One Python seed file. Raises SeedLoadError."""
    return _read(path)[0]


def _header(headers: dict[str, Path], data: Path) -> Path:
    if data.stem in headers:
        return headers[data.stem]
    raise SeedLoadError(
        f"has no {data.stem}.toml of its own beside it, which says what it is for",
        path=data,
        hint=f"If a seed reads it by itself, begin its name with `_`. Else write:\n{EXAMPLE}",
    )


def _read(path: Path) -> tuple[Seed, int | None]:
    try:
        parsed = sourcefile.parse(path)
    except SourceFileError as error:
        raise SeedLoadError(error.message, path=path, line=error.line, hint="Nothing has run.") from error
    function = parsed.functions.get("seed")
    if function is None:
        raise SeedLoadError("has no `seed` function", path=path, hint="Add `def seed(db): ...`.")
    if function.positional < 1:
        raise SeedLoadError(
            "`seed` takes no database", path=path, line=function.line, hint="Write `def seed(db): ...`."
        )
    if function.yields:
        raise SeedLoadError(
            "`seed` has a `yield`, so calling it would run nothing",
            path=path,
            line=function.line,
            hint="Take the `yield` out.",
        )
    depends = parsed.constants.get("depends_on")
    names = _names(parsed, "depends_on", example='depends_on = ["0001_users"]')
    seed = Seed(
        name=path.stem,
        path=path,
        checksum=parsed.checksum,
        environments=_environments(parsed),
        required=_literal(parsed, "required", bool, default=False, example="required = True"),
        description=_literal(parsed, "description", str, default="", example='description = "Sample data"'),
        is_async=function.is_async,
        takes_context=function.positional >= 2,
        transactional=_literal(parsed, "transactional", bool, default=None, example="transactional = False"),
        blockers=tuple(blockers(parsed.tree)),
        depends_on=checked_names(names, path=path, line=depends.line if depends else None),
        collections=_names(parsed, "collections", example='collections = ["users"]'),
        version=_version(parsed),
    )
    return seed, depends.line if depends else None


def _environments(parsed: ParsedFile) -> tuple[Environment, ...]:
    example = 'environments = ["development", "test"]'
    constant = parsed.constants.get("environments")
    if constant is None:
        raise SeedLoadError("does not say for which environments it is", path=parsed.path, hint=f"Add `{example}`.")
    names = constant.value
    if not constant.literal or not isinstance(names, (list, tuple)) or not names:
        raise SeedLoadError(
            "`environments` must be a list, written out", path=parsed.path, line=constant.line, hint=example
        )
    return checked_environments(names, path=parsed.path, line=constant.line)


def _names(parsed: ParsedFile, name: str, *, example: str) -> tuple[str, ...]:
    constant = parsed.constants.get(name)
    if constant is None:
        return ()
    values = constant.value
    if not constant.literal or not isinstance(values, (list, tuple)) or not all(isinstance(one, str) for one in values):
        raise SeedLoadError(
            f"`{name}` must be a list of names, written out", path=parsed.path, line=constant.line, hint=example
        )
    return tuple(values)


def _version(parsed: ParsedFile) -> int | None:
    version = _literal(parsed, "version", int, default=None, example="version = 2")
    if version is None:
        return None
    if isinstance(version, bool) or version < 1:
        line = parsed.constants["version"].line
        raise SeedLoadError("`version` counts from 1", path=parsed.path, line=line, hint="version = 2")
    return int(version)


def _literal(parsed: ParsedFile, name: str, kind: type, *, default: Any, example: str) -> Any:
    constant = parsed.constants.get(name)
    if constant is None:
        return default
    if not constant.literal or not isinstance(constant.value, kind):
        raise SeedLoadError(
            f"`{name}` must be a {kind.__name__}, written out", path=parsed.path, line=constant.line, hint=example
        )
    return constant.value
