"""A project's documents, made one by one or in runs, in this process or in workers; nothing here speaks to a server."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from wayra_db.errors import GenerateError
from wayra_db.schema.collection import Collection
from wayra_db.schema.loader import load_collections
from wayra_db.seeds.generate.identity import Target
from wayra_db.seeds.generate.model import Mixed, Object, Plan, SerialBytes
from wayra_db.seeds.generate.plan import plan_documents
from wayra_db.seeds.generate.pools import Pools
from wayra_db.seeds.generate.project_file import ProjectRules, load_rules

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

BATCH = 2000
_OWN = SerialBytes("objectId")
# So many batches are made ahead of the one that is written, by each worker.
_AHEAD = 2

Make = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a project says what its documents are: read again by each worker."""

    collections_dir: Path
    rules_path: Path

    def generator(self) -> Generator:
        """Read both. Raises DeclarationError and GenerateError."""
        return Generator(load_collections(self.collections_dir), load_rules(self.rules_path), self)


class Generator:
    """Plans and makes documents of declared collections."""

    def __init__(
        self, collections: Sequence[Collection], rules: ProjectRules | None = None, source: Source | None = None
    ) -> None:
        """Raises GenerateError for rules of a collection that is not declared."""
        self._collections = {one.name: one for one in collections}
        self._pools = Pools(rules.locales if rules else ())
        self._plans: dict[tuple[str, int], Plan] = {}
        self.rules = rules or ProjectRules()
        self.source = source
        for name in self.rules.rules:
            self._collection(name)

    def plan(self, collection: str, random_seed: int) -> Plan:
        """How documents of a collection are made. Raises GenerateError."""
        key = (collection, random_seed)
        if key not in self._plans:
            rules = self.rules.rules.get(collection, {})
            self._plans[key] = plan_documents(self._collection(collection), rules, self._pools, random_seed)
        return self._plans[key]

    def order(self, names: Sequence[str], random_seed: int) -> list[str]:
        """Collections behind those that they refer to; where these refer to each other, as they were named."""
        needs = {
            name: {one for one in self.plan(name, random_seed).refers_to if one in names and one != name}
            for name in names
        }
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError:
            return list(names)

    def maker(self, collection: str, random_seed: int, targets: Mapping[str, Target]) -> Make:
        """A function from a document's number, counted from 1, to its BSON. Raises GenerateError."""
        from wayra_db.seeds.generate.encode import compile_plan

        return compile_plan(self.plan(collection, random_seed), targets)

    def target(self, collection: str, random_seed: int, count: int) -> Target:
        """The first `count` made documents of a collection, to be referred to."""
        if has_own_ids(self.plan(collection, random_seed)):
            return Target.made(random_seed, collection, count)
        import bson

        make = self.maker(collection, random_seed, {})
        return Target.found([bson.decode(make(number))["_id"] for number in range(1, count + 1)])

    def require_room(self, collection: str, random_seed: int, count: int) -> None:
        """Raise GenerateError when a unique field has fewer different values than there are to be documents."""
        for path, room in self.plan(collection, random_seed).limits:
            if count > room:
                raise GenerateError(
                    f"{collection}.{path} must be unique and has only {room:,} different values: {count:,} documents "
                    "are too many",
                    collection=collection,
                    field=path,
                    hint="Ask for fewer, or widen what the declaration or the rule lets in.",
                )

    def _collection(self, name: str) -> Collection:
        if name not in self._collections:
            near = difflib.get_close_matches(name, self._collections, n=1)
            raise GenerateError(
                f"no collection {name!r} is declared",
                collection=name,
                hint=f"Did you mean {near[0]!r}?" if near else f"Declared are {', '.join(self._collections)}.",
            )
        return self._collections[name]


def has_own_ids(plan: Plan) -> bool:
    """Whether the documents have the `_id`s of `identity`, as all have whose declaration says nothing else."""
    roots = plan.root.nodes if isinstance(plan.root, Mixed) else (plan.root,)
    return all(isinstance(one, Object) and one.fields[0].node == _OWN for one in roots)


# --- in runs, ahead of the writing -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to know to make the documents that any other would make."""

    source: Source
    collection: str
    random_seed: int
    targets: Mapping[str, Target]


_maker: Make | None = None


def _begin(task: Task) -> None:
    """In a worker: compile the plan, once. Ctrl-C is the parent's to hear, and a killed parent takes it along."""
    import signal
    import threading

    global _maker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _maker = task.source.generator().maker(task.collection, task.random_seed, task.targets)


def _end_with_parent() -> None:
    import os
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(first: int, last: int) -> list[bytes]:
    if _maker is None:
        raise RuntimeError("the worker was not begun")
    return [_maker(number) for number in range(first, last + 1)]


@contextmanager
def batches(
    make: Make, first: int, last: int, *, task: Task | None = None, workers: int = 1
) -> Iterator[Iterator[tuple[int, list[bytes]]]]:
    """Within the block, the documents of these numbers, two thousand at a time with the number of the first.

    They are made ahead while others are written: on a thread, or for `task` by so many processes.
    """

    def here(first: int, last: int) -> list[bytes]:
        return [make(number) for number in range(first, last + 1)]

    # Not at the top: `multiprocessing` takes longer to load than most seeds to run.
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    pool: Executor
    if task is not None and workers > 1:
        from multiprocessing import get_context

        pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (task,))
        function = _work
    else:
        pool, function = ThreadPoolExecutor(1, "wayra-generate"), here
    try:
        yield _ahead(pool, function, first, last, _AHEAD * max(workers, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
    pool: Executor, function: Callable[[int, int], list[bytes]], first: int, last: int, ahead: int
) -> Iterator[tuple[int, list[bytes]]]:
    waiting: list[tuple[int, Future[list[bytes]]]] = []
    starts = iter(range(first, last + 1, BATCH))
    while True:
        while len(waiting) < ahead and (start := next(starts, None)) is not None:
            waiting.append((start, pool.submit(function, start, min(start + BATCH - 1, last))))
        if not waiting:
            return
        start, future = waiting.pop(0)
        yield start, future.result()
