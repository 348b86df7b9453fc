"""The indexes as they are in the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import NAMESPACE_NOT_FOUND, translated


def read_indexes(deployment: Deployment, collections: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The index documents of each collection, [] for one that does not exist. One read a collection; writes nothing.

    An index that is still being built comes with `buildUUID`; a plain listing would show it as if it were there.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name in collections:
        with translated(deployment.address):
            found[name] = [_flat(document) for document in _list(deployment, name)]
    return found


def _list(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    from pymongo.errors import OperationFailure

    try:
        # 64 indexes are the most that a collection can have, so that one batch holds them all.
        reply = deployment.database.command({"listIndexes": name, "includeBuildUUIDs": True, "cursor": {}})
    except OperationFailure as error:
        if error.code == NAMESPACE_NOT_FOUND:
            return []
        raise
    batch: list[dict[str, Any]] = reply["cursor"]["firstBatch"]
    return batch


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """An index being built comes as `{spec: {...}, buildUUID: ...}`."""
    if "spec" in document:
        return {**document["spec"], "buildUUID": document["buildUUID"]}
    return document
