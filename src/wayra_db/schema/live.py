"""The collections as they are in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wayra_db.meta import is_user_collection
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

Kind = Literal["collection", "view", "timeseries"]


@dataclass(frozen=True, slots=True)
class LiveCollection:
    """A collection with its options as the server reports them."""

    name: str
    kind: Kind
    options: Mapping[str, Any]


def read_collections(deployment: Deployment, *, everything: bool = False) -> dict[str, LiveCollection]:
    """The user's collections and views, without the server's and the tool's own, unless `everything` is wanted.

    One read; writes nothing.
    """
    with translated(deployment.address):
        return {
            found["name"]: LiveCollection(found["name"], found["type"], found.get("options", {}))
            for found in deployment.database.list_collections()
            if everything or is_user_collection(found["name"])
        }
