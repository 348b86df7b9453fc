"""The observer behind the command line: the core's events as lines, bars or JSON on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wayra_db import events
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN, Output, duration, harmless, size
from wayra_db.events import Event

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY_SECONDS = 2.0
LOG_LEVELS: Sequence[tuple[events.Level, int]] = (
    ("error", logging.ERROR),
    ("warning", logging.WARNING),
    ("info", logging.INFO),
)


class Renderer:
    """Renders events: steps as they end, a bar with rate and time left on a terminal, plain lines elsewhere."""

    def __init__(self, output: Output, *, verbose: bool = False) -> None:
        self._output = output
        self._verbose = verbose
        self._terminal = sys.stderr.isatty()
        self._waiting_line = False
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}
        self._printed: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Render one event."""
        if self._output.as_json:
            if not self._output.quiet:
                sys.stderr.write(json.dumps(event.to_dict(), ensure_ascii=False, default=str) + "\n")
                sys.stderr.flush()
            return
        if self._output.logs_json:
            self._log(event)
            return
        if isinstance(event, events.Progress):
            if not self._output.quiet:
                self._progress(event)
            return
        if isinstance(event, events.StepStarted):
            self._transient(f"  … {event.title}")
            return
        text = self._text(event)
        if text:
            self._end_bars()
            self._clear_transient()
            sys.stderr.write(harmless(text) + "\n")
            sys.stderr.flush()

    def _log(self, event: Event) -> None:
        """One JSON object a line: warnings and security events always, with --quiet nothing else; progress and what is
        only for debugging when more is asked for.
        """
        from wayra_db.logs import line_of

        level = events.level_of(event)
        least = logging.WARNING if self._output.quiet else logging.DEBUG if self._verbose else logging.INFO
        if level >= least:
            sys.stderr.write(line_of(event) + "\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Take bars and unfinished lines off the terminal."""
        self._end_bars()
        self._clear_transient()

    def _text(self, event: Event) -> str:
        """The line for an event, empty when it is not worth one."""
        quiet, style = self._output.quiet, self._output.style
        match event:
            case events.Notice(message, level):
                if level in ("warning", "error"):
                    return f"{style(f'{level}:', WARN if level == 'warning' else BAD, err=True)} {message}"
                return message if self._verbose or (level == "info" and not quiet) else ""
            case events.StepFailed(_, title, seconds, _):
                return f"  {style('✗', BAD, err=True)} {title:<28} {duration(seconds):>8}"
            case events.CommandSent(command, target, milliseconds, ok):
                failed = "" if ok else " failed"
                return style(f"  {milliseconds:8.2f} ms  {command} {target}{failed}", FAINT, err=True)
        if quiet:
            return ""
        match event:
            case events.StepFinished(_, title, seconds, changed, summary):
                mark = style("✓", GOOD, err=True) if changed else style("·", FAINT, err=True)
                return f"  {mark} {title:<28} {duration(seconds):>8}  {summary}"
            case events.LockWaiting(owner, host, _):
                return f"  waiting for {owner} on {host}, who is changing this database"
            case events.ServerStarted(version, seconds, first):
                started = f"Started the embedded MongoDB {version} in {duration(seconds)}."
                licence = "\nMongoDB is licensed under the SSPL; the embedded server is for development only."
                return started + licence if first else started
            case events.UnitFinished(kind, name, direction, seconds):
                verb = {"up": "applied", "down": "rolled back", "seed": "ran"}[direction]
                return f"    {style(f'{verb} {kind} {name}  {duration(seconds)}', FAINT, err=True)}"
            case events.UnitStarted(kind, name, _, atomic) if self._verbose:
                return f"    {kind} {name} begins{'' if atomic else ', not atomic'}"
            case events.LockAcquired(epoch, waited) if self._verbose:
                return f"    lock acquired, epoch {epoch}, after {duration(waited)}"
            case events.SecurityEvent(action, outcome, environment, _) if self._verbose:
                return f"    {action} {outcome} in {environment}"
        return ""

    def _transient(self, text: str) -> None:
        if self._terminal and not self._output.quiet:
            sys.stderr.write(f"\r{harmless(text)}")
            sys.stderr.flush()
            self._waiting_line = True

    def _clear_transient(self) -> None:
        if self._waiting_line:
            sys.stderr.write("\r\x1b[2K")
            self._waiting_line = False

    def _progress(self, event: events.Progress) -> None:
        now = time.monotonic()
        pace = self._paces.get(event.task)
        if pace is None or event.done < pace.done_before:  # a task of the same name begins anew
            pace = self._paces[event.task] = Pace(now, event.done)
        rate = pace.rate(event.done, now)
        if self._terminal:
            self._bar(event, rate)
            return
        finished = event.total is not None and event.done >= event.total
        if now - self._printed.get(event.task, pace.began) < LINE_EVERY_SECONDS and not finished:
            return
        self._printed[event.task] = now
        sys.stderr.write(harmless(progress_line(event, rate)) + "\n")
        sys.stderr.flush()

    def _bar(self, event: events.Progress, rate: float | None) -> None:
        if self._bars is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._clear_transient()
            self._bars = Progress(
                TextColumn("    {task.description}"),
                BarColumn(),
                TextColumn("{task.fields[far]}"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                # What a migration prints shows above the bar, unless it goes elsewhere than to this terminal.
                redirect_stdout=sys.stdout.isatty(),
            )
            self._bars.start()
        if event.task not in self._tasks:
            # Where it begins counts: what an earlier run has done says nothing of this one's speed.
            self._tasks[event.task] = self._bars.add_task(
                event.task, total=event.total, completed=event.done, far="", rate=""
            )
        self._bars.update(
            self._tasks[event.task],
            completed=event.done,
            total=event.total,
            far=far_text(event),
            rate="" if rate is None else pace_text(event, rate),
        )

    def _end_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()


class LogLines(logging.Handler):
    """Shows log records as notices, so that they meet bars, --quiet and --json as events do."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__()
        self._renderer = renderer

    def emit(self, record: logging.LogRecord) -> None:
        """Render one record."""
        level: events.Level = next((name for name, number in LOG_LEVELS if record.levelno >= number), "debug")
        self._renderer(events.Notice(self.format(record), level))


@dataclass(frozen=True, slots=True)
class Pace:
    """When a task was first heard of and how much of it an earlier run had done by then."""

    began: float
    done_before: int

    def rate(self, done: int, now: float) -> float | None:
        """What this run does in a second; None before there is anything to tell it from."""
        return (done - self.done_before) / (now - self.began) if now > self.began else None


def progress_line(event: events.Progress, rate: float | None) -> str:
    """Progress as a plain line: how far, how fast, how long to go, with the unit of each number."""
    pace = "" if rate is None else f", {pace_text(event, rate)}"
    far = f"  {event.task}: {far_text(event)}"
    if not event.total:
        return f"{far}{pace}"
    left = f", {duration((event.total - event.done) / rate)} left" if rate and event.done < event.total else ""
    return f"{far} ({event.done / event.total:.0%}){pace}{left}"


def far_text(event: events.Progress) -> str:
    """How much is done, of how much."""
    if event.unit == "bytes":
        return size(event.done) + (f" of {size(event.total)}" if event.total else "")
    return f"{event.done:,}" + (f"/{event.total:,}" if event.total else "") + f" {event.unit}"


def pace_text(event: events.Progress, rate: float) -> str:
    """How much is done in a second."""
    return f"{size(rate)}/s" if event.unit == "bytes" else f"{rate:,.0f} {event.unit}/s"
