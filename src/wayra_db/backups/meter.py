"""How far several threads have come together: told as progress, and their end when a stop is asked for or one fails."""

from __future__ import annotations

import threading

from wayra_db.events import Observer, Progress, log_observer, notify
from wayra_db.stopping import Stop

STEP = 1 << 20


class GivenUpError(Exception):
    """Another thread has failed; what it raised is what counts."""


class Meter:
    """Counts the bytes of a task of `total` bytes. Thread-safe."""

    def __init__(self, task: str, total: int, observer: Observer = log_observer, stop: Stop | None = None) -> None:
        self._task = task
        self._total = total
        self._observer = observer
        self._stop = stop or Stop()
        self._done = self._told = 0
        self._given_up = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise CancelledError when a stop was asked for, GivenUpError when another thread has failed."""
        self._stop.check()
        if self._given_up:
            raise GivenUpError

    def moved(self, size: int) -> None:
        """So many bytes more are done; told at every MiB. Raises as `check`."""
        self.check()
        with self._lock:
            self._done += size
            if self._done - self._told >= STEP or self._told < self._total <= self._done:
                self._told = self._done
                notify(self._observer, Progress(self._task, min(self._done, self._total), self._total, "bytes"))

    def give_up(self) -> None:
        """Have the other threads end."""
        self._given_up = True
