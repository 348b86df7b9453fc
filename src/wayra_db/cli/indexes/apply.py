"""`indexes apply`: the plan, executed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli._types import Duration
from wayra_db.cli.indexes._group import indexes

if TYPE_CHECKING:
    from wayra_db.indexes.builds import OnStop, WhenStopped
    from wayra_db.indexes.plan import PlannedIndex

allow_production = click.option("--allow-production", is_flag=True, help="Permit drops in production.")
allow_expiry = click.option("--allow-expiry", is_flag=True, help="Permit TTL indexes that delete, in production.")
parallel = click.option(
    "--parallel",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    metavar="N",
    help="Build on N collections at once.",
)


@command(
    parent=indexes,
    examples=["wayra-db indexes apply", "wayra-db indexes apply --dry-run", "wayra-db indexes apply --parallel 4"],
)
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@parallel
@click.option(
    "--watch",
    "watch_seconds",
    type=Duration(),
    default=10.0,
    show_default="10s",
    help="Hide and watch an undeclared index so long before it is dropped.",
)
@allow_production
@allow_expiry
@click.option("--allow-sensitive", is_flag=True, help="Permit text and wildcard indexes over sensitive fields.")
def apply(
    run: Run,
    dry_run: bool,
    parallel: int,
    watch_seconds: float,
    allow_production: bool,
    allow_expiry: bool,
    allow_sensitive: bool,
) -> None:
    """Make live indexes as declared: build, change, replace.

    Everything is checked before anything is changed: limits, duplicates, documents that would expire. Asks before an
    index is dropped. Ctrl-C offers to abort running builds or to leave them to the server. `indexes undo` brings back
    what was.
    """
    from wayra_db.cli.indexes._show import show_plan, show_result
    from wayra_db.environment import Action

    permitted = {
        Action.DROP_INDEXES: allow_production,
        Action.EXPIRE_DOCUMENTS: allow_expiry,
        Action.INDEX_SENSITIVE_FIELDS: allow_sensitive,
    }
    manager = run.project(permitted=[action for action, given in permitted.items() if given]).indexes
    found = manager.plan()
    if dry_run:
        run.output.document(found.to_dict())
        show_plan(run.output, found)
        return
    confirm_drops(run, found.indexes)
    result = manager.apply(found, parallel=parallel, watch_seconds=watch_seconds, on_stop=ask_what_becomes(run))
    show_result(run.output, result, "Applied")


def confirm_drops(run: Run, planned: Sequence[PlannedIndex]) -> None:
    """Have the user agree to what queries may miss: an index that is rebuilt, or one that goes for good."""
    from wayra_db.indexes.plan import Step

    gone = [one for one in planned if one.step in (Step.REBUILD, Step.DROP)]
    if gone:
        listed = "\n".join(f"  {one.step} {one.namespace}: {one.detail}" for one in gone)
        run.confirm(f"Indexes are dropped:\n{listed}\n", "drop")


def ask_what_becomes(run: Run) -> OnStop:
    """What Ctrl-C means while indexes are built: asked where somebody can answer, else the server goes on alone."""

    def decide(building: Sequence[str]) -> WhenStopped:
        if run.given.get("no_input") or run.output.as_json or not sys.stdin.isatty():
            return "leave"
        run.end_progress()
        click.echo(f"\nThe server is building {', '.join(building)}.", err=True)
        answer = click.prompt(
            "[l]eave it to the server, [a]bort it, or [w]ait for it",
            type=click.Choice(["l", "a", "w"]),
            default="l",
            err=True,
        )
        answers: dict[str, WhenStopped] = {"l": "leave", "a": "abort", "w": "wait"}
        return answers[answer]

    return decide
