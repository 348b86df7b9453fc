"""What is said and recorded of a migration that raised: the error, the user's own line, and the way to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wayra_db import sourcefile
from wayra_db.errors import MigrationFailedError
from wayra_db.migrations.batches import OtherWalkError
from wayra_db.migrations.model import PlannedStep
from wayra_db.units import advice, describe, line_of

LONGEST_TRACEBACK = 8000  # characters; it is stored with the record
LINKS = 5  # exceptions of a chain


def title(step: PlannedStep) -> str:
    """A migration as people are told of it."""
    return f"{step.migration.version:04d} {step.migration.name}"


def facts_of(step: PlannedStep, error: BaseException) -> dict[str, Any]:
    """What the history and the log hold of a failure: `error`, `line` and `traceback`, without values of documents."""
    known = {
        "error": describe(error, with_values=False),
        "line": line_of(error, step.migration.path),
        "traceback": traceback_of(error, step.migration.path.parent),
        "otherWalk": isinstance(error, OtherWalkError),
    }
    return {key: value for key, value in known.items() if value}


def traceback_of(error: BaseException, folder: Path) -> str:
    """The way to an error through the files below `folder`, the first cause first; empty where it touched none.

    Places and no values: code may hold those too, and what the driver says of an error may quote documents.
    """
    parts = []
    for one in reversed(list(itertools.islice(_chain(error), LINKS))):
        frames = sourcefile.frames_in(one, folder)
        if frames:
            parts.append("\n".join([*frames, describe(one, with_values=False)]))
    text = "\n\nand then\n\n".join(parts)
    return text if len(text) <= LONGEST_TRACEBACK else f"...{text[-LONGEST_TRACEBACK:]}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what caused it, what caused that, as Python shows them."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def failure_of(
    step: PlannedStep, error: BaseException, done: Sequence[int], *, with_values: bool
) -> MigrationFailedError:
    """The error to raise for what a migration raised; `done` are the versions before it."""
    migration, line = step.migration, line_of(error, step.migration.path)
    where = f"{migration.path}:{line}" if line else str(migration.path)
    said = describe(error, with_values=with_values).removeprefix(f"{where}: ")
    return MigrationFailedError(
        f"{step.direction} of migration {migration.version} ({migration.name}) failed at {where}: {said}",
        applied=done,
        failed=migration.version,
        path=migration.path,
        line=line,
        traceback=traceback_of(error, migration.path.parent),
        hint=_hint(step, error),
    )


def _hint(step: PlannedStep, error: BaseException) -> str:
    command = (
        "wayra-db migrate"
        if step.direction == "up"
        else f"wayra-db migrate rollback --version {step.migration.version}"
    )
    known = advice(error)
    if step.atomic:
        still = "" if step.direction == "up" else ", and the migration is still applied"
        return f"Nothing of it was kept{still}. {known or f'Fix it and run `{command}` again.'}"
    if step.header.batched:
        goes_on = f"Fix it; `{command}` goes on."
        if step.migration.retry == "manual":
            goes_on = "Fix it, then see `wayra-db migrate status`."
        return f"The batches before it stay and are not done again. {known or goes_on}"
    return (
        f"It is not atomic ({step.reason}): what it did before that line stays. {known or 'Fix it.'} Then see "
        "`wayra-db migrate status`."
    )
