"""`maintenance`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, STRONG, WARN, Output, duration, plural
from wayra_db.cli._run import Run
from wayra_db.cli._types import Duration

if TYPE_CHECKING:
    from wayra_db.maintenance import MaintenancePlan, MaintenanceReport, Task
    from wayra_db.maintenance.model import Rebuild, TaskReport, Validation

_STYLES = {"done": GOOD, "failed": BAD, "stopped": WARN, "not run": WARN}


class Tasks(click.ParamType[Any]):
    """Names of tasks between commas."""

    name = "tasks"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The tasks."""
        from wayra_db.maintenance import Task

        names = [name.strip() for name in str(value).split(",") if name.strip()]
        unknown = [name for name in names if name not in set(Task)]
        if unknown or not names:
            self.fail(f"{', '.join(unknown) or 'nothing'} is no task; there are {', '.join(Task)}", param, ctx)
        return tuple(Task(name) for name in names)


@command(
    examples=[
        "wayra-db maintenance --dry-run",
        "wayra-db maintenance --yes --max-duration 30m",
        "wayra-db maintenance --only sample,health",
        "wayra-db maintenance --only compact --force-primary",
        "wayra-db maintenance --rebuild-indexes --compact --validate --yes",
    ]
)
@click.option("--only", type=Tasks(), metavar="TASK,...", help="These tasks and no others.")
@click.option("--skip", type=Tasks(), metavar="TASK,...", help="All but these tasks.")
@click.option("--max-duration", type=Duration(), help="Begin no task after so long, and end what can be interrupted.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option(
    "--rebuild-indexes",
    is_flag=False,
    flag_value="bloated",
    type=click.Choice(["bloated", "all"]),
    metavar="[all]",
    help="Also build indexes anew whose files are mostly empty, or all; queries have an index all the time.",
)
@click.option("--compact", is_flag=True, help="Also give empty space back to the disk, one secondary after another.")
@click.option("--force-primary", is_flag=True, help="Let --compact work on the primary as well, last.")
@click.option(
    "--validate",
    is_flag=False,
    flag_value="online",
    type=click.Choice(["online", "full"]),
    metavar="[full]",
    help="Also look whether data and indexes are whole. `full` sees more and LOCKS each collection meanwhile.",
)
@click.option("--allow-production", is_flag=True, help="Permit what production asks a word for.")
def maintenance(
    run: Run,
    only: tuple[Task, ...] | None,
    skip: tuple[Task, ...] | None,
    max_duration: float | None,
    dry_run: bool,
    rebuild_indexes: str | None,
    compact: bool,
    force_primary: bool,
    validate: str | None,
    allow_production: bool,
) -> int:
    """Look after a database in use: samples, checks, clean-up.

    Shows its plan, asks before backups are removed, and reports each task. By itself it does what is quick and safe
    (sample, index-usage, suggestions, leftovers, verify-backups, prune-backups, health); validate, rebuild-indexes and
    compact only when asked. Made for cron: where the same maintenance is under way it does nothing and ends with 0. A
    task that fails does not stop the others; the command then ends with that task's exit code. Ctrl-C and SIGTERM end
    it at the next safe point, with a report of what is done.
    """
    from wayra_db.environment import Action
    from wayra_db.maintenance import Request

    if force_primary and not compact and "compact" not in (only or ()):
        raise click.UsageError("--force-primary goes with --compact.")
    request = Request(
        only=only or (),
        skip=skip or (),
        compact=compact,
        force_primary=force_primary,
        validate=cast("Validation | None", validate),
        rebuild=cast("Rebuild | None", rebuild_indexes),
        max_seconds=max_duration,
    )
    permitted = (
        [Action.BACKUP_DELETE, Action.VALIDATE_FULL, Action.REBUILD_INDEXES, Action.COMPACT, Action.COMPACT_PRIMARY]
        if allow_production
        else []
    )
    manager = run.project(permitted=permitted).maintenance
    plan = manager.plan(request)
    run.end_progress()
    _show_plan(run.output, plan, beside=not dry_run)
    if dry_run:
        run.output.document(plan.to_dict())
        return ExitCode.OK
    if plan.removes:
        names = ", ".join(plan.removes)
        run.confirm(f"This removes {plural(len(plan.removes), 'backup')} for good: {names}.", str(len(plan.removes)))
    report = manager.run(plan)
    run.end_progress()
    run.output.document(report.to_dict())
    _show_report(run.output, report)
    return _exit_code(run, report)


def _exit_code(run: Run, report: MaintenanceReport) -> int:
    if report.exit_code:
        return report.exit_code
    # The end of its time was asked for; a signal was not.
    return ExitCode.INTERRUPTED if report.ended_by.startswith("SIG") else ExitCode.OK


def _show_plan(output: Output, plan: MaintenancePlan, *, beside: bool) -> None:
    """What each task will do; beside the result where that is still to come."""
    write = output.note if beside else output.line
    most = f", for {duration(plan.max_seconds)} at most" if plan.max_seconds else ""
    write(f"Maintenance of {plan.database} ({plan.environment}){most}:")
    for planned in plan.tasks:
        failure = planned.failure.message if planned.failure else ""
        fate = "fails" if failure else "skipped" if planned.skipped else "" if planned.due else "nothing to do"
        reason = failure or planned.skipped or ("" if planned.due else "; ".join(planned.notes))
        write(f"  {planned.title}{f': {fate}' if fate else ''}{f': {reason}' if reason else ''}")
        if planned.due:
            for line in planned.work:
                write(f"    {line}")
            for line in planned.notes:
                write(f"    {output.style(line, FAINT, err=beside)}")


def _show_report(output: Output, report: MaintenanceReport) -> None:
    if report.elsewhere:
        output.line(f"Nothing was done: {report.elsewhere} is at the same maintenance.")
        return
    rows = [
        [
            output.style(one.outcome, _STYLES.get(one.outcome, FAINT)),
            one.title,
            duration(one.seconds) if one.seconds else "",
            one.summary,
        ]
        for one in report.tasks
    ]
    output.table(rows, right=(2,))
    for one in report.tasks:
        _show_details(output, one)
    output.line(f"{output.style(_verdict(report), STRONG)} in {duration(report.seconds)}.")


def _show_details(output: Output, one: TaskReport) -> None:
    if not one.findings and not (one.hint and one.outcome == "failed"):
        return
    output.line(f"\n  {output.style(one.title, STRONG)}")
    for finding in one.findings:
        output.line(f"    {output.style('!', WARN)} {output.pasteable(finding)}")
    for line in one.hint.splitlines() if one.outcome == "failed" else ():
        output.line(f"    {output.style(output.pasteable(line), FAINT)}")


def _verdict(report: MaintenanceReport) -> str:
    failed, left = report.of("failed"), report.of("stopped", "not run")
    if failed:
        return f"{plural(len(failed), 'task')} failed"
    if left:
        return f"Ended by {report.ended_by}, {plural(len(left), 'task')} not done"
    return "Maintained"
