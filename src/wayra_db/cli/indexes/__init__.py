"""`indexes` and its verbs. Importing a file of verbs adds them to the group."""

from wayra_db.cli.indexes import apply, duplicates, plan, retire, undo
from wayra_db.cli.indexes._group import indexes

__all__ = ["apply", "duplicates", "indexes", "plan", "retire", "undo"]
