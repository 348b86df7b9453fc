"""`history` and its verbs: the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import click

from wayra_db.cli._groups import DefaultGroup
from wayra_db.cli._options import command, group
from wayra_db.cli._output import FAINT, Output, duration, plural
from wayra_db.cli._run import Run
from wayra_db.errors import WayraError

SHOWN_APART = {"_id", "format", "at", "epoch", "who", "event", "previous", "digest", "checksum", "seconds"} | {
    "report",
    "traceback",
}


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


_FILTERS = (
    click.option("--version", type=int, metavar="N", help="Only what concerns migration N."),
    click.option(
        "--since",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
        help="Only since this day or moment, in UTC.",
    ),
    click.option("--user", metavar="NAME", help="Only what this user has done."),
    click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many of the newest."),
)


def filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose entries of the log."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_FILTERS), function)


@command(
    parent=history,
    examples=[
        "wayra-db history",
        "wayra-db history show --event lock --since 2026-11-01",
        "wayra-db history show --version 3 --json",
    ],
)
@click.option("--event", metavar="TEXT", help="Only events that begin so, such as `migration` or `lock`.")
@filters
def show(
    run: Run, event: str | None, version: int | None, since: datetime | None, user: str | None, limit: int
) -> None:
    """List entries of the audit log, the newest last."""
    from wayra_db import audit

    moment = since.replace(tzinfo=UTC) if since else None
    chosen = audit.Selection(event, version, moment, user)
    show_entries(run.output, list(audit.read_entries(run.project().deployment, chosen, newest=limit)), asdict(chosen))


def show_entries(output: Output, entries: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> None:
    """Entries of the log as a table or as JSON; `chosen` is what the options have narrowed it to."""
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
        narrowed = any(value is not None for value in chosen.values())
        output.line("Nothing in the log is like that." if narrowed else "Nothing yet.")


def _facts(entry: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in entry.items() if key not in SHOWN_APART}
    facts = [f"{key} {value[:10] if key == 'commit' else value}" for key, value in shown.items()]
    if "seconds" in entry:
        facts.append(duration(entry["seconds"]))
    return ", ".join(facts)


@command(parent=history, examples=["wayra-db history verify"])
def verify(run: Run) -> None:
    """Check that no entry of the audit log was changed, removed or added by other hands."""
    from wayra_db import audit
    from wayra_db.locking import read_state

    deployment = run.project().deployment
    broken = audit.first_broken(audit.read_entries(deployment))
    if broken is not None:
        raise WayraError(
            f"the audit log is broken at entry {broken}: it was changed, removed or added by other hands",
            hint=f"The entries before {broken} are as they were written. Compare with a backup of _wayra_log.",
        )
    newest = audit.read_head(deployment)
    lock = read_state(deployment)
    if lock is not None and not lock.held and lock.epoch > newest.epoch:
        raise WayraError(
            f"entries are missing at the end of the audit log: the newest is of epoch {newest.epoch}, and the lock has "
            f"been held {lock.epoch} times",
            hint="Each holder of the lock begins with an entry. Compare with a backup of _wayra_log.",
        )
    run.output.document({"intact": True, "entries": newest.sequence, "digest": newest.digest})
    run.output.line(f"{plural(newest.sequence, 'entry', 'entries')}, unbroken. The newest digest is {newest.digest}.")


@command(parent=history, examples=["wayra-db history refusals", "wayra-db history refusals --limit 200 --json"])
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many of the newest.")
def refusals(run: Run, limit: int) -> None:
    """List what was refused on a production database, who asked for it and from where, the newest last.

    What was allowed is in the log itself: `history show --event security`.
    """
    from wayra_db import audit

    output, entries = run.output, audit.read_refusals(run.project().deployment, limit)
    output.document({"refusals": entries})
    output.table(
        [
            [
                f"{entry['at']:%Y-%m-%d %H:%M:%S}",
                entry["action"].replace("_", " "),
                f"as {entry['environment']}: {entry['rule'].replace('_', ' ')}",
                output.style(f"{entry['who']['user']}@{entry['who']['host']}", FAINT),
            ]
            for entry in entries
        ]
    )
    if not entries:
        output.line("Nothing was refused here.")
