from __future__ import annotations

import json

import pytest

from wayra_db.errors import ConfigError
from wayra_db.maintenance.model import (
    ON_REQUEST,
    TITLES,
    MaintenancePlan,
    MaintenanceReport,
    PlannedTask,
    Request,
    Task,
    TaskReport,
    command_of,
)

BY_ITSELF = tuple(task for task in Task if task not in ON_REQUEST)


@pytest.mark.parametrize(
    ("request_", "tasks"),
    [
        (Request(), BY_ITSELF),
        (Request(skip=[Task.HEALTH]), tuple(task for task in BY_ITSELF if task is not Task.HEALTH)),
        (Request(only=[Task.HEALTH, Task.SAMPLE]), (Task.SAMPLE, Task.HEALTH)),
        (Request(only=[Task.COMPACT]), (Task.COMPACT,)),
        (Request(only=[Task.SAMPLE], compact=True), (Task.SAMPLE, Task.COMPACT)),
        (Request(only=[Task.SAMPLE, Task.HEALTH], skip=[Task.HEALTH]), (Task.SAMPLE,)),
        (Request(compact=True, validate="full", rebuild="all"), tuple(Task)),
        (Request(validate="online", skip=BY_ITSELF), (Task.VALIDATE,)),
    ],
)
def test_which_tasks_are_wanted(request_: Request, tasks: tuple[Task, ...]) -> None:
    """Those that load the server only when asked for; always in the order of work."""
    assert request_.tasks == tasks


def test_a_request_for_nothing_is_an_error() -> None:
    """Which names the tasks that there are."""
    with pytest.raises(ConfigError) as caught:
        _ = Request(only=[Task.HEALTH], skip=[Task.HEALTH]).tasks
    assert "sample, index-usage" in caught.value.hint


def test_the_same_requests_have_the_same_name_in_the_lock() -> None:
    """Another set of tasks has another; how long it may take says nothing."""
    assert command_of(Request()) == command_of(Request(max_seconds=9)) == "maintenance"
    assert command_of(Request(only=[Task.HEALTH, Task.SAMPLE])) == "maintenance sample, health"
    assert command_of(Request(compact=True)) != "maintenance"


def test_every_task_has_a_title() -> None:
    """The titles are told apart."""
    assert len(set(TITLES.values())) == len(Task)


def test_what_a_plan_removes_is_what_is_due() -> None:
    """A task that is passed over removes nothing."""
    due = PlannedTask(Task.PRUNE_BACKUPS, work=("remove a",), removes=("a",))
    skipped = PlannedTask(Task.PRUNE_BACKUPS, work=("remove b",), removes=("b",), skipped="not here")
    plan = MaintenancePlan("shop", "test", (due, skipped), "maintenance")
    assert plan.removes == ("a",)
    assert not plan.empty
    assert MaintenancePlan("shop", "test", (skipped, PlannedTask(Task.LEFTOVERS)), "maintenance").empty
    json.dumps(plan.to_dict())


def test_the_exit_code_is_that_of_the_first_failure() -> None:
    """What was stopped or passed over is none."""
    reports = (
        TaskReport(Task.SAMPLE, "done"),
        TaskReport(Task.LEFTOVERS, "stopped"),
        TaskReport(Task.VERIFY_BACKUPS, "failed", exit_code=20),
        TaskReport(Task.HEALTH, "failed", exit_code=1),
    )
    assert MaintenanceReport("shop", "test", reports).exit_code == 20
    assert MaintenanceReport("shop", "test", reports[:2]).exit_code == 0
    assert MaintenanceReport("shop", "test", reports).to_dict()["failed"] == ["verify-backups", "health"]
