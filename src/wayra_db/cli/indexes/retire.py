"""`indexes retire`: hide, watch, drop."""

from __future__ import annotations

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import duration
from wayra_db.cli._run import Run
from wayra_db.cli._types import Duration
from wayra_db.cli.indexes._group import indexes
from wayra_db.cli.indexes.apply import allow_production


class _Watch(Duration):
    """As Duration, and 0 for no watching."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        return 0.0 if str(value).strip() in ("0", "0s", "0.0") else super().convert(value, param, ctx)


@command(
    parent=indexes,
    examples=["wayra-db indexes retire users.old_1 --watch 1h", "wayra-db indexes retire trips.tags_1 --watch 0 --yes"],
)
@click.argument("index", metavar="COLLECTION.INDEX")
@click.option(
    "--watch",
    "watch_seconds",
    type=_Watch(),
    default=60.0,
    show_default="60s",
    help="Watch so long while it is hidden; 0 drops at once.",
)
@allow_production
def retire(run: Run, index: str, watch_seconds: float, allow_production: bool) -> int:
    """Drop an index that is not declared: hide it, watch, and only then drop it.

    An index in use stays as it is. While it is hidden, collection scans and slower reads on any member unhide it, and
    the command ends with 1. Ctrl-C leaves it hidden, and the same command goes on. Its definition is kept: `indexes
    undo` builds it again. Choose the time so that what runs seldom has run.
    """
    from wayra_db.environment import Action

    manager = run.project(permitted=[Action.DROP_INDEXES] if allow_production else []).indexes
    if not watch_seconds:
        run.confirm(f"This drops {index} without watching for queries that need it.", "drop")
    result = manager.retire(index, watch_seconds=watch_seconds)
    run.output.document(result.to_dict())
    if result.outcome == "dropped":
        watched = f" after {duration(watch_seconds)} of watching" if watch_seconds else ""
        run.output.line(f"Dropped {index}{watched}. `{run.output.pasteable('wayra-db indexes undo')}` builds it again.")
        return ExitCode.OK
    stays = "It stays as it is" if result.outcome == "in use" else "It was needed and is visible again"
    run.output.line(f"{stays}: {result.reason}.")
    return ExitCode.FAILED
