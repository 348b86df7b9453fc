"""The backup that is made of data before it is replaced or dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wayra_db.environment import Action
from wayra_db.guard import Guard

# For the gate of a database, the folder of backups, the names of the collections (None for all), and whom it is
# encrypted to: the backup's name.
Safety = Callable[[Guard, Path, Sequence[str] | None, Sequence[str]], str]


def require_safety(guard: Guard, recipients: Sequence[str] = ()) -> None:
    """Raise RefusedError or ConfigError where `take_safety_backup` would not be allowed. Writes nothing."""
    from wayra_db.backups.policy import decide_protection

    guard.require(Action.BACKUP_CREATE)
    decide_protection(
        environment=guard.environment,
        reason="safety",
        include_sensitive=True,
        plaintext=not recipients,
        recipients=recipients,
    )


def take_safety_backup(
    guard: Guard, folder: Path, collections: Sequence[str] | None, recipients: Sequence[str] = ()
) -> str:
    """Back up these collections, None for all, with everything in them; returns the backup's name.

    It holds what the database holds, also sensitive fields, so that it can bring everything back: encrypted where there
    are recipients, and else in files that only their owner can read, which production refuses.
    """
    from wayra_db.backups.create import create_backup

    made = create_backup(
        guard,
        folder,
        reason="safety",
        collections=None if collections is None else tuple(collections),
        include_sensitive=True,
        plaintext=not recipients,
        recipients=recipients,
    )
    return str(made.manifest.name)
