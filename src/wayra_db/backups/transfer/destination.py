"""The collection that is imported into: what it is, and the way by which documents can get there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from wayra_db.errors import BackupError, ConfigError
from wayra_db.meta import is_user_collection
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.schema.collection import Collection
from wayra_db.schema.live import LiveCollection, read_collections

if TYPE_CHECKING:
    from wayra_db.backups.transfer.import_ import ImportOptions

Index = Mapping[str, Any]

SIMPLE: Mapping[str, Any] = {"locale": "simple"}


class Way(Enum):
    """How documents get into their collection."""

    DIRECT = "direct"  # inserted where they belong; what is good stays
    REPLACE = "replace"  # loaded beside, then put in the collection's place
    MERGE = "merge"  # loaded beside, then merged by the server


@dataclass(frozen=True, slots=True)
class Destination:
    """A collection as it is, or as it will be created; `indexes` are without the one on _id."""

    name: str
    exists: bool
    way: Way
    options: Mapping[str, Any]
    indexes: Sequence[Index]
    key: tuple[str, ...] = ("_id",)
    mode: str = "insert"

    @property
    def validator(self) -> Mapping[str, Any]:
        """What documents must match, empty when the server does not insist, or not on old ones."""
        insists = self.options.get("validationAction", "error") == "error"
        strict = self.options.get("validationLevel", "strict") == "strict"
        validator: Mapping[str, Any] = self.options.get("validator", {})
        return validator if insists and strict else {}

    @property
    def unique(self) -> list[Index]:
        """The unique indexes, with the one on _id where that is not what documents are known by."""
        found = [index for index in self.indexes if index.get("unique")]
        by_id: list[Index] = [{"key": {"_id": 1}, "name": "_id_", "collation": self.options.get("collation", SIMPLE)}]
        return found if self.mode == "insert" else [*(by_id if self.key != ("_id",) else []), *found]

    @property
    def staging_options(self) -> dict[str, Any]:
        """The options of the temporary collection: all of them, if it is to be the collection; else what judges."""
        if self.way is Way.REPLACE:
            return dict(self.options)
        judging = ("collation", "validator", "validationLevel", "validationAction")
        # Documents to be merged are parts of documents, which no validator has to accept.
        kept = judging[:1] if self.mode == "merge" else judging
        return {name: self.options[name] for name in kept if name in self.options}

    @property
    def indexes_before(self) -> list[Index]:
        """The indexes that judge documents while they are loaded."""
        if self.way is Way.REPLACE or self.mode == "insert":
            return [index for index in self.indexes if index.get("unique")]
        if self.key == ("_id",):
            return [] if self.mode == "merge" else self.unique
        by_key = [index for index in self.indexes if is_key(index, self.key, self.options)]
        others = (
            [] if self.mode == "merge" else [one for one in self.indexes if one.get("unique") and one not in by_key]
        )
        return [*by_key, *others]

    @property
    def indexes_after(self) -> list[Index]:
        """The indexes that are built once the documents are there."""
        return [index for index in self.indexes if not index.get("unique")]


def is_key(index: Index, key: Sequence[str], options: Mapping[str, Any]) -> bool:
    """Whether `$merge` can know documents by an index: unique, over all documents, these fields and nothing else.

    Its collation must be the collection's: by another one the server finds no document, although it says that it would.
    """
    whole = index.get("unique") and "partialFilterExpression" not in index and not index.get("sparse")
    alike = index.get("collation") == options.get("collation", SIMPLE)
    return bool(whole) and alike and set(index["key"]) == set(key)


def inspect(deployment: Deployment, name: str, declared: Collection | None, options: ImportOptions) -> Destination:
    """What is imported into, and how. Reads only. Raises ConfigError and BackupError for what cannot be done."""
    if not is_user_collection(name) or "$" in name or "\0" in name or not name:
        raise ConfigError(
            f"{name!r} is no collection to import into", key="collection", hint="Name one of your own: --collection."
        )
    if options.clear_existing and options.mode != "insert":
        raise ConfigError(
            "a collection that is replaced has nothing to merge with",
            key="mode",
            hint=f"Leave out --mode {options.mode}, or --clear-existing.",
        )
    if options.batch_documents < 1:
        raise ConfigError("a batch has at least one document", key="batch_documents", hint="Give 1 or more.")
    live = read_collections(deployment).get(name)
    way = _way(deployment, live, declared, name, options)
    if live is None:
        created = {} if declared is None else declared.create_options()
        own = {"collation": created.get("collation", SIMPLE)}
        indexes: Sequence[Index] = [] if declared is None else [{**own, **one} for one in declared.index_documents()]
    else:
        created = dict(live.options)
        indexes = _indexes(deployment, live)
    key = ("_id",) if options.mode == "insert" else tuple(options.key)
    found = Destination(name, live is not None, way, created, indexes, key, options.mode)
    if key != ("_id",) and not any(is_key(index, key, created) for index in indexes):
        fields = ", ".join(f'("{field}", 1)' for field in key)
        raise ConfigError(
            f"{name} has no unique index on {', '.join(key)}, so documents cannot be known again by it",
            key="key",
            hint=f"Declare IndexModel([{fields}], unique=True), neither sparse nor partial, with no collation of "
            "its own, and run `wayra-db indexes apply`; or use --key _id.",
        )
    return found


def _way(
    deployment: Deployment, live: LiveCollection | None, declared: Collection | None, name: str, options: ImportOptions
) -> Way:
    skips = options.on_error == "skip" and not options.dry_run
    kind = live.kind if live is not None else "collection"
    if live is None and declared is not None and declared.timeseries is not None:
        kind = "timeseries"
    if kind == "view":
        raise BackupError(f"{name} is a view, which holds no documents", hint="Import into the collection below it.")
    if kind == "timeseries":
        if options.clear_existing or options.mode != "insert" or not (skips or options.dry_run):
            raise BackupError(
                f"{name} is a time series: the server can neither swap nor merge into it, so that it is not imported "
                "into all or nothing",
                hint="Use --on-error skip, which inserts what is good; to replace it, drop it first.",
            )
        return Way.DIRECT if skips else Way.REPLACE  # a dry run puts nothing into place
    if deployment.capabilities.sharded:
        _require_unsharded(deployment, live, declared, name, options)
    if options.clear_existing or (live is None and not (skips and options.mode == "insert")):
        return Way.REPLACE
    if options.mode == "insert" and skips:
        return Way.DIRECT
    if live is not None and live.options.get("capped") and not options.dry_run:
        raise BackupError(
            f"{name} is capped: merging could push out documents that are there",
            hint="Use --on-error skip to insert, or --clear-existing to replace it.",
        )
    return Way.MERGE


def _require_unsharded(
    deployment: Deployment, live: LiveCollection | None, declared: Collection | None, name: str, options: ImportOptions
) -> None:
    """A collection that is put in the place of a sharded one would not be sharded."""
    if live is None and declared is not None and declared.shard_key is not None:
        raise BackupError(f"{name} is to be sharded and is not there yet", hint="Create it first: wayra-db init.")
    if live is not None and options.clear_existing and _is_sharded(deployment, name):
        raise BackupError(
            f"{name} is sharded, and a collection that is put in its place would not be",
            hint="Delete its documents in a migration, then import without --clear-existing.",
        )


def _is_sharded(deployment: Deployment, name: str) -> bool:
    with translated(deployment.address):
        return bool(deployment.database.command("collStats", name).get("sharded"))


def _indexes(deployment: Deployment, live: LiveCollection) -> list[Index]:
    if live.kind == "timeseries":
        return []
    with translated(deployment.address):
        found = [dict(index) for index in deployment.metadata[live.name].list_indexes()]
    # An index without a collation compares by bytes, which has to be said where the collection has one.
    found = [{"collation": SIMPLE, **index} for index in found]
    return [index for index in found if list(index["key"].items()) != [("_id", 1)] and not index.get("clustered")]
