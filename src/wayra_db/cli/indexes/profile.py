"""`indexes profile` and its verbs: the profiler, switched on for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command, group
from wayra_db.cli._output import FAINT, WARN, Output, duration, plural
from wayra_db.cli._run import Run
from wayra_db.cli._types import Duration
from wayra_db.cli.indexes._group import indexes

if TYPE_CHECKING:
    from wayra_db.indexes.profiler import ProfilerState

LONGEST_LIST = 20


@group(
    examples=[
        "wayra-db indexes profile on --for 10m",
        "wayra-db indexes profile report",
        "wayra-db indexes profile off --forget",
    ]
)
def profile() -> None:
    """Record what the applications ask, by the server's own profiler."""


indexes.add_command(profile)


@command(
    parent=profile,
    examples=["wayra-db indexes profile on --for 10m", "wayra-db indexes profile on --level 2 --for 1m"],
)
@click.option(
    "--level", type=click.IntRange(1, 2), default=1, show_default=True, help="1 records slow operations, 2 all of them."
)
@click.option(
    "--slow-ms", type=click.IntRange(min=0), default=100, show_default=True, help="From how many milliseconds on."
)
@click.option("--for", "seconds", type=Duration(), help="Wait so long and set it back; else it stays on until `off`.")
def on(run: Run, level: int, slow_ms: int, seconds: float | None) -> None:
    """Switch the profiler on, on every member, for a while.

    What it was is remembered in the database first and always comes back: at the end, on Ctrl-C, and after a kill with
    the next command here. Production wants a time, and refuses to record everything. Recorded operations hold real
    values, in `system.profile`; only their shapes are ever shown. --slow-ms is also the threshold of the servers' logs.
    """
    output, profiler = run.output, run.project().indexes.profiler
    profiler.restore_if_overdue()
    what = "everything" if level == 2 else f"what takes {slow_ms} ms or more"
    if seconds is None:
        state = profiler.on(level=level, slow_milliseconds=slow_ms)
        output.document(state.to_dict())
        back = output.pasteable("wayra-db indexes profile off")
        output.line(f"{_who(state).capitalize()} records {what} now. Set it back: {back}")
        return
    for_so_long = duration(seconds)
    state = profiler.record(
        level=level,
        slow_milliseconds=slow_ms,
        seconds=seconds,
        started=lambda now: output.note(f"Recording {what} on {_who(now)} for {for_so_long}; Ctrl-C ends it sooner."),
    )
    run.end_progress()
    output.document(state.to_dict())
    output.line(f"Set back as it was. Next: {output.pasteable('wayra-db indexes suggest')}")


def _who(state: ProfilerState) -> str:
    return plural(len(state.levels), "member") if len(state.levels) > 1 else "the server"


@command(parent=profile, examples=["wayra-db indexes profile off", "wayra-db indexes profile off --forget"])
@click.option("--forget", is_flag=True, help="Drop what was recorded as well.")
def off(run: Run, forget: bool) -> None:
    """Set the profiler of every member back to what it was before `on`."""
    state = run.project().indexes.profiler.off(forget=forget)
    run.output.document(state.to_dict())
    _levels(run.output, state.levels)


@command(parent=profile, examples=["wayra-db indexes profile report"])
def report(run: Run) -> None:
    """Show how the profiler is set and the costliest of what it has recorded, by shape."""
    output, manager = run.output, run.project().indexes
    manager.profiler.restore_if_overdue()
    state = manager.profiler.state()
    recorded = manager.advisor.recorded()
    shapes = manager.advisor.shapes(recorded)
    output.document({**state.to_dict(), "recorded": recorded.to_dict(), "shapes": [one.to_dict() for one in shapes]})
    _levels(output, state.levels)
    if state.switched_on and state.until is None:
        output.line(f"  {output.style('!', WARN)} on until {output.pasteable('wayra-db indexes profile off')}")
    for address in state.unreachable:
        output.line(f"  {output.style('!', WARN)} {address} does not answer")
    if not shapes:
        output.line("Nothing is recorded.")
        return
    output.line(f"{plural(len(recorded.operations), 'operation')} of {plural(len(shapes), 'shape')} recorded:")
    head = ["shape", "count", "time", "read", "returned", ""]
    rows = [
        [
            one.shape.id,
            f"{one.count:,}",
            f"{one.milliseconds:,.0f} ms",
            f"{one.documents_examined:,}",
            f"{one.returned:,}" if one.returned is not None else "",
            str(one.shape),
        ]
        for one in shapes[:LONGEST_LIST]
    ]
    output.table([[output.style(cell, FAINT) for cell in head], *rows], right=(1, 2, 3, 4))
    if len(shapes) > LONGEST_LIST:
        output.line(output.style(f"  and {len(shapes) - LONGEST_LIST} more", FAINT))


def _levels(output: Output, levels: object) -> None:
    words = {0: "off", 1: "slow operations", 2: "everything"}
    if isinstance(levels, dict):
        for address, level in levels.items():
            output.line(f"  {address or 'the server'}: {words.get(level, level)}")
