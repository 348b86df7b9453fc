"""`indexes apply`: the plan, executed."""

from __future__ import annotations

from wayra_db.cli._options import command
from wayra_db.cli._output import plural
from wayra_db.cli._run import Run
from wayra_db.cli.indexes._group import indexes


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
