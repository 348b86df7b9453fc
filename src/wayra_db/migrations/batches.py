"""`ctx.batches(...)`: a walk over a collection, batch by batch, each committed together with how far the walk is.

The walk is written once, as a generator that asks for what it needs (`_Walk.steps`); a plain `for` and an `async for`
each answer it over their own driver, so neither can forget what the other does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wayra_db.errors import LockLostError, MigrationError
from wayra_db.events import Observer, Progress, notify
from wayra_db.migrations import checkpoints, ranges
from wayra_db.migrations.model import OTHER_WALK, Checkpoint, Direction
from wayra_db.migrations.throttle import Throttle
from wayra_db.mongo.errors import DUPLICATE_KEY, MAX_TIME_EXPIRED, NAMESPACE_NOT_FOUND
from wayra_db.stopping import Stop
from wayra_db.units import SWALLOWED_ATTEMPTS, is_gone, swallowed, why_gone

if TYPE_CHECKING:
    from wayra_db.locking import Lease
    from wayra_db.mongo.client import Deployment
    from wayra_db.mongo.ports import Port

LARGEST_SIZE = 100_000
COUNT_MILLISECONDS = 2000
ATTEMPTS = 10

# One request of a walk: called with the port, it answers, or returns what is to be awaited for the answer.
Request = Callable[["Port"], Any]
Steps = Generator["Request | Batch", Any, None]


class BatchesError(MigrationError):
    """`ctx.batches` cannot do what was asked of it; nothing of the present batch was kept."""


class OtherWalkError(BatchesError):
    """The loop goes over something else than it did when the migration stopped."""


class Batch:
    """Some neighbouring documents; what is written to them within the loop commits together with the checkpoint.

    `filter` finds them, and goes into `update_many`, `delete_many` or `find`; `documents` is how many they were when
    the batch was cut. On an async database the methods return what is to be awaited. Only within its own turn of the
    loop can a batch be used.
    """

    def __init__(self, number: int, documents: int, filter: Mapping[str, Any], collection: Any) -> None:
        self.number = number
        self.documents = documents
        self._filter = filter
        self._collection = collection
        self._used = self._over = False

    @property
    def filter(self) -> Mapping[str, Any]:
        """The query that finds the documents of the batch. Raises BatchesError once the loop has gone on."""
        if self._over:
            raise BatchesError(
                f"batch {self.number} was used after the loop had gone on: it would be written outside its transaction",
                hint="Use each batch within its turn of `for batch in ctx.batches(...)`.",
            )
        self._used = True
        return self._filter

    def begin(self) -> None:
        """Its turn begins, perhaps once more."""
        self._used = self._over = False

    def end(self) -> None:
        """The loop asks for the next batch. Raises BatchesError when nobody has looked at this one: batches that are
        gathered first, as by `list(ctx.batches(...))`, would be recorded as done before anything is written.
        """
        self._over = True
        if not self._used:
            raise BatchesError(
                f"batch {self.number} was not used before the next was asked for",
                hint="Take one batch at a time, `for batch in ctx.batches(...)`, and use batch.filter in the loop; "
                "leave what is not to be changed out by the filter.",
            )

    def update_many(self, update: Any, **options: Any) -> Any:
        """`update_many` on the documents of the batch."""
        return self._collection.update_many(self.filter, update, **options)

    def delete_many(self, **options: Any) -> Any:
        """`delete_many` on the documents of the batch."""
        return self._collection.delete_many(self.filter, **options)

    def find(self, projection: Any = None, **options: Any) -> Any:
        """A cursor over the documents of the batch."""
        return self._collection.find(self.filter, projection, **options)


@dataclass(slots=True)
class Run:
    """What the walks of one run of a migration share. `redo_doubtful`: a batch may be done a second time."""

    name: str
    version: int
    direction: Direction
    port: Port
    lease: Lease
    observer: Observer
    stop: Stop
    deployment: Deployment
    redo_doubtful: bool
    walks: list[_Walk] = field(default_factory=list)

    @property
    def documents(self) -> int:
        """How many documents the walks have done, former runs included."""
        return sum(walk.point.documents for walk in self.walks)

    def batches(self, collection: str, conditions: Mapping[str, Any], *, size: int, key: str) -> Batches:
        """The next walk of this migration; its place among them is what its checkpoint is found by."""
        _require_arguments(collection, conditions, size, key)
        walk = _Walk(self, len(self.walks) + 1, collection, conditions, size=size, key=key)
        self.walks.append(walk)
        return Batches(walk, self.port)

    def require_ended(self) -> None:
        """Raise BatchesError when `up` has returned and a walk has not come to its end."""
        for walk in self.walks:
            if not walk.point.done:
                raise BatchesError(
                    f"the loop over the batches of {walk.point.collection} was left before its end: "
                    f"{walk.point.describe()}",
                    hint="Let the loop run to its end; to skip documents, say so in the filter.",
                )


def _require_arguments(collection: Any, conditions: Any, size: Any, key: Any) -> None:
    """Raise BatchesError for what a migration's author has mixed up."""
    if not isinstance(collection, str) or not collection:
        raise BatchesError(
            f"ctx.batches takes the name of a collection, not {type(collection).__name__}",
            hint='Write it as text: ctx.batches("users", ...).',
        )
    if not isinstance(conditions, Mapping):
        raise BatchesError(
            f"ctx.batches takes a filter as a dictionary, not {type(conditions).__name__}",
            hint='Write it like {"role": "user"}; leave it out for all documents.',
        )
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_SIZE:
        raise BatchesError(
            f"ctx.batches takes a size from 1 to {LARGEST_SIZE:,}, not {size!r}",
            hint="Write a whole number of documents: size=1000.",
        )
    if not isinstance(key, str) or not key:
        raise BatchesError(
            f"ctx.batches takes one field as its key, not {key!r}", hint='Leave `key` out to go by "_id".'
        )


