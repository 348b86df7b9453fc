"""`backup restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import FAINT, STRONG, Output, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli.backup._group import backup

if TYPE_CHECKING:
    from wayra_db.backups.restore_plan import OnConflict, RestorePlan
    from wayra_db.project import Project


@command(
    parent=backup,
    examples=[
        "wayra-db backup restore pre_deployment_backup --drop-existing",
        "wayra-db backup restore dump/wayra --to wayra_copy",
        "wayra-db backup restore nightly --collections trips --on-conflict keep",
        "wayra-db backup restore --continue",
    ],
)
@click.argument("name", required=False, metavar="NAME|PATH")
@click.option("--drop-existing", is_flag=True, help="Replace collections that hold documents, each as a whole.")
@click.option("--to", metavar="DATABASE", help="Restore into another database of the same deployment.")
@click.option("--collections", multiple=True, metavar="NAMES", help="Only these, separated by commas; repeatable.")
@click.option("--rename", "renames", multiple=True, metavar="A=B", help="Restore A under the name B; repeatable.")
@click.option(
    "--on-conflict",
    type=click.Choice(["refuse", "keep", "replace"]),
    default="refuse",
    help="For collections with documents: refuse, or merge by _id and keep or replace what both have.",
)
@click.option("--no-safety-backup", is_flag=True, help="Do not back up first what is replaced.")
@click.option("--migrate", is_flag=True, help="Then run the migrations that the backup does not have.")
@click.option("--identity", type=click.Path(path_type=Path), metavar="FILE", help="What opens an encrypted backup.")
@click.option("--allow-redacted", is_flag=True, help="Give up sensitive fields that the backup does not have.")
@click.option("--discard-writes", is_flag=True, help="Go on when collections are written to meanwhile: those are lost.")
@click.option("--allow-production", is_flag=True, help="Permit it in production, where nothing is replaced.")
@click.option("--continue", "with_continue", is_flag=True, help="Finish a restore that was cut off; needs no backup.")
@click.option("--dry-run", is_flag=True, help="Check the backup, show the plan and change nothing.")
def restore(
    run: Run,
    name: str | None,
    drop_existing: bool,
    to: str | None,
    collections: tuple[str, ...],
    renames: tuple[str, ...],
    on_conflict: OnConflict,
    no_safety_backup: bool,
    migrate: bool,
    identity: Path | None,
    allow_redacted: bool,
    discard_writes: bool,
    allow_production: bool,
    with_continue: bool,
    dry_run: bool,
) -> None:
    """Restore a backup, all of it or nothing.

    NAME is one of `wayra-db backup list`; PATH may also be a directory or archive of mongodump. The backup is checked
    as a whole, loaded beside the data, compared, and swapped in; until then the data stands untouched.
    """
    from wayra_db.backups.restore_plan import RestoreRequest
    from wayra_db.environment import Action

    project = run.project(permitted=[Action.RESTORE] if allow_production else [])
    if to is not None:
        project = project.beside(to)
    if with_continue:
        _continue(run, project)
        return
    if name is None:
        raise click.UsageError("Say which: `wayra-db backup restore NAME`; `wayra-db backup list` shows them.")
    only = tuple(name.strip() for names in collections for name in names.split(",") if name.strip()) or None
    rename = dict(_renamed(one) for one in renames)
    identities = identity or ()
    if not dry_run:
        project.backups.continue_restore()
    plan = project.backups.plan_restore(
        name,
        identities=identities,
        request=RestoreRequest(
            drop_existing=drop_existing,
            collections=only,
            rename=rename,
            on_conflict=on_conflict,
            allow_redacted=allow_redacted,
        ),
        check=dry_run,
    )
    run.end_progress()
    if dry_run:
        run.output.document(plan.to_dict())
        show_plan(run.output, plan, beside=False)
        return
    project.guard.require(Action.RESTORE_OVER_DATA if plan.over_data else Action.RESTORE)
    show_plan(run.output, plan, beside=True)
    if question := _question(plan):
        run.confirm(question, plan.database)
    report = project.backups.restore(
        name,
        drop_existing=drop_existing,
        collections=only,
        rename=rename,
        on_conflict=on_conflict,
        safety_backup=not no_safety_backup,
        identities=identities,
        allow_redacted=allow_redacted,
        discard_writes=discard_writes,
    )
    run.end_progress()
    applied = list(project.migrations.up().versions) if migrate else []
    pending = _pending(project)
    run.output.document({**report.to_dict(), "migrated": applied, "pending": pending})
    run.output.line(f"Restored {plural(plan.documents, 'document')} of {report.backup} into {report.database}.")
    if report.safety_backup:
        there = "" if to is None else f" --to {to}"
        command = f"{run.invocation} backup restore {report.safety_backup} --drop-existing{there}"
        run.output.line(f"What was there before is in {report.safety_backup}; to have it back: {command}")
    if applied:
        run.output.line(f"Applied the migrations {', '.join(map(str, applied))}.")
    if pending:
        run.output.line(
            f"The code is ahead of the backup: {', '.join(map(str, pending))} are to be run by "
            f"`{run.invocation}{'' if to is None else f' --database {to}'} migrate`."
        )


def show_plan(output: Output, plan: RestorePlan, *, beside: bool) -> None:
    """The plan in lines: as the result, or beside it."""
    write = output.note if beside else output.line
    write(f"{output.style(plan.backup, STRONG, err=beside)} into database {plan.database}:")
    for one in plan.targets:
        documents = plural(one.entry.documents, "document") if one.entry else ""
        there = f" in the place of {plural(one.live.documents, 'document')}" if one.over_data and one.live else ""
        words = {"create": "new", "replace": "replaced", "merge": f"merged, {plan.on_conflict}", "drop": "forgotten"}
        kind = f" ({one.entry.kind})" if one.entry and one.entry.kind != "collection" else ""
        write(f"  {one.name}{kind}  {documents}{there}  {output.style(words[one.how], FAINT, err=beside)}")
    for name, reason in plan.skipped:
        write(f"  {name}  {output.style(f'left out: {reason}', FAINT, err=beside)}")
    if plan.left_alone:
        write(f"  not in the backup, left alone: {', '.join(plan.left_alone)}")
    write(f"  {plural(plan.documents, 'document')}, {size(plan.bytes)}")
    if not beside:
        for warning in plan.warnings:
            write(f"  warning: {warning}")


def _question(plan: RestorePlan) -> str:
    """What is to be confirmed, empty when nothing is at stake."""
    parts = []
    if plan.over_data:
        parts.append(f"This replaces documents of {', '.join(plan.over_data)} in database {plan.database}.")
    parts += [f"Mind: {warning}." for warning in plan.warnings if warning.startswith("the backup is one of")]
    return " ".join(parts)


def _renamed(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or not old or not new:
        raise click.UsageError(f"'{text}' does not say what becomes of what; write --rename old=new.")
    return old, new


def _continue(run: Run, project: Project) -> None:
    finished = project.backups.continue_restore()
    cleaned = project.backups.clean_leftovers()
    run.end_progress()
    run.output.document({"finished": finished, "cleaned": list(cleaned)})
    if finished is not None:
        run.output.line(f"Finished the restore of {finished}.")
    if cleaned:
        left = plural(len(cleaned), "temporary collection")
        run.output.line(f"Removed {left} of restores and imports that were cut off.")
    if finished is None and not cleaned:
        run.output.line("Nothing to do: no restore was cut off.")


def _pending(project: Project) -> list[int]:
    from wayra_db.errors import WayraError

    try:
        return [step.migration.version for step in project.migrations.plan().steps]
    except WayraError:  # what is wrong with the files or the history is said by the commands that need them
        return []
