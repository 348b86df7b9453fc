"""`init`, `reset` and `clear`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import STRONG, duration, plural
from wayra_db.cli._run import Run

if TYPE_CHECKING:
    from wayra_db.initializer import InitReport
    from wayra_db.project import Project

NEXT = (
    ("status", "the database at a glance"),
    ("migrate status", "every migration and its state"),
    ('migrate create --name "add notes"', "write a new migration"),
    ("init", "again, any time: it changes only what is missing"),
)


no_safety_backup = click.option("--no-safety-backup", is_flag=True, help="Do not back up first what is lost.")


@command(
    examples=[
        "wayra-db init",
        "wayra-db init --quick",
        "WAYRA_ENV=test wayra-db init --reset --yes",
        "wayra-db init --from-backup latest",
    ]
)
@click.option("--quick", is_flag=True, help="Only migrations and indexes.")
@click.option("--reset", "with_reset", is_flag=True, help="Drop everything first, as `wayra-db reset` does.")
@click.option(
    "--adopt", is_flag=True, help="Take over a database that holds data and was never initialised by wayra-db."
)
@click.option(
    "--from-backup",
    is_flag=False,
    flag_value="latest",
    metavar="NAME|latest",
    help="Restore a backup first, over what is there: latest is the newest intact one. See also `wayra-db recover`.",
)
@click.option("--identity", type=click.Path(path_type=Path), metavar="FILE", help="What opens an encrypted backup.")
@no_safety_backup
@click.option("--allow-production", is_flag=True, help="Permit --from-backup in production.")
def init(
    run: Run,
    quick: bool,
    with_reset: bool,
    adopt: bool,
    from_backup: str | None,
    identity: Path | None,
    no_safety_backup: bool,
    allow_production: bool,
) -> None:
    """Create, migrate, index and seed the database.

    Run it as often as you like: what is there is left alone, what is missing is made, and a run that was cut off is
    taken up where it stopped. The environment decides what is allowed: seeds never run in production.
    """
    from wayra_db.environment import Action

    if sum((quick, with_reset, from_backup is not None)) > 1:
        raise click.UsageError("--quick, --reset and --from-backup do not go together.")
    permitted = [Action.RECOVER, Action.BACKUP_CREATE] if allow_production else []
    project = run.project(adopt=adopt, permitted=permitted)
    if with_reset:
        _reset(run, project, safety_backup=not no_safety_backup)
        return
    if from_backup is not None:
        from wayra_db.cli.recover import recovered

        project.require_before_connecting(Action.RECOVER)
        report = recovered(
            run,
            project,
            from_backup,
            identity=identity,
            safety_backup=not no_safety_backup,
            dry_run=False,
            with_seeds=True,
        )
        if report is not None:
            _show(run, report)
        return
    _show(run, project.initializer.run(quick=quick))


@command(examples=["wayra-db reset", "wayra-db reset --yes"])
@no_safety_backup
def reset(run: Run, no_safety_backup: bool) -> None:
    """Drop all collections and initialise the database again.

    Development and test only. Asks for the database's name. What is dropped is backed up first, and the command that
    brings it back is shown. The tool's own log and lock stay.
    """
    _reset(run, run.project(), safety_backup=not no_safety_backup)


def _reset(run: Run, project: Project, *, safety_backup: bool) -> None:
    from wayra_db.environment import Action

    project.require_before_connecting(Action.RESET)
    project.guard.require(Action.RESET)
    name = project.deployment.database_name
    stats = project.collection_stats()
    documents = plural(sum(one.documents for one in stats), "document")
    run.confirm(f"This drops {plural(len(stats), 'collection')} of database {name} with {documents}.", name)
    report = project.initializer.reset(safety_backup=safety_backup)
    _show(run, report)
    for step in report.steps:
        if step.step == "safety":
            # A result, also with --quiet: without it nobody would know how to have the data back.
            run.output.line(run.output.pasteable(f"{step.summary[0].upper()}{step.summary[1:]}"))


@command(examples=["wayra-db clear", "wayra-db clear --yes && wayra-db seed"])
def clear(run: Run) -> None:
    """Delete all documents of the declared collections.

    Development and test only. Collections, indexes and the history of migrations stay; seeds run again at the next
    `seed` or `init`.
    """
    from wayra_db.environment import Action

    project = run.project()
    project.require_before_connecting(Action.CLEAR)
    project.guard.require(Action.CLEAR)
    name = project.deployment.database_name
    collections = ", ".join(collection.name for collection in project.schema.collections)
    run.confirm(f"This deletes all documents of {collections} in database {name}.", name)
    report = project.initializer.clear()
    run.output.document(report.to_dict())
    run.output.table([[name, plural(count, "document") + " deleted"] for name, count in report.deleted])
    run.output.note("Next: `wayra-db seed` fills them again.")


def _show(run: Run, report: InitReport) -> None:
    output = run.output
    output.document(report.to_dict())
    where = f"{report.database} ({report.environment})"
    if not report.changed:
        output.line(f"{output.style('Nothing to change:', STRONG)} {where} is as declared.")
        return
    output.line(f"{output.style('Ready:', STRONG)} {where} in {duration(time.monotonic() - run.started)}.")
    run.output.note("\nTry next:")
    for words, purpose in NEXT:
        run.output.note(f"  wayra-db {words:<36}  {purpose}")
