"""The models of Beanie and MongoEngine, as these libraries themselves make them."""

# No `from __future__ import annotations`: both libraries read annotations while a class is made.
from typing import Annotated, Any

import mongoengine  # type: ignore[import-untyped]
import pymongo
import pytest
from beanie import Document, Indexed
from pymongo import IndexModel

from wayra_db import Collection
from wayra_db.errors import DeclarationError
from wayra_db.schema.adapters import beanie_indexes, mongoengine_indexes


class Named(Document):
    name: Indexed(str)  # type: ignore[valid-type]

    class Settings:
        """Where Beanie looks for them."""

        indexes = ("x", [("a", 1), ("b", -1)])


class User(Named):
    email: Annotated[str, Indexed(unique=True)]
    bio: Indexed(str, index_type=pymongo.TEXT)  # type: ignore[valid-type]
    age: Annotated[int | None, Indexed(sparse=True)] = None

    class Settings:
        """Where Beanie looks for them."""

        name = "users"
        indexes = ([("b", -1), ("a", 1)], IndexModel("at", expireAfterSeconds=5, name="x_1"))


class Merged(User):
    class Settings:
        """Where Beanie looks for them."""

        indexes = ("y",)
        merge_indexes = True


class Place(mongoengine.Document):  # type: ignore[misc]
    title = mongoengine.StringField(unique=True)
    spot = mongoengine.PointField()
    a = mongoengine.IntField()
    b = mongoengine.IntField(unique_with="a", db_field="bee")
    created = mongoengine.DateTimeField()
    meta = {  # noqa: RUF012 - so MongoEngine wants it
        "indexes": ["a", ("a", "-b"), "$title", {"fields": ["created"], "expireAfterSeconds": 60}, "#a"],
        "index_opts": {"hidden": True},
    }


class Inherited(mongoengine.Document):  # type: ignore[misc]
    a = mongoengine.IntField()
    meta = {"allow_inheritance": True, "indexes": [{"fields": ["a"], "cls": False}]}  # noqa: RUF012


def described(indexes: list[IndexModel]) -> list[tuple[list[tuple[str, Any]], dict[str, Any]]]:
    """Keys, in order, and options."""
    return [
        (list(one.document["key"].items()), {k: v for k, v in one.document.items() if k not in ("key", "name") and v})
        for one in indexes
    ]


def test_beanie() -> None:
    """Fields, in both notations, and settings; two over the same fields in another order are two."""
    assert described(beanie_indexes(Named)) == [
        ([("name", 1)], {}),
        ([("x", 1)], {}),
        ([("a", 1), ("b", -1)], {}),
    ]
    assert described(beanie_indexes(User)) == [
        ([("name", 1)], {}),
        ([("email", 1)], {"unique": True}),
        ([("bio", "text")], {}),
        ([("age", 1)], {"sparse": True}),
        ([("b", -1), ("a", 1)], {}),
        ([("at", 1)], {"expireAfterSeconds": 5}),
    ]


def test_beanie_merges() -> None:
    """With merge_indexes those of the parents as well; the last of a name counts."""
    assert described(beanie_indexes(Merged))[4:] == [
        ([("at", 1)], {"expireAfterSeconds": 5}),
        ([("a", 1), ("b", -1)], {}),
        ([("b", -1), ("a", 1)], {}),
        ([("y", 1)], {}),
    ]


def test_mongoengine() -> None:
    """Those of `meta` and of unique and geo fields, by the names that fields have in the database."""
    hidden = {"hidden": True}
    assert described(mongoengine_indexes(Place)) == [
        ([("a", 1)], hidden),
        ([("a", 1), ("bee", -1)], hidden),
        ([("title", "text")], hidden),
        ([("created", 1)], {"expireAfterSeconds": 60, **hidden}),
        ([("a", "hashed")], hidden),
        ([("spot", "2dsphere")], hidden),
        ([("title", 1)], {"unique": True, **hidden}),
        ([("bee", 1), ("a", 1)], {"unique": True, **hidden}),
    ]


def test_mongoengine_with_inheritance() -> None:
    """The class is indexed too, where no other index begins with it."""
    assert described(mongoengine_indexes(Inherited)) == [([("a", 1)], {}), ([("_cls", 1)], {})]


def test_they_are_declarations() -> None:
    """A collection takes them as they are."""
    assert len(Collection("users", indexes=beanie_indexes(User)).indexes) == 6
    assert len(Collection("places", indexes=mongoengine_indexes(Place)).indexes) == 8


@pytest.mark.parametrize("adapter", [beanie_indexes, mongoengine_indexes])
def test_something_else(adapter: Any) -> None:
    """What is no model of the library is refused, by name."""
    with pytest.raises(DeclarationError, match="int is no"):
        adapter(int)
