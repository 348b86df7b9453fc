"""`migrate lint`: what can be said of migration files without running them; needs no database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, WARN, Output
from wayra_db.cli._run import Run
from wayra_db.cli.migrate._group import migrate

if TYPE_CHECKING:
    from wayra_db.migrations.lint import LintReport

FORMATS = ["text", "json", "sarif", "github"]


def _rules(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Rules by id or slug; several in one value are separated by commas."""
    given = [name.strip() for value in names for name in value.split(",") if name.strip()]
    if given:
        from wayra_db.migrations.lint.registry import rule_named, unknown_rule

        for name in given:
            if rule_named(name) is None:
                raise click.UsageError(f"{parameter.opts[0]}: {unknown_rule(name)}", context)
    return tuple(given)


def _one_rule(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        _rules(context, parameter, (name,))
    return name


def _json_as_the_flag(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """`--format json` is `--json`."""
    if name == "json":
        context.ensure_object(Run).given["json"] = True
    return name


@command(
    parent=migrate,
    examples=[
        "wayra-db migrate lint",
        "wayra-db migrate lint migrations/0007_add_roles.py --strict",
        "wayra-db migrate lint --format sarif > lint.sarif",
        "wayra-db migrate lint --explain MG101",
    ],
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    callback=_json_as_the_flag,
    help="How findings are written; text when not given.",
)
@click.option("--select", multiple=True, metavar="RULE", callback=_rules, help="Run this rule only; may be repeated.")
@click.option("--ignore", multiple=True, metavar="RULE", callback=_rules, help="Leave this rule out; may be repeated.")
@click.option("--strict", is_flag=True, help="Exit with 3 for warnings too.")
@click.option("--list-rules", is_flag=True, help="List the rules and lint nothing.")
@click.option("--explain", metavar="RULE", callback=_one_rule, help="Show a rule's page and lint nothing.")
def lint(
    run: Run,
    files: tuple[Path, ...],
    format_: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    strict: bool,
    list_rules: bool,
    explain: str | None,
) -> int:
    """Find mistakes in migration files; needs no database.

    Without FILES it judges the whole folder, with its numbers and latest.txt. No migration is run. Ends with 3 when it
    finds an error. A finding is suppressed by a comment on its line: # wayra: ignore[MG101] and the reason.
    """
    if run.given.get("json"):
        if format_ not in (None, "json"):
            raise click.UsageError(f"--json and --format {format_} contradict each other.")
        format_ = "json"
    if list_rules:
        _list_rules(run.output)
        return ExitCode.OK
    if explain is not None:
        _explain(run.output, explain)
        return ExitCode.OK
    for path in files:
        if not path.is_file():
            raise click.UsageError(f"There is no file {path}.")
    report = run.project().migrations.lint(files, select=select, ignore=ignore)
    _write(run.output, report, format_ or "text")
    return ExitCode.OK if report.is_clean(strict=strict) else ExitCode.PENDING


def _write(output: Output, report: LintReport, format_: str) -> None:
    from wayra_db import __version__
    from wayra_db.migrations.lint import render_github, render_sarif, render_text
    from wayra_db.migrations.lint.pages import read_page

    base = Path.cwd()
    output.document(report.to_dict())
    if format_ == "sarif":
        pages = {rule.id: read_page(rule) for rule in report.rules}
        output.line(render_sarif(report, version=__version__, base=base, pages=pages, pages_url=_pages_url()))
    elif format_ == "github":
        if report.findings:
            output.line(render_github(report, base=base))
        for note in report.notes:
            output.note(note)
    else:
        output.line(render_text(report, base=base))


def _pages_url() -> str:
    """Where the package says that its documentation is; empty when it says nothing."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("wayra-db").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls)
    return f"{named['Documentation'].rstrip('/')}/reference/lint" if "Documentation" in named else ""


def _list_rules(output: Output) -> None:
    from wayra_db.migrations.lint import RULES

    output.document({"rules": [rule.to_dict() for rule in RULES]})
    styles = {"error": BAD, "warning": WARN}
    output.table(
        [
            [
                rule.id,
                output.style(rule.severity.value, styles[rule.severity.value]),
                rule.slug,
                output.style(rule.title, FAINT),
            ]
            for rule in RULES
        ]
    )


def _explain(output: Output, name: str) -> None:
    from wayra_db.migrations.lint import rule_named
    from wayra_db.migrations.lint.pages import read_page

    rule = rule_named(name)
    assert rule is not None  # noqa: S101 - the option's callback has looked
    output.document({**rule.to_dict(), "text": read_page(rule)})
    output.line(read_page(rule).rstrip())
