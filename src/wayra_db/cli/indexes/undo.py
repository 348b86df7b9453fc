"""`indexes undo`: what a run has changed, brought back."""

from __future__ import annotations

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import FAINT, plural
from wayra_db.cli._run import Run
from wayra_db.cli.indexes._group import indexes
from wayra_db.cli.indexes.apply import allow_expiry, allow_production, ask_what_becomes, parallel


@command(
    parent=indexes,
    examples=["wayra-db indexes undo", "wayra-db indexes undo --dry-run", "wayra-db indexes undo --list"],
)
@click.option("--run", "id", metavar="ID", help="The run to undo, as --list shows it; else the newest.")
@click.option("--list", "listed", is_flag=True, help="List the newest runs.")
@click.option("--dry-run", is_flag=True, help="Show what it would do and change nothing.")
@parallel
@allow_production
@allow_expiry
def undo(
    run: Run, id: str | None, listed: bool, dry_run: bool, parallel: int, allow_production: bool, allow_expiry: bool
) -> None:
    """Bring indexes back as they were before the newest run: built, set back or dropped.

    Declarations stay as they are, so that the next `apply` does it again. Shows what it does, and asks.
    """
    from wayra_db.cli.indexes._show import show_plan, show_result
    from wayra_db.environment import Action

    permitted = {Action.DROP_INDEXES: allow_production, Action.EXPIRE_DOCUMENTS: allow_expiry}
    manager = run.project(permitted=[action for action, given in permitted.items() if given]).indexes
    output = run.output
    if listed:
        runs = manager.runs()
        output.document({"runs": [one.to_dict() for one in runs]})
        output.table(
            [
                [
                    one.id,
                    f"{one.started_at:%Y-%m-%d %H:%M:%S}",
                    one.command,
                    one.state,
                    output.style(", ".join(f"{change.step} {change.namespace}" for change in one.changes), FAINT),
                ]
                for one in runs
            ]
        )
        if not runs:
            output.line("Nothing was done to indexes here yet.")
        return
    record, plan = manager.undo_plan(id)
    if dry_run:
        output.document({"run": record.id, **plan.to_dict()})
        show_plan(output, plan)
        return
    for one in plan.indexes:
        output.note(f"  {one.step} {one.namespace}  {one.detail}")
    if not plan.empty:
        run.confirm(f"This undoes {plural(len(plan.indexes), 'change')} of `indexes {record.command}`.", "undo")
    result = manager.undo(record.id, parallel=parallel, on_stop=ask_what_becomes(run))
    show_result(output, result, "Brought back")
