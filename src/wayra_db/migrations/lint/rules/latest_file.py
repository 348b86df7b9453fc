"""MG003: `latest.txt` does not name the newest migration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from wayra_db.migrations.lint.model import Problem, Rule, Severity
from wayra_db.migrations.loader import FILE_NAME
from wayra_db.migrations.scaffold import LATEST

RULE = Rule("MG003", "latest-file", Severity.ERROR, "`latest.txt` does not name the newest migration")


def check_folder(directory: Path, paths: Sequence[Path]) -> Iterator[tuple[Path, Problem]]:
    """Whether `latest.txt` is there and right; a folder without migrations needs none."""
    numbered = [(int(match["version"]), path.name) for path in paths if (match := FILE_NAME.fullmatch(path.name))]
    if not numbered:
        return
    newest = max(numbered)[1]
    latest = directory / LATEST
    why = "It makes two branches that both add a migration conflict in version control, before they are merged."
    try:
        named = latest.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        yield latest, Problem(None, f"there is no {LATEST}. {why}", f"echo {newest} > {LATEST}", Severity.WARNING)
        return
    except (OSError, UnicodeDecodeError):
        named = ""
    if named != newest:
        said = f"names {named.splitlines()[0]!r}" if named else "names nothing"
        yield latest, Problem(None, f"{LATEST} {said}; the newest is {newest}. {why}", f"echo {newest} > {LATEST}")
