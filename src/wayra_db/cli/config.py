"""`config` and its verbs."""

from __future__ import annotations

from wayra_db.cli._options import command, group
from wayra_db.cli._output import FAINT
from wayra_db.cli._run import Run


@group(examples=["wayra-db config show", "wayra-db config show --json"])
def config() -> None:
    """Show the settings and where each comes from."""


@command(parent=config, examples=["wayra-db config show", "WAYRA_ENV=test wayra-db config show"])
def show(run: Run) -> None:
    """Show every setting, its value and where the value comes from; secrets are left out."""
    found = run.settings().describe()
    run.output.document({"settings": [one.to_dict() for one in found]})
    run.output.table([[one.key, _shown(one.value), run.output.style(str(one.origin), FAINT)] for one in found])


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)