class Batches:
    """What `ctx.batches` returns: iterate it once, with `for` in a `def` and with `async for` in an `async def`."""

    def __init__(self, walk: _Walk, port: Port) -> None:
        self._walk = walk
        self._port = port
        self._begun = False

    def _begin(self) -> Steps:
        if self._begun:
            raise BatchesError(
                "the same batches were gone over twice", hint="Call ctx.batches(...) once for each loop."
            )
        self._begun = True
        return self._walk.steps()

    def __iter__(self) -> Iterator[Batch]:
        if self._port.is_async:
            raise BatchesError("in an `async def`, write `async for batch in ctx.batches(...)`")
        try:
            steps = self._begin()
            step = next(steps, None)
            while step is not None:
                if isinstance(step, Batch):
                    yield step
                    step = next(steps, None)
                    continue
                try:
                    answer = step(self._port)
                except Exception as error:
                    step = _next(steps.throw, error)
                else:
                    step = _next(steps.send, answer)
        finally:
            self._port.close()

    async def __aiter__(self) -> AsyncIterator[Batch]:
        if not self._port.is_async:
            raise BatchesError("in a `def`, write `for batch in ctx.batches(...)`")
        try:
            steps = self._begin()
            step = next(steps, None)
            while step is not None:
                if isinstance(step, Batch):
                    yield step
                    step = next(steps, None)
                    continue
                try:
                    answer = await step(self._port)
                except Exception as error:
                    step = _next(steps.throw, error)
                else:
                    step = _next(steps.send, answer)
        finally:
            await self._port.close()  # type: ignore[misc]  # an async port's is to be awaited


def _next(resume: Callable[[Any], Request | Batch], value: Any) -> Request | Batch | None:
    try:
        return resume(value)
    except StopIteration:
        return None


