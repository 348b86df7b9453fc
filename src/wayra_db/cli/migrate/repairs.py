"""`migrate repair` and `baseline`: what is true of this database, said by a person."""

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
        "wayra-db migrate repair --version 5 --forget",
    ],
)
@click.option("--version", type=int, metavar="N", required=True, help="The version to repair.")
@click.option("--accept-edit", is_flag=True, help="Take the applied file as it is now.")
@click.option("--as", "mark_as", type=click.Choice(["applied", "pending"]), help="What you have made of it by hand.")
@click.option("--forget", is_flag=True, help="Remove the record of a version whose file is gone for good.")
def repair(run: Run, version: int, accept_edit: bool, mark_as: str | None, forget: bool) -> None:
    """Set the history right after an edit, a lost file or a migration that stopped half-way.

    Runs nothing of the migration; what you say is written to the audit log. With --as pending, or applied, how far it
    had come is forgotten: it begins anew, or is done.
    """
    if accept_edit + forget + (mark_as is not None) != 1:
        raise click.UsageError("Say what is true: one of --accept-edit, --as applied, --as pending or --forget.")
    migrations = run.project().migrations
    if accept_edit:
        migrations.accept_edit(version)
        said = "applied, with the file as it is now"
    elif forget:
        migrations.forget(version)
        said = "forgotten"
    else:
        said = "pending" if mark_as == "pending" else "applied"
        migrations.repair(version, "pending" if mark_as == "pending" else "applied")
    run.output.document({"version": version, "as": said})
    run.output.line(f"Version {version} is recorded as {said}." if not forget else f"Version {version} is forgotten.")


@command(parent=migrate, examples=["wayra-db migrate baseline --version 12 --adopt"])
@click.option("--version", type=int, metavar="N", required=True, help="The newest version that is in effect already.")
@click.option("--adopt", is_flag=True, help="Also claim the database for this environment.")
def baseline(run: Run, version: int, adopt: bool) -> None:
    """Record migrations as applied without running them, on a database that was in use before.

    All up to and with version N; `migrate` then runs the newer ones. Refused once anything has been run here.
    """
    from wayra_db.cli._output import plural

    versions = run.project(adopt=adopt).migrations.baseline(version)
    run.output.document({"versions": list(versions)})
    run.output.line(
        f"Recorded {plural(len(versions), 'migration')} as applied, up to version {version}; nothing was run."
    )
