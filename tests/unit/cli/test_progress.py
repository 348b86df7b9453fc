from __future__ import annotations

import io

import pytest

from wayra_db.cli._output import Output
from wayra_db.cli._progress import Pace, Renderer, progress_line
from wayra_db.events import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Always."""
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time as the renderer sees it; a test sets it."""
    now = [1000.0]
    monkeypatch.setattr("wayra_db.cli._progress.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("done", "total", "rate", "line"),
    [
        (0, None, None, "  task: 0 documents"),
        (1500, None, 150.0, "  task: 1,500 documents, 150 documents/s"),
        (500_000, 1_000_000, None, "  task: 500,000/1,000,000 documents (50%)"),
        (510_000, 1_000_000, 1000.0, "  task: 510,000/1,000,000 documents (51%), 1,000 documents/s, 8 min 10 s left"),
        (510_000, 1_000_000, 0.0, "  task: 510,000/1,000,000 documents (51%), 0 documents/s"),
        (1000, 1000, 10.0, "  task: 1,000/1,000 documents (100%), 10 documents/s"),
    ],
)
def test_a_line_of_progress(done: int, total: int | None, rate: float | None, line: str) -> None:
    """How far, how fast, how long to go, as far as each is known."""
    assert progress_line(Progress("task", done, total, "documents"), rate) == line


@pytest.mark.parametrize(
    ("done", "total", "rate", "line"),
    [
        (0, None, None, "  task: 0 B"),
        (1_500_000, None, 800_000.0, "  task: 1.5 MB, 800 kB/s"),
        (27_000_000, 100_000_000, 1_000_000.0, "  task: 27.0 MB of 100 MB (27%), 1.0 MB/s, 73.0 s left"),
    ],
)
def test_a_line_of_bytes(done: int, total: int | None, rate: float | None, line: str) -> None:
    """In units that people read."""
    assert progress_line(Progress("task", done, total, "bytes"), rate) == line


@pytest.mark.parametrize(
    ("pace", "done", "now", "rate"),
    [
        (Pace(10.0, 0), 0, 10.0, None),
        (Pace(10.0, 0), 500, 12.0, 250.0),
        (Pace(10.0, 500_000), 500_000, 11.0, 0.0),
        (Pace(10.0, 500_000), 510_000, 20.0, 1000.0),
    ],
)
def test_the_rate_is_of_this_run(pace: Pace, done: int, now: float, rate: float | None) -> None:
    """What an earlier run has done does not count."""
    assert pace.rate(done, now) == rate


def report(renderer: Renderer, clock: list[float], *steps: tuple[float, int]) -> None:
    """Report progress of one task at these seconds."""
    for second, done in steps:
        clock[0] = 1000.0 + second
        renderer(Progress("task", done, 1_000_000, "documents"))


def test_lines_of_a_task_that_goes_on(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """A task taken up in the middle, and one of the same name that begins anew."""
    report(Renderer(Output()), clock, (0, 500_000), (10, 510_000), (20, 0), (30, 100))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("(51%), 1,000 documents/s, 8 min 10 s left")
    assert lines[-1].endswith("(0%), 10 documents/s, 1666 min 30 s left")


def test_a_bar_of_a_task_that_goes_on(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rate, and a time left that is told from it."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    renderer = Renderer(Output())
    report(renderer, clock, (0, 500_000), (5, 505_000), (10, 510_000))
    assert renderer._bars is not None
    task = renderer._bars.tasks[0]
    assert (task.completed, task.fields["rate"]) == (510_000, "1,000 documents/s")
    assert task.time_remaining == 490
    renderer.close()
