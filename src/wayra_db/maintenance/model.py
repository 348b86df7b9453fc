"""What maintenance is asked for, plans and reports: pure values.

A plan holds a part for each task. The same object is shown and executed; what has changed since is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from wayra_db.errors import ConfigError, WayraError


class Task(StrEnum):
    """What can be done, in the order of work: what is quick and looks comes before what takes hours."""

    SAMPLE = "sample"
    INDEX_USAGE = "index-usage"
    SUGGESTIONS = "suggestions"
    LEFTOVERS = "leftovers"
    VERIFY_BACKUPS = "verify-backups"
    PRUNE_BACKUPS = "prune-backups"
    HEALTH = "health"
    VALIDATE = "validate"
    REBUILD_INDEXES = "rebuild-indexes"
    COMPACT = "compact"


TITLES: Mapping[Task, str] = {
    Task.SAMPLE: "Samples of growth and use",
    Task.INDEX_USAGE: "Use of indexes",
    Task.SUGGESTIONS: "Suggested indexes",
    Task.LEFTOVERS: "Leftovers",
    Task.VERIFY_BACKUPS: "Verification of backups",
    Task.PRUNE_BACKUPS: "Backups past their time",
    Task.HEALTH: "Health checks",
    Task.VALIDATE: "Validation",
    Task.REBUILD_INDEXES: "Rebuild of indexes",
    Task.COMPACT: "Compaction",
}

# They load the server for long, so they are done only when asked for.
ON_REQUEST = (Task.VALIDATE, Task.REBUILD_INDEXES, Task.COMPACT)

Validation = Literal["online", "full"]
Rebuild = Literal["bloated", "all"]
Outcome = Literal["done", "nothing to do", "skipped", "failed", "stopped", "not run"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted. `only` names the tasks, or is empty for all that need no asking; `skip` takes some out again.

    `compact`, `validate` and `rebuild` ask for these tasks. `online` validation locks nothing, `full` locks each
    collection while it is looked at. `force_primary` also compacts the primary. After `max_seconds` no task begins.
    """

    only: Collection[Task] = ()
    skip: Collection[Task] = ()
    compact: bool = False
    force_primary: bool = False
    validate: Validation | None = None
    rebuild: Rebuild | None = None
    max_seconds: float | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that are wanted, in the order of work. Raises ConfigError for none."""
        asked = {
            Task.COMPACT: self.compact,
            Task.VALIDATE: self.validate is not None,
            Task.REBUILD_INDEXES: self.rebuild is not None,
        }
        wanted = set(self.only) or {task for task in Task if task not in ON_REQUEST}
        wanted |= {task for task, is_asked in asked.items() if is_asked}
        chosen = tuple(task for task in Task if task in wanted and task not in self.skip)
        if not chosen:
            raise ConfigError("no task is left to be done", key="maintenance", hint=f"The tasks are {', '.join(Task)}.")
        return chosen

    def names(self, task: Task) -> bool:
        """Whether a task is asked for by its name, so that it may not be passed over."""
        return task in self.only or task in ON_REQUEST


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task. `work` says what will be done, `notes` what is left alone and why, `removes` what goes for good.

    `skipped` is the reason why all of it is passed over, `failure` why no plan could be made. What carrying it out
    needs stands in the subclasses.
    """

    task: Task
    work: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    skipped: str = ""
    failure: WayraError | None = None

    @property
    def title(self) -> str:
        """The task in words."""
        return TITLES[self.task]

    @property
    def due(self) -> bool:
        """Whether there is something to do."""
        return bool(self.work) and not self.skipped

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "task": self.task.value,
            "title": self.title,
            "due": self.due,
            "work": list(self.work),
            "notes": list(self.notes),
            "removes": list(self.removes),
            "skipped": self.skipped or None,
            "failure": self.failure.message if self.failure else None,
        }


@dataclass(frozen=True, slots=True)
class MaintenancePlan:
    """What a run will do. `log_head` is the newest entry of the audit log when the plan was made: what stands behind it
    has happened since.
    """

    database: str
    environment: str
    tasks: tuple[PlannedTask, ...]
    what: str
    max_seconds: float | None = None
    log_head: int = 0

    @property
    def removes(self) -> tuple[str, ...]:
        """What goes for good, which is to be asked for."""
        return tuple(name for planned in self.tasks if planned.due for name in planned.removes)

    @property
    def empty(self) -> bool:
        """Whether no task has anything to do."""
        return not any(planned.due for planned in self.tasks)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "database": self.database,
            "environment": self.environment,
            "maxSeconds": self.max_seconds,
            "tasks": [planned.to_dict() for planned in self.tasks],
        }


@dataclass(frozen=True, slots=True)
class Done:
    """What a task did, and whether it `changed` anything. `findings` want a person; they are no failure of the task."""

    summary: str
    findings: tuple[str, ...] = ()
    changed: bool = False


@dataclass(frozen=True, slots=True)
class TaskReport:
    """One task's end. `summary` says what was done, or why not; `exit_code` is that of its error."""

    task: Task
    outcome: Outcome
    seconds: float = 0.0
    summary: str = ""
    findings: tuple[str, ...] = ()
    hint: str = ""
    exit_code: int = 0

    @property
    def title(self) -> str:
        """The task in words."""
        return TITLES[self.task]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "task": self.task.value,
            "title": self.title,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 3),
            "summary": self.summary,
            "findings": list(self.findings),
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What a run did, task by task. `ended_by` is a signal's name or "the end of its time", empty for a whole run.

    `elsewhere` says who is at the same maintenance, where that is why nothing was done.
    """

    database: str
    environment: str
    tasks: tuple[TaskReport, ...]
    seconds: float = 0.0
    ended_by: str = ""
    elsewhere: str = field(default="")

    def of(self, *outcomes: Outcome) -> tuple[TaskReport, ...]:
        """The tasks that ended like this."""
        return tuple(one for one in self.tasks if one.outcome in outcomes)

    @property
    def exit_code(self) -> int:
        """That of the first task that failed, 0 for none."""
        return next((one.exit_code for one in self.of("failed")), 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "database": self.database,
            "environment": self.environment,
            "seconds": round(self.seconds, 3),
            "endedBy": self.ended_by or None,
            "elsewhere": self.elsewhere or None,
            "failed": [one.task.value for one in self.of("failed")],
            "tasks": [one.to_dict() for one in self.tasks],
        }


def command_of(request: Request) -> str:
    """The name under which a run stands in the lock; the same for two that do the same."""
    default = Request().tasks
    return "maintenance" if request.tasks == default else f"maintenance {', '.join(request.tasks)}"
