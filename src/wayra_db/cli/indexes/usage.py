"""`indexes usage`: how much live indexes are used, and what speaks against some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN, Output, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli._types import NewFile
from wayra_db.cli.indexes._group import indexes

if TYPE_CHECKING:
    from wayra_db.indexes.usage.model import UsageReport

_STYLES = {"unused": BAD, "redundant": BAD, "duplicate": BAD, "not used yet": FAINT}


@command(
    parent=indexes,
    examples=[
        "wayra-db indexes usage",
        "wayra-db indexes usage --days 30 --html indexes.html",
        "wayra-db indexes usage --sample",
    ],
)
@click.option("--days", type=click.FloatRange(min=0), default=7.0, show_default=True, help="Unused after so long.")
@click.option("--sample", is_flag=True, help="Keep the counters of now, once a day or so: servers forget at a restart.")
@click.option("--html", type=NewFile(), help="Write a page with charts, too.")
def usage(run: Run, days: float, sample: bool, html: Path | None) -> None:
    """Show use and size of every live index, and what speaks against some.

    Use is counted by every member, and unused is what none of them has used for --days, samples included. Unique, TTL
    and `_id` indexes have other duties and are never called unused. Only `--sample` writes.
    """
    from wayra_db.indexes.usage.judge import Limits

    project = run.project()
    manager = project.indexes
    if sample:
        taken = manager.sample_usage()
        run.output.note(f"Kept a sample of {plural(len(taken.counters), 'counter')}.")
    report = manager.usage(Limits(unused_days=days))
    run.output.document(report.to_dict())
    if html is not None:
        from wayra_db.indexes.report import page

        plan = manager.plan() if manager.declares else None
        html.write_text(page(project.deployment.database_name, report.at, usage=report, plan=plan), encoding="utf-8")
        run.output.note(f"Wrote {html}.")
    _show(run.output, report, days, declares=manager.declares)


def _show(output: Output, report: UsageReport, days: float, *, declares: bool) -> None:
    from wayra_db.indexes.usage.model import span

    rows = [["index", "uses", "observed", "size", "in memory", "of data", ""]]
    for one in sorted(report.indexes, key=lambda index: (index.collection, -index.size_bytes)):
        rows.append(
            [
                one.namespace,
                f"{one.use.uses:,}",
                span(one.use.observed_days),
                size(one.size_bytes),
                size(one.cached_bytes) if one.cached_bytes is not None else "",
                f"{one.ratio:.0%}",
                output.style("not declared" if declares and not one.declared and one.name != "_id_" else "", FAINT),
            ]
        )
    if len(rows) == 1:
        output.line("There are no indexes: no collection exists.")
        return
    output.table([[output.style(cell, FAINT) for cell in rows[0]], *rows[1:]], right=(1, 2, 3, 4, 5))
    if report.unreachable:
        missing = ", ".join(report.unreachable)
        output.line(f"  {output.style('!', WARN)} not asked: {missing}; so no index is called unused")
    not_yet = [one for one in report.findings if one.kind.value == "not used yet"]
    for finding in report.findings:
        if finding in not_yet:
            continue
        kind = output.style(finding.kind.value, _STYLES.get(finding.kind.value, WARN))
        output.line(f"  {kind}  {finding.collection}.{finding.index}: {finding.evidence}")
        output.line(output.style(f"      → {output.pasteable(finding.next)}", FAINT))
    if not_yet:
        names = ", ".join(f"{one.collection}.{one.index}" for one in not_yet)
        output.line(f"  {output.style('not used yet', FAINT)}  {names}: which says nothing before {days:g} days")
        output.line(output.style(f"      → {output.pasteable(not_yet[0].next)}", FAINT))
    if not report.findings:
        output.line(
            f"{output.style('Nothing', GOOD)} speaks against any of {plural(len(rows) - 1, 'index', 'indexes')}."
        )
