"""Indexes: declared against live ones, planned, applied."""

from wayra_db.indexes.manager import IndexManager, IndexResult

__all__ = ["IndexManager", "IndexResult"]
