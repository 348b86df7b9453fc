"""`doctor`: every check, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._findings import show_findings
from wayra_db.cli._options import command
from wayra_db.cli._output import FAINT, GOOD, STRONG, Output, plural
from wayra_db.cli._run import Run

if TYPE_CHECKING:
    from wayra_db.health import Diagnosis


@command(
    examples=[
        "wayra-db doctor",
        "wayra-db doctor --check --json",
        "wayra-db doctor --only tls-off --only files-loose",
        "wayra-db doctor --explain oplog-window",
    ]
)
@click.option("--check", is_flag=True, help="Exit with 3 when a finding is an error, a warning or pending work.")
@click.option("--only", multiple=True, metavar="ID", help="Make this check only; may be repeated.")
@click.option("--quick", is_flag=True, help="Sample no documents and ask for no index's use.")
@click.option("--list", "list_", is_flag=True, help="List the checks and make none.")
@click.option("--explain", metavar="ID", help="Say what a check looks for and why, and make none.")
def doctor(run: Run, check: bool, only: tuple[str, ...], quick: bool, list_: bool, explain: str | None) -> int:
    """Check everything, and say what to do.

    The database, the server's settings and load, this machine's files, versions and clocks, backups. Reads only; of
    documents no more than a sample, for five seconds a collection at most. A check that needs a right which the user
    lacks is listed as not made: clusterMonitor on admin is enough for all.
    """
    if list_:
        _list(run.output)
        return ExitCode.OK
    if explain is not None:
        from wayra_db.cli.explain import explain_check

        explain_check(run.output, explain)
        return ExitCode.OK
    _known(only)
    found = run.project().doctor(only=only, deep=not quick)
    run.output.document(found.to_dict())
    _show(run.output, found)
    if found.status.failure is not None:
        return found.status.failure.exit_code
    serious = any(one.severity != "info" for one in found.findings)
    return ExitCode.PENDING if check and serious else ExitCode.OK


def _known(ids: tuple[str, ...]) -> None:
    from wayra_db.cli.explain import unknown_check
    from wayra_db.health.checks import check_named

    for name in ids:
        if check_named(name) is None:
            raise click.UsageError(unknown_check(name))


def _show(output: Output, found: Diagnosis) -> None:
    style, status = output.style, found.status
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    output.line(f"{style(status.database, STRONG)} on {status.address}, {status.environment}")
    output.line(style(f"  {versions}", FAINT))
    show_findings(output, found.findings, with_ids=True)
    if not found.findings:
        output.line(f"  {style('Nothing', GOOD)} was found by {plural(found.made, 'check')}.")
    if found.not_made:
        output.line()
        output.line(f"{plural(len(found.not_made), 'check')} could not be made:")
        reasons: dict[str, list[str]] = {}
        for one in found.not_made:
            known = one.to_dict()
            reasons.setdefault(known["reason"], []).append(known["id"])
        for reason, ids in reasons.items():
            output.line(f"  {', '.join(ids)}: {style(reason, FAINT)}")


def _list(output: Output) -> None:
    from wayra_db.health.checks import CHECKS

    output.document({"checks": [one.to_dict() for one in CHECKS]})
    output.table([[one.id, output.style(one.area, FAINT), one.title] for one in CHECKS])
