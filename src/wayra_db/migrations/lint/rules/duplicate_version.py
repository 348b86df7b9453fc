"""MG002: two files with one version, as two branches leave them that both added a migration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wayra_db.migrations.lint.model import Problem, Rule, Severity
from wayra_db.migrations.loader import FILE_NAME

RULE = Rule("MG002", "duplicate-version", Severity.ERROR, "Two files carry one version")


def check_folder(directory: Path, paths: Sequence[Path]) -> Iterator[tuple[Path, Problem]]:
    """Every file whose version another file before it has."""
    versions: dict[int, Path] = {}
    numbered = [(int(match["version"]), path) for path in paths if (match := FILE_NAME.fullmatch(path.name))]
    for version, path in numbered:
        first = versions.setdefault(version, path)
        if first is not path:
            message = (
                f"version {version} is that of {first.name} too, so neither would run. Give one that no database has "
                "applied yet the next free number, in its name and in its `Version:` line"
            )
            yield path, Problem(None, message, "wayra-db migrate renumber")
