"""`seed run`."""

from __future__ import annotations

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import plural
from wayra_db.cli._run import Run
from wayra_db.cli.seed._group import seed


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
