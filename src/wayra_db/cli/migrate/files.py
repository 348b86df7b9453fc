"""`migrate create`: what works on files and needs no database."""

from __future__ import annotations

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli.migrate._group import migrate


@command(parent=migrate, examples=['wayra-db migrate create --name "add user roles"'])
@click.option("--name", required=True, help="What it does, in a few words.")
def create(run: Run, name: str) -> None:
    """Write a new migration file; needs no database."""
    from wayra_db.migrations.scaffold import create_migration

    path = create_migration(run.settings().migrations_dir, name)
    run.output.document({"path": str(path)})
    run.output.line(f"Wrote {path}")
    run.output.note("Fill in `up` and `down`, then run `wayra-db migrate`.")
