"""A program for the fault tests: makes a warm child for each line it reads, which restores and dies on demand.

`python restore_child.py URI DATABASE FOLDER BACKUP`; a line is `NUMBER MOMENT`: the child kills itself at its NUMBERth
command, `before` it is sent or `after` it was answered. The answer is the child's exit code, negative for a signal.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from pymongo import MongoClient, monitoring

import wayra_db.backups.compare
import wayra_db.backups.load
import wayra_db.backups.mongodump
import wayra_db.backups.open
import wayra_db.backups.replay
import wayra_db.backups.restore  # noqa: F401  # all of it is loaded once, before the first child
from wayra_db.backups import BackupManager
from wayra_db.environment import Environment
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment


class Killer(monitoring.CommandListener):
    """Ends this process at one of its commands."""

    def __init__(self, number: int, moment: str) -> None:
        self._number = number
        self._moment = moment
        self._sent = 0
        self._lock = threading.Lock()

    def started(self, event: Any) -> None:
        """Count, and perhaps die."""
        with self._lock:
            self._sent += 1
            if self._sent == self._number and self._moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)

    def succeeded(self, event: Any) -> None:
        """Perhaps die."""
        if self._sent >= self._number and self._moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    failed = succeeded


def restore(uri: str, database: str, folder: Path, backup: str, killer: Killer) -> None:
    """A restore over what is there."""
    client: MongoClient[dict[str, Any]] = MongoClient(uri, event_listeners=[killer])
    guard = Guard(Deployment(client, database), Environment.DEVELOPMENT)
    BackupManager(guard, folder).restore(backup, drop_existing=True, safety_backup=False)


def main() -> None:
    """A child for each line."""
    uri, database, folder, backup = sys.argv[1:]
    for line in sys.stdin:
        number, moment = line.split()
        child = os.fork()
        if not child:
            try:
                restore(uri, database, Path(folder), backup, Killer(int(number), moment))
            except BaseException as error:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
