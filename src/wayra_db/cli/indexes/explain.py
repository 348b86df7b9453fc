"""`indexes explain`: a query's plan in words."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli.indexes._group import indexes


@command(
    parent=indexes,
    examples=["wayra-db indexes explain query.json", "wayra-db indexes explain --shape 3f2a9c1e --plan-only"],
)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--shape", metavar="ID", help="The most costly recorded query of this shape, as `suggest` lists it.")
@click.option(
    "--plan-only", is_flag=True, help="Ask for the plan alone; else the server also runs the query, to count."
)
def explain(run: Run, file: Path | None, shape: str | None, plan_only: bool) -> None:
    """Tell in words how the server answers a query, and which index would serve it better.

    FILE holds a command as JSON, as in the server's log: {"find": "trips", "filter": {"status": "booked"}}. Or `-` for
    standard input. What changes documents is only looked for, and none of the query's values are shown.
    """
    if bool(file) == bool(shape):
        raise click.UsageError("Name a file with a query, or a recorded --shape.")
    advisor = run.project().indexes.advisor
    if file is not None:
        operation = advisor.operation(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8"))
    else:
        operation = advisor.recorded_operation(str(shape))
    found = advisor.explain(operation, execute=not plan_only)
    output = run.output
    output.document(found.to_dict())
    output.line(found.shape)
    for number, sentence in enumerate(found.sentences, 1):
        output.line(f"  {number}. {sentence}")
    for one in found.proposals:
        output.line(f"An index that serves it: {one.declaration}")
