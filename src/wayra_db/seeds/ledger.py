"""Which documents seeds made and what they last wrote into them: `_wayra_seeded`.

An entry is of one document that `ctx.upsert` or a data file looks after, with a hash of each field; or of up to a
thousand that a seed made by itself, by their `_id`s alone. Each belongs to one seed. Its `_id` begins with the seed's
name, so that all of a seed are a range of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wayra_db.mongo import commands

COLLECTION = "_wayra_seeded"
FORMAT = 1
IDS_PER_ENTRY = 1000


def entry_id(seed: str, collection: str, identifier: Any) -> dict[str, Any]:
    """The `_id` of the entry of one document."""
    return {"seed": seed, "collection": collection, "id": identifier}


def entry(seed: str, collection: str, identifier: Any, fields: Mapping[str, int], *, made: bool) -> dict[str, Any]:
    """The entry of one document; `made` when the seed inserted it, `fields` with the hashes of what it wrote last."""
    # Pairs instead of an object, since a field's name may be one that no key can be.
    pairs = [[name, number] for name, number in fields.items()]
    return {"_id": entry_id(seed, collection, identifier), "made": made, "fields": pairs, "format": FORMAT}


def fields_of(found: Mapping[str, Any]) -> dict[str, int]:
    """The hashes in an entry."""
    return {name: int(number) for name, number in found["fields"]}


def note(seed: str, made: Mapping[str, Sequence[Any]]) -> list[commands.Command]:
    """The commands that note documents by their `_id`s alone, in collections by their names."""
    entries = [entry for collection, ids in made.items() for entry in entries_of(seed, collection, ids)]
    return [
        {
            "update": COLLECTION,
            "updates": [{"q": {"_id": one["_id"]}, "u": one, "upsert": True} for one in some],
        }
        for some in _batches(entries, 100)
    ]


def of_seed(seed: str) -> dict[str, Any]:
    """A query for all entries of a seed, along the index on `_id`."""
    from bson import MaxKey

    return {"_id": {"$gte": {"seed": seed}, "$lt": {"seed": seed, "collection": MaxKey()}}}


def entries_of(seed: str, collection: str, ids: Sequence[Any]) -> list[dict[str, Any]]:
    """The entries of documents by their `_id`s alone, a thousand in each."""
    return [
        {
            "_id": {"seed": seed, "collection": collection, "batch": _first_of(batch)},
            "ids": list(batch),
            "format": FORMAT,
        }
        for batch in _batches(ids)
    ]


def made_by(entries: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The `_id`s of the documents that the entries say were made, by collection."""
    made: dict[str, list[Any]] = {}
    for one in entries:
        ids = one["ids"] if "ids" in one else [one["_id"]["id"]] if one["made"] else []
        if ids:
            made.setdefault(one["_id"]["collection"], []).extend(ids)
    return made


def _first_of(ids: Sequence[Any]) -> Any:
    # Noting the same documents again, after a crash, then replaces the entry.
    return ids[0]


def _batches(items: Sequence[Any], size: int = IDS_PER_ENTRY) -> Iterable[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
