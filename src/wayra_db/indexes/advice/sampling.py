"""What is read of collections before an index is proposed: options, counts, and a sample of documents. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wayra_db.indexes.advice.facts import Facts, declared_arrays, learn
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

SAMPLE_DOCUMENTS = 1000


def read_options(deployment: Deployment, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The options of those of these collections that exist and are no views. One read."""
    with translated(deployment.address):
        listed = deployment.database.list_collections(filter={"name": {"$in": list(names)}, "type": "collection"})
        return {found["name"]: found.get("options", {}) for found in listed}


def read_facts(
    deployment: Deployment, options: Mapping[str, Mapping[str, Any]], declared: Mapping[str, Mapping[str, Any] | None]
) -> dict[str, Facts]:
    """The facts of each collection, from its live validator, the declared one and a sample. Two reads a collection."""
    facts: dict[str, Facts] = {}
    for name, found in options.items():
        with translated(deployment.address):
            documents = deployment.database[name].estimated_document_count()
            sample = read_sample(deployment, name)
        arrays = declared_arrays(found.get("validator")) | declared_arrays(declared.get(name))
        facts[name] = learn(documents, sample, arrays)
    return facts


def read_sample(deployment: Deployment, name: str) -> Sequence[Mapping[str, Any]]:
    """Documents of a collection by chance. What cannot be decoded, such as a date past year 9999, is no matter here."""
    from bson.codec_options import CodecOptions, DatetimeConversion

    options: CodecOptions[dict[str, Any]] = CodecOptions(
        datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
    )
    collection = deployment.database.get_collection(name, codec_options=options)
    return list(collection.aggregate([{"$sample": {"size": SAMPLE_DOCUMENTS}}], batchSize=SAMPLE_DOCUMENTS + 1))
