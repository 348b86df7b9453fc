"""`seed run`, `seed plan` and `seed clear`: what writes, and what says beforehand what would be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, WARN, plural
from wayra_db.cli._run import Run
from wayra_db.cli.seed._group import seed
from wayra_db.cli.seed.generate import tell
from wayra_db.environment import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wayra_db.cli._output import Output
    from wayra_db.seeds.results import Forecast


@command(
    parent=seed,
    name="run",
    examples=["wayra-db seed", "wayra-db seed run 0002_users --again", "wayra-db seed --profile demo"],
)
@click.argument("names", nargs=-1)
@click.option("--again", is_flag=True, help="Also run the seeds that have run before.")
@click.option("--fresh", is_flag=True, help="As --again, and delete first what these seeds made.")
@click.option("--profile", help="Then make up the documents of this profile of scripts/generate.py.")
def run_seeds(run: Run, names: tuple[str, ...], again: bool, fresh: bool, profile: str | None) -> None:
    """Run the seeds of this environment that have not run yet.

    With NAMES only these, and what they depend on where it has not run. A seed that has changed since it ran is left
    alone without --again, unless it says a newer `version`.
    """
    project = run.project()
    project.require_before_connecting(Action.SEED)
    counts = project.seeds.profile(profile) if profile else {}
    result = project.seeds.run(names, again=again, fresh=fresh)
    changed = [one.name for one in project.seeds.plan().changed]
    generated = project.seeds.generate(counts) if profile else None
    more = {"generated": generated.to_dict()} if generated else {}
    run.output.document({**result.to_dict(), "changedSince": changed, **more})
    if result.changed:
        kept = f"; the edits in {plural(result.kept, 'document')} were kept" if result.kept else ""
        run.output.line(f"Ran {plural(len(result.ran), 'seed')}{kept}.")
    elif not result.failed and not result.skipped:
        run.output.line("Nothing to do: every seed of this environment has run.")
    if generated:
        tell(run.output, generated)
    _note_changed(run, changed)


@command(parent=seed, examples=["wayra-db seed plan", "wayra-db seed plan --again", "wayra-db seed plan 0002_users"])
@click.argument("names", nargs=-1)
@click.option("--again", is_flag=True, help="As if `seed run --again` was to follow.")
@click.option("--fresh", is_flag=True, help="As if `seed run --fresh` was to follow.")
def plan(run: Run, names: tuple[str, ...], again: bool, fresh: bool) -> None:
    """Say what a run would insert, change, and keep because somebody edited it.

    The seeds run for that in a transaction that is given up: nothing stays in the database, but their Python code does
    run.
    """
    project = run.project()
    project.require_before_connecting(Action.SEED)
    found = project.seeds.preview(names, again=again, fresh=fresh)
    output = run.output
    output.document(found.to_dict())
    output.table([[one.name, *_said(output, one)] for one in found.seeds])
    if not found.seeds:
        output.line("Nothing to do: every seed of this environment has run.")
    _note_changed(run, found.changed)


@command(parent=seed, examples=["wayra-db seed clear", "wayra-db seed clear 0003_trips --yes"])
@click.argument("names", nargs=-1)
def clear(run: Run, names: tuple[str, ...]) -> None:
    """Delete the documents that seeds have made, and forget that these seeds have run.

    All seeds', or only those of NAMES. What seeds did not make stays, and so does what they only changed.
    """
    project = run.project()
    project.require_before_connecting(Action.CLEAR)
    project.guard.require(Action.CLEAR)
    known = project.seeds.clearable(names)
    if known.documents:
        database = project.settings.database_name
        by_collection: dict[str, int] = {}
        for counts in known.seeds.values():
            for name, number in counts.items():
                by_collection[name] = by_collection.get(name, 0) + number
        listed = ", ".join(f"{number:,} of {name}" for name, number in by_collection.items())
        run.confirm(
            f"This deletes what {plural(len(known.seeds), 'seed')} made in {database}, with all edits made to it "
            f"since: {listed}.",
            database,
        )
    cleared = project.seeds.clear(names)
    run.output.document(cleared.to_dict())
    run.output.line(f"Deleted {plural(cleared.documents, 'document')}. These seeds run again with the next `seed`.")


def _said(output: Output, one: Forecast) -> list[str]:
    """What a seed would do, in a few cells."""
    if one.error:
        return [output.style(f"would fail: {one.error}", BAD)]
    if one.unknown:
        return [output.style(f"cannot be told: {one.unknown}", WARN)]
    parts = [
        f"{words} {number:,}"
        for words, number in (
            ("delete", one.deleted),
            ("insert", one.inserted),
            ("change", one.changed),
            ("keep the edits in", one.kept),
        )
        if number
    ]
    same = output.style(f"{one.unchanged:,} unchanged", FAINT) if one.unchanged else ""
    return [", ".join(part for part in (*parts, same) if part) or output.style("writes nothing", FAINT)]


def _note_changed(run: Run, names: Sequence[str]) -> None:
    if names:
        run.output.note(f"Changed since they ran, and left alone: {', '.join(names)}. Run them with --again.")
