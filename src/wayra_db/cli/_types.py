"""Kinds of option values that click does not have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|min|m|h|d)")
WHOLE = re.compile(rf"[0-9]+(?:\.[0-9]+)?|(?:{PART.pattern}\s*)+")


class Duration(click.ParamType[float]):
    """A time as people write it: `90`, `90s`, `30m`, `1h30m`; seconds as a float."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        text = str(value).strip().lower()
        parts = PART.findall(text) or [(text, "s")]
        seconds = sum(float(number) * SECONDS[unit] for number, unit in parts) if WHOLE.fullmatch(text) else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is no time; write it like 90s, 30m or 1h30m", param, ctx)
        return seconds


class NewFile(click.Path):
    """A file that will be written, in a folder that is there: said before the work, which may be long, is done."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
        path = Path(str(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}", param, ctx)
        return path
