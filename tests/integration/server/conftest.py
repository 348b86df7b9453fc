"""A sandbox for one test, and a patient wait."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.server.sandbox import Eventually, Sandbox
from wayra_db.server import EmbeddedServer

DEADLINE_SECONDS = 60.0


@pytest.fixture
def eventually() -> Eventually:
    """Wait until something becomes true, and fail if it never does."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it never became true"
            time.sleep(0.01)

    return wait


@pytest.fixture
def sandbox(eventually: Eventually) -> Iterator[Sandbox]:
    """The sandbox; afterwards its servers are killed, and none may be left."""
    box = Sandbox(Path(tempfile.mkdtemp(prefix="wayra-")).resolve())
    box.state_dir.parent.mkdir()
    yield box
    for state_dir in box.folder.rglob(".wayra"):
        EmbeddedServer(state_dir).stop(timeout_seconds=0.0)
    for pid in box.watchers():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(box.folder)
    eventually(lambda: not box.mongods() and not box.watchers())
