"""`migrate repair`."""

from __future__ import annotations

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli.migrate._group import migrate


@command(
    parent=migrate,
    examples=[
        "wayra-db migrate repair --version 3 --accept-edit",
        "wayra-db migrate repair --version 4 --as pending",
    ],
)
@click.option("--version", type=int, metavar="N", required=True, help="The version to repair.")
@click.option("--accept-edit", is_flag=True, help="Take the applied file as it is now.")
@click.option("--as", "mark_as", type=click.Choice(["applied", "pending"]), help="What you have made of it by hand.")
def repair(run: Run, version: int, accept_edit: bool, mark_as: str | None) -> None:
    """Set the history right after an edit or a migration that stopped half-way.

    Runs nothing of the migration; what you say is written to the audit log.
    """
    if accept_edit == (mark_as is not None):
        raise click.UsageError("Say what is true: one of --accept-edit, --as applied or --as pending.")
    migrations = run.project().migrations
    if accept_edit:
        migrations.accept_edit(version)
    else:
        migrations.repair(version, "pending" if mark_as == "pending" else "applied")
    said = mark_as or "applied, with the file as it is now"
    run.output.document({"version": version, "as": mark_as or "applied"})
    run.output.line(f"Version {version} is recorded as {said}.")
