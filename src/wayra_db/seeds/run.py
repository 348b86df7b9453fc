"""One run of one seed: what its context, its data file and its clearing share, and how their steps are answered.

The steps are written once, as generators that yield requests; a plain loop answers them over the synchronous driver and
an `await`ing one over the asynchronous driver.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from wayra_db.errors import SeedError
from wayra_db.events import Observer, Progress, notify
from wayra_db.seeds import ledger
from wayra_db.seeds.results import Upserted

if TYPE_CHECKING:
    from pathlib import Path

    from wayra_db.seeds.generate.generator import Source

T = TypeVar("T")

# Called with the database, it answers, or returns what is to be awaited for the answer.
Request = Callable[[Any], Any]
Steps = Generator[Request, Any, T]


class SeedDataError(SeedError):
    """A seed's documents are not what they have to be; `path` and `line` point at the one, where it is in a file."""

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line


@dataclass(slots=True)
class SeedRun:
    """One call of a seed. `check` is called between batches and raises when the run has to end there.

    With `write` false nothing is written and only counted. `upserted` counts by collection. `source` is where the
    project says what made-up documents are like, `generated` with which random seed this call has made how
    many of them.
    """

    name: str
    database: Any
    session: Any
    is_async: bool
    observer: Observer
    check: Callable[[], None]
    write: bool = True
    source: Source | None = None
    generated: dict[str, tuple[int, int]] = field(default_factory=dict)
    upserted: dict[str, Upserted] = field(default_factory=dict)
    not_awaited: int = 0

    def answer(self, steps: Steps[T]) -> Any:
        """Carry the steps out; for an asynchronous database, what is to be awaited for that."""
        if not self.is_async:
            return _answer(steps, self.database)
        self.not_awaited += 1
        return self._awaited(steps)

    async def _awaited(self, steps: Steps[T]) -> T:
        self.not_awaited -= 1
        return await _answer_async(steps, self.database)

    def count(self, collection: str, counts: Upserted) -> None:
        """Add to what is known of a collection."""
        self.upserted[collection] = self.upserted.get(collection, Upserted()) + counts

    def progress(self, collection: str, done: int, total: int | None) -> None:
        """Tell how far it is."""
        task = self.name if self.name.endswith(f":{collection}") else f"{self.name}: {collection}"
        notify(self.observer, Progress(task, done, total, "documents"))

    def ledger(self, database: Any) -> Any:
        """The ledger's collection, whose writes wait for the majority."""
        from pymongo import WriteConcern

        return database.get_collection(ledger.COLLECTION, write_concern=WriteConcern("majority"))


def _answer(steps: Steps[T], database: Any) -> T:
    resume: Callable[[], Request] = partial(next, steps)
    while True:
        try:
            request = resume()
        except StopIteration as end:
            value: T = end.value
            return value
        try:
            resume = partial(steps.send, request(database))
        except Exception as error:
            resume = partial(steps.throw, error)


async def _answer_async(steps: Steps[T], database: Any) -> T:
    resume: Callable[[], Request] = partial(next, steps)
    while True:
        try:
            request = resume()
        except StopIteration as end:
            value: T = end.value
            return value
        try:
            resume = partial(steps.send, await request(database))
        except Exception as error:
            resume = partial(steps.throw, error)
