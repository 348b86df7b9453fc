"""`status`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._findings import show_findings
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, STRONG, WARN, Output, plural, size
from wayra_db.cli._run import Run

if TYPE_CHECKING:
    from wayra_db.health import Status

WATCH_SECONDS = 2.0


@command(
    examples=[
        "wayra-db status",
        "wayra-db status --json",
        "wayra-db status --check",
        "wayra-db status --watch 5",
        "wayra-db status --html status.html",
    ]
)
@click.option("--check", is_flag=True, help="Exit with 3 when something is pending or wrong.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.1),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help="Look again and again, every 2 seconds or so many.",
)
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page that needs no network, too."
)
def status(run: Run, check: bool, watch: float | None, html: Path | None) -> int:
    """Show the database at a glance.

    The verdict and its reasons first; connection and members, environment, migrations, lock, collections and how they
    grow, indexes, seeds, backups. Reads only: on an empty server nothing is created, and no collection is scanned. What
    cannot be read says why and the rest stands; with a server out of reach it ends with 10.
    """
    project = run.project()
    found = project.status()
    _tell(run.output, found, one_line=watch is not None)
    if html is not None:
        from wayra_db.health.page import page

        html.write_text(page(found), encoding="utf-8")
        run.output.note(f"Wrote {html}.")
    while watch is not None:
        run.stop.wait(watch)
        run.stop.check()
        found = project.status()
        if not run.output.as_json:
            run.output.line("\x1b[2J\x1b[H" if sys.stdout.isatty() else "")
        _tell(run.output, found, one_line=True)
    if found.failure is not None:
        if not run.output.as_json:
            run.output.error(found.failure)
        return found.failure.exit_code
    return ExitCode.PENDING if check and not found.healthy else ExitCode.OK


def _tell(output: Output, status: Status, *, one_line: bool) -> None:
    output.document(document_of(status), one_line=one_line)
    if not output.as_json:
        show(output, status)


def document_of(status: Status) -> dict[str, Any]:
    """The status for programs; one without a connection is an error's document as well."""
    return status.to_dict() | (status.failure.to_dict() if status.failure is not None else {})


def show(output: Output, status: Status) -> None:
    """The whole screen."""
    style = output.style
    if not status.reachable:
        verdict = style("out of reach", BAD)
    else:
        worst = BAD if any(one.severity == "error" for one in status.findings) else WARN
        verdict = style("all is well", GOOD) if status.healthy else style("look here", worst)
    output.line(f"{style(status.database, STRONG)} on {status.address}, {status.environment}: {verdict}")
    show_findings(output, [one for one in status.findings if one.id != "unreachable"])  # that is told as an error
    output.line()
    output.table([[style(label, FAINT), text] for label, text in _facts(status)])
    if status.collections:
        output.line()
        heads = ["collection", "documents", "data", "storage", "indexes", "empty", "grown"]
        rows = [
            [
                one.name,
                f"{one.documents:,}",
                size(one.data_size),
                size(one.storage_size),
                size(one.index_size),
                f"{one.fragmentation:.0%}" if one.free_size else "",
                _grown(one),
            ]
            for one in status.collections
        ]
        shown = [number for number in range(len(heads)) if number < 5 or any(row[number] for row in rows)]
        table = [
            [style(heads[number], FAINT) for number in shown],
            *([row[number] for number in shown] for row in rows),
        ]
        output.table(table, right=tuple(range(1, len(shown))))


def _grown(one: Any) -> str:
    if one.growth is None:
        return ""
    sign = "+" if one.growth.documents >= 0 else "–"
    return f"{sign}{abs(one.growth.documents):,} in {one.growth.days:.1f} days"


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    yield from _of_server(status)
    refused = [name for name, word in status.allowed.items() if word != "yes"]
    words = f"; refused or by permission: {', '.join(one.replace('_', ' ') for one in refused)}" if refused else ""
    yield "environment", f"{status.environment}{words or ', which allows everything'}"
    if status.lock:
        held = f"held by {status.lock.holder} on {status.lock.host}: {status.lock.what}"
        yield "lock", held if status.lock.held else "free"
    elif status.reachable and "lock" not in (status.unreadable or {}):
        yield "lock", "free"
    if status.migrations is not None:
        yield "migrations", _counted([one.verdict for one in status.migrations]) or "none in the project"
    if status.schema:
        yield "collections", f"{status.schema.declared} declared"
    if status.indexes:
        yield "indexes", f"{status.indexes.live} of {status.indexes.declared} declared indexes live"
    if status.seeds is not None:
        yield "seeds", _counted([one.verdict for one in status.seeds]) or "none in the project"
    if status.backups is not None:
        yield "backups", _backups(status)


def _of_server(status: Status) -> Iterator[tuple[str, str]]:
    from wayra_db.health.facts import known
    from wayra_db.health.words import size as words_of_size

    if status.deployment is None:
        return
    transactions = "transactions" if status.deployment.transactions else "no transactions"
    yield (
        "server",
        f"MongoDB {status.deployment.version}, {status.deployment.topology}, {transactions}, "
        f"{status.latency_milliseconds} ms",
    )
    replication = known(status.server.replication)
    if replication and len(replication.members) > 1:
        parts = [f"{one.address} {one.state.lower() or 'reached'}" for one in replication.members if one.reachable]
        parts += [f"{one.address} out of reach" for one in replication.members if not one.reachable]
        lag = replication.lag_seconds
        yield "members", ", ".join(parts) + (f"; {lag:.0f} s behind" if lag is not None else "")
    load, disk = known(status.server.load), known(status.server.disk)
    if load is not None:
        cache = f", cache {load.cache_used:.0%} full" if load.cache_used is not None else ""
        yield "load", f"{plural(load.connections, 'connection')}{cache}"
    if disk is not None and not status.embedded:
        yield "disk", f"{disk.share:.0%} of {words_of_size(disk.total)} used"


def _backups(status: Status) -> str:
    from wayra_db.health.words import span

    if not status.backups:
        return "none yet"
    count, latest = plural(len(status.backups), "backup"), status.latest_backup
    if latest is None:
        return f"{count}, none of which could bring this database back"
    age = span(max(0.0, (status.at - latest.created_at).total_seconds()))
    return f"{count}; {latest.name} is {age} old, {'verified' if latest.verified else 'not verified'}"


def _counted(states: list[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
