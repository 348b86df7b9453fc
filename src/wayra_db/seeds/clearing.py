"""Deletes what a seed has made, batch by batch, as the ledger has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.seeds import ledger
from wayra_db.seeds.run import Request, SeedRun, Steps

PAGE = 500
BATCH = 1000


def clear_steps(run: SeedRun) -> Steps[dict[str, int]]:
    """Delete the documents that the seed has made, then what is known of them; returns how many of each collection.

    An entry goes after its documents, so that a run that is cut off goes on where it stopped.
    """
    deleted: dict[str, int] = {}
    while True:
        page = (
            yield lambda database: (
                run.ledger(database)
                .find(ledger.of_seed(run.name), sort=[("_id", 1)], limit=PAGE, session=run.session)
                .to_list()
            )
        )
        if not page:
            return deleted
        for collection, ids in ledger.made_by(page).items():
            for start in range(0, len(ids), BATCH):
                run.check()
                some = ids[start : start + BATCH]
                yielded = yield _delete(run, collection, some)
                deleted[collection] = deleted.get(collection, 0) + yielded.deleted_count
            run.progress(f"clear {collection}", deleted[collection], None)
        yield _forget(run, [one["_id"] for one in page])


def _delete(run: SeedRun, collection: str, ids: list[Any]) -> Request:
    return lambda database: database[collection].delete_many({"_id": {"$in": ids}}, session=run.session)


def _forget(run: SeedRun, entries: list[Any]) -> Request:
    return lambda database: run.ledger(database).delete_many({"_id": {"$in": entries}}, session=run.session)


def count_made(deployment: Deployment, names: list[str] | None = None) -> dict[str, Mapping[str, int]]:
    """How many documents each seed has made, by collection; some may be gone by now. One aggregation; reads only."""
    pipeline: list[dict[str, Any]] = [{"$match": {"_id.seed": {"$in": names}}}] if names is not None else []
    made = {"$cond": [{"$isArray": "$ids"}, {"$size": {"$ifNull": ["$ids", []]}}, {"$cond": ["$made", 1, 0]}]}
    pipeline += [
        {"$group": {"_id": {"seed": "$_id.seed", "collection": "$_id.collection"}, "documents": {"$sum": made}}},
        {"$sort": {"_id": 1}},
    ]
    found: dict[str, dict[str, int]] = {}
    with translated(deployment.address):
        for one in deployment.metadata[ledger.COLLECTION].aggregate(pipeline):
            if one["documents"]:
                found.setdefault(one["_id"]["seed"], {})[one["_id"]["collection"]] = one["documents"]
    return dict(found)
