"""What a seed does when it is run: its function called with its context, or its data file put into its collection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db import sourcefile
from wayra_db.errors import SeedLoadError
from wayra_db.mongo.unawaited import NotAwaitedError
from wayra_db.seeds.clearing import clear_steps
from wayra_db.seeds.context import SeedContext
from wayra_db.seeds.data import read_documents
from wayra_db.seeds.model import Seed
from wayra_db.seeds.run import SeedDataError, SeedRun
from wayra_db.seeds.upsert import Given, Upsert
from wayra_db.stopping import Stop

logger = logging.getLogger("wayra_db.seeds")


@dataclass(frozen=True, slots=True)
class Work:
    """A seed that is loaded and can be run: `function` of Python files, `documents` of data files.

    The documents of a large file are None and are read while it runs.
    """

    seed: Seed
    function: Callable[..., Any] | None = None
    documents: Sequence[Given] | None = None

    def run(self, run: SeedRun, stop: Stop, *, fresh: bool = False) -> Any:
        """Do it; for an asynchronous database, what is to be awaited. `fresh` deletes first what the seed has made."""
        if run.is_async:
            return self._run_async(run, stop, fresh=fresh)
        if fresh:
            run.answer(clear_steps(run))
        return self._call(run, stop)

    async def _run_async(self, run: SeedRun, stop: Stop, *, fresh: bool) -> None:
        if fresh:
            await run.answer(clear_steps(run))
        await self._call(run, stop)
        if run.not_awaited:
            raise NotAwaitedError("ctx.upsert was called and not awaited, so nothing came of it", hint="Write `await`.")

    def _call(self, run: SeedRun, stop: Stop) -> Any:
        if self.function is None:
            return self._put(run)
        if not self.seed.takes_context:
            return self.function(run.database)
        return self.function(run.database, SeedContext(self.seed.name, run.session, logger, run.observer, stop, run))

    def _put(self, run: SeedRun) -> None:
        data = self.seed.data
        if data is None:
            raise RuntimeError("a seed without a function has data")
        upsert = Upsert(run, data.collection, data.key, keep_edits=data.keep_edits)
        if self.documents is not None:
            run.answer(upsert.steps(self.documents, len(self.documents)))
        else:
            run.answer(upsert.steps(read_documents(self.seed.path)))


def load(seed: Seed) -> Work:
    """Make a seed ready: execute its Python file, or read its data file, so that what is wrong there stops everything.

    Raises SeedLoadError with file and line.
    """
    try:
        if seed.data is not None:
            return Work(seed, documents=None if seed.data.large else tuple(read_documents(seed.path)))
        module = sourcefile.load_module(seed.path, f"wayra_seed_{seed.name}", expected_checksum=seed.checksum)
        return Work(seed, function=module.seed)
    except sourcefile.SourceFileError as error:
        raise SeedLoadError(
            error.message, path=seed.path, line=error.line, hint="Nothing has run; fix the file and try again."
        ) from error
    except SeedDataError as error:
        said = error.message.partition(": ")[2] or error.message
        hint = " ".join(part for part in ("Nothing has run.", error.hint) if part)
        raise SeedLoadError(said, path=seed.path, line=error.line, hint=hint) from error
