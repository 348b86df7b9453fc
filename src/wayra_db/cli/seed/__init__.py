"""`seed` and its verbs. Importing a file of verbs adds them to the group."""

from wayra_db.cli.seed import files, generate, looks, runs
from wayra_db.cli.seed._group import seed

__all__ = ["files", "generate", "looks", "runs", "seed"]
