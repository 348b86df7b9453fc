from __future__ import annotations

from typing import Any

import pytest

from wayra_db.indexes.quorum import ALL, MAJORITY, decide

PRIMARY, SECONDARY, RECOVERING, ARBITER, DOWN = 1, 2, 3, 7, 8


@pytest.mark.parametrize(
    ("members", "states", "expected"),
    [
        ([{}], [PRIMARY], ALL),
        ([{}, {}, {}], [PRIMARY, SECONDARY, SECONDARY], ALL),
        ([{}, {}, {}], [PRIMARY, SECONDARY, DOWN], MAJORITY),
        ([{}, {}, {}], [PRIMARY, SECONDARY, RECOVERING], MAJORITY),
        ([{}, {}, {"arbiterOnly": True}], [PRIMARY, SECONDARY, ARBITER], ALL),
        ([{}, {}, {"arbiterOnly": True}], [PRIMARY, SECONDARY, DOWN], ALL),
        ([{}, {}, {}, {"votes": 0}], [PRIMARY, SECONDARY, SECONDARY, DOWN], ALL),
        ([{}, {}, {"buildIndexes": False}], [PRIMARY, SECONDARY, SECONDARY], MAJORITY),
    ],
)
def test_quorum(members: list[dict[str, Any]], states: list[int], expected: str) -> None:
    """All voting members while all of them are up and build indexes, else the majority."""
    config = {"members": [{"_id": number, **member} for number, member in enumerate(members)]}
    status = {
        "members": [
            {"_id": number, "state": state, "health": int(state != DOWN)} for number, state in enumerate(states)
        ]
    }
    assert decide(config, status) == expected
