"""Maintenance: plans, and carries the same plan out task by task under one lock.

A task that fails does not stop the others. Two that are started at once do it once.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from wayra_db import audit, locking
from wayra_db.environment import Action
from wayra_db.errors import CancelledError, LockHeldError, LockLostError, RefusedError, WayraError
from wayra_db.events import Notice, StepFailed, StepFinished, StepStarted, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.maintenance.model import (
    MaintenancePlan,
    MaintenanceReport,
    Outcome,
    PlannedTask,
    Request,
    Task,
    TaskReport,
    command_of,
)
from wayra_db.maintenance.worker import Worker
from wayra_db.mongo.errors import translate, translated

ENDED = "maintenance ended"
DEFAULT = Request()


class Maintenance:
    """Looks after a database that is in use. `workers` are the tasks that can be done."""

    def __init__(self, guard: Guard, workers: Mapping[Task, Worker[Any]]) -> None:
        self._guard = guard
        self._workers = workers

    def plan(self, request: Request = DEFAULT) -> MaintenancePlan:
        """What `run` would do now. Reads only.

        What is not allowed here is passed over with the reason; RefusedError where it was asked for by its name.
        """
        self._guard.require(Action.MAINTAIN)
        deployment = self._guard.deployment
        with translated(deployment.address):
            head = audit.read_head(deployment).sequence
        return MaintenancePlan(
            deployment.database_name,
            self._guard.environment.value,
            tuple(self._planned(task, request) for task in request.tasks),
            command_of(request),
            request.max_seconds,
            head,
        )

    def run(self, plan: MaintenancePlan | None = None) -> MaintenanceReport:
        """Carry out a plan, by default that of a request for nothing special, and report each task.

        Holds the lock throughout, and keeps the report in the audit log. A task that fails is in the report; so is
        what a stop or the end of the plan's time has left undone. Where the same maintenance is under way elsewhere, or
        has been done since the plan was made, nothing is done and the report says so. Raises RefusedError,
        LockLostError, and LockHeldError while another command holds the lock.
        """
        plan = self.plan() if plan is None else plan
        if elsewhere := self._same_elsewhere(plan):
            return self._left_to(plan, elsewhere)
        with ExitStack() as held:
            try:
                lease = held.enter_context(self._guard.changing(Action.MAINTAIN, plan.what))
            except LockHeldError:
                if elsewhere := self._same_elsewhere(plan):
                    return self._left_to(plan, elsewhere)
                raise
            # A signal that comes between two lines of the bookkeeping must not lose the report.
            held.enter_context(self._guard.stop.protected())
            return self._under_lock(plan, lease)

    def _planned(self, task: Task, request: Request) -> PlannedTask:
        """A task whose plan cannot be made fails when its turn comes; it keeps no other from its work."""
        try:
            planned: PlannedTask = self._workers[task].plan(request)
        except (CancelledError, RefusedError):
            raise
        except Exception as error:
            return PlannedTask(task, failure=self._in_our_words(error))
        return planned

    def _same_elsewhere(self, plan: MaintenancePlan) -> str:
        """Who is doing the very same now, empty for nobody."""
        state = locking.read_state(self._guard.deployment)
        same = state is not None and state.held and state.what == plan.what
        return f"{state.holder} on {state.host}" if same and state else ""

    def _left_to(self, plan: MaintenancePlan, who: str) -> MaintenanceReport:
        tasks = [TaskReport(one.task, "skipped", summary=f"{who} is at it") for one in plan.tasks]
        return MaintenanceReport(plan.database, plan.environment, tuple(tasks), elsewhere=who)

    def _under_lock(self, plan: MaintenancePlan, lease: Lease) -> MaintenanceReport:
        stop, started = self._guard.stop, time.monotonic()
        done_since = self._done_since(plan)
        reports: list[TaskReport] = []
        ended_by = ""
        with stop.within(plan.max_seconds):
            for planned in plan.tasks:
                if planned.failure is not None:
                    reports.append(self._failed(planned, planned.failure, 0.0))
                elif not planned.due:
                    reports.append(_idle(planned))
                elif planned.task in done_since:
                    reports.append(TaskReport(planned.task, "skipped", summary="another run has done it meanwhile"))
                elif stop.requested:
                    ended_by = ended_by or _reason(stop.check)
                    reports.append(TaskReport(planned.task, "not run", summary=ended_by))
                else:
                    reports.append(self._one(planned, lease))
            if not ended_by and any(one.outcome == "stopped" for one in reports):
                ended_by = _reason(stop.check)
        report = MaintenanceReport(
            plan.database, plan.environment, tuple(reports), time.monotonic() - started, ended_by
        )
        lease.write(_entry(report))
        return report

    def _one(self, planned: PlannedTask, lease: Lease) -> TaskReport:
        task, title, started = planned.task, planned.title, time.monotonic()
        notify(self._guard.observer, StepStarted(task.value, title))

        def seconds() -> float:
            return time.monotonic() - started

        try:
            lease.check()
            done = self._workers[task].run(planned, lease)
        except LockLostError:
            raise
        except CancelledError as error:
            notify(self._guard.observer, Notice(f"{title}: {error.message}", "warning"))
            return TaskReport(task, "stopped", seconds(), error.message, hint=error.hint)
        except Exception as error:
            return self._failed(planned, self._in_our_words(error), seconds())
        notify(self._guard.observer, StepFinished(task.value, title, seconds(), done.changed, done.summary))
        return TaskReport(task, "done", seconds(), done.summary, done.findings)

    def _failed(self, planned: PlannedTask, error: WayraError, seconds: float) -> TaskReport:
        notify(self._guard.observer, StepFailed(planned.task.value, planned.title, seconds, error.message))
        return TaskReport(
            planned.task, "failed", seconds, error.message, hint=error.hint, exit_code=int(error.exit_code)
        )

    def _in_our_words(self, error: Exception) -> WayraError:
        from pymongo.errors import PyMongoError

        if isinstance(error, WayraError):
            return error
        if isinstance(error, PyMongoError):
            return translate(error, self._guard.deployment.address)
        if isinstance(error, OSError):
            return WayraError(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        # Its text may hold a value of a document; where it was raised does not.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return WayraError(
            f"unexpected {type(error).__name__} in {frame.filename}:{frame.lineno}",
            hint="This is a fault in wayra-db: report this line. The other tasks were done.",
        )

    def _done_since(self, plan: MaintenancePlan) -> set[Task]:
        """The tasks that another run has done between this plan and this lock."""
        deployment = self._guard.deployment
        with translated(deployment.address):
            entries = deployment.metadata[audit.COLLECTION].find({"_id": {"$gt": plan.log_head}, "event": ENDED})
            done = {name for entry in entries for name in entry["done"]}
        return {task for task in Task if task.value in done}


def _idle(planned: PlannedTask) -> TaskReport:
    if planned.skipped:
        return TaskReport(planned.task, "skipped", summary=planned.skipped)
    return TaskReport(planned.task, "nothing to do", summary="; ".join(planned.notes))


def _reason(check: Callable[[], None]) -> str:
    """Why the run is to stop."""
    try:
        check()
    except CancelledError as error:
        return error.signal_name
    return ""


def _entry(report: MaintenanceReport) -> dict[str, Any]:
    """The report as the audit log keeps it: no message of an error, which may hold a value."""

    def names(*outcomes: Outcome) -> list[str]:
        return [one.task.value for one in report.of(*outcomes)]

    return {
        "event": ENDED,
        "seconds": round(report.seconds, 3),
        "done": names("done"),
        "failed": names("failed"),
        "left": names("stopped", "not run"),
        "report": [
            {
                "task": one.task.value,
                "outcome": one.outcome,
                "seconds": round(one.seconds, 3),
                "findings": len(one.findings),
                **({"summary": one.summary} if one.outcome == "done" else {"exitCode": one.exit_code}),
            }
            for one in report.tasks
        ],
    }
