"""`migrate` and its verbs. Importing a file of verbs adds them to the group."""

from wayra_db.cli.migrate import check, files, lint, rehearse, repairs, runs, upkeep
from wayra_db.cli.migrate._group import migrate

__all__ = ["check", "files", "lint", "migrate", "rehearse", "repairs", "runs", "upkeep"]
