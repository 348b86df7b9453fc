"""The command line, called inside the test's own process wherever a process of its own is not what is tested."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import Sandbox
from wayra_db.cli._app import _invoke
from wayra_db.cli._run import Run

# Nothing listens there, and the answer comes at once.
NOWHERE = "mongodb://127.0.0.1:1"


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines on standard error."""
        return [json.loads(line) for line in self.stderr.splitlines()]


Cli = Callable[..., Ended]


def call(sandbox: Sandbox, *arguments: str, anywhere: bool = False, **environ: str) -> Ended:
    """Run a command on a sandbox's project; with `anywhere`, without naming the project."""
    stdout, stderr = io.StringIO(), io.StringIO()
    run = Run({"WAYRA_LOCK_TIMEOUT": "5", **sandbox.environ(**environ)})
    place = () if anywhere else ("--project", str(sandbox.folder))
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = _invoke(run, [*place, *arguments])
        run.close()
    return Ended(code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def cli(sandbox: Sandbox) -> Cli:
    """The command line on an empty database; the project has a collection, two migrations and a seed."""
    sandbox.complete()
    return lambda *arguments, **environ: call(sandbox, *arguments, **environ)


@pytest.fixture
def offline(tmp_path: Path) -> Sandbox:
    """A complete project whose server cannot be reached."""
    folder = tmp_path / "project"
    folder.mkdir()
    sandbox = Sandbox(folder, NOWHERE, "nothing")
    sandbox.complete()
    return sandbox


@pytest.fixture
def cli_offline(offline: Sandbox) -> Cli:
    """The command line without any server."""
    return lambda *arguments, **environ: call(offline, "--server-selection-timeout", "0.05", *arguments, **environ)
