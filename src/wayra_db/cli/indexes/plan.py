"""`indexes plan`: declared against live."""

from __future__ import annotations

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN
from wayra_db.cli._run import Run
from wayra_db.cli.indexes._group import indexes


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
