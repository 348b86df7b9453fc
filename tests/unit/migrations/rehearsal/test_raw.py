"""What is read of raw documents."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex, Timestamp

from wayra_db.migrations.rehearsal.snapshot import id_of, shown_id

IDS: list[Any] = [
    1, Int64(2**40), 1.5, "text", "", "ü", ObjectId(), True, None, {"a": {"b": 1}}, {}, b"bytes", Binary(b"x", 5),
    Binary.from_uuid(uuid.UUID(int=1)), datetime(2026, 1, 1, tzinfo=UTC), Decimal128("1.5"), Timestamp(1, 2),
    Regex("a"), bson.MinKey(), bson.Code("x"),
]  # fmt: skip


@pytest.mark.parametrize("value", IDS, ids=lambda value: type(value).__name__)
def test_the_id_is_cut_out_of_any_document(value: Any) -> None:
    """Exactly as if it had been decoded and encoded again, whatever its type and wherever it stands."""
    expected = bson.encode({"_id": value})
    assert id_of(bson.encode({"_id": value, "more": [1, 2]})) == expected
    assert id_of(bson.encode({"more": [1, 2], "_id": value})) == expected


@pytest.mark.parametrize(
    ("value", "open_text", "closed_text"),
    [
        (ObjectId("5eed00000000000000000301"), "5eed00000000000000000301", "5eed00000000000000000301"),
        (7, "7", "7"),
        ("ada@example.com", "'ada@example.com'", "<str>"),
        ({"email": "ada@example.com"}, "{'email': 'ada@example.com'}", "<dict>"),
    ],
)
def test_an_id_that_may_be_a_value_is_not_shown_where_values_are_not(
    value: Any, open_text: str, closed_text: str
) -> None:
    """Numbers and object ids say nothing by themselves; text may be somebody's address."""
    raw = bson.encode({"_id": value})
    assert shown_id(raw, with_values=True) == open_text
    assert shown_id(raw, with_values=False) == closed_text
