"""Reads documents as raw BSON, as fast as a client can: the reply's bytes are cut, never decoded."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.backups.batches import Run, documents_of, next_batch_size, read_reply, runs
from wayra_db.backups.budget import Budget
from wayra_db.backups.documents import LARGEST, split
from wayra_db.backups.moment import Moment
from wayra_db.backups.ranges import EVERYTHING, Range

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db.mongo.client import Deployment


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read: a collection by name and uuid, all of it or a range, through a pipeline or as it is.

    `first_bytes` is what the first reply may come to, as far as one knows.
    """

    collection: str
    uuid: bytes | None
    moment: Moment
    range: Range = EVERYTHING
    pipeline: Sequence[Mapping[str, Any]] = ()
    filter: Mapping[str, Any] | None = None
    first_bytes: int = LARGEST


def read(deployment: Deployment, reading: Reading, batch_size: int, budget: Budget) -> Generator[Run, None, None]:
    """The documents in runs of about 1 MiB. The cursor is closed on the server when the iteration is given up.

    Raises the driver's errors. Takes a session of its own, so that several threads may read side by side.
    """
    # A cluster's cursor lives in one of its routers, and only the driver's own cursors find back to theirs.
    if deployment.capabilities.sharded:
        return _read_by_cursor(deployment, reading, batch_size)
    return read_directly(deployment.database, reading, batch_size, budget)


def _command(reading: Reading, batch_size: int) -> dict[str, Any]:
    from bson.binary import UUID_SUBTYPE, Binary

    common: dict[str, Any] = dict(reading.moment.read_concern())
    if reading.uuid is not None and reading.moment.with_uuid:
        common["collectionUUID"] = Binary(reading.uuid, UUID_SUBTYPE)
    if reading.pipeline:
        return {
            "aggregate": reading.collection,
            "pipeline": list(reading.pipeline),
            "cursor": {"batchSize": batch_size},
            **common,
        }
    command: dict[str, Any] = {"find": reading.collection, "batchSize": batch_size, **common}
    if reading.filter is not None:
        command["filter"] = reading.filter
    if reading.range.greatest:
        from bson.max_key import MaxKey

        command["filter"] = {"_id": MaxKey()}
    elif not reading.range.whole:
        command["hint"] = {"_id": 1}
        if reading.range.low is not None:
            command["min"] = reading.range.low
        if reading.range.high is not None:
            command["max"] = reading.range.high
    return command


def read_directly(
    database: Database[dict[str, Any]], reading: Reading, batch_size: int, budget: Budget
) -> Generator[Run, None, None]:
    """As `read`, from one server, by plain commands. While a batch is worked at, its size is held of the budget."""
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument
    from pymongo.errors import PyMongoError

    raw = CodecOptions(document_class=RawBSONDocument)
    cursor_id = 0
    with database.client.start_session(causal_consistency=False) as session:
        try:
            command = _command(reading, batch_size)
            size = reading.first_bytes
            while True:
                with budget.holding(size):
                    cursor = database.command(command, codec_options=raw, session=session)["cursor"].raw
                    reply = read_reply(cursor)
                    cursor_id = reply.cursor_id
                    documents, size = 0, 0
                    for run in runs(documents_of(cursor, reply)):
                        documents, size = documents + run.documents, size + len(run.data)
                        yield run
                        del run
                    del cursor
                if not cursor_id:
                    return
                command = {
                    "getMore": _long(cursor_id),
                    "collection": reading.collection,
                    "batchSize": next_batch_size(documents, size),
                }
        finally:
            if cursor_id:
                with suppress(PyMongoError):  # it dies with its session
                    command = {"killCursors": reading.collection, "cursors": [_long(cursor_id)]}
                    database.command(command, session=session)


def _long(number: int) -> Any:
    from bson.int64 import Int64

    return Int64(number)


def _read_by_cursor(deployment: Deployment, reading: Reading, batch_size: int) -> Generator[Run, None, None]:
    options = _command(reading, batch_size)
    extra = {name: options[name] for name in ("readConcern", "collectionUUID") if name in options}
    pipeline = list(reading.pipeline) or ([{"$match": reading.filter}] if reading.filter else [])
    cursor: Any = deployment.database[reading.collection].aggregate_raw_batches(pipeline, batchSize=batch_size, **extra)
    with cursor:
        batch: bytes
        for batch in cursor:
            yield from runs(batch[begin:end] for begin, end in split(batch))
