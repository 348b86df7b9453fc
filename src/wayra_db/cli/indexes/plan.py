"""`indexes plan`: declared against live."""

from __future__ import annotations

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli.indexes._group import indexes


@command(
    parent=indexes,
    examples=["wayra-db indexes plan", "wayra-db indexes plan --check", "wayra-db indexes plan --data --ask-server"],
)
@click.option("--check", is_flag=True, help="Exit with 3 when the live indexes are not as declared.")
@click.option("--data", is_flag=True, help="Also read the data: duplicates, and documents that would expire.")
@click.option("--ask-server", is_flag=True, help="Have the server confirm replacements on an empty scratch collection.")
def plan(run: Run, check: bool, data: bool, ask_server: bool) -> int:
    """Show what `apply` would do, and why; changes nothing.

    Indexes are matched by what they are, not by their names. `swap` builds the new one beside the old, which then goes;
    `rebuild` has to drop the old one first, so that queries are without it for a while.
    """
    from wayra_db.cli.indexes._show import show_plan, show_problems

    output, manager = run.output, run.project().indexes
    found = manager.plan(ask_server=ask_server)
    problems = manager.validate(found) if data else []
    document = found.to_dict()
    output.document({**document, "problems": [one.to_dict() for one in problems]} if data else document)
    show_plan(output, found)
    show_problems(output, problems)
    if not found.indexes:
        output.line("No indexes are declared.")
    return ExitCode.PENDING if check and not found.empty else ExitCode.OK
