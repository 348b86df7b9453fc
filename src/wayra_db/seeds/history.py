"""Which seeds ran on this database: `_wayra_seeds`, one document per seed."""

from __future__ import annotations

from datetime import UTC, datetime

from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.seeds.model import Seed, SeedRecord

COLLECTION = "_wayra_seeds"
FORMAT = 1


def read_records(deployment: Deployment) -> dict[str, SeedRecord]:
    """Every seed that the database knows. One find; writes nothing."""
    with translated(deployment.address):
        return {
            document["_id"]: SeedRecord(
                document["_id"], document["checksum"], document["done"], document["at"], document.get("error", "")
            )
            for document in deployment.metadata[COLLECTION].find()
        }


def record_of(seed: Seed, *, done: bool, epoch: int, error: str = "") -> commands.Command:
    """The command that records a seed's run; `done` once it has ended well."""
    document = {"format": FORMAT, "checksum": seed.checksum, "done": done, "at": datetime.now(UTC), "epoch": epoch}
    return commands.replace(COLLECTION, seed.name, {**document, "error": error} if error else document)


def forget_all() -> commands.Command:
    """The command that forgets every run, so that the seeds run again."""
    return {"delete": COLLECTION, "deletes": [{"q": {}, "limit": 0}]}
