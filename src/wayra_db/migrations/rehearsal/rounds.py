"""One migration in the scratch database: up, down, up again, by the ordinary runner, compared at each turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wayra_db.environment import Environment
from wayra_db.errors import HistoryMismatchError, MigrationFailedError, MigrationLoadError
from wayra_db.events import Observer, StepFailed, StepFinished, StepStarted, notify
from wayra_db.guard import Guard
from wayra_db.migrations.manager import MigrationManager
from wayra_db.migrations.model import PlannedStep
from wayra_db.migrations.rehearsal import verdicts
from wayra_db.migrations.rehearsal.compare import State, changes, differences
from wayra_db.migrations.rehearsal.model import Changes, Check, Down, Finding, Severity
from wayra_db.migrations.rehearsal.snapshot import shown_id
from wayra_db.migrations.runner import Done


@dataclass(slots=True)
class Round:
    """What came of one migration. `state` is the database afterwards, None when nothing sensible can follow.

    `done` is its first `up`, None when that failed, and then `error` is why.
    """

    step: PlannedStep
    state: State | None = None
    done: Done | None = None
    error: Exception | None = None
    changes: Changes = field(default_factory=Changes)
    down: Down = Down.NOT_RUN
    down_seconds: float | None = None
    findings: list[Finding] = field(default_factory=list)

    def found(self, severity: Severity, check: Check, message: str, after: str = "") -> None:
        """Add a finding about this migration."""
        self.findings.append(Finding(severity, check, message, after, version=self.step.migration.version))


class Rounds:
    """Plays one migration after the other in the database of `guard`."""

    def __init__(self, guard: Guard, directory: Path, observer: Observer, read: Callable[[], State]) -> None:
        self._manager = MigrationManager(guard, directory, with_hooks=False)
        self._observer = observer
        self._read = read
        self._with_values = guard.environment is not Environment.PRODUCTION

    def play(self, step: PlannedStep, before: State) -> Round:
        """Run `up` of one migration on `before`; then `down`, if it has one, and `up` again."""
        played = Round(step)
        try:
            played.done = self._up(step, "up")
        except (MigrationFailedError, MigrationLoadError) as error:
            self._failed(played, Check.UP_FAILED, error)
            return played
        played.state = self._read()
        played.changes = changes(before, played.state)
        if step.resumes:
            played.found(
                Severity.NOTE, Check.NOT_REHEARSED, "it was half-done, so there is no state that `down` should restore"
            )
        elif step.migration.down is None:
            played.down = Down.NONE
            played.found(
                Severity.NOTE,
                Check.IRREVERSIBLE,
                "it has no `down`, so it cannot be rolled back",
                "Have a backup first.",
            )
        else:
            self._down_and_up(played, before, played.state)
        return played

    def _down_and_up(self, played: Round, before: State, after: State) -> None:
        step = played.step
        try:
            with self._telling(step, "down"):
                played.down_seconds = self._manager.rollback(version=step.migration.version).ran[0].seconds
        except MigrationFailedError as error:
            played.down = Down.FAILED
            self._failed(played, Check.DOWN_FAILED, error)
            if differences(after, self._read()):
                played.state = None
            return
        found = differences(before, self._read())
        played.down = Down.RESTORES if all(one.harmless for one in found) else Down.DIFFERS
        played.findings += verdicts.down_findings(step.migration, found, self.shown)
        try:
            self._up(step, "up again")
        except (MigrationFailedError, HistoryMismatchError) as error:
            self._failed(played, Check.UP_FAILED, error, "the second time, after its own `down`: ")
            played.state = None
            return
        played.state = self._read()
        if played.down is Down.RESTORES:
            again = differences(after, played.state)
            played.findings += verdicts.again_findings(step.migration, again, self.shown)

    def shown(self, identifier: bytes) -> str:
        """An `_id` as it may be shown in this environment."""
        return shown_id(identifier, with_values=self._with_values)

    def _up(self, step: PlannedStep, words: str) -> Done:
        with self._telling(step, words):
            return self._manager.up(to=step.migration.version).ran[0]

    def _failed(self, played: Round, check: Check, error: Exception, words: str = "") -> None:
        message = getattr(error, "message", str(error))
        played.error = error
        played.found(Severity.PROBLEM, check, f"{words}{message}", f"Correct {played.step.migration.path.name}.")

    @contextmanager
    def _telling(self, step: PlannedStep, words: str) -> Iterator[None]:
        title = f"{words} {step.migration.version:04d} {step.migration.name}"
        with telling(self._observer, words, title):
            yield


@contextmanager
def telling(observer: Observer, step: str, title: str, summary: str = "") -> Iterator[None]:
    """Tell the observer of a part of a rehearsal, and how long it took."""
    started = time.monotonic()
    notify(observer, StepStarted(step, title))
    try:
        yield
    except Exception as error:
        notify(observer, StepFailed(step, title, time.monotonic() - started, type(error).__name__))
        raise
    notify(observer, StepFinished(step, title, time.monotonic() - started, True, summary))
