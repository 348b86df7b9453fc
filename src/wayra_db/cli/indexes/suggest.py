"""`indexes suggest`: indexes that recorded queries ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, STRONG, WARN, Output, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli._types import NewFile
from wayra_db.cli.indexes._group import indexes

if TYPE_CHECKING:
    from wayra_db.indexes.advice.advisor import Suggestion
    from wayra_db.indexes.advice.propose import Proposal


@command(
    parent=indexes,
    examples=[
        "wayra-db indexes suggest",
        "wayra-db indexes suggest --prove",
        "wayra-db indexes suggest --log /var/log/mongodb/mongod.log --html indexes.html",
    ],
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read a mongod's log file, also gzipped, instead of the profiler.",
)
@click.option("--query-stats", is_flag=True, help="Read $queryStats instead, where the server has it.")
@click.option("--prove", is_flag=True, help="Try the indexes on a copy, and explain every recorded query there.")
@click.option("--whole", is_flag=True, help="With --prove, copy the collections whole, not a sample of 5,000.")
@click.option("--html", type=NewFile(), help="Write a page with charts, too.")
def suggest(run: Run, log: Path | None, query_stats: bool, prove: bool, whole: bool, html: Path | None) -> None:
    """Suggest indexes for what the applications ask; builds none on the database.

    Record first: wayra-db indexes profile on --for 10m. Queries are grouped by shape, without their values. Each index
    comes with what it would serve, its weight and its line for the declaration. --prove writes only into a copy, which
    is dropped again; a mark means that no recorded query chose the index there, and a sample can be wrong.
    """
    if log and query_stats:
        raise click.UsageError("--log and --query-stats are two sources; name one.")
    if whole and not prove:
        raise click.UsageError("--whole goes with --prove.")
    project = run.project()
    manager = project.indexes
    manager.profiler.restore_if_overdue()
    found = manager.suggest(log=log, query_stats=query_stats, prove=prove, whole=whole)
    run.end_progress()
    run.output.document(found.to_dict())
    if html is not None:
        from datetime import UTC, datetime

        from wayra_db.indexes.report import page

        html.write_text(page(project.deployment.database_name, datetime.now(UTC), suggestion=found), encoding="utf-8")
        run.output.note(f"Wrote {html}.")
    _show(run.output, found)


def _show(output: Output, found: Suggestion) -> None:
    recorded = found.recorded
    if not recorded.operations:
        output.line(f"Nothing is recorded in {recorded.source}. Record for a while, with the applications at work:")
        output.line(f"  {output.pasteable('wayra-db indexes profile on --for 10m')}")
        return
    count = sum(one.observed.count for one in found.shapes)
    output.line(
        f"{recorded.source}: {plural(count, 'operation')} of {plural(len(found.shapes), 'shape')}.".capitalize()
    )
    if recorded.unreadable:
        cut = plural(recorded.unreadable, "entry", "entries")
        output.line(f"  {output.style('!', WARN)} {cut} could not be read, such as lines that were cut short")
    for number, one in enumerate(found.proposals, 1):
        _proposal(output, number, one, found)
    if not found.proposals:
        output.line("No index would help: what was asked is served, or cannot be found by key.")
        _others(output, found)
        return
    _others(output, found)
    if found.proof is not None:
        proof = found.proof
        copied = ", ".join(f"{some:,} of {of:,} of {name}" for name, (some, of) in proof.copied.items())
        output.line(
            f"Proved on a copy ({copied}): {plural(proof.documents_before, 'document')} read before, "
            f"{proof.documents_after:,} after."
        )
    output.line(f"Next: put the lines into the declarations, then {output.pasteable('wayra-db indexes apply')}")


def _proposal(output: Output, number: int, one: Proposal, found: Suggestion) -> None:
    output.line(f"{number:>3}. {output.style(one.collection, STRONG)}  {one.declaration},")
    about = f", about {size(one.size_bytes)}" if one.size_bytes is not None else ""
    served = plural(len(one.shapes), "shape")
    output.line(
        f"     serves {served}: {plural(one.count, 'operation')}, {one.milliseconds:,.0f} ms, "
        f"{plural(one.wasted, 'document')} read in vain{about}"
    )
    if one.replaces:
        output.line(f"     replaces {', '.join(one.replaces)}, whose key it begins with")
    for warning in one.warnings:
        output.line(f"     {output.style('!', WARN)} {warning}")
    shapes = {judged.observed.shape.id: judged.observed.shape for judged in found.shapes}
    for id in one.shapes:
        output.line(output.style(f"     {id}  {shapes[id]}", FAINT))
    proved = found.proof.of(one.collection, one.name) if found.proof else None
    if proved is None:
        return
    queries = plural(proved.queries, "recorded query", "recorded queries")
    if proved.refused:
        output.line(f"     {output.style('cannot be built:', BAD)} {proved.refused}")
    elif not proved.queries:
        output.line("     not proved: no query was recorded with its values")
    elif proved.marked:
        output.line(f"     {output.style('never chosen', WARN)} by any of {queries}")
    else:
        output.line(f"     {output.style('proved:', GOOD)} chosen by {proved.chosen} of {queries}")


def _others(output: Output, found: Suggestion) -> None:
    """What else was recorded, counted by what became of it."""
    fates: dict[str, int] = {}
    for one in found.shapes:
        if one.fate.name != "PROPOSED":
            fates[one.fate.value] = fates.get(one.fate.value, 0) + 1
    for fate, number in fates.items():
        output.line(output.style(f"  {plural(number, 'shape')}: {fate}", FAINT))
