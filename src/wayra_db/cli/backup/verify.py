"""`backup verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, GOOD, WARN, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli.backup import _shared
from wayra_db.cli.backup._group import backup

if TYPE_CHECKING:
    from wayra_db.backups.report import VerifyReport


@command(
    parent=backup,
    examples=[
        "wayra-db backup verify nightly",
        "wayra-db backup verify --all",
        "wayra-db backup verify nightly --deep",
        "wayra-db backup verify nightly --identity ~/.age/key.txt",
        "wayra-db backup verify s3://bucket/wayra/nightly",
    ],
)
@click.argument("names", nargs=-1, metavar="[NAME|ADDRESS]...")
@click.option("--all", "everything", is_flag=True, help="All backups of the project, newest first.")
@click.option(
    "--identity",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file with the age identity that opens an encrypted backup; without it, only its hashes are checked.",
)
@click.option("--deep", is_flag=True, help="Also restore each into a scratch database and compare everything.")
@click.option("--allow-production", is_flag=True, help="Permit --deep in production.")
@_shared.endpoint_option
def verify(
    run: Run,
    names: tuple[str, ...],
    everything: bool,
    identity: Path | None,
    deep: bool,
    allow_production: bool,
    endpoint_url: str | None,
) -> int:
    """Check that backups are whole; needs no database, but with --deep.

    The manifest, size and hash of every file, missing and extra files, every frame, and the structure of every
    document; with --deep also what comes out of a restore: documents, indexes and options. Names each damaged file and
    the byte, and ends with 20 when there is one. The result is remembered:
    `backup list` shows it, and `backup prune` keeps the newest verified.
    """
    from wayra_db.environment import Action

    if bool(names) == everything:
        raise click.UsageError("Say which: names of backups, or --all.")
    project = run.project(permitted=[Action.RESTORE] if allow_production else ())
    keeper = project.backup_keeper
    keeper.endpoint_url = endpoint_url or keeper.endpoint_url
    if everything:
        names = tuple(entry.name for entry in keeper.list())
    reports = []
    for name in names:
        if deep:
            reports.append(project.backups.verify_deep(name, identities=identity or ()))
        else:
            reports.append(keeper.verify(name, identities=identity))
        run.end_progress()
        _show(run, reports[-1])
    sound = all(report.ok for report in reports)
    run.output.document({"ok": sound, "reports": [report.to_dict() for report in reports]})
    if not names:
        run.output.line("There are no backups to verify.")
    return ExitCode.OK if sound else ExitCode.CORRUPT


def _show(run: Run, report: VerifyReport) -> None:
    output = run.output
    mark = output.style("✓", GOOD) if report.ok else output.style("✗", BAD)
    counted = f"{plural(report.files, 'file')}, {size(report.size)}"
    if report.kind == "hashes":
        how = "hashes only" if report.ok else "damaged"
        more = "; for its content, give --identity" if report.ok else ""
    else:
        counted += f", {plural(report.documents, 'document')}"
        how, more = ("whole" if report.ok else "damaged"), ""
        if report.kind == "deep":
            more = "; restored and compared" if report.ok else "; what was restored differs"
    output.line(f"{mark} {report.name}: {how} ({counted}){more}")
    for finding in report.findings:
        output.line(f"  {output.style(finding.severity, BAD if finding.severity == 'error' else WARN)} {finding}")
