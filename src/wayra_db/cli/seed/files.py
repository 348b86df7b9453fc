"""`seed create`: a new file, which needs no database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli.seed._group import seed

if TYPE_CHECKING:
    from wayra_db.seeds.scaffold import Kind


@command(
    parent=seed,
    examples=[
        'wayra-db seed create --name "sample users"',
        'wayra-db seed create --name "sample users" --data csv',
    ],
)
@click.option("--name", required=True, help="What it makes, in a few words.")
@click.option("--async", "is_async", is_flag=True, help="With `async def` and an asynchronous database.")
@click.option("--data", type=click.Choice(["json", "jsonl", "csv"]), help="A data file and its header, not Python.")
def create(run: Run, name: str, is_async: bool, data: str | None) -> None:
    """Write a new seed file with one document in it as an example."""
    from wayra_db.seeds.scaffold import create_seed

    if is_async and data:
        raise click.UsageError("A data file is not --async.")
    kind: Kind = "async" if is_async else "python"
    if data is not None:
        kind = "json" if data == "json" else "jsonl" if data == "jsonl" else "csv"
    paths = create_seed(run.settings().seeds_dir, name, kind=kind)
    run.output.document({"paths": [str(path) for path in paths]})
    for path in paths:
        run.output.line(f"Wrote {path}")
    run.output.note("Fill it in, then run `wayra-db seed plan` and `wayra-db seed`.")
