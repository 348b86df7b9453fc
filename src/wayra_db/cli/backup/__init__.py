"""`backup` and its verbs. Importing a file of verbs adds them to the group."""

from wayra_db.cli.backup import copy, keep, making, restore, transfer, verify
from wayra_db.cli.backup._group import backup

__all__ = ["backup", "copy", "keep", "making", "restore", "transfer", "verify"]
