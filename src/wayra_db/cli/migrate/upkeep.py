"""`migrate renumber` and `migrate history`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wayra_db.cli import history as log
from wayra_db.cli._options import command
from wayra_db.cli._output import plural
from wayra_db.cli._run import Run
from wayra_db.cli.migrate._group import migrate


@command(
    parent=migrate, examples=["wayra-db migrate renumber", "wayra-db migrate renumber migrations/0007_add_tags.py"]
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the new names and change nothing.")
def renumber(run: Run, files: tuple[Path, ...], dry_run: bool) -> None:
    """Put migrations in order after a merge; needs no database.

    Where two files have one version, the one that was created later goes behind all others; a FILE that you name goes
    there in any case. Sets `latest.txt`. Do not renumber a migration that has been applied anywhere you care about.
    """
    migrations = run.project().migrations
    moves = migrations.plan_renumber(files) if dry_run else migrations.renumber(files)
    run.output.document({"moves": [move.to_dict() for move in moves]})
    for move in moves:
        run.output.line(f"  {move.path.name} → {move.target.name}")
    done = f"{plural(len(moves), 'file')} renumbered" if moves else "every version stands once"
    run.output.line(f"Nothing was changed: {done}." if dry_run else f"{done.capitalize()}; latest.txt is up to date.")


@command(parent=migrate, examples=["wayra-db migrate history", "wayra-db migrate history --version 3 --json"])
@log.filters
def history(run: Run, limit: int, **chosen: Any) -> None:
    """List what the audit log says of migrations, the newest last."""
    log.show_entries(run.output, run.project().migrations.history(newest=limit, **chosen), chosen)
