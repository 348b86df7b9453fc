"""Has the server make copies of made-up documents: two statements at a time, a few thousand copies in each.

A statement carries its templates, so nothing that somebody does to the collection meanwhile gets into a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from wayra_db.seeds.generate.copies import Fields, pipeline
from wayra_db.seeds.generate.generator import Make
from wayra_db.seeds.generate.identity import made_id
from wayra_db.seeds.generate.write import note_steps
from wayra_db.seeds.run import SeedRun

# A statement takes about a second, and a stop is heard between two.
_CHUNK = 20_000
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Multiplying:
    """The documents `first` to `last` of a collection, as copies of the first `templates`."""

    collection: str
    random_seed: int
    templates: int
    first: int
    last: int
    changes: Fields


def multiply(run: SeedRun, work: Multiplying, make: Make) -> int:
    """Make the copies that are not there; returns how many. Each chunk is noted before it is made."""
    from bson.raw_bson import RawBSONDocument

    templates = [RawBSONDocument(make(number)) for number in range(1, work.templates + 1)]
    made = done = 0
    with ThreadPoolExecutor(_AT_ONCE, "wayra-multiply") as pool:
        waiting: dict[Future[int], int] = {}
        chunks = _chunks(work)
        try:
            while True:
                while len(waiting) < _AT_ONCE and (chunk := next(chunks, None)) is not None:
                    run.check()
                    first, last = chunk
                    ids = [made_id(work.random_seed, work.collection, number) for number in range(first, last + 1)]
                    run.answer(note_steps(run, work.collection, ids))
                    waiting[pool.submit(_make, run, work, templates, first, last)] = last - first + 1
                if not waiting:
                    return made
                for one in wait(waiting, return_when=FIRST_COMPLETED).done:
                    done += waiting.pop(one)
                    made += one.result()
                    run.progress(work.collection, work.first - 1 + done, work.last)
        finally:
            wait(waiting)


def _chunks(work: Multiplying) -> Iterator[tuple[int, int]]:
    """Whole rounds of the templates where they are fewer than a chunk."""
    size = max(_CHUNK // work.templates, 1) * work.templates
    for first in range(work.first, work.last + 1, size):
        yield first, min(first + size - 1, work.last)


def _make(run: SeedRun, work: Multiplying, templates: list[Any], first: int, last: int) -> int:
    from pymongo import WriteConcern

    seed, name = work.random_seed, work.collection
    there = {"_id": {"$gte": made_id(seed, name, first), "$lte": made_id(seed, name, last)}}
    before = run.database[name].count_documents(there)
    if before < last - first + 1:
        stages: list[Mapping[str, Any]] = [
            *pipeline(work.changes, templates, work.templates, first, last, name, some_there=before > 0)
        ]
        # The record of the run waits for the majority, and so for all that was written before it.
        run.database.with_options(write_concern=WriteConcern(w=1)).aggregate(stages)
    return last - first + 1 - int(before)
