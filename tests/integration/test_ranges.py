"""Walks over keys of all types, held against the server's own order: each document is in exactly one batch."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import AsyncMongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from wayra_db.locking import Lease
from wayra_db.migrations.batches import BatchesError, Run
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.commands import any_date
from wayra_db.mongo.ports import AsyncPort, Port, SyncPort
from wayra_db.mongo.tally import Counts
from wayra_db.stopping import Stop
from wayra_db.testing import RecordingObserver, ServerUnderTest

Documents = Database[dict[str, Any]]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([-0.0, 0.0, math.nan, Decimal128("NaN"), Decimal128("-Infinity"), Decimal128("0.1"), 0.1]),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-9, max_value=9).map(Decimal128),
    st.sampled_from([MinKey(), MaxKey()]),
    st.text(alphabet="aAäß\u0000\U0001f600", max_size=3),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.sampled_from([DatetimeMS(-(2**62)), DatetimeMS(2**62), DatetimeMS(253402300800000)]),
    st.builds(Binary, st.binary(max_size=3), st.sampled_from([0, 1, 5, 128])),
    st.builds(Binary, st.binary(min_size=16, max_size=16), st.sampled_from([3, 4])),
    st.integers(0, 3).map(lambda number: ObjectId(f"{number:024x}")),
    st.builds(Timestamp, st.integers(0, 3), st.integers(0, 3)),
)
VALUES = SCALARS | st.dictionaries(st.sampled_from(["a", "b"]), SCALARS, max_size=2)
FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(FAST, max_examples=15)


@dataclass
class NoLease:
    """A lease that always holds."""

    epoch: int = 1

    def check(self) -> None:
        """It holds."""


def run(port: Port, deployment: Deployment) -> Run:
    """What a migration's walks share."""
    return Run(
        name="test",
        version=1,
        direction="up",
        port=port,
        lease=cast(Lease, NoLease()),
        observer=RecordingObserver(),
        stop=Stop(),
        deployment=deployment,
        redo_doubtful=False,
    )


@pytest.fixture
def things(wayra_server: ServerUnderTest) -> Iterator[Documents]:
    """A database for many examples."""
    with wayra_server.client() as client:
        database = client[f"wayra_test_{secrets.token_hex(6)}"]
        yield database
        client.drop_database(database.name)


def fill(database: Documents, documents: list[dict[str, Any]], *, key: str = "_id") -> int:
    """These documents and no others, but for those whose _id is there already; how many."""
    database["_wayra_checkpoints"].delete_many({})
    database.things.delete_many({})
    if key != "_id":
        database.things.create_index(key)
    with suppress(BulkWriteError):
        if not documents:
            return 0
        # The server's refusal of a second one quotes the value, which may be a date that Python does not know.
        things = database.things.with_options(codec_options=any_date())
        things.insert_many(documents, ordered=False)
    return database.things.count_documents({})


def walk(database: Documents, *, size: int, key: str = "_id") -> list[int]:
    """Go over everything and count each document; how many each batch had."""
    deployment = Deployment(database.client, database.name)
    with database.client.start_session() as session:
        walks = run(SyncPort(database, session, Stop(), Counts()), deployment)
        sizes = []
        for batch in walks.batches("things", {}, size=size, key=key):
            changed = batch.update_many({"$inc": {"n": 1}})
            assert changed.matched_count == batch.documents
            sizes.append(batch.documents)
        walks.require_ended()
    return sizes


@FAST
@given(values=st.lists(VALUES, max_size=14), size=st.integers(1, 7))
def test_every_id_is_in_exactly_one_batch(things: Documents, values: list[Any], size: int) -> None:
    """Whatever the types of the _ids are."""
    count = fill(things, [{"_id": value, "n": 0} for value in values])
    sizes = walk(things, size=size)
    assert sum(sizes) == count
    assert all(0 < number <= size for number in sizes)
    assert things.things.count_documents({"n": 1}) == count


@FAST
@given(values=st.lists(VALUES | st.just("missing"), max_size=14), size=st.integers(1, 7))
def test_every_value_of_another_key_is_in_exactly_one_batch(things: Documents, values: list[Any], size: int) -> None:
    """Also where several documents have one value, or none at all."""
    documents = [{"_id": number, "n": 0, "k": value} for number, value in enumerate(values)]
    count = fill(things, [{k: v for k, v in one.items() if v != "missing"} for one in documents], key="k")
    assert sum(walk(things, size=size, key="k")) == count
    assert things.things.count_documents({"n": 1}) == count


@FEW
@given(values=st.lists(VALUES, max_size=10), size=st.integers(1, 5))
def test_an_async_walk_meets_the_same(things: Documents, values: list[Any], size: int) -> None:
    """`async for` over the asynchronous driver."""
    count = fill(things, [{"_id": value, "n": 0} for value in values])
    deployment = Deployment(things.client, things.name)
    host, port = things.client.address or ("", 0)

    async def go() -> int:
        uri = f"mongodb://{host}:{port}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](uri) as client, client.start_session() as session:
            walks = run(AsyncPort(client[things.name], session, Stop(), Counts()), deployment)
            met = 0
            async for batch in walks.batches("things", {}, size=size, key="_id"):
                met += (await batch.update_many({"$inc": {"n": 1}})).matched_count
            walks.require_ended()
            return met

    assert asyncio.run(go()) == count
    assert things.things.count_documents({"n": 1}) == count


@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_id", Code("x")),
        ("k", Code("x")),
        ("k", Regex("x")),
        ("k", [1, 2]),
        ("k", []),
        ("k", [[1]]),
        ("k", [MinKey()]),
    ],
    ids=repr,
)
def test_a_value_that_no_range_holds_is_an_error_and_never_passed_over(
    things: Documents, key: str, value: Any, size: int
) -> None:
    """Wherever it stands among the others."""
    values = [MinKey(), None, 1, "b", ObjectId(), datetime(2026, 1, 1, tzinfo=UTC), MaxKey(), value]
    fill(things, [{"_id": place, "n": 0, key: one} for place, one in enumerate(values)], key=key)
    with pytest.raises(BatchesError, match="batches cannot go by that"):
        walk(things, size=size, key=key)


def test_what_many_documents_share_is_counted_in_one_batch(things: Documents) -> None:
    """A batch by another key takes all documents with its last value, and says how many that are."""
    fill(things, [{"_id": number, "n": 0, "k": number // 5} for number in range(12)], key="k")
    assert walk(things, size=3, key="k") == [5, 5, 2]
