"""Feed: reads the parts while somebody looks, and hands each change to all who look. Else nothing is read."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wayra_db.errors import CancelledError, WayraError

if TYPE_CHECKING:
    from wayra_db.dashboard.parts import Part

# After a failure a part is not asked again at once: each try may wait for a server that is away.
AFTER_FAILURE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a part said the last time, or why it said nothing; `number` rises when that changes."""

    part: str
    data: dict[str, Any] | None
    error: str | None
    at: datetime
    taken: float
    number: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"part": self.part, "data": self.data, "error": self.error, "at": self.at.isoformat()}


class Subscription:
    """One who looks. Of each part only the newest reading waits for him, so a slow one costs nothing."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: dict[str, Reading] = {}
        self._closed = False

    def put(self, reading: Reading) -> None:
        """Hand a reading over; never blocks."""
        with self._condition:
            self._waiting[reading.part] = reading
            self._condition.notify()

    def close(self) -> None:
        """There will be nothing more."""
        with self._condition:
            self._closed = True
            self._condition.notify()

    def get(self, timeout_seconds: float) -> list[Reading] | None:
        """What has come since the last time, empty after `timeout_seconds` without any; None at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._closed, timeout_seconds)
            if self._closed:
                return None
            found, self._waiting = list(self._waiting.values()), {}
            return found


class Feed:
    """Reads `parts`, on one thread of its own while there are subscribers, one at a time. Thread-safe."""

    def __init__(self, parts: Sequence[Part], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = {part.name: part for part in parts}
        self._clock = clock
        self._reading = threading.Lock()  # a project is asked by one thread at a time
        self._condition = threading.Condition()
        self._readings: dict[str, Reading] = {}
        self._subscribers: list[Subscription] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="wayra-db-dashboard", daemon=True)

    def start(self) -> None:
        """Begin to read as soon as there is a subscriber."""
        self._thread.start()

    def stop(self) -> None:
        """End all subscriptions, and the thread once it has read what it is reading."""
        with self._condition:
            self._stopped = True
            for one in self._subscribers:
                one.close()
            self._condition.notify_all()
        self._thread.join(timeout=5)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Within the block, be handed every part that is known already, and then each that changes."""
        subscription = Subscription()
        with self._condition:
            for reading in self._readings.values():
                subscription.put(reading)
            self._subscribers.append(subscription)
            if self._stopped:
                subscription.close()
            self._condition.notify_all()
        try:
            yield subscription
        finally:
            with self._condition:
                self._subscribers.remove(subscription)

    @property
    def watched(self) -> int:
        """How many look."""
        return len(self._subscribers)

    def latest(self, part: str, *, at_most_seconds: float) -> Reading:
        """What a part says: read now, unless that was done within `at_most_seconds`."""
        with self._reading:
            known = self._readings.get(part)
            if known is not None and self._clock() - known.taken < at_most_seconds:
                return known
            return self._read(self._parts[part])

    def _run(self) -> None:
        while self._wanted():
            for part in self._parts.values():
                if self._due(part) <= 0 and not self._stopped:
                    with self._reading:
                        self._read(part)
            wait = max(0.05, min((self._due(part) for part in self._parts.values()), default=1.0))
            with self._condition:
                self._condition.wait_for(lambda: self._stopped, wait)

    def _wanted(self) -> bool:
        """Wait for somebody who looks; False at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._subscribers)
            return not self._stopped

    def _due(self, part: Part) -> float:
        """In how many seconds a part is to be read again."""
        known = self._readings.get(part.name)
        if known is None:
            return 0.0
        every = max(part.every_seconds, AFTER_FAILURE_SECONDS) if known.error else part.every_seconds
        return known.taken + every - self._clock()

    def _read(self, part: Part) -> Reading:
        data, error = None, None
        try:
            data = part.read()
        except CancelledError:
            error = "the dashboard is ending"
        except WayraError as failure:
            error = failure.message
        except Exception as failure:  # a part that breaks must not take the others with it
            error = f"unexpected {type(failure).__name__}; see it with `wayra-db status --debug`"
        return self._publish(part, data, error)

    def _publish(self, part: Part, data: dict[str, Any] | None, error: str | None) -> Reading:
        with self._condition:
            before = self._readings.get(part.name)
            same = before is not None and _same(before.data, data) and before.error == error
            number = before.number if before is not None and same else (before.number if before else 0) + 1
            reading = Reading(part.name, data, error, datetime.now(UTC), self._clock(), number)
            self._readings[part.name] = reading
            if not same:
                for one in self._subscribers:
                    one.put(reading)
        return reading


def _same(one: Any, other: Any) -> bool:
    return one is not None and json.dumps(one, default=str) == json.dumps(other, default=str)
