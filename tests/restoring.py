"""A gate and a manager of backups on a database, and what a test looks at afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo.database import Database

from wayra_db.backups import BackupManager
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment
from wayra_db.testing import RecordingObserver

Documents = Database[dict[str, Any]]


class Restoring:
    """A manager of backups in a folder, on a database; safety backups are only noted, under `saved`."""

    def __init__(self, database: Documents, folder: Path, environment: str = "development") -> None:
        self.database = database
        self.folder = folder
        self.observer = RecordingObserver()
        self.saved: list[Sequence[str] | None] = []
        self.guard = Guard(Deployment(database.client, database.name), Environment(environment), observer=self.observer)
        self.manager = BackupManager(self.guard, folder)

    def events(self) -> list[str]:
        """What the audit log tells, without the lock's own entries."""
        log = self.database["_wayra_log"].find(sort=[("_id", 1)])
        return [entry["event"] for entry in log if entry["event"] != "lock acquired"]


def contents(database: Documents) -> dict[str, Any]:
    """Everything that the user sees: options, indexes and raw documents, in their natural order."""
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument

    found: dict[str, Any] = {}
    for one in database.list_collections():
        name = one["name"]
        if name.startswith("_wayra_") or name == "system.views" or "._wayra_" in name:
            continue
        raw: Any = database.get_collection(name, codec_options=CodecOptions(document_class=RawBSONDocument))
        documents = sorted(bytes(document.raw) for document in raw.find())
        indexes = [] if one["type"] == "view" else sorted(raw.index_information())
        found[name] = (one["type"], one["options"], indexes, documents)
    return found


def temporaries(database: Documents) -> list[str]:
    """What is left of restores."""
    return [name for name in database.list_collection_names() if "_wayra_restore_" in name]
