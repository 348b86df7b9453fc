"""Migrations: files, the pure planner, the history in the database, the runner and the manager over them."""

from wayra_db.migrations.manager import MigrationManager, MigrationResult

__all__ = ["MigrationManager", "MigrationResult"]
