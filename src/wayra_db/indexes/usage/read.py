"""Use and size of live indexes, asked of the server and, for the counters, of each member. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wayra_db.indexes.usage.history import Sample, from_document
from wayra_db.indexes.usage.judge import Spread, spread_of, wants_spread
from wayra_db.indexes.usage.model import Counter
from wayra_db.meta import is_user_collection
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.mongo.members import Members, ask_each, find_members

COLLECTION = "_wayra_index_samples"
SAMPLE_DOCUMENTS = 1000


@dataclass(frozen=True, slots=True)
class Sizes:
    """A collection's size, and those of its indexes by name, in bytes; `cached` is what lies in memory of each."""

    documents: int
    data: int
    indexes: Mapping[str, int]
    cached: Mapping[str, int]


def read_names(deployment: Deployment) -> list[str]:
    """The user's collections that can have indexes. One read."""
    with translated(deployment.address):
        listed = deployment.database.list_collections(filter={"type": "collection"})
        return sorted(found["name"] for found in listed if is_user_collection(found["name"]))


def read_counters(deployment: Deployment, collections: Sequence[str]) -> tuple[Sample, Members]:
    """What each member counts now, by the server's clock. One read, and one a collection and member."""

    def ask(preference: Any) -> list[tuple[str, Mapping[str, Any]]]:
        database = deployment.database
        return [
            (name, found)
            for name in collections
            for found in database.get_collection(name, read_preference=preference).aggregate([{"$indexStats": {}}])
        ]

    with translated(deployment.address):
        hello: Mapping[str, Any] = deployment.client.admin.command("hello")
    answers, members = ask_each(deployment, find_members(deployment, hello), ask)
    counters = [
        Counter(
            # A sharded cluster answers with one document a shard.
            member or str(found.get("host", "")),
            name,
            found["name"],
            tuple(found["key"].items()),
            int(found["accesses"]["ops"]),
            _moment(found["accesses"]["since"]),
        )
        for member, listed in answers.items()
        for name, found in listed
    ]
    return Sample(_moment(hello["localTime"]), tuple(counters)), members


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def read_samples(deployment: Deployment) -> list[Sample]:
    """The samples that were kept, the oldest first. One read."""
    with translated(deployment.address):
        return [from_document(found) for found in deployment.metadata[COLLECTION].find(sort=[("at", 1)])]


def read_sizes(deployment: Deployment, name: str) -> Sizes:
    """The server's own bookkeeping of one collection. One read; nothing is scanned."""
    documents = data = 0
    indexes: dict[str, int] = {}
    cached: dict[str, int] = {}
    with translated(deployment.address):
        # One document a shard.
        for part in deployment.database[name].aggregate([{"$collStats": {"storageStats": {}}}]):
            stats = part["storageStats"]
            documents += int(stats.get("count", 0))
            data += int(stats.get("size", 0))
            for index, size in stats.get("indexSizes", {}).items():
                indexes[index] = indexes.get(index, 0) + int(size)
            for index, details in stats.get("indexDetails", {}).items():
                in_cache = (details.get("cache") or {}).get("bytes currently in the cache")
                if in_cache is not None:
                    cached[index] = cached.get(index, 0) + int(in_cache)
    return Sizes(documents, data, indexes, cached)


def read_spreads(deployment: Deployment, name: str, indexes: Iterable[Mapping[str, Any]]) -> dict[str, Spread]:
    """How the keys of a collection's indexes lie in a sample, by `collection.index`. One read, none without need."""
    from bson.codec_options import CodecOptions, DatetimeConversion

    wanted = [index for index in indexes if wants_spread(index)]
    fields = {field for index in wanted for field in index["key"]}
    if not fields:
        return {}
    roots = {field.split(".")[0]: True for field in fields}
    options: CodecOptions[dict[str, Any]] = CodecOptions(
        datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
    )
    collection = deployment.database.get_collection(name, codec_options=options)
    with translated(deployment.address):
        stages: list[dict[str, Any]] = [{"$sample": {"size": SAMPLE_DOCUMENTS}}, {"$project": roots}]
        sample = list(collection.aggregate(stages, batchSize=SAMPLE_DOCUMENTS + 1))  # in one batch
    spreads = {f"{name}.{index['name']}": spread_of(list(index["key"]), sample) for index in wanted}
    return {namespace: spread for namespace, spread in spreads.items() if spread is not None}
