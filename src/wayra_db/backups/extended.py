"""Options and indexes as they stand in a backup, in canonical Extended JSON, and as the server takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bson.json_util import JSONOptions


def _options() -> JSONOptions:
    from bson.binary import UuidRepresentation
    from bson.json_util import JSONMode, JSONOptions

    return JSONOptions(
        json_mode=JSONMode.CANONICAL, uuid_representation=UuidRepresentation.UNSPECIFIED, document_class=dict
    )


def to_bson(value: Mapping[str, Any]) -> dict[str, Any]:
    """A document in Extended JSON as one of BSON values; the types of numbers stay."""
    from bson.json_util import loads

    decoded: dict[str, Any] = loads(json.dumps(value), json_options=_options())
    return decoded


def from_bson(value: Mapping[str, Any]) -> dict[str, Any]:
    """A document of BSON values in canonical Extended JSON."""
    from bson.json_util import dumps

    encoded: dict[str, Any] = json.loads(dumps(value, json_options=_options()))
    return encoded


def create_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """A collection's options as `create` takes them: without those that only old servers have listed."""
    return {name: value for name, value in to_bson(options).items() if name not in ("uuid", "autoIndexId", "temp")}


def index_specs(indexes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Index definitions as `createIndexes` takes them: without the one on _id, which every collection makes itself."""
    specs = [to_bson(index) for index in indexes]
    return [
        {name: value for name, value in spec.items() if name not in ("ns", "background", "buildUUID")}
        for spec in specs
        if not spec.get("clustered") and spec["key"] != {"_id": 1}
    ]
