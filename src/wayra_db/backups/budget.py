"""A bound on the bytes that several threads hold at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """So many bytes may be held; whoever brings more waits. What is too large for it passes when it is alone.

    Whoever waits comes next: one that asks for much would else wait until all that ask for little have ended.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    def take(self, amount: int) -> None:
        """Wait until there is room."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(
                lambda: self._waiting[0] is ticket and (not self._used or self._used + amount <= self._total)
            )
            self._waiting.popleft()
            self._used += amount
            self._changed.notify_all()

    def give_back(self, amount: int) -> None:
        """Make room."""
        with self._changed:
            self._used -= amount
            self._changed.notify_all()

    @contextmanager
    def holding(self, amount: int) -> Iterator[None]:
        """Hold so many bytes for the block."""
        self.take(amount)
        try:
            yield
        finally:
            self.give_back(amount)
