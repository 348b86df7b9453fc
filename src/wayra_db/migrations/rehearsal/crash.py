"""Kills a migration at each of its server commands and lets the next runner go on, on copies of a copy.

For every moment a child process runs the migration on a fresh scratch database and is killed there by SIGKILL; then the
ordinary runner goes on in this process, and what it ends with is compared with an undisturbed run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wayra_db.environment import Action
from wayra_db.errors import (
    ConnectionFailedError,
    InterruptedMigrationError,
    LockError,
    UnsupportedDeploymentError,
    WayraError,
)
from wayra_db.events import Event, Observer, Progress, notify
from wayra_db.guard import Guard
from wayra_db.migrations import history
from wayra_db.migrations.manager import MigrationManager
from wayra_db.migrations.model import Direction, PlannedStep
from wayra_db.migrations.rehearsal import copying, scratch
from wayra_db.migrations.rehearsal.compare import State, differences, shape
from wayra_db.migrations.rehearsal.estimate import spread
from wayra_db.migrations.rehearsal.model import Crashes, Finding
from wayra_db.migrations.rehearsal.snapshot import read_state
from wayra_db.migrations.rehearsal.verdicts import CrashOutcome, Ending, crash_findings
from wayra_db.mongo.client import Deployment

# In one rehearsal, over all migrations and directions. Each costs a fresh database and a process.
MOST_KILLS = 200
# Of each collection, so that a batched migration has several batches and a kill stays affordable.
MOST_DOCUMENTS = 2500


class Victim:
    """The process whose children are killed; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        if not hasattr(os, "fork"):
            raise UnsupportedDeploymentError(
                "--crash kills processes that it has forked, which this system cannot do",
                needs="Linux or macOS",
                found=sys.platform,
                hint="Rehearse without --crash.",
            )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "wayra_db.migrations.rehearsal.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C is for the rehearsal, which ends it
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        if error is not None:
            os.killpg(self._process.pid, signal.SIGKILL)  # its child as well, or that would write on
        self._process.communicate()

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Run one job in a child; its `code`, and the `commands` or the `error` of one that was not killed."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the victim is not running")
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise WayraError(
                f"the process that runs what is to be killed has ended by itself (code {process.wait()})",
                hint="Run the rehearsal again with --debug, or without --crash.",
            )
        result: dict[str, Any] = json.loads(answer)
        return result


