from __future__ import annotations

import itertools
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.backups import batches
from wayra_db.backups.batches import Run, documents_of, elements, next_batch_size, read_reply, runs
from wayra_db.backups.documents import DocumentError

EVERY_TYPE: dict[str, Any] = {
    "double": 1.5,
    "string": "text\0with zero",
    "document": {"a": {"b": 1}},
    "array": [1, "two"],
    "binary": b"\0\1",
    "old binary": bson.Binary(b"x", 2),
    "id": bson.ObjectId(),
    "bool": True,
    "null": None,
    "date": bson.DatetimeMS(5),
    "regex": bson.Regex("a+", "im"),
    "code": bson.Code("x"),
    "scoped": bson.Code("x", {"y": 1}),
    "int": 1,
    "long": bson.Int64(2),
    "stamp": bson.Timestamp(1, 2),
    "decimal": bson.Decimal128("1"),
    "min": bson.MinKey(),
    "max": bson.MaxKey(),
    "long name " * 20: 1,
}
# Deprecated types that the driver does not write: undefined, symbol, a database pointer.
DEPRECATED = b"\x06u\0" + b"\x0es\0\x02\0\0\0x\0" + b"\x0cp\0\x02\0\0\0c\0" + bytes(12) + b"\x08end\0\x01"


def cursor(documents: list[dict[str, Any]], **more: Any) -> bytes:
    """A reply's `cursor` as the server has it."""
    return bson.encode({"firstBatch": documents, "id": bson.Int64(7), "ns": "a.b", **more})


@pytest.mark.parametrize("view", [bytes, memoryview])
def test_elements_of_every_type(view: Any) -> None:
    """Names, and the place of each value, whether the bytes come as such or as a view."""
    raw = bson.encode(EVERY_TYPE)
    found = list(elements(view(raw)))
    assert [name.decode() for name, *_ in found] == list(EVERY_TYPE)
    for name, kind, begin, end in found:
        alone = bytes([kind]) + b"v\0" + raw[begin:end] + b"\0"
        alone = (len(alone) + 4).to_bytes(4, "little") + alone
        assert bson.decode(alone) == {"v": bson.decode(raw)[name.decode()]}


def test_elements_of_deprecated_types() -> None:
    """What only old drivers have written is passed over all the same."""
    raw = (len(DEPRECATED) + 5).to_bytes(4, "little") + DEPRECATED + b"\0"
    assert [name for name, *_ in elements(raw)] == [b"u", b"s", b"p", b"end"]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0c\0\0",
        b"\x0c\0\0\0\x10a\0\1\0",
        b"\x0c\0\0\0\x02a\0\xff\0\0\0x\0",
        b"\x0c\0\0\0\x02a\0\xf0\xff\xff\xff\0",
        b"\x09\0\0\0\x77a\0\0",
        b"\x09\0\0\0\x10abc",
        b"\xff\0\0\0\x08a\0\1",
    ],
)
def test_elements_of_damaged_bytes(raw: bytes) -> None:
    """A known error, and no endless walk."""
    with pytest.raises(DocumentError):
        list(elements(raw))


@given(st.integers(0, 1200), st.integers(0, 3))
def test_documents_are_cut_at_any_number(number: int, width: int) -> None:
    """Whatever the width of their indexes."""
    documents = [{"_id": n, "pad": "x" * (n % 7) * width} for n in range(number)]
    raw = cursor(documents)
    reply = read_reply(raw)
    assert [bson.decode(one) for one in documents_of(raw, reply)] == documents


def test_what_a_reply_says() -> None:
    """Its id, its moment where it has one, and no batch where there is none."""
    plain = read_reply(cursor([]))
    assert (plain.cursor_id, plain.at) == (7, None)
    assert read_reply(cursor([], atClusterTime=bson.Timestamp(5, 6))).at == (5, 6)
    empty = bson.encode({"id": bson.Int64(0), "ns": "a.b"})
    assert list(documents_of(empty, read_reply(empty))) == []


def test_a_reply_that_is_laid_out_otherwise() -> None:
    """Found out, not taken for documents."""
    raw = bytearray(cursor([{"_id": 1}, {"_id": 2}]))
    reply = read_reply(bytes(raw))
    raw[reply.begin + 7] += 1  # the length of the first document
    with pytest.raises(DocumentError):
        list(documents_of(bytes(raw), reply))


@given(st.lists(st.integers(5, 400), max_size=60))
def test_runs_keep_all_and_cut_none(sizes: list[int]) -> None:
    """In order; none is larger than it must be, and only the last may be small."""
    documents = [bytes([n % 256]) * size for n, size in enumerate(sizes)]
    found = list(runs(iter(documents), 300))
    assert b"".join(bytes(run.data) for run in found) == b"".join(documents)
    assert sum(run.documents for run in found) == len(documents)
    for run in found:
        assert len(run.data) <= 2 * 300 or run.documents == 1
    for run, following in itertools.pairwise(found):
        assert len(run.data) >= 300 or len(run.data) + len(following.data) > 2 * 300


def test_one_large_document_is_not_copied() -> None:
    """It is handed on as it lies in the reply."""
    large = memoryview(bytes(5000))
    assert next(runs(iter([large]), 100)) == Run(large, 1)


@pytest.mark.parametrize(
    ("documents", "size", "expected"),
    [
        (0, 0, 1000),
        (1000, 1000 * 1048, 1001),
        (10, 160_000_000, 1),
        (100_000, 100_000 * 5, batches.MOST_DOCUMENTS),
        (1, batches.FRAME_BYTES, 1),
    ],
)
def test_the_next_batch_comes_to_a_frame(documents: int, size: int, expected: int) -> None:
    """By the average of the last one."""
    assert next_batch_size(documents, size) == expected
