"""An empty database that a copy goes into: collections with their options, raw documents, indexes at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wayra_db.backups.batches import Run
from wayra_db.backups.definitions import Definition, is_kept
from wayra_db.backups.documents import split
from wayra_db.errors import BackupError, RestoreConflictError
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.commands import MAJORITY
from wayra_db.mongo.errors import translate, translated

if TYPE_CHECKING:
    from pymongo.database import Database

UNFINISHED = "_wayra_cloning"
# Options that listCollections tells and create does not take.
_NOT_TAKEN = frozenset({"autoIndexId", "uuid"})
_INDEX_NOT_TAKEN = frozenset({"ns", "background", "clustered", "prepareUnique"})


class Target:
    """The database at the other end. It is marked as unfinished from the first write to `finish`."""

    def __init__(self, deployment: Deployment) -> None:
        from bson.codec_options import CodecOptions
        from pymongo import WriteConcern

        self._deployment = deployment
        self._made: list[str] = []
        self._database: Database[dict[str, Any]] = deployment.client.get_database(
            deployment.database_name, codec_options=CodecOptions(tz_aware=True), write_concern=WriteConcern(1)
        )

    def require_empty(self) -> None:
        """Raise RestoreConflictError when it holds any collection. One read."""
        with translated(self._deployment.address):
            there = sorted(name for name in self._database.list_collection_names() if is_kept(name))
        if not there:
            return
        name = self._deployment.database_name
        broken_off = UNFINISHED in there
        raise RestoreConflictError(
            f"database {name} at {self._deployment.address} "
            + ("holds what a clone that was cut off has left" if broken_off else "is not empty")
            + "; nothing was written to it",
            collections=there,
            hint=f"Drop database {name} there, or name another with --to-database.",
        )

    def begin(self, definitions: Iterable[Definition]) -> None:
        """Mark it, and create the collections, empty and without indexes."""
        with translated(self._deployment.address):
            self._create(UNFINISHED, {})
            for one in definitions:
                if one.kind != "view":
                    options = {name: value for name, value in one.options.items() if name not in _NOT_TAKEN}
                    self._create(one.name, options)

    def finish(self, definitions: Sequence[Definition]) -> None:
        """Build the indexes, those that let documents expire last; create the views; take the mark away."""
        with translated(self._deployment.address):
            for one in definitions:
                self._build(one, [index for index in one.indexes if "expireAfterSeconds" not in index])
            for one in definitions:
                self._build(one, [index for index in one.indexes if "expireAfterSeconds" in index])
            for one in definitions:
                if one.kind == "view":
                    self._create(one.name, one.options)
            self._database.command({"drop": UNFINISHED, "writeConcern": MAJORITY})

    def sink(self, one: Definition) -> CollectionSink:
        """Where the documents of a collection go."""
        return CollectionSink(self._deployment, self._database, one)

    def undo(self) -> None:
        """Drop what was made here, the mark last."""
        with translated(self._deployment.address):
            for name in reversed(self._made):
                self._database.command({"drop": name})

    def _create(self, name: str, options: Mapping[str, Any]) -> None:
        self._database.command({"create": name, **options, "writeConcern": MAJORITY})
        self._made.append(name)

    def _build(self, one: Definition, indexes: Sequence[Mapping[str, Any]]) -> None:
        wanted = [index for index in indexes if index["name"] != "_id_" and not index.get("clustered")]
        if not wanted:
            return
        specifications = [
            {name: value for name, value in index.items() if name not in _INDEX_NOT_TAKEN} for index in wanted
        ]
        self._database.command({"createIndexes": one.name, "indexes": specifications, "writeConcern": MAJORITY})
        for index in wanted:
            if index.get("prepareUnique"):
                self._database.command({"collMod": one.name, "index": {"name": index["name"], "prepareUnique": True}})


class CollectionSink:
    """Inserts raw documents into one collection; safe from several threads."""

    def __init__(self, deployment: Deployment, database: Database[dict[str, Any]], one: Definition) -> None:
        self._deployment = deployment
        self._collection = database[one.source or one.name]
        self._ordered = one.capped
        self._documents = 0

    def put(self, run: Run) -> None:
        """Insert them as they are. Raises BackupError without any value of a document in it."""
        from bson.raw_bson import RawBSONDocument
        from pymongo.errors import BulkWriteError, PyMongoError

        documents = [RawBSONDocument(run.data[begin:end]) for begin, end in split(run.data)]
        try:
            self._collection.insert_many(documents, ordered=self._ordered, bypass_document_validation=True)
        except BulkWriteError as error:
            codes = sorted({one.get("code") for one in (error.details or {}).get("writeErrors", [])})
            raise BackupError(
                f"{self._deployment.address} refused documents of {self._collection.name} (code "
                f"{', '.join(map(str, codes)) or 'unknown'})",
                hint="Is somebody else writing to that database? What was copied is dropped again.",
            ) from None
        except PyMongoError as error:
            raise translate(error, self._deployment.address) from error

    def close(self) -> None:
        """Nothing is kept back."""

    def abandon(self) -> None:
        """Empty the collection for another reading."""
        self._collection.delete_many({})
