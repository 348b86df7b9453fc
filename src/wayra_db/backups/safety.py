"""The backup that is made of data before it is replaced or dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wayra_db.guard import Guard


def take_safety_backup(guard: Guard, folder: Path, collections: Sequence[str] | None) -> str:
    """Back up these collections, None for all, with everything in them; returns the backup's name.

    It holds what the database holds, also sensitive fields, so that it can bring everything back: readable by its owner
    only, as every backup.
    """
    from wayra_db.backups.dump import create_backup  # type: ignore[import-not-found,unused-ignore]

    made = create_backup(
        guard,
        folder,
        reason="safety",
        collections=None if collections is None else tuple(collections),
        include_sensitive=True,
        plaintext=True,
    )
    return str(made.name)
