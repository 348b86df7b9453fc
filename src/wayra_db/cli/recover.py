"""`recover`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli.backup.restore import show_plan

if TYPE_CHECKING:
    from wayra_db.initializer import InitReport
    from wayra_db.project import Project


@command(
    examples=[
        "wayra-db recover",
        "wayra-db recover --backup pre_deployment_backup --dry-run",
        "WAYRA_ENV=production wayra-db recover --allow-production",
    ]
)
@click.option("--backup", "name", default="latest", metavar="NAME|latest", help="Which backup; the newest intact one.")
@click.option("--identity", type=click.Path(path_type=Path), metavar="FILE", help="What opens an encrypted backup.")
@click.option("--no-safety-backup", is_flag=True, help="Do not back up first what is replaced.")
@click.option("--allow-redacted", is_flag=True, help="Give up sensitive fields that the backup does not have.")
@click.option("--discard-writes", is_flag=True, help="Go on when collections are written to meanwhile: those are lost.")
@click.option("--allow-production", is_flag=True, help="Permit it in production.")
@click.option("--dry-run", is_flag=True, help="Check the backup, show the plan and change nothing.")
def recover(
    run: Run,
    name: str,
    identity: Path | None,
    no_safety_backup: bool,
    allow_redacted: bool,
    discard_writes: bool,
    allow_production: bool,
    dry_run: bool,
) -> None:
    """Bring a lost database back: backup, migrations, indexes, health check.

    Restores the newest intact backup over what is there, runs the migrations that it does not have, builds indexes and
    looks at the result. Shows its plan first and asks for the database's name.
    """
    from wayra_db.environment import Action

    project = run.project(permitted=[Action.RECOVER, Action.BACKUP_CREATE] if allow_production else [])
    project.require_before_connecting(Action.RECOVER)
    report = recovered(
        run,
        project,
        name,
        identity=identity,
        safety_backup=not no_safety_backup,
        dry_run=dry_run,
        with_seeds=False,
        allow_redacted=allow_redacted,
        discard_writes=discard_writes,
    )
    if report is None:
        return
    run.end_progress()
    run.output.document(report.to_dict())
    run.output.line(f"Recovered: {report.database} ({report.environment}).")
    for step in report.steps:
        run.output.line(f"  {step.title}: {step.summary}")


def recovered(
    run: Run,
    project: Project,
    name: str,
    *,
    identity: Path | None,
    safety_backup: bool,
    dry_run: bool,
    with_seeds: bool,
    allow_redacted: bool = False,
    discard_writes: bool = False,
) -> InitReport | None:
    """Plan, show, ask, and recover; None when only the plan was wanted."""
    identities = identity or ()
    if not dry_run:
        project.backups.continue_restore()
    plan = project.initializer.plan_recovery(name, identities=identities, allow_redacted=allow_redacted)
    run.end_progress()
    show_plan(run.output, plan.restore, beside=not dry_run)
    versions = plan.migrations
    then = (
        "whatever migrations it lacks" if versions is None else f"migrations {', '.join(map(str, versions)) or 'none'}"
    )
    write = run.output.line if dry_run else run.output.note
    write(f"  then: collections and validators, {then}, indexes{', seeds' if with_seeds else ''}, health check")
    if dry_run:
        run.output.document(plan.to_dict())
        return None
    database = plan.restore.database
    run.confirm(f"This restores {plan.restore.backup} over database {database}.", database)
    return project.initializer.recover(
        plan.restore.backup,
        safety_backup=safety_backup,
        identities=identities,
        with_seeds=with_seeds,
        allow_redacted=allow_redacted,
        discard_writes=discard_writes,
    )
