"""`seed generate`: documents made up from the declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import plural
from wayra_db.cli._run import Run
from wayra_db.cli.seed._group import seed
from wayra_db.environment import Action

if TYPE_CHECKING:
    from wayra_db.cli._output import Output
    from wayra_db.seeds.results import GenerateResult


@command(
    parent=seed,
    examples=[
        "wayra-db seed generate users --count 100000 --random-seed 7",
        "wayra-db seed generate users trips --count 1000",
        "wayra-db seed generate --profile large --workers 4",
        "wayra-db seed generate trips --count 5000000 --templates 2000",
        "wayra-db seed generate users --only 4711",
    ],
)
@click.argument("collections", nargs=-1)
@click.option("--count", type=click.IntRange(min=0), help="How many documents there are to be of each collection.")
@click.option("--profile", help="The collections and counts of this profile of scripts/generate.py.")
@click.option("--random-seed", type=int, help="Another one gives other documents; else the project's, or 1.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that make them.")
@click.option("--templates", type=click.IntRange(min=1), help="Make so many, and have the server make copies of them.")
@click.option("--only", type=click.IntRange(min=1), metavar="NUMBER", help="Show this one document and write nothing.")
def generate(
    run: Run,
    collections: tuple[str, ...],
    count: int | None,
    profile: str | None,
    random_seed: int | None,
    workers: int,
    templates: int | None,
    only: int | None,
) -> None:
    """Make up documents of COLLECTIONS from their declarations and the rules in scripts/generate.py.

    The same random seed gives the same documents, whatever the day and the number of workers. What is there is not made
    again; `seed clear generated:NAME` takes a collection's away.
    """
    if profile is not None and (collections or count is not None):
        raise click.UsageError("A profile says which collections and how many; leave COLLECTIONS and --count out.")
    project = run.project()
    project.require_before_connecting(Action.SEED)
    if only is not None:
        if len(collections) != 1 or count is not None:
            raise click.UsageError("--only shows a document of one collection: seed generate users --only 4711")
        _show(run, project.seeds.generated_document(collections[0], only, random_seed=random_seed))
        return
    if profile is None and (not collections or count is None):
        raise click.UsageError("Say what and how many, as `seed generate users --count 1000`, or name a --profile.")
    counts = project.seeds.profile(profile) if profile else dict.fromkeys(collections, count or 0)
    result = project.seeds.generate(counts, random_seed=random_seed, workers=workers, templates=templates)
    run.output.document(result.to_dict())
    tell(run.output, result)


def tell(output: Output, result: GenerateResult) -> None:
    """What was made, a line for each collection."""
    for name, one in result.collections.items():
        made = f"Made {plural(one.made, 'document')}" if one.made else "Nothing to do"
        output.line(f"{name}: {made}; there are {one.total:,} of random seed {result.random_seed}.")


def _show(run: Run, document: object) -> None:
    """As extended JSON, which a shell and an import can read."""
    import json

    from bson import json_util

    text = json_util.dumps(document, json_options=json_util.RELAXED_JSON_OPTIONS, indent=2, ensure_ascii=False)
    run.output.document({"document": json.loads(text)})
    run.output.line(text)
