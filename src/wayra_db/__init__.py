"""wayra-db: owns the whole life of a MongoDB database.

The public names are loaded at their first use, so that importing the package imports no driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wayra_db._lazy import lazily

if TYPE_CHECKING:
    from wayra_db.backups import BackupManager
    from wayra_db.environment import Action, Environment
    from wayra_db.errors import WayraError
    from wayra_db.events import Event, Observer
    from wayra_db.guard import Guard
    from wayra_db.indexes import IndexManager
    from wayra_db.initializer import DatabaseInitializer
    from wayra_db.migrations import MigrationManager
    from wayra_db.mongo.client import Deployment
    from wayra_db.project import Project
    from wayra_db.schema.collection import Collection, Mask
    from wayra_db.schema.manager import SchemaManager
    from wayra_db.seeds import SeedManager
    from wayra_db.server import EmbeddedServer
    from wayra_db.settings import Settings
    from wayra_db.stopping import Stop

__version__ = "0.1.0"

__all__ = [
    "Action",
    "BackupManager",
    "Collection",
    "DatabaseInitializer",
    "Deployment",
    "EmbeddedServer",
    "Environment",
    "Event",
    "Guard",
    "IndexManager",
    "Mask",
    "MigrationManager",
    "Observer",
    "Project",
    "SchemaManager",
    "SeedManager",
    "Settings",
    "Stop",
    "WayraError",
    "__version__",
]

__getattr__ = lazily(
    __name__,
    {
        "Action": "wayra_db.environment",
        "BackupManager": "wayra_db.backups",
        "Collection": "wayra_db.schema.collection",
        "DatabaseInitializer": "wayra_db.initializer",
        "Deployment": "wayra_db.mongo.client",
        "EmbeddedServer": "wayra_db.server",
        "Environment": "wayra_db.environment",
        "Event": "wayra_db.events",
        "Guard": "wayra_db.guard",
        "IndexManager": "wayra_db.indexes",
        "Mask": "wayra_db.schema.collection",
        "MigrationManager": "wayra_db.migrations",
        "Observer": "wayra_db.events",
        "Project": "wayra_db.project",
        "SchemaManager": "wayra_db.schema.manager",
        "SeedManager": "wayra_db.seeds",
        "Settings": "wayra_db.settings",
        "Stop": "wayra_db.stopping",
        "WayraError": "wayra_db.errors",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
