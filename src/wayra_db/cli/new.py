"""`new`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run


@command(examples=["wayra-db new shop && cd shop && wayra-db init"])
@click.argument("path")
def new(run: Run, path: str) -> None:
    """Write a small project that works at once.

    A collection, a migration and a seed; overwrites nothing.
    """
    from wayra_db.scaffold import create_project

    if not path.strip():
        raise click.UsageError("The path is empty; `.` is the folder that you are in.", click.get_current_context())
    written = create_project(Path(path))
    run.output.document({"files": [str(file) for file in written]})
    for file in written:
        run.output.line(f"  wrote {file}")
    run.output.note(f"Next: cd {shlex.quote(path)} && wayra-db init", as_it_is=True)
