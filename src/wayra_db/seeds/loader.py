"""Seed files read without running them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wayra_db import sourcefile
from wayra_db.atomicity import blockers
from wayra_db.environment import Environment
from wayra_db.errors import SeedLoadError
from wayra_db.seeds.model import Seed
from wayra_db.sourcefile import ParsedFile, SourceFileError


def load_seeds(directory: Path) -> tuple[Seed, ...]:
    """The seeds of a folder in the order of their file names; a missing folder holds none. Runs no code.

    Every `.py` file that doesn't begin with `_` must be a seed. Raises SeedLoadError with file, line and the fix.
    """
    return tuple(read_seed(path) for path in sorted(directory.glob("*.py")) if not path.name.startswith("_"))


def read_seed(path: Path) -> Seed:
    """One seed file. Raises SeedLoadError."""
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
    return Seed(
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
    )


def _environments(parsed: ParsedFile) -> tuple[Environment, ...]:
    example = 'environments = ["development", "test"]'
    constant = parsed.constants.get("environments")
    if constant is None:
        raise SeedLoadError("does not say for which environments it is", path=parsed.path, hint=f"Add `{example}`.")
    known = {environment.value: environment for environment in Environment}
    names = constant.value
    if not constant.literal or not isinstance(names, (list, tuple)) or not names:
        raise SeedLoadError(
            "`environments` must be a list, written out", path=parsed.path, line=constant.line, hint=example
        )
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise SeedLoadError(
                f"{name!r} is no environment",
                path=parsed.path,
                line=constant.line,
                hint=f"The environments are {', '.join(known)}.",
            )
        if known[name] is Environment.PRODUCTION:
            raise SeedLoadError(
                "seeds never run in production",
                path=parsed.path,
                line=constant.line,
                hint="Put data that production needs into a migration.",
            )
    return tuple(known[name] for name in names)


def _literal(parsed: ParsedFile, name: str, kind: type, *, default: Any, example: str) -> Any:
    constant = parsed.constants.get(name)
    if constant is None:
        return default
    if not constant.literal or not isinstance(constant.value, kind):
        raise SeedLoadError(
            f"`{name}` must be a {kind.__name__}, written out", path=parsed.path, line=constant.line, hint=example
        )
    return constant.value
