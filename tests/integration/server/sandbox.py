"""What the tests of servers share: a folder for projects, its processes, and a client."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient

Eventually = Callable[[Callable[[], object]], None]


@dataclass(frozen=True)
class Sandbox:
    """A short folder of its own, in which the test makes projects."""

    folder: Path

    @property
    def state_dir(self) -> Path:
        """The state folder of the project that most tests are about."""
        return self.folder / "project" / ".wayra"

    def mongods(self) -> list[int]:
        """The process ids of the servers whose data lies in this folder."""
        return self._processes(f"--dbpath {self.folder}/")

    def watchers(self) -> list[int]:
        """The process ids of the watchers of this folder's projects."""
        return self._processes(f"wayra_db.server.watcher {self.folder}/")

    def _processes(self, words: str) -> list[int]:
        listed = subprocess.run(["ps", "-ewwo", "pid=,args="], capture_output=True, text=True, check=True)
        lines = (line.strip().partition(" ") for line in listed.stdout.splitlines())
        return [int(pid) for pid, _, command in lines if words in command]


def connect(uri: str) -> MongoClient[dict[str, Any]]:
    """A client for the server at `uri`."""
    return MongoClient(uri, serverSelectionTimeoutMS=10_000)
