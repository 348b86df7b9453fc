"""Which seeds ran on this database: `_wayra_seeds`, one document per seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.seeds import ledger
from wayra_db.seeds.model import Seed, SeedRecord

COLLECTION = "_wayra_seeds"
FORMAT = 1


def read_records(deployment: Deployment) -> dict[str, SeedRecord]:
    """Every seed that the database knows. One find; writes nothing."""
    with translated(deployment.address):
        return {
            document["_id"]: SeedRecord(
                document["_id"],
                document["checksum"],
                document["done"],
                document["at"],
                document.get("error", ""),
                document.get("version"),
            )
            for document in deployment.metadata[COLLECTION].find()
        }


def record_of(seed: Seed, *, done: bool, epoch: int, error: str = "") -> commands.Command:
    """The command that records a seed's run; `done` once it has ended well."""
    document = {"format": FORMAT, "checksum": seed.checksum, "done": done, "at": datetime.now(UTC), "epoch": epoch}
    known = {"version": seed.version, "error": error}
    return commands.replace(
        COLLECTION, seed.name, {**document, **{key: value for key, value in known.items() if value}}
    )


def forget(names: Sequence[str]) -> commands.Command:
    """The command that forgets that these seeds have run."""
    return {"delete": COLLECTION, "deletes": [{"q": {"_id": {"$in": list(names)}}, "limit": 0}]}


def forget_all() -> commands.Command:
    """The command that forgets every run, so that the seeds run again."""
    return {"delete": COLLECTION, "deletes": [{"q": {}, "limit": 0}]}


def forget_documents(deployment: Deployment) -> None:
    """Forget which documents seeds have made; for whoever has deleted them all. Drops the ledger."""
    with translated(deployment.address):
        deployment.metadata.drop_collection(ledger.COLLECTION)
