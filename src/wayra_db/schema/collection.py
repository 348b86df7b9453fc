"""A collection as it is meant to be: validator, indexes, options and sensitive fields, declared in Python.

    from pymongo import IndexModel
    from wayra_db import Collection, Mask

    users = Collection(
        "users",
        validator={"$jsonSchema": {"bsonType": "object", "required": ["email"], "properties": {...}}},
        indexes=[IndexModel([("email", 1)], unique=True)],
        sensitive={"email": Mask.EMAIL},
    )

A wrong declaration raises at once, with the file and line of the mistake. Nothing here imports the driver.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from wayra_db.errors import DeclarationError
from wayra_db.schema.locate import find_line
from wayra_db.schema.mask import Mask
from wayra_db.schema.validate import first_mistake

if TYPE_CHECKING:
    from pymongo import IndexModel
    from pymongo.collation import Collation

__all__ = ["Collection", "Mask"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Collection:
    """One declared collection: immutable, equal to another by what it declares, hashed by its name.

    Parameters, all but the name by keyword, the dictionaries with the server's own spelling inside:

    - `validator`: a query that documents must match, usually `{"$jsonSchema": ...}`.
    - `validation_level`: `strict`, the server's default; `moderate` leaves documents alone that were invalid before;
      `off`.
    - `validation_action`: `error`, the server's default, `warn`, or from MongoDB 8.1 on `errorAndLog`.
    - `indexes`: PyMongo's `IndexModel`s, without the one on `_id`.
    - `sensitive`: dotted paths, arrays included as in queries, and what a redacted backup holds instead.
    - `collation`: the default of the collection's queries and indexes; a dict or PyMongo's `Collation`.
    - `capped`: `{"size": bytes, "max": documents}`, `max` optional.
    - `timeseries`: `{"timeField": ..., "metaField": ..., "granularity": ...}`.
    - `clustered_index`: `{"key": {"_id": 1}, "unique": True}`.
    - `expire_after_seconds`: the life of documents in a time series or a clustered collection.
    - `shard_key`: `{"owner": 1}` or `{"_id": "hashed"}`; used on a sharded cluster, ignored elsewhere.

    Raises DeclarationError with `path` and `line` of the first mistake. `path` and `line` of the declaration itself are
    kept for later messages.
    """

    name: str
    _: KW_ONLY
    validator: Mapping[str, Any] | None = None
    validation_level: str | None = None
    validation_action: str | None = None
    indexes: Sequence[IndexModel] = ()
    sensitive: Mapping[str, Mask] = field(default_factory=dict)
    collation: Mapping[str, Any] | Collation | None = None
    capped: Mapping[str, Any] | None = None
    timeseries: Mapping[str, Any] | None = None
    clustered_index: Mapping[str, Any] | None = None
    expire_after_seconds: int | None = None
    shard_key: Mapping[str, Any] | None = None
    path: Path = field(init=False)
    line: int = field(init=False)

    def __post_init__(self) -> None:
        path, line = _caller()
        mistake = first_mistake(self)
        if mistake is not None:
            message = f"collection {self.name!r}: {mistake.message}"
            raise DeclarationError(message, path=path, line=find_line(path, line, mistake), hint=mistake.hint)
        keep = object.__setattr__
        keep(self, "path", path)
        keep(self, "line", line)
        keep(self, "indexes", tuple(self.indexes))
        keep(self, "collation", _document(self.collation))
        for option in ("validator", "sensitive", "collation", "capped", "timeseries", "clustered_index", "shard_key"):
            value = getattr(self, option)
            # A copy, so that a part shared between declarations and changed later changes none of them.
            keep(self, option, value if value is None else MappingProxyType(copy.deepcopy(dict(value))))

    def create_options(self) -> dict[str, Any]:
        """The options of the server's `create` command, as far as they are declared; the caller's own copy."""
        capped = {"capped": True, **self.capped} if self.capped is not None else {}
        options = {
            "validator": self.validator,
            "validationLevel": self.validation_level,
            "validationAction": self.validation_action,
            "collation": self.collation,
            **capped,
            "timeseries": self.timeseries,
            "clusteredIndex": self.clustered_index,
            "expireAfterSeconds": self.expire_after_seconds,
        }
        return {
            name: copy.deepcopy(dict(value)) if isinstance(value, Mapping) else value
            for name, value in options.items()
            if value is not None
        }

    def index_documents(self) -> list[dict[str, Any]]:
        """The declared indexes as the server's `createIndexes` takes them, in order; the caller's own copies."""
        return [copy.deepcopy(dict(index.document)) for index in self.indexes]

    def __eq__(self, other: object) -> bool:
        return self._value() == other._value() if isinstance(other, Collection) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Collection({self.name!r}, declared at {self.path}:{self.line})"

    def _value(self) -> tuple[Any, ...]:
        # The order of keys counts in indexes and shard keys, which comparing dictionaries would not see.
        indexes = [(list(document["key"].items()), document) for document in self.index_documents()]
        shard_key = None if self.shard_key is None else list(self.shard_key.items())
        return (self.name, self.create_options(), indexes, dict(self.sensitive), shard_key)


def _caller() -> tuple[Path, int]:
    """File and line of the call of `Collection(...)`: the nearest frame whose code is not this module's."""
    frame = sys._getframe(1)
    while frame.f_globals is globals() and frame.f_back is not None:
        frame = frame.f_back
    return Path(frame.f_code.co_filename), frame.f_lineno


def _document(collation: Mapping[str, Any] | Collation | None) -> Mapping[str, Any] | None:
    return collation if collation is None or isinstance(collation, Mapping) else collation.document
