"""Reads what only documents can tell. Each command has a limit in documents and in time; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from wayra_db.health.facts import InvalidDocuments, Overdue
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import MAX_TIME_EXPIRED, translated

SAMPLE_DOCUMENTS = 1000
MOST_MILLISECONDS = 5000


def read_invalid(
    deployment: Deployment, validators: Mapping[str, Mapping[str, Any]], *, sample: int = SAMPLE_DOCUMENTS
) -> tuple[InvalidDocuments, ...]:
    """How many of a sample of each collection its validator would refuse, counted by the server: one read each.

    A collection that cannot be sampled in five seconds is left out.
    """
    found = (_sampled(deployment, name, validator, sample) for name, validator in sorted(validators.items()))
    return tuple(one for one in found if one is not None)


def _sampled(deployment: Deployment, name: str, validator: Mapping[str, Any], sample: int) -> InvalidDocuments | None:
    from pymongo.errors import OperationFailure

    stages: list[Mapping[str, Any]] = [
        {"$sample": {"size": sample}},
        {
            "$facet": {
                "sampled": [{"$count": "n"}],
                "invalid": [{"$match": {"$nor": [validator]}}, {"$count": "n"}],
            }
        },
    ]
    with translated(deployment.address):
        try:
            reply = next(iter(deployment.database[name].aggregate(stages, maxTimeMS=MOST_MILLISECONDS)))
        except OperationFailure as error:
            if error.code == MAX_TIME_EXPIRED:
                return None
            raise
    return InvalidDocuments(name, _count(reply["sampled"]), _count(reply["invalid"]))


def _count(counted: Sequence[Mapping[str, Any]]) -> int:
    return int(counted[0]["n"]) if counted else 0


def ttl_indexes(indexes: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The indexes that let documents expire, each with its collection, those that are still being built left out."""
    return [
        (collection, one)
        for collection, listed in sorted(indexes.items())
        for one in listed
        if "expireAfterSeconds" in one and "buildUUID" not in one and len(one["key"]) == 1
    ]


def read_overdue(
    deployment: Deployment, indexes: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime
) -> tuple[Overdue, ...]:
    """How long the oldest document of each such index is overdue: one read of one index key each, by `now`.

    Only dates are looked at: what is no date never expires.
    """
    return tuple(_overdue(deployment, ttl_indexes(indexes), now))


def _overdue(
    deployment: Deployment, wanted: Sequence[tuple[str, Mapping[str, Any]]], now: datetime
) -> Iterator[Overdue]:
    from bson.codec_options import CodecOptions, DatetimeConversion
    from pymongo.errors import OperationFailure

    options: CodecOptions[dict[str, Any]] = CodecOptions(
        tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
    )
    for collection, index in wanted:
        field, seconds = next(iter(index["key"])), float(index["expireAfterSeconds"])
        if index.get("hidden") or seconds != seconds or seconds > timedelta.max.total_seconds():
            continue
        try:
            deadline = now - timedelta(seconds=seconds)
        except OverflowError:
            continue
        asked = {"$and": [{field: {"$lt": deadline}}, index.get("partialFilterExpression") or {}]}
        with translated(deployment.address):
            try:
                oldest = (
                    deployment.database.get_collection(collection, codec_options=options)
                    .find(asked, {field: 1, "_id": 0}, hint=index["name"], sort=[(field, 1)], limit=1)
                    .max_time_ms(MOST_MILLISECONDS)
                )
                first = next(iter(oldest), None)
            except OperationFailure as error:
                if error.code == MAX_TIME_EXPIRED:
                    continue
                raise
        moment = _date(first, field) if first else None
        if moment is not None:
            yield Overdue(collection, index["name"], round((deadline - moment).total_seconds(), 1))


def _date(document: Mapping[str, Any], path: str) -> datetime | None:
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        value = min((one for one in value if isinstance(one, datetime)), default=None)
    return value.astimezone(UTC) if isinstance(value, datetime) else None
