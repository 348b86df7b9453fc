from __future__ import annotations

from typing import Any

import pytest

from wayra_db.mongo.capabilities import decide

STANDALONE: dict[str, Any] = {"isWritablePrimary": True, "maxWireVersion": 17}
PRIMARY = {**STANDALONE, "setName": "rs", "hosts": ["a:1", "b:1"], "arbiters": ["c:1"]}
SECONDARY = {**PRIMARY, "isWritablePrimary": False, "secondary": True}
MONGOS = {**STANDALONE, "msg": "isdbgrid"}
UNINITIATED = {"isWritablePrimary": False, "isreplicaset": True}


@pytest.mark.parametrize(
    ("hello", "version", "topology", "transactions", "snapshots", "writable"),
    [
        (STANDALONE, [6, 0, 5, 0], "standalone", False, False, True),
        (PRIMARY, [6, 0, 5, 0], "replica set", True, True, True),
        (PRIMARY, [4, 4, 29, 0], "replica set", True, False, True),
        (PRIMARY, [3, 6, 23, 0], "replica set", False, False, True),
        (SECONDARY, [8, 0, 4, 0], "replica set", True, True, False),
        (UNINITIATED, [7, 0, 2, 0], "replica set", True, True, False),
        (MONGOS, [7, 0, 2, 0], "sharded cluster", True, True, True),
        (MONGOS, [4, 0, 28, 0], "sharded cluster", False, False, True),
    ],
)
def test_what_a_deployment_can_do(
    hello: dict[str, Any], version: list[int], topology: str, transactions: bool, snapshots: bool, writable: bool
) -> None:
    """Topology and version decide, by the manual's table."""
    found = decide(hello, {"versionArray": version}, "6.0")
    assert (found.topology, found.transactions, found.snapshot_reads, found.writable_primary) == (
        topology,
        transactions,
        snapshots,
        writable,
    )
    assert found.sharded == (topology == "sharded cluster")
    assert found.version == ".".join(map(str, version[:3]))
    assert found.to_dict()["topology"] == topology


def test_members_of_every_kind_count() -> None:
    """Data-bearing members and arbiters are all named."""
    assert decide(PRIMARY, {"versionArray": [6, 0, 5, 0]}, None).members == ("a:1", "b:1", "c:1")
