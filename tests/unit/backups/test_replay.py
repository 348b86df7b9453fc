from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wayra_db.backups.replay import operations
from wayra_db.errors import BackupError

Entry = Mapping[str, Any]


def insert(number: int, **more: Any) -> dict[str, Any]:
    """An insert into the collection `a`."""
    return {"op": "i", "ns": "shop.a", "o": {"_id": number}, **more}


def command(o: Mapping[str, Any], ns: str = "shop.$cmd", **more: Any) -> dict[str, Any]:
    """A command."""
    return {"op": "c", "ns": ns, "o": o, **more}


def transaction(number: int, *inner: Entry, **flags: Any) -> dict[str, Any]:
    """An entry of a transaction of one session."""
    return command({"applyOps": list(inner), **flags}, "admin.$cmd", lsid={"id": 1}, txnNumber=number)


def ids(*entries: Entry) -> list[int]:
    """The ids of the documents that would be written, in order."""
    return [one["o"]["_id"] for one, _ in operations(iter((entry, 10) for entry in entries), "shop", {"a"})]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([insert(1), insert(2)], [1, 2]),
        ([{"op": "n", "ns": "", "o": {"msg": "periodic noop"}}, insert(1)], [1]),
        ([transaction(1, insert(1), insert(2))], [1, 2]),
        ([transaction(1, insert(1), partialTxn=True), insert(9), transaction(1, insert(2))], [9, 1, 2]),
        (
            [
                transaction(1, insert(1), prepare=True),
                insert(9),
                command({"commitTransaction": 1}, "admin.$cmd", lsid={"id": 1}, txnNumber=1),
            ],
            [9, 1],
        ),
        (
            [
                transaction(1, insert(1), prepare=True),
                command({"abortTransaction": 1}, "admin.$cmd", lsid={"id": 1}, txnNumber=1),
                insert(9),
            ],
            [9],
        ),
        ([transaction(1, insert(1), partialTxn=True)], []),
        ([command({"create": "a"}), command({"createIndexes": "a"}), command({"collMod": "a"}), insert(1)], [1]),
        ([command({"drop": "other"}), command({"drop": "a"}, "elsewhere.$cmd"), insert(1)], [1]),
    ],
)
def test_operations_come_out_in_the_order_of_their_commit(entries: list[Entry], expected: list[int]) -> None:
    """Single ones at once, those of a transaction when it commits, and none of one that was given up."""
    assert ids(*entries) == expected


@pytest.mark.parametrize(
    "entry",
    [
        command({"drop": "a"}),
        command({"dropDatabase": 1}),
        command({"renameCollection": "shop.a", "to": "shop.b"}),
        command({"renameCollection": "shop.b", "to": "shop.a"}, "admin.$cmd"),
        command({"emptycapped": "a"}),
        command({"convertToCapped": "a"}),
    ],
)
def test_what_no_slice_can_bring_to_one_moment(entry: Entry) -> None:
    """A collection of the backup that was dropped, renamed or emptied meanwhile."""
    with pytest.raises(BackupError, match="cannot be brought to one moment"):
        ids(insert(1), entry)
