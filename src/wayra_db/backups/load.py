"""Filling the temporary collections of a restore: documents by several threads, then indexes side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.backups.budget import Budget
from wayra_db.backups.compare import Content, content_of, read_content
from wayra_db.backups.insert import RefusedDocumentError, insert_run
from wayra_db.backups.live import BUCKETS
from wayra_db.backups.manifest import CollectionEntry
from wayra_db.backups.source import BackupSource, Chunk
from wayra_db.errors import BackupError, DuplicateKeysError
from wayra_db.events import Notice, Progress, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.commands import MAJORITY
from wayra_db.mongo.errors import DUPLICATE_KEY, translated

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database

    from wayra_db.mongo.client import Document

THREADS = 4
WAITING = 4  # chunks that are read and not yet sent; each about 1 MiB
BYTES_IN_FLIGHT = 8 * 1024 * 1024
LARGE = 4 * 1024 * 1024
# Below so many documents an index is built in no time, and one command for all of them is less to wait for.
FEW = 10_000


@dataclass(frozen=True, slots=True)
class Temporary:
    """A collection that is being filled: its name, for which `target`, with which options and indexes."""

    name: str
    target: str
    entry: CollectionEntry
    options: Mapping[str, Any]
    indexes: Sequence[Mapping[str, Any]]

    @property
    def documents_in(self) -> str:
        """Where its raw documents are: a time series keeps buckets."""
        return BUCKETS + self.name if self.entry.kind == "timeseries" else self.name

    @property
    def in_order(self) -> bool:
        """Whether the order in which documents are inserted is the one in which they are found again."""
        return bool(self.options.get("capped"))


class Loader:
    """Fills temporary collections under a lease. Writes wait for one node only; the swap's journal, which waits for the
    majority, stands behind all of them in the oplog.
    """

    def __init__(self, guard: Guard, lease: Lease, *, threads: int = THREADS) -> None:
        self._guard = guard
        self._lease = lease
        self._threads = threads
        self._sending = Budget(BYTES_IN_FLIGHT)
        self._reading = Budget(BYTES_IN_FLIGHT)
        self._large: set[str] = set()

    @property
    def _database(self) -> Database[Document]:
        return self._guard.deployment.metadata

    def step(self) -> None:
        """A safe point: raises when somebody asked to stop, or the lock is lost."""
        self._guard.stop.check()
        self._lease.check()

    def create(self, temporaries: Iterable[Temporary]) -> None:
        """Create them, empty and without indexes."""
        for one in temporaries:
            self.step()
            with translated(self._guard.deployment.address):
                self._database.command({"create": one.name, **one.options, "writeConcern": MAJORITY})

    def load(self, source: BackupSource, temporaries: Sequence[Temporary]) -> dict[str, Content]:
        """Insert what the source has for each; returns by name what was inserted. Raises BackupError for a document
        that the server does not take, and what the source raises.
        """
        by_entry = {one.entry.name: one for one in temporaries}
        contents = {one.name: Content() for one in temporaries}
        total = sum(one.entry.bytes for one in temporaries)
        done = 0
        lock = threading.Lock()

        def insert(temporary: Temporary, chunk: Chunk) -> None:
            nonlocal done
            content = content_of(chunk.data)
            try:
                self._insert(temporary, chunk)
            finally:
                self._sending.give_back(len(chunk.data))
            with lock:
                contents[temporary.name] += content
                done += content.bytes
                notify(self._guard.observer, Progress("restoring", done, max(total, done), "bytes"))

        with self._workers(self._threads) as submit:
            for entry, chunk in source.stream([one.entry for one in temporaries]):
                self.step()
                temporary = by_entry[entry.name]
                self._sending.take(len(chunk.data))
                # A large one is sent here and now: the next is then not even read while this one takes up memory, and
                # each thread that meets large ones keeps some.
                large = len(chunk.data) > LARGE
                if large:
                    self._large.add(temporary.name)
                if large or temporary.in_order:
                    insert(temporary, chunk)
                else:
                    submit(insert, temporary, chunk)
                del chunk
        return contents

    def verify_and_build(
        self, temporaries: Sequence[Temporary], expected: Mapping[str, Content], change: Callable[[], None] | None
    ) -> None:
        """Compare each collection with what was inserted, and build the indexes that expire nothing.

        `change` is what is still to be done to the documents, once they are compared and before the indexes; without
        it all is done side by side. Raises BackupError when a collection does not hold what was inserted,
        DuplicateKeysError for a unique index.
        """
        if change is not None:
            with self._workers(self._threads) as submit:
                self._compare_all(temporaries, expected, submit)
            change()
        with self._workers(self._threads) as submit:
            for one in temporaries:
                lasting = [spec for spec in one.indexes if "expireAfterSeconds" not in spec]
                few = expected[one.name].documents < FEW
                for specs in [lasting] if few else [[spec] for spec in lasting]:
                    if specs:
                        submit(self._build, one, specs)
            if change is None:
                self._compare_all(temporaries, expected, submit)

    def _compare_all(
        self, temporaries: Sequence[Temporary], expected: Mapping[str, Content], submit: Callable[..., None]
    ) -> None:
        """Those with large documents one by one, here, and the others beside."""
        for one in sorted(temporaries, key=lambda one: one.name in self._large):
            if one.name in self._large:
                self._compare(one, expected[one.name])
            else:
                submit(self._compare, one, expected[one.name])

    def build_expiring(self, temporaries: Sequence[Temporary]) -> None:
        """Build the indexes by which the server deletes documents: last, since it may begin at once."""
        for one in temporaries:
            if expiring := [spec for spec in one.indexes if "expireAfterSeconds" in spec]:
                self._build(one, expiring)

    def _insert(self, temporary: Temporary, chunk: Chunk) -> None:
        with translated(self._guard.deployment.address):
            try:
                insert_run(self._quick(temporary.documents_in), chunk)
            except RefusedDocumentError as refused:
                raise BackupError(
                    f"{temporary.target}: the server refused document {refused.number + 1:,} of the run at byte "
                    f"{chunk.offset:,} of {chunk.file} (code {refused.code}); nothing was replaced",
                    hint=_REASONS.get(refused.code, "The server's log says why."),
                ) from refused

    def _quick(self, name: str) -> Collection[Document]:
        from pymongo import WriteConcern

        return self._database.get_collection(name, write_concern=WriteConcern(w=1))

    def _compare(self, temporary: Temporary, expected: Content) -> None:
        """Read everything back. A capped collection holds less than was inserted when the server has made room."""
        with translated(self._guard.deployment.address):
            deployment = self._guard.deployment
            found = read_content(deployment, temporary.documents_in, expected, self._reading, self.step)
            if found != expected:
                raise BackupError(
                    f"{temporary.target}: {found.documents:,} documents with {found.bytes:,} bytes are in the restored "
                    f"collection and {expected.documents:,} with {expected.bytes:,} were put in; nothing was replaced",
                    hint="Something else wrote to it, or the server does not keep what it is given: try again, and "
                    "look at its log.",
                )
            validator = temporary.options.get("validator")
            if validator and temporary.entry.kind == "collection":
                broken = self._quick(temporary.name).find_one({"$nor": [validator]}, {"_id": 1})
                if broken is not None:
                    notify(
                        self._guard.observer,
                        Notice(
                            f"{temporary.target}: documents do not satisfy its validator; they are restored as they "
                            "were",
                            "warning",
                        ),
                    )

    def _build(self, temporary: Temporary, specs: Sequence[Mapping[str, Any]]) -> None:
        from pymongo.errors import OperationFailure

        self.step()
        with translated(self._guard.deployment.address):
            try:
                create_indexes(self._guard.deployment, temporary.name, specs)
            except OperationFailure as error:
                if error.code != DUPLICATE_KEY:
                    raise
                pattern = (error.details or {}).get("keyPattern")
                unique = [spec for spec in specs if spec.get("unique")]
                names = ", ".join(str(spec["name"]) for spec in unique if pattern in (None, dict(spec["key"])))
                # The server's words quote the values, so they are not repeated.
                raise DuplicateKeysError(
                    f"{temporary.target}: a unique index cannot be built over the documents ({names}); nothing was "
                    "replaced",
                    index=names,
                    hint="The backup was not taken at one moment, or a merge brings two documents with one key "
                    "together: leave the collection out with --collections, or replace it with --drop-existing.",
                ) from None

    @contextmanager
    def _workers(self, threads: int) -> Iterator[Callable[..., None]]:
        """A way to run calls on threads. It waits while enough of them are waiting; the first failure is raised there,
        or at the end of the block, when all that had begun have ended.
        """
        room = threading.Semaphore(threads + WAITING)
        futures: set[Future[None]] = set()

        def release(future: Future[None]) -> None:
            room.release()

        def submit(call: Callable[..., None], *arguments: Any) -> None:
            while not room.acquire(timeout=1.0):
                self.step()
            for future in [one for one in futures if one.done()]:
                futures.discard(future)
                future.result()
            future = pool.submit(call, *arguments)
            future.add_done_callback(release)
            futures.add(future)

        with ThreadPoolExecutor(threads, "wayra-restore") as pool:
            try:
                yield submit
                pending = set(futures)
                while pending:
                    finished, pending = wait(pending, timeout=1.0, return_when=FIRST_EXCEPTION)
                    for future in finished:
                        future.result()
                    self._lease.check()
            finally:
                for future in futures:
                    future.cancel()


def create_indexes(deployment: Deployment, collection: str, specs: Sequence[Mapping[str, Any]]) -> None:
    """Build indexes by one command, which returns when a majority has them."""
    command: dict[str, Any] = {"createIndexes": collection, "indexes": [dict(spec) for spec in specs]}
    if deployment.capabilities.topology != "standalone":
        # Without it the server waits for every voting member, for ever where one is down.
        command["commitQuorum"] = "majority"
    deployment.metadata.command({**command, "writeConcern": MAJORITY})


_REASONS = {
    DUPLICATE_KEY: "Its _id stands twice in the backup: it was not taken at one moment. Take another backup.",
    10334: "The document is larger than this server allows.",
}
