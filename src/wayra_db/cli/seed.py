"""`seed` and its verbs."""

from __future__ import annotations

import click

from wayra_db.cli._groups import DefaultGroup
from wayra_db.cli._options import command, group
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN, plural
from wayra_db.cli._run import Run


class Seed(DefaultGroup):
    """`seed` alone is `seed run`."""

    default = "run"


@group(cls=Seed, examples=["wayra-db seed", "wayra-db seed --again", "wayra-db seed status"])
def seed() -> None:
    """Fill the database with development or test data.

    Alone it runs what has not run yet, as `seed run`. Never in production.
    """


@command(parent=seed, name="run", examples=["wayra-db seed", "WAYRA_ENV=test wayra-db seed"])
@click.option("--again", is_flag=True, help="Also run the seeds that have run before.")
def run_seeds(run: Run, again: bool) -> None:
    """Run the seeds of this environment that have not run yet."""
    from wayra_db.environment import Action

    project = run.project()
    project.require_before_connecting(Action.SEED)
    result = project.seeds.run(again=again)
    changed = [one.name for one in project.seeds.status() if one.verdict == "changed since it ran"]
    run.output.document(result.to_dict())
    if result.changed:
        run.output.line(f"Ran {plural(len(result.ran), 'seed')}.")
    elif not result.failed:
        run.output.line("Nothing to do: every seed of this environment has run.")
    if changed:
        run.output.note(f"Changed since they ran, and left alone: {', '.join(changed)}. Run them with --again.")


@command(parent=seed, examples=["wayra-db seed status"])
def status(run: Run) -> None:
    """List every seed and whether it has run here."""
    output = run.output
    found = run.project().seeds.status()
    output.document({"seeds": [one.to_dict() for one in found]})
    styles = {"done": GOOD, "failed": BAD, "other environment": FAINT}
    output.table(
        [
            [
                one.name,
                output.style(one.verdict, styles.get(one.verdict, WARN)),
                "required" if one.required else "",
                ", ".join(one.environments),
                output.style(one.description, FAINT),
            ]
            for one in found
        ]
    )
    if not found:
        output.line("There are no seeds in the project.")
