"""`migrate rehearse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, STRONG, WARN, Output, duration, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli.migrate._group import migrate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wayra_db.migrations.rehearsal import Finding, RehearsalPlan, RehearsalReport, Rehearsed

ASK_ABOVE_BYTES = 1_000_000_000


@command(
    parent=migrate,
    examples=[
        "wayra-db migrate rehearse",
        "wayra-db migrate rehearse --sample 10000",
        "wayra-db migrate rehearse --crash --on embedded",
    ],
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Copy N documents of each collection, not all.")
@click.option("--crash", is_flag=True, help="Also kill each migration at its server commands, and go on.")
@click.option("--to", type=int, metavar="N", help="Stop after version N.")
@click.option(
    "--on",
    type=click.Choice(["same", "embedded"]),
    default="same",
    show_default=True,
    help="Where the copy is made: on the same deployment, or on the project's embedded server.",
)
@click.option("--keep", is_flag=True, help="Keep the migrated copy, to look at it.")
def rehearse(run: Run, sample: int | None, crash: bool, to: int | None, on: str, keep: bool) -> int:
    """Run the pending migrations on a copy of the database, and tell what would happen.

    Each runs up, down and up again, by the same runner as `migrate`. Told are times, what was changed, whether `down`
    really restores, documents that validators refuse and keys that unique indexes refuse. The database itself is only
    read; the copy is dropped at the end. Ends with 1 when there is a problem. Asks before copying more than 1 GB.
    """
    rehearsal = run.project().migrations.rehearsal(on="embedded" if on == "embedded" else "same")
    plan = rehearsal.plan(sample=sample, to=to)
    for line in _plan_lines(plan):
        run.output.note(line)
    if plan.size_bytes > ASK_ABOVE_BYTES and sample is None:
        run.confirm(f"This copies {size(plan.size_bytes)}. A part may do: --sample 10000.", "copy")
    report = rehearsal.run(plan, crash=crash, keep=keep)
    run.end_progress()
    run.output.document(report.to_dict())
    _show(run.output, report)
    return ExitCode.OK if report.clean else ExitCode.FAILED


def _plan_lines(plan: RehearsalPlan) -> list[str]:
    lines = [f"Rehearsing {plural(len(plan.migrations.steps), 'migration')} on a copy of {size(plan.size_bytes)}:"]
    for copy in plan.copies:
        many = plural(copy.documents, "document") if copy.whole else f"{copy.documents:,} of {copy.of:,} documents"
        lines.append(f"  {copy.name:<24} {copy.left_out or f'{many}, {size(copy.size_bytes)}'}")
    if plan.unclear:
        more = f", and {plural(len(plan.unclear) - 1, 'more place')}" if len(plan.unclear) > 1 else ""
        lines.append(f"  All collections are copied, since {plan.unclear[0]}{more}.")
    elif plan.elsewhere:
        lines.append(f"  No pending migration names {', '.join(plan.elsewhere)}: not copied.")
    return lines


def _show(output: Output, report: RehearsalReport) -> None:
    """Problems first, each with its next step; then each migration, then what is worth reading."""
    if report.problems:
        many = plural(len(report.problems), "problem")
        output.line(f"{output.style(f'{many}:', {**BAD, **STRONG})} do not migrate {report.database} yet.")
        _findings(output, report.problems, "✗", report)
    for one in report.migrations:
        _migration(output, one)
    if report.notes:
        output.line("Worth reading:")
        _findings(output, report.notes, "·", report)
    if report.hooks_skipped:
        output.line("The project's hooks (_hooks.py) were not run.")
    if report.kept:
        output.line(f"The migrated copy is in the database {report.scratch}; drop it when you have seen it.")
    if report.migrations and report.clean:
        output.line(
            f"{output.style('Clean:', {**GOOD, **STRONG})} {plural(len(report.migrations), 'migration')} rehearsed in "
            f"{duration(report.seconds)}. Next: wayra-db migrate"
        )
    elif report.clean:
        output.line("Nothing to rehearse: no migration is pending.")


def _findings(output: Output, findings: Sequence[Finding], mark: str, report: RehearsalReport) -> None:
    names = {step.migration.version: step.migration.name for step in report.plan.migrations.steps}
    for one in findings:
        whose = f"{one.version:04d} {names.get(one.version, '')}: " if one.version is not None else ""
        output.line(f"  {mark} {whose}{one.message}")
        if one.examples:
            output.line(output.style(f"      _id {', '.join(one.examples)}", FAINT))
        if one.next:
            output.line(f"      → {one.next}")


def _migration(output: Output, one: Rehearsed) -> None:
    took = duration(one.seconds)
    if one.estimate.seconds != one.seconds:
        took += f", about {duration(one.estimate.seconds)} on the real data"
    styles = {"restores": GOOD, "has none": WARN, "not run": FAINT}
    down = output.style(f"down {one.down.value}", styles.get(one.down.value, BAD))
    output.line(f"  {one.version:04d} {one.name}  {took}  {output.style(f'({one.mode})', FAINT)}  {down}")
    changes = one.changes
    parts = [f"{number:,} {word}" for word, number in one.documents.items()]
    for word, names in (
        ("new", changes.collections_created),
        ("dropped", changes.collections_dropped),
        ("options of", changes.options_changed),
        ("index", changes.indexes_created),
        ("dropped index", changes.indexes_dropped),
    ):
        parts += [f"{word} {name}" for name in names]
    if parts:
        output.line(output.style(f"      {', '.join(parts)}", FAINT))
    if one.estimate.seconds != one.seconds:
        output.line(output.style(f"      estimate: {one.estimate.basis}", FAINT))
    for crashes in one.crashes:
        output.line(
            output.style(
                f"      {crashes.direction}: killed {crashes.kills} times (of {crashes.moments} moments), "
                f"{crashes.resumed} went on by themselves to the same end",
                FAINT,
            )
        )
