"""`indexes` and its verbs. Importing a file of verbs adds them to the group."""

from wayra_db.cli.indexes import apply, duplicates, explain, plan, profile, retire, suggest, undo, usage
from wayra_db.cli.indexes._group import indexes

__all__ = ["apply", "duplicates", "explain", "indexes", "plan", "profile", "retire", "suggest", "undo", "usage"]