class _Walk:
    """One walk: cuts batches, keeps the checkpoint, gives way to the server's load."""

    def __init__(
        self, run: Run, number: int, collection: str, conditions: Mapping[str, Any], *, size: int, key: str
    ) -> None:
        self.point = Checkpoint(run.version, run.direction, number, collection)
        self._run = run
        self._conditions = dict(conditions)
        self._size = size
        self._key = key
        self._hint: Any = {"_id": 1}
        self._throttle = Throttle(run.observer, run.name)

    def steps(self) -> Steps:
        """What the walk does, a request or a batch at a time; a request's error is thrown in where it was made."""
        self._safe_point()
        if self._key != "_id":
            yield from self._choose_index()
        yield from self._adopt()
        while not self.point.done:
            self._safe_point()
            while wait := (yield from self._throttle.look()):
                yield _sleep(wait.seconds)
                self._safe_point()
                if not wait.pausing:
                    break
            keys, last_is_shared = yield from self._next_keys()
            if keys:
                yield from self._do(keys, last_is_shared)
            else:
                yield from self._store(replace(self.point, done=True, total=self.point.documents))

    def _safe_point(self) -> None:
        if self._run.port.in_transaction:
            raise BatchesError(
                f"the loop over the batches of {self.point.collection} began before that of another had ended",
                hint="Let one loop run to its end before the next begins.",
            )
        self._run.stop.check()
        self._run.lease.check()

    def _choose_index(self) -> Steps:
        """The index that the walk goes along; without one each batch would sort the whole collection."""
        from pymongo.errors import OperationFailure

        try:
            reply = yield lambda port: port.command({"listIndexes": self.point.collection, "cursor": {}})
            found = reply["cursor"]["firstBatch"]
        except OperationFailure as error:
            if error.code != NAMESPACE_NOT_FOUND:
                raise
            return
        # One that leaves documents out, or orders them in another way, would make the walk miss some.
        partial = ("sparse", "partialFilterExpression", "collation", "hidden")
        whole = [one for one in found if not any(one.get(option) for option in partial)]
        along = ((self._key, 1), (self._key, -1))
        index = next((one for one in whole if next(iter(one["key"].items())) in along), None)
        if index is None:
            raise BatchesError(
                f"batches by {self._key!r} need an index of {self.point.collection} that begins with it and holds "
                "every document",
                hint=f'Leave `key` out to go by "_id", or create the index first: '
                f'db.{self.point.collection}.create_index("{self._key}")',
            )
        self._hint = index["name"]

    def _adopt(self) -> Steps:
        """Take the checkpoint over, or make it; from here on no former runner can move it."""
        from pymongo.errors import OperationFailure

        run, walk = self._run, checkpoints.fingerprint(self._key, self._conditions)
        try:
            reply = yield lambda port: port.write(checkpoints.adopt(self.point, walk, epoch=run.lease.epoch))
        except OperationFailure as error:
            if error.code != DUPLICATE_KEY:
                raise
            raise LockLostError("another runner has taken this migration over", epoch=run.lease.epoch) from error
        stored = reply["value"]
        if stored["walk"] != walk or stored["collection"] != self.point.collection:
            raise OtherWalkError(
                f"when this migration stopped, its loop {self.point.number} went over {stored['collection']} with "
                "another filter or key, so how far it was says nothing about this one",
                hint=f"{OTHER_WALK}: `wayra-db migrate repair --version {run.version} --as pending`.",
            )
        self.point = checkpoints.decode(stored)
        if self.point.doubt and not run.redo_doubtful:
            raise BatchesError(
                f"{self.point.describe()}, and this deployment has no transactions to tell",
                hint='If doing a batch twice does no harm, write `retry = "safe"` into the file and run it again.',
            )
        if not reply.get("lastErrorObject", {}).get("updatedExisting"):
            self.point = replace(self.point, total=(yield from self._count()))
        self._report()

    def _count(self) -> Generator[Request, Any, int | None]:
        """About how many documents there are to do; None when counting takes too long."""
        from pymongo.errors import OperationFailure

        command: dict[str, Any] = {"count": self.point.collection}
        if self._conditions:
            command = {**command, "query": self._conditions}
        try:
            reply = yield lambda port: port.command({**command, "maxTimeMS": COUNT_MILLISECONDS})
        except OperationFailure as error:
            if error.code != MAX_TIME_EXPIRED:
                raise
            return None
        return int(reply["n"])

    def _next_keys(self) -> Generator[Request, Any, tuple[list[Any], bool]]:
        """The next keys in order, all in one bracket; none at the end. And whether documents that were not seen may
        have the last of them as well.
        """
        keys: list[Any] = []
        if not self.point.last:
            keys = yield from self._find({})
        else:
            # One after the other: only a single range is read from where it begins, and not from the index's start.
            rest = ranges.rest(self._key, *self.point.last)
            if rest is not None:
                keys = yield from self._find(rest)
            if not keys:
                keys = yield from self._find(ranges.later(self._key, *self.point.last))
        try:
            count = ranges.first_bracket(keys) if keys else 0
        except ranges.UnrangedKeyError as error:
            raise BatchesError(
                f"{self._key!r} of {self.point.collection} holds a value of type {error}: batches cannot go by that",
                hint='Leave `key` out to go by "_id".',
            ) from error
        return keys[:count], self._key != "_id" and count == self._size

    def _find(self, range_: Mapping[str, Any]) -> Generator[Request, Any, list[Any]]:
        """The first keys of a range, in order."""
        conditions = [one for one in (self._conditions, range_) if one]
        command = {
            "find": self.point.collection,
            "filter": {"$and": conditions} if conditions else {},
            "projection": {"_id": self._key == "_id", self._key: True},
            "sort": {self._key: 1},
            "hint": self._hint,
            "limit": self._size,
            "batchSize": self._size,
            "singleBatch": True,
        }
        reply = yield lambda port: port.command(command)
        return [_value(document, self._key) for document in reply["cursor"]["firstBatch"]]

    def _do(self, keys: list[Any], last_is_shared: bool) -> Steps:
        """One batch: handed to the user's loop, and committed with its checkpoint when the loop asks for the next."""
        point, high = self.point, keys[-1]
        within = ranges.within(self._key, point.last[0] if point.last else None, high, from_start=not point.last)
        chosen = {"$and": [self._conditions, within]} if self._conditions else within
        documents = (yield from self._count_shared(chosen)) if last_is_shared else len(keys)
        collection = self._run.port.database[point.collection]
        batch = Batch(point.batches + 1, documents, chosen, collection)
        reached = replace(
            point, last=(high,), doubt=(), batches=point.batches + 1, documents=point.documents + documents
        )
        if self._run.deployment.capabilities.transactions:
            yield from self._in_transaction(batch, reached)
        else:
            yield from self._in_doubt(batch, reached)
        self._report()

    def _count_shared(self, chosen: Mapping[str, Any]) -> Generator[Request, Any, int]:
        """How many documents are in a range at whose end several may have one value: a range takes all of them."""
        reply = yield lambda port: port.command({"count": self.point.collection, "query": chosen, "hint": self._hint})
        if reply["n"] > max(self._size, LARGEST_SIZE):
            raise BatchesError(
                f"{reply['n']:,} documents of {self.point.collection} would be one batch: too many have the same value "
                f"of {self._key!r}",
                hint='Leave `key` out to go by "_id".',
            )
        return int(reply["n"])

    def _in_transaction(self, batch: Batch, reached: Checkpoint) -> Steps:
        from pymongo.errors import PyMongoError

        epoch, deployment, counts = self._run.lease.epoch, self._run.deployment, self._run.port.counts
        for attempt in range(1, ATTEMPTS + 1):
            self._run.lease.check()
            mark = counts.mark()
            yield lambda port: port.begin()
            batch.begin()
            yield batch
            self._run.port.watch.require_none(held=True)
            batch.end()
            reached = replace(reached, written=checkpoints.added(self.point.written, counts.since(mark)))
            advance = checkpoints.advance(reached, epoch=epoch)
            try:
                reply = yield _inside(advance)
                checkpoints.check_advanced(reply, epoch=epoch)
                yield lambda port: port.commit()
            except PyMongoError as error:
                port = self._run.port
                yield lambda port: port.abort()
                why = why_gone(deployment, error, port.counts, port.began, in_batches=True)
                if is_gone(error) and deployment.tally is None and attempt >= SWALLOWED_ATTEMPTS:
                    why = why or swallowed("a command", in_batches=True)
                if why is not None:
                    raise why from error
                if not error.has_error_label("TransientTransactionError") or attempt == ATTEMPTS:
                    raise
                yield _sleep(min(0.02 * 2**attempt, 5.0))
            else:
                self.point = reached
                return

    def _in_doubt(self, batch: Batch, reached: Checkpoint) -> Steps:
        """Without transactions the checkpoint says first what is about to be done, so that a crash is visible."""
        yield from self._store(replace(self.point, doubt=reached.last))
        counts = self._run.port.counts
        mark = counts.mark()
        yield batch
        self._run.port.watch.require_none(held=True)
        batch.end()
        yield from self._store(replace(reached, written=checkpoints.added(self.point.written, counts.since(mark))))

    def _store(self, point: Checkpoint) -> Steps:
        epoch = self._run.lease.epoch
        reply = yield lambda port: port.write(checkpoints.advance(point, epoch=epoch))
        checkpoints.check_advanced(reply, epoch=epoch)
        self.point = point

    def _report(self) -> None:
        point = self.point
        total = None if point.total is None else max(point.total, point.documents)
        task = self._run.name if point.number == 1 else f"{self._run.name} ({point.collection})"
        notify(self._run.observer, Progress(task, point.documents, total, "documents"))


def _inside(command: Mapping[str, Any]) -> Request:
    return lambda port: port.inside(command)


def _sleep(seconds: float) -> Request:
    return lambda port: port.sleep(seconds)


def _value(document: Mapping[str, Any], key: str) -> Any:
    found: Any = document
    for part in key.split("."):
        if isinstance(found, list):
            return found  # one document with several values, which no range can hold
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
