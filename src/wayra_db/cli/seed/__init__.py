"""`seed` and its verbs. Importing a file of verbs adds them to the group."""

from wayra_db.cli.seed import files, looks, runs
from wayra_db.cli.seed._group import seed

__all__ = ["files", "looks", "runs", "seed"]
