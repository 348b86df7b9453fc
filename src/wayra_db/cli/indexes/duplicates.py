"""`indexes duplicates`: the keys that stand in the way of a unique index."""

from __future__ import annotations

from itertools import islice

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import plural
from wayra_db.cli._run import Run
from wayra_db.cli.indexes._group import indexes


@command(
    parent=indexes,
    examples=["wayra-db indexes duplicates users.email_1", "wayra-db indexes duplicates users.email_1 --limit 20"],
)
@click.argument("index", metavar="COLLECTION.INDEX")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Show only the first N keys.")
def duplicates(run: Run, index: str, limit: int | None) -> None:
    """List the keys that a declared unique index would find more than once.

    Each with the number of its documents and some of their ids. Sensitive values are masked, in production all are.
    Reads the whole collection once.
    """

    from wayra_db.indexes.validation import sample_line

    found = islice(run.project().indexes.duplicates(index), limit)
    if run.output.as_json:
        run.output.document({"duplicates": list(found)})
        return
    count = 0
    for one in found:
        count += 1
        run.output.line(f"  {sample_line(one)}")
    run.output.line(f"{plural(count, 'key')} more than once." if count else "No duplicates.")
