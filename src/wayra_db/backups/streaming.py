"""Reads collections side by side, each into a sink of its own, with a bounded number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from wayra_db.backups.batches import Run, next_batch_size
from wayra_db.backups.budget import Budget
from wayra_db.backups.definitions import Definition, Stats
from wayra_db.backups.documents import LARGEST
from wayra_db.backups.moment import MOVED, SNAPSHOT_TOO_OLD, Moment
from wayra_db.backups.ranges import WHOLE, Range, how_many, may_split, split
from wayra_db.backups.reading import Reading, read
from wayra_db.backups.redact import Masker, Redaction
from wayra_db.errors import BackupError
from wayra_db.mongo.errors import UNAUTHORIZED

if TYPE_CHECKING:
    from wayra_db.mongo.client import Deployment

LOOK_SECONDS = 0.1
BYTES_BEING_READ = 16 * 1024 * 1024

R = TypeVar("R", covariant=True)


class Sink(Protocol[R]):
    """Where the documents of one collection go. `put` may be called from several threads."""

    def put(self, run: Run) -> None:
        """Take whole documents."""

    def close(self) -> R:
        """All were put; returns what there is to say of them."""

    def abandon(self) -> None:
        """No more will come, and what came is not wanted."""


class MovedError(Exception):
    """A collection was dropped, renamed or made anew while it was read."""

    def __init__(self, collection: str) -> None:
        super().__init__(collection)
        self.collection = collection


@dataclass(frozen=True, slots=True)
class Source:
    """One collection as it is to be read."""

    definition: Definition
    stats: Stats
    moment: Moment
    ranges: tuple[Range, ...] = WHOLE
    redaction: Redaction = field(default_factory=Redaction)

    def outside_the_snapshot(self) -> Source:
        """The same, read as it is when its turn comes."""
        return replace(self, moment=self.moment.without_snapshot())


def make_sources(
    deployment: Deployment,
    definitions: Sequence[Definition],
    stats: Mapping[str, Stats],
    moment: Moment,
    redactions: Mapping[str, Redaction],
    *,
    readers: int,
) -> tuple[Source, ...]:
    """How each collection that holds documents is read, the largest first. A sample for each that is split."""
    total = sum(one.size for one in stats.values())
    sources = []
    for one in definitions:
        if one.source is None:
            continue
        known = stats.get(one.name, Stats(0, 0))
        own = moment if not one.capped or _reads_at(deployment, one, moment) else moment.without_snapshot()
        redaction = redactions.get(one.name, Redaction())
        ranges = WHOLE
        if not redaction.pipeline and may_split(one, sharded=deployment.capabilities.sharded):
            ranges = split(deployment, one, known, how_many(known.size, total, readers), own)
        sources.append(Source(one, known, own, ranges, redaction))
    return tuple(sorted(sources, key=lambda source: source.stats.size, reverse=True))


def _reads_at(deployment: Deployment, one: Definition, moment: Moment) -> bool:
    """Whether the server reads a capped collection at a moment: before 8.0 none does. One read."""
    from pymongo.errors import OperationFailure

    if moment.at is None:
        return True
    try:
        deployment.database.command(
            {"find": one.name, "limit": 1, "projection": {"_id": 1}, "singleBatch": True, **moment.read_concern()}
        )
    except OperationFailure as error:
        if error.code not in MOVED:  # whether it has moved is seen when it is read
            raise
        return False
    return True


class _Reading(Generic[R]):
    """The state of one collection between the threads that read its ranges."""

    def __init__(self, source: Source, open_sink: Callable[[Definition], Sink[R]]) -> None:
        self.source = source
        self.late = False
        self.result: R | None = None
        self._open_sink = open_sink
        self._sink: Sink[R] | None = None
        self._left = len(source.ranges)
        self._lock = threading.Lock()
        self._ended = False

    def sink(self) -> Sink[R]:
        with self._lock:
            if self._sink is None:
                self._sink = self._open_sink(self.source.definition)
            return self._sink

    def range_ended(self) -> None:
        """One range was read; with the last one the sink is closed, or given up when the snapshot was lost."""
        with self._lock:
            self._left -= 1
            if self._left:
                return
            self._ended = True
        if self.late:
            self.sink().abandon()
        else:
            self.result = self.sink().close()

    def give_up(self) -> None:
        if self._sink is not None and not (self._ended and self.result is not None):
            self._sink.abandon()


class Streaming(Generic[R]):
    """Reads sources into sinks. `on_look` is called in the caller's thread ten times a second, with the bytes that were
    read so far; what it raises ends the work.
    """

    def __init__(
        self,
        deployment: Deployment,
        open_sink: Callable[[Definition], Sink[R]],
        *,
        readers: int,
        masker: Masker,
        on_look: Callable[[int], None],
    ) -> None:
        self._deployment = deployment
        self._open_sink = open_sink
        self._readers = readers
        self._masker = masker
        self._on_look = on_look
        self._halt = threading.Event()
        self._counting = threading.Lock()
        self._bytes = 0
        self._budget = Budget(BYTES_BEING_READ)

    def run(self, sources: Sequence[Source]) -> tuple[dict[str, R], tuple[Source, ...]]:
        """Read all of them. Returns what each sink said, and the sources whose snapshot was too old: nothing of those
        is kept.

        Raises MovedError, the driver's errors and those of the sinks; the sinks are then given up.
        """
        readings = [_Reading(source, self._open_sink) for source in sources]
        try:
            with ThreadPoolExecutor(self._readers, thread_name_prefix="wayra-read") as threads:
                futures = [
                    threads.submit(self._read, reading, part) for reading in readings for part in reading.source.ranges
                ]
                try:
                    self._wait(futures)
                except BaseException:
                    self._halt.set()
                    for future in futures:
                        future.cancel()
                    raise
        except BaseException:
            for reading in readings:
                reading.give_up()
            raise
        late = tuple(reading.source for reading in readings if reading.late)
        found = {one.source.definition.name: one.result for one in readings if one.result is not None}
        return found, late

    def _wait(self, futures: Sequence[Future[None]]) -> None:
        waiting: set[Future[None]] = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=LOOK_SECONDS, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            self._on_look(self._bytes)

    def _read(self, reading: _Reading[R], part: Range) -> None:
        from pymongo.errors import OperationFailure

        source = reading.source
        name = source.definition.name
        try:
            self._read_range(reading, part)
        except OperationFailure as error:
            if error.code == SNAPSHOT_TOO_OLD and source.moment.at is not None:
                reading.late = True
            elif error.code in MOVED:
                raise MovedError(name) from error
            elif error.code == UNAUTHORIZED and source.definition.kind == "timeseries":
                raise BackupError(
                    f"the user may not read the buckets of the time series {name}",
                    hint=f"Grant the role `backup`, which may, or leave it out: --exclude {name}.",
                ) from error
            else:
                raise
        if not self._halt.is_set():
            reading.range_ended()

    def _read_range(self, reading: _Reading[R], part: Range) -> None:
        source = reading.source
        definition = source.definition
        sink = reading.sink()
        asked = Reading(
            collection=definition.source or "",
            uuid=definition.uuid,
            moment=source.moment,
            range=part,
            pipeline=source.redaction.pipeline,
            # Its documents may be as large as they get, as long as nothing was seen of them; then one knows.
            first_bytes=min(source.stats.size, LARGEST),
        )
        first = next_batch_size(source.stats.documents, source.stats.size)
        runs = read(self._deployment, asked, first, self._budget)
        try:
            for run in runs:
                if self._halt.is_set() or reading.late:
                    return
                sink.put(self._masker.fill(run, source.redaction))
                with self._counting:
                    self._bytes += len(run.data)
        finally:
            runs.close()
