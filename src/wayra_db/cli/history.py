"""`history` and its verbs: the audit log."""

from __future__ import annotations

from typing import Any

import click

from wayra_db.cli._groups import DefaultGroup
from wayra_db.cli._options import command, group
from wayra_db.cli._output import FAINT, duration, plural
from wayra_db.cli._run import Run
from wayra_db.errors import WayraError

SHOWN_APART = {"_id", "format", "at", "epoch", "who", "event", "previous", "digest", "checksum", "seconds"}


class History(DefaultGroup):
    """`history` alone is `history show`."""

    default = "show"


@group(
    cls=History,
    examples=["wayra-db history", "wayra-db history --event migration --limit 20", "wayra-db history verify"],
)
def history() -> None:
    """Show who changed the database, and when.

    Alone it shows the newest entries of the audit log, as `history show`.
    """


@command(parent=history, examples=["wayra-db history", "wayra-db history show --event migration --json"])
@click.option("--event", metavar="TEXT", help="Only events that begin so, such as `migration` or `lock`.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many of the newest.")
def show(run: Run, event: str | None, limit: int) -> None:
    """List entries of the audit log, the newest last."""
    from wayra_db import audit

    output = run.output
    entries = list(audit.read_entries(run.project().deployment, event=event, newest=limit))
    output.document({"entries": entries})
    output.table(
        [
            [
                str(entry["_id"]),
                f"{entry['at']:%Y-%m-%d %H:%M:%S}",
                entry["event"],
                _facts(entry),
                output.style(f"{entry['who']['user']}@{entry['who']['host']}", FAINT),
            ]
            for entry in entries
        ],
        right=(0,),
    )
    if not entries:
        output.line("Nothing yet." if event is None else f"Nothing yet that begins with {event!r}.")


def _facts(entry: dict[str, Any]) -> str:
    facts = [f"{key} {value}" for key, value in entry.items() if key not in SHOWN_APART]
    if "seconds" in entry:
        facts.append(duration(entry["seconds"]))
    return ", ".join(facts)


@command(parent=history, examples=["wayra-db history verify"])
def verify(run: Run) -> None:
    """Check that no entry of the audit log was changed, removed or added by other hands."""
    from wayra_db import audit

    deployment = run.project().deployment
    broken = audit.first_broken(audit.read_entries(deployment))
    if broken is not None:
        raise WayraError(
            f"the audit log is broken at entry {broken}: it was changed, removed or added by other hands",
            hint=f"The entries before {broken} are as they were written. Compare with a backup of _wayra_log.",
        )
    newest = audit.read_head(deployment)
    run.output.document({"intact": True, "entries": newest.sequence, "digest": newest.digest})
    run.output.line(f"{plural(newest.sequence, 'entry', 'entries')}, unbroken. The newest digest is {newest.digest}.")
