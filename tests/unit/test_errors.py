from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wayra_db import errors
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.errors import WayraError

EXAMPLE: dict[str, Any] = {
    "path": Path("migrations/0003_roles.py"),
    "line": 12,
    "expires_at": datetime(2026, 1, 2, tzinfo=UTC),
    "versions": [1, 2],
    "applied": [1],
    "failed": 2,
    "version": 2,
    "epoch": 4,
    "code": 85,
    "samples": [{"fields": ["email"], "at": datetime(2026, 1, 2, tzinfo=UTC)}],
    "done": ["Collections"],
    "not_done": ["Seeds"],
    "exit_code": 13,
    "tried": ["PATH"],
}


def every_error() -> list[type[WayraError]]:
    """All error classes of the module, the root first."""
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, WayraError)]


def drawn() -> dict[str, tuple[str | None, list[str]]]:
    """The tree in the module's docstring: class → its parent and its fields."""
    tree: dict[str, tuple[str | None, list[str]]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"([ │]*)(?:[├└]── )?(\w+Error)(?:\((.*)\))?", line)
        if match is None:
            continue
        depth = 0 if "──" not in line else len(match[1]) // 4 + 1
        above[depth:] = [match[2]]
        tree[match[2]] = (above[depth - 1] if depth else None, re.findall(r"\w+", match[3] or ""))
    return tree


def example(kind: type[WayraError]) -> WayraError:
    """An instance with every field set."""
    parameters = list(inspect.signature(kind).parameters)[1:]
    return kind("what happened", **{name: EXAMPLE.get(name, f"some {name}") for name in parameters})


def test_the_drawing_shows_every_class_under_its_parent() -> None:
    """And no class that does not exist."""
    actual = {kind.__name__: kind.__bases__[0].__name__ for kind in every_error()}
    assert {name: parent or "Exception" for name, (parent, _) in drawn().items()} == actual


@pytest.mark.parametrize("kind", every_error()[1:], ids=lambda kind: kind.__name__)
def test_the_drawing_shows_every_field(kind: type[WayraError]) -> None:
    """The fields that a class adds to its parent's are those between its brackets."""
    own = set(inspect.signature(kind).parameters) - set(inspect.signature(kind.__bases__[0]).parameters)
    own -= {"message", "hint", "exit_code", "args", "kwargs"}
    assert own == set(drawn()[kind.__name__][1])


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_class_says_what_it_means(kind: type[WayraError]) -> None:
    """A docstring of its own, and an exit code from the table."""
    assert "__doc__" in vars(kind)
    assert len(inspect.getdoc(kind) or "") > 20
    assert kind.exit_code in {code.value for code in ExitCode} - {ExitCode.OK, ExitCode.PENDING}


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_is_plain_data(kind: type[WayraError]) -> None:
    """Class, message, hint, fields and exit code, ready for JSON."""
    error = example(kind)
    written = json.loads(json.dumps(error.to_dict()))
    assert written["error"] == kind.__name__
    assert "what happened" in written["message"]
    assert "what happened" in str(error)
    assert written["hint"]
    assert written["exitCode"] == error.exit_code
    assert {errors.json_key(name) for name in drawn()[kind.__name__][1]} <= set(written)


def test_keys_in_json_are_of_one_style() -> None:
    """As in every other document."""
    assert [errors.json_key(name) for name in ("path", "expires_at", "not_done")] == ["path", "expiresAt", "notDone"]


def test_a_step_keeps_the_exit_code_of_its_reason() -> None:
    """A script sees why `init` failed; the class's own code stays."""
    error = errors.StepFailedError("x", step="migrations", done=[], not_done=[], exit_code=13)
    assert error.exit_code == 13
    assert errors.StepFailedError.exit_code == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.MigrationLoadError("is broken", path=Path("a.py"), line=3), "a.py:3: is broken"),
        (errors.MigrationLoadError("is broken", path=Path("a.py")), "a.py: is broken"),
        (errors.SeedLoadError("is broken", path=Path("a.py"), line=3), "a.py:3: is broken"),
        (errors.DeclarationError("is broken", path=Path("a.py"), line=3), "a.py:3: is broken"),
        (errors.DeclarationError("is broken"), "is broken"),
    ],
)
def test_errors_in_a_file_begin_with_the_place(error: WayraError, message: str) -> None:
    """As compilers write it, so that editors can jump there."""
    assert error.message == message


def test_a_refusal_hints_at_what_would_allow_it() -> None:
    """Unless a better hint was given."""
    refused = errors.RefusedError("no", rule="reset", environment="production", allowed_by="Use development.")
    assert refused.hint == "Use development."


def test_exit_codes_are_told_apart_and_explained() -> None:
    """The table has one meaning for each number, the design's numbers among them."""
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 130]
    assert len({code.meaning for code in ExitCode}) == len(ExitCode)
