from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from wayra_db.mongo.tally import Counts, Refusal, WriteTally


def tell(tally: WriteTally, command: dict[str, Any], reply: dict[str, Any], *, failed: bool = False) -> None:
    """A command and its answer, as the driver tells of them."""
    name = next(iter(command))
    event = Mock(command=command, command_name=name, request_id=id(command), reply=reply, failure=reply)
    tally.started(event)
    (tally.failed if failed else tally.succeeded)(event)


INSIDE = {"autocommit": False}


@pytest.mark.parametrize(
    ("command", "reply", "counted"),
    [
        ({"insert": "a"}, {"n": 3}, {"inserted": 3}),
        ({"delete": "a"}, {"n": 2}, {"deleted": 2}),
        ({"update": "a"}, {"n": 5, "nModified": 3}, {"matched": 5, "modified": 3}),
        ({"update": "a"}, {"n": 1, "nModified": 0, "upserted": [{"_id": 1}]}, {"inserted": 1}),
        ({"findAndModify": "a"}, {"lastErrorObject": {"n": 1}}, {"deleted": 1}),
        ({"findAndModify": "a"}, {"lastErrorObject": {"n": 1, "updatedExisting": True}}, {"matched": 1, "modified": 1}),
        ({"findAndModify": "a"}, {"lastErrorObject": {"updatedExisting": False, "upserted": 1}}, {"inserted": 1}),
        ({"findAndModify": "a"}, {"lastErrorObject": {"updatedExisting": False}}, {}),
        ({"bulkWrite": 1}, {"nInserted": 1, "nUpserted": 1, "nMatched": 2, "nModified": 1, "nDeleted": 4},
         {"inserted": 2, "matched": 2, "modified": 1, "deleted": 4}),
        ({"find": "a"}, {"n": 3}, {}),
        ({"insert": "_wayra_log"}, {"n": 1}, {}),
    ],
)  # fmt: skip
def test_what_a_reply_says(command: dict[str, Any], reply: dict[str, Any], counted: dict[str, int]) -> None:
    """Found and changed documents of the user's writes, and never the tool's own."""
    tally = WriteTally()
    with tally.counting() as counts:
        tell(tally, command, reply)
    assert counts.to_dict() == counted


def test_nothing_is_counted_outside() -> None:
    """Before the block and after it."""
    tally = WriteTally()
    tell(tally, {"insert": "a"}, {"n": 1})
    with tally.counting() as counts:
        pass
    tell(tally, {"insert": "a"}, {"n": 1})
    assert counts.to_dict() == {}


@pytest.mark.parametrize(
    ("command", "reply", "failed", "refused"),
    [
        ({"insert": "a", **INSIDE}, {"n": 0, "writeErrors": [{"code": 11000}]}, False, Refusal("insert", 11000)),
        ({"createIndexes": "a", **INSIDE}, {"code": 263}, True, Refusal("createIndexes", 263)),
        ({"insert": "a", **INSIDE}, {"code": 112, "errorLabels": ["TransientTransactionError"]}, True, None),
        ({"insert": "a", **INSIDE}, {}, True, None),
        ({"replSetGetStatus": 1}, {"code": 13}, True, None),
        ({"insert": "a"}, {"n": 0, "writeErrors": [{"code": 11000}]}, False, None),
    ],
)
def test_the_first_refusal_in_a_transaction(
    command: dict[str, Any], reply: dict[str, Any], failed: bool, refused: Refusal | None
) -> None:
    """Only what stands in a transaction can end it, and only for good."""
    tally = WriteTally()
    with tally.counting() as counts:
        tell(tally, command, reply, failed=failed)
        tell(tally, {"insert": "b", **INSIDE}, {"code": 251, "errorLabels": ["TransientTransactionError"]}, failed=True)
    assert counts.refused == refused


def test_what_was_given_up_does_not_count() -> None:
    """Back to the mark, but a refusal is remembered: it says why it was given up."""
    counts = Counts(matched=2, modified=2)
    mark = counts.mark()
    counts.matched, counts.deleted, counts.refused = 9, 1, Refusal("insert", 11000)
    counts.back_to(mark)
    assert counts == Counts(matched=2, modified=2, refused=Refusal("insert", 11000))
