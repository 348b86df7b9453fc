from __future__ import annotations

import pytest

from wayra_db.indexes.progress import parse


@pytest.mark.parametrize(
    ("message", "done", "total", "said"),
    [
        (
            "Index Build: scanning collection Index Build: scanning collection: 7/20 35%",
            7,
            20,
            "reading 7 of 20 documents",
        ),
        ("Index Build: scanning collection", 25, 20, "reading 20 of 20 documents"),
        (
            "Index Build: inserting keys from external sorter into index: 1000/4000 25%",
            1000,
            4000,
            "writing 1,000 of 4,000 keys",
        ),
        ("Index Build: draining writes received during build", 1, 2, "catching up with 1 of 2 writes"),
        ("something that a later server says", 1, 2, "building 1 of 2 documents"),
    ],
)
def test_what_the_server_says_of_a_build(message: str, done: int, total: int, said: str) -> None:
    """Its phase in our words; more read than there was at first is all of it."""
    found = parse({"ns": "shop.my.trips", "msg": message, "progress": {"done": done, "total": total}})
    assert found.collection == "my.trips"
    assert str(found) == said
    assert found.task.startswith("indexes of my.trips")
