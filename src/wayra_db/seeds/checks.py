"""What the keys of a seed may hold, whether they stand in Python or in TOML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wayra_db.environment import Environment
from wayra_db.errors import SeedLoadError


def checked_environments(names: Sequence[Any], *, path: Path, line: int | None) -> tuple[Environment, ...]:
    """The environments of these names; production is none of a seed's."""
    known = {environment.value: environment for environment in Environment}
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise SeedLoadError(
                f"{name!r} is no environment", path=path, line=line, hint=f"The environments are {', '.join(known)}."
            )
        if known[name] is Environment.PRODUCTION:
            raise SeedLoadError(
                "seeds never run in production",
                path=path,
                line=line,
                hint="Put data that production needs into a migration.",
            )
    return tuple(known[name] for name in names)


def checked_names(names: Sequence[Any], *, path: Path, line: int | None) -> tuple[str, ...]:
    """The names of the seeds that one depends on."""
    for name in names:
        if not isinstance(name, str) or not name:
            raise SeedLoadError(
                f"`depends_on` holds {name!r}, which is no name of a seed",
                path=path,
                line=line,
                hint='depends_on = ["0001_users"]',
            )
    return tuple(names)
