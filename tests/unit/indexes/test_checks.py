from __future__ import annotations

from typing import Any

import pytest
from pymongo import IndexModel

from wayra_db import Collection, Mask
from wayra_db.environment import Action
from wayra_db.indexes.checks import starts_to_expire, static_problems
from wayra_db.indexes.plan import IndexPlan, PlannedIndex, Step, plan_indexes

Document = dict[str, Any]


def index(key: str | list[tuple[str, Any]], **options: Any) -> Document:
    """A declared index."""
    return dict(IndexModel(key, **options).document)


def problems(
    *indexes: Document, sensitive: dict[str, Mask] | None = None, live: int = 0, shard_key: Document | None = None
) -> list[tuple[str, Action | None]]:
    """Rule and action of what speaks against creating these, beside so many live ones."""
    there = [{"key": {f"live{number}": 1}, "name": f"live{number}"} for number in range(live)]
    plan = plan_indexes({"users": list(indexes)}, {"users": [{"key": {"_id": 1}, "name": "_id_"}, *there]})
    declared = {"users": Collection("users", sensitive=sensitive or {})}
    found = static_problems(plan, declared, {"users": shard_key} if shard_key else {})
    return [(one.rule, one.action) for one in found]


HELD = ("sensitive", Action.INDEX_SENSITIVE_FIELDS)


@pytest.mark.parametrize(
    ("document", "path", "held"),
    [
        (index("email", unique=True), "email", False),
        (index([("email", "text")]), "email", True),
        (index([("name", "text")]), "email", False),
        (index([("$**", "text")]), "profile.name", True),
        (index([("profile", "text")]), "profile.name", True),
        (index([("name", "text")], weights={"bio": 2}), "bio", True),
        (index("$**"), "email", True),
        (index("profile.$**"), "profile.name", True),
        (index("profile.$**"), "profiles", False),
        (index("profile.$**"), "email", False),
        (index("$**", wildcardProjection={"email": 0}), "email", False),
        (index("$**", wildcardProjection={"profile": 0}), "profile.name", False),
        (index("$**", wildcardProjection={"profile": {"name": 0}}), "profile.name", False),
        (index("$**", wildcardProjection={"profile.name": 0}), "profile.phone", True),
        (index("$**", wildcardProjection={"other": 1}), "email", False),
        (index("$**", wildcardProjection={"profile": 1}), "profile.name", True),
        (index("$**", wildcardProjection={"profile.name": 1}), "profile", True),
        (index("$**", wildcardProjection={"_id": 1}), "email", True),
    ],
)
def test_sensitive_fields(document: Document, path: str, held: bool) -> None:
    """A text or wildcard index over one wants a word; a plain index names what it holds."""
    assert problems(document, sensitive={path: Mask.REMOVE}) == ([HELD] if held else [])


@pytest.mark.parametrize(("live", "fits"), [(62, True), (63, False)])
def test_the_limit(live: int, fits: bool) -> None:
    """64 with the one on _id."""
    assert problems(index("a"), live=live) == ([] if fits else [("limit", None)])


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        (index("a", unique=True), True),
        (index([("owner", 1), ("a", 1)], unique=True), False),
        (index([("a", 1), ("owner", 1)], unique=True), True),
        (index("a"), False),
    ],
)
def test_the_shard_key(document: Document, refused: bool) -> None:
    """A unique index on a sharded collection starts with it."""
    assert problems(document, shard_key={"owner": 1}) == ([("shard_key", None)] if refused else [])


@pytest.mark.parametrize("name", ["system.users", "_wayra_log", "somebodys"])
def test_foreign_collections(name: str) -> None:
    """A plan for what is not declared, or is not the user's, is not applied."""
    plan = IndexPlan((PlannedIndex(Step.CREATE, name, "a_1", index("a")),))
    declared = {} if name == "somebodys" else {name: Collection("users")}
    assert [one.rule for one in static_problems(plan, declared)] == ["collection"]


TTL = index("at", expireAfterSeconds=60)


@pytest.mark.parametrize(
    ("declared", "live", "expires"),
    [
        (TTL, None, True),
        (TTL, index("at"), True),
        (TTL, index("at", expireAfterSeconds=90), True),
        (TTL, index("at", expireAfterSeconds=30), False),
        (index("at", expireAfterSeconds=60, hidden=True), TTL, False),
        (index("at", expireAfterSeconds=60, sparse=True), TTL, False),
        (index("then", expireAfterSeconds=60, name="at_1"), TTL, True),
        (index("at", expireAfterSeconds=60, unique=True), index("at"), True),
        (index("at"), TTL, False),
        (index("at"), None, False),
    ],
)
def test_what_starts_to_expire(declared: Document, live: Document | None, expires: bool) -> None:
    """A new lifetime, a shorter one or one by another field; not a longer one, nor the same."""
    plan = plan_indexes({"users": [declared]}, {"users": [live] if live else []})
    assert [starts_to_expire(one) for one in plan.indexes if one.declared] == [expires]
