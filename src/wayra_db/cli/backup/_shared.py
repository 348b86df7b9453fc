"""What the verbs on backups that are there share: their keeper, the choice of another S3, and words for a backup."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wayra_db.cli._run import Run

if TYPE_CHECKING:
    from wayra_db.backups import BackupEntry, BackupKeeper

F = TypeVar("F", bound=Callable[..., Any])


def endpoint_option(function: F) -> F:
    """Where another S3 than Amazon's answers."""
    help = "Where another S3 than Amazon's answers. [WAYRA_S3_ENDPOINT_URL]"
    return click.option("--endpoint-url", metavar="URL", help=help)(function)


def production_option(function: F) -> F:
    """What production asks for before a backup goes."""
    help = "Permit it in production, and for backups of production."
    return click.option("--allow-production", is_flag=True, help=help)(function)


def keeper(run: Run, *, allow_production: bool = False, endpoint_url: str | None = None) -> BackupKeeper:
    """The keeper of the project's backups. Connects to nothing."""
    from wayra_db.environment import Action

    project = run.project(permitted=[Action.BACKUP_DELETE] if allow_production else ())
    found = project.backup_keeper
    if endpoint_url:
        found.endpoint_url = endpoint_url
    return found


def state(entry: BackupEntry) -> list[str]:
    """What is worth knowing of a backup at a glance."""
    words = []
    if entry.damaged:
        words.append("damaged")
    elif entry.verified is not None:
        words.append("verified" if entry.verified.in_depth else "hashes verified")
    elif entry.manifest is not None:
        words.append("not verified")
    if entry.pinned:
        words.append("pinned")
    if entry.manifest is not None:
        words += [word for word, is_so in _marks(entry) if is_so]
        if entry.manifest.reason != "manual":
            words.append(entry.manifest.reason)
    return words


def _marks(entry: BackupEntry) -> list[tuple[str, bool]]:
    manifest = entry.manifest
    return [("encrypted", manifest.encrypted), ("redacted", manifest.redacted)] if manifest else []
