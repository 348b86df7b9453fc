"""`explain`: what an error or a finding means, its cause and its fix."""

from __future__ import annotations

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import STRONG, Output
from wayra_db.cli._run import Run


@command(examples=["wayra-db explain lock-held", "wayra-db explain replication-lag", "wayra-db explain"])
@click.argument("name", required=False)
def explain(run: Run, name: str | None) -> None:
    """Say what an error or a finding means, and what to do.

    NAME is what an error's last line and a finding of `doctor` show; without it all names are listed. Needs no
    database.
    """
    from wayra_db.error_pages import PAGES
    from wayra_db.health.checks import CHECKS

    output = run.output
    if name is None:
        output.document({"errors": list(PAGES), "checks": [check.id for check in CHECKS]})
        output.line(f"{output.style('errors', STRONG)}  {', '.join(PAGES)}")
        output.line(f"{output.style('checks', STRONG)}  {', '.join(check.id for check in CHECKS)}")
    elif name in PAGES:
        _error(output, name)
    else:
        explain_check(output, name)


def _error(output: Output, name: str) -> None:
    from wayra_db.error_pages import PAGES

    page = PAGES[name]
    output.document({"name": name, **page.to_dict()})
    output.line(f"{output.style(page.error, STRONG)} (exit code {page.exit_code})")
    output.line(page.meaning)
    output.line()
    output.line(f"Cause: {page.cause}")
    output.line(f"Fix:   {page.fix}")


def explain_check(output: Output, name: str) -> None:
    """What a check looks for and why. Raises click.UsageError for a name that is none."""
    from wayra_db.health.checks import check_named

    check = check_named(name)
    if check is None:
        raise click.UsageError(unknown_check(name))
    output.document({"name": name, **check.to_dict()})
    output.line(f"{output.style(check.id, STRONG)}: {check.title}")
    output.line(check.why)
    output.line(f"Made by {'`status` and `doctor`' if check.glance else '`doctor`'}.")


def unknown_check(name: str) -> str:
    """The message for a name that is neither an error's nor a check's."""
    from wayra_db.error_pages import PAGES
    from wayra_db.health.checks import CHECKS
    from wayra_db.settings.options import nearest_name

    nearest = nearest_name(name, [*PAGES, *(check.id for check in CHECKS)])
    return f"There is no {name!r}." + (f" Did you mean {nearest!r}?" if nearest else " See `wayra-db explain`.")
