from __future__ import annotations

from typing import Any

from wayra_db.server.replica_set import readdressed

STORED: dict[str, Any] = {"_id": "wayra", "version": 4, "members": [{"_id": 0, "host": "/old/mongod.sock", "votes": 1}]}


def test_a_member_that_is_where_it_was_stays() -> None:
    """Nothing is to be changed when the stored address is right."""
    assert readdressed(STORED, [{"_id": 0, "host": "/old/mongod.sock"}]) is None


def test_a_moved_member_gets_its_new_address_and_keeps_the_rest() -> None:
    """Only host and version change."""
    assert readdressed(STORED, [{"_id": 0, "host": "/new/mongod.sock"}]) == {
        "_id": "wayra",
        "version": 5,
        "members": [{"_id": 0, "host": "/new/mongod.sock", "votes": 1}],
    }


def test_members_that_are_gone_are_dropped() -> None:
    """A folder that was one of three members elsewhere becomes a set of its own."""
    stored = {**STORED, "members": [*STORED["members"], {"_id": 1, "host": "b:1"}]}
    moved = readdressed(stored, [{"_id": 0, "host": "/new/mongod.sock"}])
    assert moved is not None
    assert [member["host"] for member in moved["members"]] == ["/new/mongod.sock"]
