"""`migrate check`: for the job before a merge, and for the one before a deployment."""

from __future__ import annotations

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, WARN, plural
from wayra_db.cli._run import Run
from wayra_db.cli.migrate._group import migrate


@command(parent=migrate, examples=["wayra-db migrate check", "wayra-db migrate check --live --strict"])
@click.option("--live", is_flag=True, help="Also ask the database: nothing pending, everything as declared.")
@click.option("--strict", is_flag=True, help="Exit with 3 for the linter's warnings too.")
def check(run: Run, live: bool, strict: bool) -> int:
    """Check migration files before a merge; needs no database unless you ask for it.

    Every file can be read, no version stands twice, `latest.txt` names the newest, the linter finds no error. Ends with
    3 otherwise.
    """
    from wayra_db.migrations.lint import render_text

    output = run.output
    report = run.project().migrations.check(live=live)
    output.document(report.to_dict())
    if report.lint.findings:
        output.line(render_text(report.lint, base=run.settings().project_dir))
    for what in report.unfinished:
        output.line(f"  {output.style('!', WARN)} {what}")
    for what in report.drift:
        output.line(f"  {output.style('✗', BAD)} {what}")
    if report.is_clean(strict=strict):
        looked = "and the database" if live else "the database was not asked"
        output.line(f"{plural(len(report.lint.files), 'migration file')} checked, {looked}: all is well.")
        return ExitCode.OK
    return ExitCode.PENDING
