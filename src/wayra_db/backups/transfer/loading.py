"""Documents on their way into a collection, in batches: what the server refuses is noted with its place in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from wayra_db.backups.transfer.files import DamagedError
from wayra_db.backups.transfer.readers import Document, Rejected
from wayra_db.backups.transfer.reasons import reason_of
from wayra_db.backups.transfer.rejects import Places, Rejects
from wayra_db.backups.transfer.split import BrokenFileError
from wayra_db.backups.transfer.table import lookup
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

if TYPE_CHECKING:
    from pymongo.collection import Collection

BATCH_BYTES = 8 * 1024 * 1024


class Loader:
    """Inserts into one collection. With `places` each document is remembered by its `key`.

    Documents without a value in a field of the key are rejected, unless that is `_id`.
    """

    def __init__(
        self,
        deployment: Deployment,
        collection: str,
        rejects: Rejects,
        *,
        places: Places | None = None,
        key: Sequence[str] = (),
        batch_documents: int = 1000,
    ) -> None:
        self._deployment = deployment
        self._name = collection
        self._rejects = rejects
        self._places = places
        self._key = tuple(key)
        self._batch_documents = batch_documents
        self.read = 0
        self.loaded = 0

    def load(
        self, documents: Iterable[Document | Rejected], *, stop_at_first: bool, at_batch: Callable[[int], None]
    ) -> None:
        """Read and insert until the end, or until the first batch with a reject in it.

        While the server takes in one batch the next is read. `at_batch` is called with the number of documents read,
        and may raise. Raises what reading raises.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="wayra-db-import") as pool, translated(self._deployment.address):
            under_way: tuple[Future[list[tuple[int, dict[str, Any]]]], list[Document]] | None = None
            try:
                for batch in self._batches(documents):
                    if under_way is not None:
                        self._settle(*under_way)
                    under_way = None
                    if stop_at_first and self._rejects.count:
                        return
                    at_batch(self.read)
                    under_way = (pool.submit(self._insert, batch), batch)
            finally:
                if under_way is not None:
                    self._settle(*under_way)
            at_batch(self.read)

    def _batches(self, documents: Iterable[Document | Rejected]) -> Iterator[list[Document]]:
        batch: list[Document] = []
        size = 0
        broken: Exception | None = None
        try:
            for document in documents:
                self.read += 1
                is_first = not self._rejects.count
                if isinstance(document, Rejected):
                    self._rejects.add(document.place, document.reason)
                elif missing := self._missing(document):
                    self._rejects.add(document.place, f"the key field {missing!r} has no value, or more than one")
                else:
                    if batch and size + len(document.raw) > BATCH_BYTES:
                        yield batch
                        batch, size = [], 0
                    batch.append(document)
                    size += len(document.raw)
                if len(batch) >= self._batch_documents or (is_first and self._rejects.count):
                    yield batch
                    batch, size = [], 0
        except (BrokenFileError, DamagedError) as error:
            broken = error  # what came before it is good
        if batch:
            yield batch
        if broken is not None:
            raise broken

    def _missing(self, document: Document) -> str:
        for name in self._key if self._key != ("_id",) else ():
            value = lookup(document.fields, name)
            if value is None or isinstance(value, list):
                return name
        return ""

    def _settle(self, future: Future[list[tuple[int, dict[str, Any]]]], batch: Sequence[Document]) -> None:
        """Wait for a batch and note what became of it."""
        errors = dict(future.result())
        self.loaded += len(batch) - len(errors)
        for number, document in enumerate(batch):
            if number in errors:
                self._rejects.add(document.place, reason_of(errors[number]))
            elif self._places is not None:
                self._places.add([lookup(document.fields, name) for name in self._key], document.place)

    def _insert(self, batch: Sequence[Document]) -> list[tuple[int, dict[str, Any]]]:
        """Insert a batch; the numbers of the refused ones with the server's errors."""
        from bson.raw_bson import RawBSONDocument
        from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

        if not batch:
            return []
        try:
            self._collection().insert_many([RawBSONDocument(one.raw) for one in batch], ordered=False)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise
            return [(one["index"], one) for one in error.details["writeErrors"]]
        except (OperationFailure, DocumentTooLarge) as error:
            # One document made the server refuse the whole message; which, only each on its own can tell.
            if len(batch) == 1:
                code = error.code if isinstance(error, OperationFailure) else None
                if code in _NOT_THE_DOCUMENT:
                    raise
                return [(0, {"code": code})]
            if isinstance(error, OperationFailure) and error.code in _NOT_THE_DOCUMENT:
                raise
            return [(number, one[0][1]) for number, document in enumerate(batch) if (one := self._insert([document]))]
        return []

    def _collection(self) -> Collection[Any]:
        from pymongo import WriteConcern

        # What is loaded is made sure of once, by what follows it under a majority.
        database = self._deployment.client.get_database(self._deployment.database_name, write_concern=WriteConcern(1))
        return database[self._name]


# Codes that say nothing about a document: rights, elections, interruptions, a full disk.
_NOT_THE_DOCUMENT = frozenset({13, 18, 26, 73, 91, 189, 262, 10107, 11600, 11602, 13388, 13435, 13436, 14031})
