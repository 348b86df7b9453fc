"""A request to stop, honoured at the next safe point.

The command line turns SIGINT and SIGTERM into `Stop.request`; a program may call it from another thread. Work that must
not be cut in two runs inside `protected()`; between such pieces `check()` ends the work with CancelledError.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from wayra_db.errors import CancelledError


class Stop:
    """A flag that asks running work to end at its next safe point. Thread-safe."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._reason = ""
        self._depth = 0
        self._deadline: float | None = None

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop, or the time for it has come."""
        return self._requested.is_set() or self._left() <= 0

    @property
    def protecting(self) -> bool:
        """Whether a piece of work that must not be cut in two is running now."""
        return self._depth > 0

    def request(self, reason: str) -> None:
        """Ask for a stop; `reason` is the signal's name or a short word for people."""
        self._reason = reason
        self._requested.set()

    def check(self) -> None:
        """Raise CancelledError when a stop was asked for; a safe point calls this."""
        if self.requested:
            reason = self._reason if self._requested.is_set() else "the end of its time"
            raise CancelledError(
                f"stopped by {reason} at a safe point", signal_name=reason, hint="Run it again to go on."
            )

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; returns True at once when a stop is asked for."""
        return self._requested.wait(min(seconds, max(0.0, self._left()))) or self.requested

    def _left(self) -> float:
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Within the block, ask for a stop once `seconds` have passed; None asks for nothing. Not to be nested. After
        the block that is forgotten, so that the next run has its own time.
        """
        self._deadline = None if seconds is None else time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = None

    @contextmanager
    def protected(self) -> Iterator[None]:
        """Within the block a stop is remembered and not acted on."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
