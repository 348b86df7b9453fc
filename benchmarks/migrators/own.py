"""wayra-db itself, and the floor under everybody: what it takes at least to write each migration and its record."""

from __future__ import annotations

import sys
from pathlib import Path

from migrators import Migrator, Place

MIGRATION = '''"""
Migration: Add Item {number}
Version: {number}
Created: 2026-11-23T00:00:00.000Z
"""


def up(db):
    db.items.insert_one({{"_id": {number}}})


def down(db):
    db.items.delete_one({{"_id": {number}}})
'''


def wayra_db_group(place: Place) -> Migrator:
    """The same with all migrations in one transaction; rolling back has no such way."""
    return wayra_db(place, "--group")


def wayra_db(place: Place, *options: str) -> Migrator:
    """The whole command line in a process of its own, as a user runs it."""
    _write(place)
    (place.folder / "wayra-db.toml").write_text(f'[database]\nname = "{place.database}"\n')
    tool = str(Path(sys.executable).parent / "wayra-db")
    return Migrator(
        name=" ".join(["wayra-db", *options]),
        folder=place.folder,
        commands={
            "up": [tool, "migrate", "up", *options],
            "status": [tool, "migrate", "status"],
            "no-op up": [tool, "migrate"],
            "rollback": [tool, "migrate", "rollback", "--all", "--yes"],
        },
        environment={"MONGODB_URI": place.uri, "WAYRA_ENV": "development"},
    )


def floor(place: Place) -> Migrator:
    """The least: read and hash the files, one find, two majority writes for each migration, an exit without a wait."""
    _write(place)
    base = [sys.executable, str(Path(__file__).with_name("floor.py")), place.uri, place.database, "migrations"]
    return Migrator(
        name="floor",
        folder=place.folder,
        commands={"up": [*base, "up"], "status": base, "no-op up": base, "rollback": [*base, "down"]},
    )


def _write(place: Place) -> None:
    folder = place.folder / "migrations"
    folder.mkdir(parents=True)
    for number in range(1, place.count + 1):
        (folder / f"{number:04d}_add_item_{number}.py").write_text(MIGRATION.format(number=number))
