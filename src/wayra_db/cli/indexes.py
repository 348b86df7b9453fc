"""`indexes` and its verbs."""

from __future__ import annotations

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command, group
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN, plural
from wayra_db.cli._run import Run


@group(examples=["wayra-db indexes plan", "wayra-db indexes plan --check", "wayra-db indexes apply"])
def indexes() -> None:
    """Compare declared indexes with live ones, build the missing."""


@command(parent=indexes, examples=["wayra-db indexes plan", "wayra-db indexes plan --check"])
@click.option("--check", is_flag=True, help="Exit with 3 when the live indexes are not as declared.")
def plan(run: Run, check: bool) -> int:
    """Show what `apply` would do; changes nothing."""
    output = run.output
    found = run.project().indexes.plan()
    output.document(found.to_dict())
    styles = {"keep": GOOD, "create": WARN, "modify": WARN, "wait": WARN, "conflict": BAD, "undeclared": FAINT}
    output.table(
        [
            [output.style(one.step, styles[one.step]), f"{one.collection}.{one.name}", output.style(one.detail, FAINT)]
            for one in found.indexes
        ]
    )
    if not found.indexes:
        output.line("No indexes are declared.")
    return ExitCode.PENDING if check and not found.empty else ExitCode.OK


@command(parent=indexes, examples=["wayra-db indexes apply"])
def apply(run: Run) -> None:
    """Create missing indexes and set TTL and hidden as declared; drops nothing."""
    result = run.project().indexes.apply()
    run.output.document(result.to_dict())
    if not result.changed:
        run.output.line("Nothing to do: every declared index is live.")
        return
    for word, names in (("created", result.created), ("changed", result.modified)):
        for name in names:
            run.output.line(f"  {word} {name}")
    run.output.line(f"Applied {plural(len(result.created) + len(result.modified), 'index', 'indexes')}.")
