"""`status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, STRONG, WARN, Output, plural, size
from wayra_db.cli._run import Run

if TYPE_CHECKING:
    from wayra_db.health import Status


@command(examples=["wayra-db status", "wayra-db status --json", "wayra-db status --check"])
@click.option("--check", is_flag=True, help="Exit with 3 when something is pending or wrong.")
def status(run: Run, check: bool) -> int:
    """Show the database at a glance.

    Connection, migrations, collections, indexes, seeds and backups, the reasons to look closer first. Reads only: on an
    empty server nothing is created.
    """
    found = run.project().status()
    run.output.document(found.to_dict())
    if not run.output.as_json:
        _show(run.output, found)
    return ExitCode.PENDING if check and not found.healthy else ExitCode.OK


def _show(output: Output, status: Status) -> None:
    style = output.style
    verdict = style("all is well", GOOD) if status.healthy else style("look here", WARN)
    output.line(f"{style(status.database, STRONG)} on {status.address}, {status.environment}: {verdict}")
    marks = {"problem": style("✗", BAD), "pending": style("!", WARN), "note": style("·", FAINT)}
    for finding in status.findings:
        advice = f"  → {output.pasteable(finding.advice)}" if finding.advice else ""
        output.line(f"  {marks[finding.severity]} {finding.message}{style(advice, FAINT)}")
    output.line()
    output.table([[style(label, FAINT), text] for label, text in _facts(status)])
    if status.collections:
        output.line()
        heads = ["collection", "documents", "data", "storage", "indexes"]
        rows = [
            [one.name, f"{one.documents:,}", size(one.data_size), size(one.storage_size), size(one.index_size)]
            for one in status.collections
        ]
        output.table([[style(head, FAINT) for head in heads], *rows], right=(1, 2, 3, 4))


def _facts(status: Status) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if status.deployment:
        transactions = "transactions" if status.deployment.transactions else "no transactions"
        facts.append(
            (
                "server",
                f"MongoDB {status.deployment.version}, {status.deployment.topology}, {transactions}, "
                f"{status.latency_milliseconds} ms",
            )
        )
    if status.lock:
        held = status.lock.holder and not status.lock.expired
        facts.append(("lock", f"held by {status.lock.holder} on {status.lock.host}" if held else "free"))
    if status.migrations is not None:
        facts.append(("migrations", _counted([one.verdict for one in status.migrations]) or "none in the project"))
    if status.schema:
        facts.append(("collections", f"{status.schema.declared} declared"))
    if status.indexes:
        facts.append(("indexes", f"{status.indexes.live} of {status.indexes.declared} declared indexes live"))
    if status.seeds is not None:
        facts.append(("seeds", _counted([one.verdict for one in status.seeds]) or "none in the project"))
    if status.backups is not None:
        facts.append(("backups", plural(len(status.backups), "backup") if status.backups else "none yet"))
    return facts


def _counted(states: list[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
