"""Which seeds ran on this database: `_wayra_seeds`, one document per seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.seeds import ledger
from wayra_db.seeds.model import GeneratedRecord, Seed, SeedRecord

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


def read_generated(deployment: Deployment) -> dict[str, GeneratedRecord]:
    """What is known of the documents that were made up, by collection. One find; writes nothing."""
    with translated(deployment.address):
        return {
            document["generated"]["collection"]: GeneratedRecord(
                document["generated"]["collection"],
                document["generated"]["randomSeed"],
                document["generated"]["count"],
                document["checksum"],
                document["done"],
                document["generated"].get("templates"),
            )
            for document in deployment.metadata[COLLECTION].find({"generated": {"$exists": True}})
        }


def record_of_generated(record: GeneratedRecord, *, epoch: int) -> commands.Command:
    """The command that records documents that were made up, or are being."""
    return commands.replace(
        COLLECTION,
        record.name,
        {
            "format": FORMAT,
            "checksum": record.fingerprint,
            "done": record.done,
            "at": datetime.now(UTC),
            "epoch": epoch,
            "generated": {
                "collection": record.collection,
                "randomSeed": record.random_seed,
                "count": record.count,
                **({"templates": record.templates} if record.templates else {}),
            },
        },
    )


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
