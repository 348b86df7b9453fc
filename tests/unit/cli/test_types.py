from __future__ import annotations

from pathlib import Path

import click
import pytest

from wayra_db.cli._types import Duration, NewFile


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("30m", 1800),
        ("30min", 1800),
        ("30 min", 1800),
        ("1h30m", 5400),
        ("1h 30min 5s", 5405),
        ("2D", 172800),
        (" 5s ", 5),
    ],
)
def test_times_as_people_write_them(text: str, seconds: float) -> None:
    """In seconds."""
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5s", "soon", "1x", "1h30", "1 2", "5s5", "1e3", "inf", "nan", "1.s", "h"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(click.BadParameter, match="write it like 90s, 30m or 1h30m"):
        Duration().convert(text, None, None)


def test_a_file_to_write_needs_a_folder(tmp_path: Path) -> None:
    """Which is said before any work is done; the file itself may be there or not."""
    assert NewFile().convert(str(tmp_path / "page.html"), None, None) == tmp_path / "page.html"
    with pytest.raises(click.BadParameter, match="there is no folder"):
        NewFile().convert(str(tmp_path / "absent" / "page.html"), None, None)
