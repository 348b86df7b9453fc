"""Migrations written from the difference between declarations and a live database.

`compare` decides what differs (`changes`), `source` writes it as a file that can be repeated and undone, and `literals`
knows how BSON values look in Python. Pure: plain values in, text out, the same text for the same values.
"""

from wayra_db.migrations.autogenerate.changes import DeclaredChanges, IndexChange, compare
from wayra_db.migrations.autogenerate.source import write_source

__all__ = ["DeclaredChanges", "IndexChange", "compare", "write_source"]
