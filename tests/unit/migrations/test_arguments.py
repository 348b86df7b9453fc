from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from wayra_db.guard import Guard
from wayra_db.migrations import MigrationManager
from wayra_db.migrations.arguments import require_count, require_duration, require_version


def nobody() -> Guard:
    """A guard that nobody may ask for."""
    raise AssertionError("the database was asked")


MANAGER = MigrationManager(nobody, Path("nowhere"))


@pytest.mark.parametrize(
    ("value", "error"),
    [(None, None), (1, None), (2**60, None), (0, ValueError), (-1, ValueError), ("3", TypeError), (True, TypeError),
     (1.0, TypeError), ([1], TypeError)],
)  # fmt: skip
def test_whole_numbers(value: Any, error: type[Exception] | None) -> None:
    """Of a version and of a count: None, and whole numbers from 1; text is not read as a number."""
    for require in (require_version, require_count):
        if error is None:
            require("to", value)
        else:
            with pytest.raises(error, match=r"^to=.*a whole number from 1"):
                require("to", value)


@pytest.mark.parametrize(
    ("value", "error"),
    [(None, None), (1, None), (0.5, None), (0, ValueError), (-1, ValueError), (float("nan"), ValueError),
     (float("inf"), ValueError), ("30m", TypeError), (True, TypeError)],
)  # fmt: skip
def test_durations(value: Any, error: type[Exception] | None) -> None:
    """None, and seconds above 0."""
    if error is None:
        require_duration("max_duration_seconds", value)
    else:
        with pytest.raises(error, match=r"^max_duration_seconds=.*a number of seconds"):
            require_duration("max_duration_seconds", value)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("plan", {"steps": 0}),
        ("is_due", {"steps": -1}),
        ("up", {"steps": -1}),
        ("up", {"steps": 0}),
        ("up", {"to": "3"}),
        ("up", {"to": 0}),
        ("up", {"max_duration_seconds": -1}),
        ("plan_rollback", {"steps": 0}),
        ("rollback", {"version": "3"}),
        ("rollback", {"steps": 0}),
        ("rollback", {"everything": True, "max_duration_seconds": 0}),
        ("plan_redo", {"steps": -1}),
        ("redo", {"steps": 0}),
        ("baseline", {"version": "12"}),
        ("history", {"newest": 0}),
        ("history", {"version": "3"}),
        ("repair", {"version": "3", "mark_as": "applied"}),
        ("forget", {"version": True}),
        ("accept_edit", {"version": -3}),
    ],
)
def test_the_manager_refuses_before_it_looks(method: str, arguments: dict[str, Any]) -> None:
    """Neither a file nor the database is read; the message names the argument."""
    wrong = next(name for name, value in arguments.items() if value not in ("applied",) and name != "everything")
    with pytest.raises((TypeError, ValueError), match=rf"^{wrong}="):
        cast(Any, getattr(MANAGER, method))(**arguments)