@dataclass(slots=True)
class Arena:
    """Two databases beside the scratch database: `start` stays, `work` is made from it again for each kill."""

    guard: Guard
    folder: Path
    victim: Victim
    observer: Observer
    start: Deployment = field(init=False)
    work: Deployment = field(init=False)

    def __post_init__(self) -> None:
        deployment = self.guard.deployment
        self.start = deployment.elsewhere(deployment.database_name + scratch.START)
        self.work = deployment.elsewhere(deployment.database_name + scratch.CRASH)

    def begin(self) -> None:
        """Take what stands in the scratch database as the start, at most MOST_DOCUMENTS of each collection."""
        self._copy(self.guard.deployment, self.start, sample=MOST_DOCUMENTS)

    def step(self, step: PlannedStep, most: int, *, with_down: bool) -> tuple[tuple[Crashes, ...], tuple[Finding, ...]]:
        """Kill `up` and then `down` of one migration, each at most `most` times; the start is then after `up`."""
        crashes: list[Crashes] = []
        findings: list[Finding] = []
        directions: Sequence[Direction] = ("up", "down") if with_down else ("up",)
        for direction in directions:
            outcomes, moments = self._kill_all(step, direction, most)
            resumed = sum(one.ending is Ending.SAME for one in outcomes)
            crashes.append(Crashes(direction, moments, len(outcomes), resumed))
            findings += crash_findings(step.migration, direction, outcomes)
            if direction == "up":
                self._fresh()
                self._undisturbed(step, "up")
                self._copy(self.work, self.start)
        return tuple(crashes), tuple(findings)

    def _kill_all(self, step: PlannedStep, direction: Direction, most: int) -> tuple[list[CrashOutcome], int]:
        expected: list[State] = []
        commands: Sequence[str] = ()
        for _ in range(2):
            self._fresh()
            commands = self._undisturbed(step, direction)
            expected.append(read_state(self.work))
        # What writes other values each time, by the clock or at random, can only be compared in its outlines.
        outline: Callable[[State], State] = shape if differences(*expected) else _same
        moments = [(number, moment) for number in range(1, len(commands) + 1) for moment in ("before", "after")]
        chosen = [moments[place - 1] for place in spread(len(moments), most)]
        task = f"kill {direction} of {step.migration.version:04d}"
        outcomes = []
        for done, (number, moment) in enumerate(chosen):
            self.guard.stop.check()
            notify(self.observer, Progress(task, done, len(chosen), "kills"))
            self._fresh()
            ended = self.victim.run(self._job(step, direction, number, moment))
            scratch.free(self.work)  # its death is known here, so nobody has to wait for its lease to end
            if ended["code"] >= 0 and "error" in ended:
                raise WayraError(
                    f"{direction} of migration {step.migration.version} fails only when it is to be killed: "
                    f"{ended['error']}",
                    hint="It does not do the same each time; rehearse without --crash.",
                )
            ending, detail = self._go_on(step, direction, outline(expected[0]), outline)
            outcomes.append(CrashOutcome(f"{moment} {commands[number - 1]} (command {number})", ending, detail))
        notify(self.observer, Progress(task, len(chosen), len(chosen), "kills"))
        return outcomes, len(moments)

    def _go_on(
        self, step: PlannedStep, direction: Direction, expected: State, outline: Callable[[State], State]
    ) -> tuple[Ending, str]:
        """What a user would do next: run the same command again; where that is refused, after a repair."""
        manager, by_itself = self._manager(), True
        try:
            try:
                self._again(manager, step, direction)
            except InterruptedMigrationError:
                by_itself = False
                manager.repair(step.migration.version, "pending" if direction == "up" else "applied")
                self._again(manager, step, direction)
        except (ConnectionFailedError, LockError):
            raise
        except WayraError as error:
            return Ending.FAILS if by_itself else Ending.FAILS_BY_HAND, error.message
        found = [one for one in differences(expected, outline(read_state(self.work))) if not one.harmless]
        if found:
            detail = "; ".join(f"{one.collection}: {one.words}" for one in found)
            return Ending.DIFFERS if by_itself else Ending.DIFFERS_BY_HAND, detail
        return Ending.SAME if by_itself else Ending.SAME_BY_HAND, ""

    def _again(self, manager: MigrationManager, step: PlannedStep, direction: Direction) -> None:
        version = step.migration.version
        if direction == "up":
            manager.up(to=version)
            return
        record = history.read_records(self.work).get(version)
        if record is not None and (record.is_in_effect or record.is_half_done):
            manager.rollback(version=version)

    def _undisturbed(self, step: PlannedStep, direction: Direction) -> Sequence[str]:
        ended = self.victim.run(self._job(step, direction, 0, ""))
        if ended["code"] != 0:
            raise WayraError(
                f"{direction} of migration {step.migration.version} ended well in this process and not in one of its "
                f"own: {ended.get('error') or ended['code']}",
                hint="It depends on something that only this process has; rehearse without --crash.",
            )
        commands: Sequence[str] = ended["commands"]
        return commands

    def _job(self, step: PlannedStep, direction: Direction, number: int, moment: str) -> dict[str, Any]:
        return {
            "uri": self.work.uri,
            "database": self.work.database_name,
            "environment": self.guard.environment.value,
            "folder": str(self.folder.resolve()),
            "path": [str(Path(place).resolve()) for place in sys.path],
            "direction": direction,
            "version": step.migration.version,
            "number": number,
            "moment": moment,
        }

    def _manager(self) -> MigrationManager:
        guard = Guard(
            self.work,
            self.guard.environment,
            observer=_silent,
            stop=self.guard.stop,
            permitted=[Action.ROLLBACK],
        )
        return MigrationManager(guard, self.folder, with_hooks=False)

    def _fresh(self) -> None:
        self._copy(self.start, self.work)

    def _copy(self, source: Deployment, target: Deployment, *, sample: int | None = None) -> None:
        target.client.drop_database(target.database_name)
        scratch.mark(target, self.guard.environment)
        listed = copying.read_collections(source).values()
        copies = [copying.plan_copy(source, one, sample) for one in listed]
        copying.copy_collections(source, target, copies, observer=_silent, check=self.guard.stop.check)
        copying.copy_history(source, target)


def share_of_kills(steps: Sequence[PlannedStep]) -> int:
    """How many kills each direction of each migration gets."""
    directions = sum(2 if step.migration.down is not None else 1 for step in steps)
    return max(2, MOST_KILLS // directions) if directions else 0


def _same(state: State) -> State:
    return state


def _silent(event: Event) -> None:
    """Nobody wants to hear of it."""
