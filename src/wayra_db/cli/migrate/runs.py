"""`migrate up`, `status`, `plan`, `rollback` and `redo`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN, Output, duration, plural
from wayra_db.cli._run import Run
from wayra_db.cli._types import Duration
from wayra_db.cli.migrate._group import migrate

if TYPE_CHECKING:
    from wayra_db.migrations.model import MigrationPlan

allow_production = click.option("--allow-production", is_flag=True, help="Permit it in production.")
max_duration = click.option(
    "--max-duration",
    "max_duration_seconds",
    type=Duration(),
    metavar="TIME",
    help="Stop at the next safe point after so long, as 30m or 2h.",
)


@command(parent=migrate, examples=["wayra-db migrate", "wayra-db migrate up --to 3", "wayra-db migrate --dry-run"])
@click.option("--to", type=int, metavar="N", help="Stop after version N.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Run at most N migrations.")
@click.option("--allow-out-of-order", is_flag=True, help="Also run migrations older than one that was applied.")
@click.option("--group", is_flag=True, help="All or none: run them in one transaction.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@max_duration
@click.option("--backup", is_flag=True, help="First back up the collections that the migrations will touch.")
@allow_production
def up(
    run: Run,
    to: int | None,
    steps: int | None,
    allow_out_of_order: bool,
    group: bool,
    dry_run: bool,
    max_duration_seconds: float | None,
    backup: bool,
    allow_production: bool,
) -> None:
    """Run the pending migrations in the order of their versions.

    With --backup, what they will touch is backed up first, whole, and an error names the command that puts it back. In
    production the backup takes the setting backups.allow_production as well as --allow-production.

    With --group all of them are applied or none. That is refused where one of them cannot join a transaction; and a
    transaction lives for a minute.
    """
    from wayra_db.environment import Action

    project = run.project(permitted=[Action.BACKUP_CREATE] if allow_production else [])
    wanted: dict[str, Any] = {"to": to, "steps": steps, "allow_out_of_order": allow_out_of_order, "group": group}
    if dry_run:
        _show_plan(run.output, project.migrations.plan(**wanted))
        return
    wanted["max_duration_seconds"] = max_duration_seconds
    made = None
    if backup:
        result, made = project.migrate_with_backup(**wanted)
    else:
        result = project.migrations.up(**wanted)
    run.output.document({**result.to_dict(), "backup": made.manifest.name if made else None})
    if made is not None:
        run.output.note(f"Backed up before: {made.manifest.name}, {plural(made.manifest.documents, 'document')}.")
    if result.changed:
        run.output.line(f"Applied {plural(len(result.ran), 'migration')}.")
        return
    behind = project.migrations.plan(allow_out_of_order=allow_out_of_order).steps if to is not None else ()
    if behind:
        many = f"{plural(len(behind), 'migration')} behind it {'is' if len(behind) == 1 else 'are'}"
        run.output.line(f"Nothing to do up to version {to}; {many} pending.")
    else:
        run.output.line("Nothing to do: no migration is pending.")


@command(parent=migrate, examples=["wayra-db migrate status", "wayra-db migrate status --check"])
@click.option("--check", is_flag=True, help="Exit with 3 unless every migration is applied.")
def status(run: Run, check: bool) -> int:
    """List every migration and its state.

    Of one that failed it tells the error and the line; with -v also the way to it through your own files.
    """
    output = run.output
    found = run.project().migrations.status()
    output.document({"migrations": [one.to_dict() for one in found]})
    styles = {"applied": GOOD, "pending": WARN, "running": WARN, "stopped": WARN}
    rows = [
        [
            f"{one.version:04d}",
            one.name,
            output.style(one.verdict, styles.get(one.verdict, BAD)),
            f"{one.at:%Y-%m-%d %H:%M:%S}" if one.at else "",
            duration(one.seconds) if one.seconds is not None else "",
            output.style(one.detail, FAINT),
        ]
        for one in found
    ]
    output.table(rows)
    for one in found:
        if one.traceback and run.given.get("verbose"):
            output.line(f"  {one.version:04d}")
            for line in one.traceback.splitlines():
                output.line(output.style(f"    {line}", FAINT))
        if one.next:
            output.line(output.pasteable(f"  {one.version:04d} → {one.next}"))
    pending = [one for one in found if one.verdict != "applied"]
    if not found:
        output.line(
            output.pasteable('There are no migrations yet. Write one: wayra-db migrate create --name "add user roles"')
        )
    elif not pending:
        output.line(f"{plural(len(found), 'migration')}, all applied.")
    return ExitCode.PENDING if check and pending else ExitCode.OK


@command(parent=migrate, examples=["wayra-db migrate plan"])
@click.option("--to", type=int, metavar="N", help="Stop after version N.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Run at most N migrations.")
@click.option("--allow-out-of-order", is_flag=True, help="Also run migrations older than one that was applied.")
@click.option("--group", is_flag=True, help="In one transaction.")
def plan(run: Run, to: int | None, steps: int | None, allow_out_of_order: bool, group: bool) -> None:
    """Show what `migrate` would run, and whether each is atomic."""
    chosen: dict[str, Any] = {"to": to, "steps": steps, "allow_out_of_order": allow_out_of_order, "group": group}
    _show_plan(run.output, run.project().migrations.plan(**chosen))


@command(
    parent=migrate,
    examples=["wayra-db migrate rollback --version 3", "wayra-db migrate rollback --steps 1 --yes"],
)
@click.option("--version", type=int, metavar="N", help="Roll back version N and every newer one.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Roll back the newest N.")
@click.option("--all", "everything", is_flag=True, help="Roll back all of them.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@allow_production
@max_duration
def rollback(
    run: Run,
    version: int | None,
    steps: int | None,
    everything: bool,
    dry_run: bool,
    allow_production: bool,
    max_duration_seconds: float | None,
) -> None:
    """Undo applied migrations, newest first.

    Rolling back a version rolls back every newer one as well. Shows what it will do, and asks before more than one.
    """
    from wayra_db.environment import Action

    if (version is None) + (steps is None) + (not everything) != 2:
        raise click.UsageError("Say what to roll back: one of --version N, --steps N or --all.")
    migrations = run.project(permitted=[Action.ROLLBACK] if allow_production else []).migrations
    plan = migrations.plan_rollback(version=version, steps=steps)
    if dry_run:
        _show_plan(run.output, plan)
        return
    _announce(run.output, plan)
    if len(plan.steps) > 1:
        listed = ", ".join(f"{step.migration.version} ({step.migration.name})" for step in plan.steps)
        run.confirm(f"This rolls back {len(plan.steps)} migrations: {listed}.", "rollback")
    result = migrations.rollback(
        version=version, steps=steps, everything=everything, max_duration_seconds=max_duration_seconds
    )
    run.output.document(result.to_dict())
    if result.changed:
        run.output.line(f"Rolled back {plural(len(result.ran), 'migration')}.")
    else:
        run.output.line("Nothing to do: no migration is applied.")


@command(parent=migrate, examples=["wayra-db migrate redo", "wayra-db migrate redo --steps 2"])
@click.option("--version", type=int, metavar="N", help="Redo version N and every newer one.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Redo the newest N; 1 without it.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@allow_production
def redo(run: Run, version: int | None, steps: int | None, dry_run: bool, allow_production: bool) -> None:
    """Roll back the newest migration and apply it again, to try what you are writing.

    Redoing an older version redoes every newer one as well. Shows what it will do, and asks before more than one.
    """
    from wayra_db.environment import Action

    if version is not None and steps is not None:
        raise click.UsageError("--version and --steps do not go together.")
    migrations = run.project(permitted=[Action.ROLLBACK] if allow_production else []).migrations
    down, again = migrations.plan_redo(version=version, steps=1 if version is None and steps is None else steps)
    if dry_run:
        run.output.document({"down": down.to_dict(), "up": again.to_dict()})
        for line in [*_plan_lines(run.output, down), *_plan_lines(run.output, again)] or ["Nothing to do."]:
            run.output.line(line)
        return
    _announce(run.output, down)
    if len(down.steps) > 1:
        run.confirm(f"This rolls back {len(down.steps)} migrations and applies them again.", "redo")
    undone, applied = migrations.redo(version=version, steps=steps)
    run.output.document({"down": undone.to_dict(), "up": applied.to_dict()})
    if applied.changed:
        run.output.line(f"Rolled back and applied again: {plural(len(applied.ran), 'migration')}.")
    else:
        run.output.line("Nothing to do: no migration is applied.")


def _show_plan(output: Output, plan: MigrationPlan) -> None:
    output.document(plan.to_dict())
    for line in _plan_lines(output, plan) or ["Nothing to do."]:
        output.line(line)


def _announce(output: Output, plan: MigrationPlan) -> None:
    for line in _plan_lines(output, plan):
        output.note(line)


def _plan_lines(output: Output, plan: MigrationPlan) -> list[str]:
    words = {"atomic": "atomic", "batched": "in batches", "stepwise": "not atomic"}
    lines = ["All in one transaction:"] if plan.grouped and plan.steps else []
    for step in plan.steps:
        how = words[step.mode] + (f": {step.reason}" if step.reason else "") + (", resumes" if step.resumes else "")
        style = WARN if step.mode == "stepwise" else FAINT
        title = f"{step.migration.version:04d} {step.migration.name}"
        lines.append(f"  {plan.direction:<4} {title}  {output.style(f'({how})', style)}")
    return lines
