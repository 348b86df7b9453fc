from __future__ import annotations

import pytest
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collation import Collation

from tests.indexes import REFUSED
from wayra_db.schema.index_rules import index_mistakes


@pytest.mark.parametrize(("indexes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(indexes: list[IndexModel], message: str) -> None:
    """The first mistake in one sentence, at the index that it is in."""
    mistake = next(index_mistakes(indexes))
    assert message in mistake.message
    assert mistake.where == ("indexes", len(indexes) - 1)


@pytest.mark.parametrize(
    "index",
    [
        IndexModel([("a", ASCENDING), ("a_1", DESCENDING)]),
        IndexModel([("a", 1), ("a_1_b", 1), ("b", 1)]),
        IndexModel([("x_1_x", 1)]),
        IndexModel([("x", 1), ("y", 1)], name="x_y"),
        IndexModel([("a", "hashed"), ("b", 1)]),
        IndexModel([("a", "text"), ("b", "text")], weights={"a": 2}, default_language="german"),
        IndexModel([("place", "2dsphere")]),
        IndexModel([("place", "2d")], bits=20, min=-10, max=10),
        IndexModel("$**", wildcardProjection={"a": 1}),
        IndexModel("a.$**"),
        IndexModel("owner.$id"),
        IndexModel("at", expireAfterSeconds=0),
        IndexModel("at", expireAfterSeconds=3600.0, sparse=True),
        IndexModel("a", unique=1, hidden=False, background=True, collation=Collation("en")),
        IndexModel("a", partialFilterExpression={"b": {"$exists": True}}, unique=True),
    ],
    ids=lambda index: index.document["name"],
)
def test_what_is_accepted(index: IndexModel) -> None:
    """Every kind of index, and names that only look as if a field stood there twice."""
    assert list(index_mistakes([index])) == []


def test_a_field_that_is_named_twice() -> None:
    """The driver drops the first order without a word, and only the index's name tells of it."""
    mistake = next(index_mistakes([IndexModel([("x", 1), ("x", -1)])]))
    assert mistake.message == "index 'x_1_x_-1' names a field twice"
    mistake = next(index_mistakes([IndexModel([("y", 1), ("x", 1), ("x", "text")])]))
    assert "twice" in mistake.message
