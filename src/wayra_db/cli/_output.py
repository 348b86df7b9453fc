"""Writing results: aligned text for people on stdout, one JSON document for programs, everything else on stderr."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, TextIO

import click

from wayra_db.errors import WayraError, link_name

Style = Mapping[str, Any]

GOOD: Style = {"fg": "green"}
BAD: Style = {"fg": "red"}
WARN: Style = {"fg": "yellow"}
FAINT: Style = {"dim": True}
STRONG: Style = {"bold": True}

# Names come from databases and may hold anything. What moves a cursor, or turns the direction of text, is written out;
# colours stay, for they are ours.
_CONTROLS = re.compile("\x1b\\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# A cell beyond this length does not push the columns behind it away in the other rows.
_WIDEST = 100


class Output:
    """Where and how a command writes; in colours only on a terminal, and never with NO_COLOR.

    With `logs_json` what goes beside the results is one JSON object a line. `results` is where results go, standard
    output unless told otherwise. `before_writing` is called before anything is written, to take progress off the
    terminal. `pasteable` turns the commands in advice into what can be pasted here.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        no_color: bool = False,
        before_writing: Callable[[], None] = lambda: None,
        pasteable: Callable[[str], str] = str,
        logs_json: bool = False,
    ) -> None:
        self.as_json = as_json
        self.logs_json = logs_json
        self.quiet = quiet
        # Kept, since a progress bar or --json puts something else in the place of `sys.stdout` for a while.
        self.results: TextIO = sys.stdout
        self._no_color = no_color
        self._before_writing = before_writing
        self.pasteable = pasteable

    def style(self, text: str, style: Style, *, err: bool = False) -> str:
        """`text` in a style, or as it is where there are no colours."""
        return click.style(text, **style) if self._colored(sys.stderr if err else self.results) else text

    def _colored(self, stream: IO[str]) -> bool:
        return not self._no_color and stream.isatty()

    def line(self, text: str = "") -> None:
        """One line of a result, for people; nothing with --json."""
        if not self.as_json:
            self._result(harmless(text))

    def note(self, text: str, *, as_it_is: bool = False) -> None:
        """One line beside the result, on stderr; nothing with --quiet or --json. Commands in it are made pasteable."""
        if self.quiet or self.as_json:
            return
        shown = text if as_it_is else self.pasteable(text)
        if self.logs_json:
            self._log("info", message=shown)
        else:
            self._beside(shown)

    def _log(self, level: str, **fields: Any) -> None:
        from wayra_db.logs import line

        self._beside(line(level, **fields), as_it_is=True)

    def note_at_once(self, text: str) -> None:
        """A note from a signal handler, past Python's buffers: the signal may have come while they were being written,
        and a second write inside the first raises RuntimeError in whatever was printing.
        """
        if not self.quiet and not self.as_json:
            os.write(sys.stderr.fileno(), f"{text}\n".encode())

    def document(self, value: Mapping[str, Any], *, one_line: bool = False) -> None:
        """The command's one JSON document; nothing without --json. On `one_line` where more of them follow."""
        if self.as_json:
            self._result(json.dumps(value, indent=None if one_line else 2, ensure_ascii=False, default=_plain))
            if one_line:
                self.results.flush()

    def error(self, error: WayraError) -> None:
        """An error with its hint on stderr; with --json instead as the command's document."""
        self.document(error.to_dict())
        if self.as_json:
            return
        if self.logs_json:
            self._log("error", **error.to_dict())
            return
        self._beside(f"{self.style(f'error{_linked(error)}:', {**BAD, **STRONG}, err=True)} {error.message}")
        for number, line in enumerate(self.pasteable(error.hint).splitlines()):
            self._beside(f"{'hint:' if number == 0 else '     '} {line}")

    def close_results(self) -> None:
        """Let results go nowhere from now on: whoever read them has left."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.results.fileno())

    def _result(self, text: str) -> None:
        self._before_writing()
        self.results.write(text + "\n")

    def _beside(self, text: str, *, as_it_is: bool = False) -> None:
        """A line on stderr, behind the results that were written before it, also where both go to one file."""
        self._before_writing()
        self.results.flush()
        sys.stderr.write((text if as_it_is else harmless(text)) + "\n")

    def table(self, rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: int = 2) -> None:
        """Rows in aligned columns; `right` names the columns that hold numbers. Styles in cells do not count."""
        if not rows:
            return
        lines = [[cell.replace("\n", "\\n") for cell in row] for row in rows]
        widths = [_widest([row[column] for row in lines]) for column in range(len(rows[0]))]
        for row in lines:
            cells = [
                (" " * (width - _width(cell)) + cell) if column in right else cell + " " * (width - _width(cell))
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.line((" " * indent + "  ".join(cells)).rstrip())


def _linked(error: WayraError) -> str:
    """The name under which `wayra-db explain` and the reference page know an error, as compilers write it."""
    known = type(error) is not WayraError and type(error).__module__ == WayraError.__module__
    return f"[{link_name(type(error))}]" if known else ""


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _width(text: str) -> int:
    return len(click.unstyle(text))


def _widest(cells: Sequence[str]) -> int:
    return max((width for cell in cells if (width := _width(cell)) <= _WIDEST), default=0)


def harmless(text: str) -> str:
    """A text that a terminal only shows: control characters, but for line breaks, tabs and colours, as escapes."""

    def shown(found: re.Match[str]) -> str:
        return found[0] if len(found[0]) > 1 else found[0].encode("unicode_escape").decode()

    return _CONTROLS.sub(shown, text)


def size(number: float) -> str:
    """Bytes for people: 812 B, 4.2 kB, 1.3 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def duration(seconds: float) -> str:
    """A time for people: 12 ms, 3.4 s, 2 min 5 s."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """`1 index`, `2 indexes`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
