"""MG003: `latest.txt` does not name the newest migration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wayra_db.migrations import latest
from wayra_db.migrations.lint.model import Problem, Rule, Severity
from wayra_db.migrations.loader import FILE_NAME

RULE = Rule("MG003", "latest-file", Severity.ERROR, "`latest.txt` does not name the newest migration")


def check_folder(directory: Path, paths: Sequence[Path]) -> Iterator[tuple[Path, Problem]]:
    """Whether `latest.txt` is there and right; a folder without migrations needs none."""
    numbered = [(int(match["version"]), path) for path in paths if (match := FILE_NAME.fullmatch(path.name))]
    if not numbered:
        return
    newest = max(numbered)[1]
    wrong = latest.problem(directory, newest)
    if not wrong:
        return
    path = directory / latest.FILE
    message = (
        f"{wrong}. It makes two branches that both add a migration conflict in version control, before they are merged"
    )
    severity = None if path.is_file() else Severity.WARNING
    yield path, Problem(None, message, "wayra-db migrate renumber", severity)
