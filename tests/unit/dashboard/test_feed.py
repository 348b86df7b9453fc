from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from wayra_db.dashboard.feed import AFTER_FAILURE_SECONDS, Feed, Reading
from wayra_db.dashboard.parts import Part
from wayra_db.errors import CancelledError, WayraError


class Source:
    """A part whose answers a test sets; `asked` counts."""

    def __init__(self, name: str, every_seconds: float = 1) -> None:
        self.part = Part(name, every_seconds, self.read)
        self.answer: dict[str, Any] | BaseException = {"n": 0}
        self.asked = 0
        self.was_asked = threading.Event()

    def read(self) -> dict[str, Any]:
        """The answer, or what it raises."""
        self.asked += 1
        self.was_asked.set()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Clock:
    """Stands still between two steps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def only(readings: list[Reading] | None) -> Reading:
    """The one reading that has come."""
    assert readings is not None
    (reading,) = readings
    return reading


def test_nothing_is_read_while_nobody_looks() -> None:
    """The database is asked for the first time when a page is opened, and for the last before it is closed."""
    source = Source("a", every_seconds=0)
    feed = Feed([source.part])
    feed.start()
    assert not source.was_asked.wait(0.2)
    with feed.subscribe() as subscription:
        assert only(subscription.get(10)).data == {"n": 0}
        assert feed.watched == 1
    feed.stop()
    assert feed.watched == 0


def test_each_change_is_handed_on_once() -> None:
    """What is as before is not sent again; who comes later gets what is known at once."""
    source, clock = Source("a"), Clock()
    feed = Feed([source.part], clock=clock)
    with feed.subscribe() as first:
        assert feed.latest("a", at_most_seconds=0).number == 1
        assert only(first.get(0)).number == 1
        feed.latest("a", at_most_seconds=0)
        assert first.get(0) == []
        source.answer = {"n": 1}
        feed.latest("a", at_most_seconds=0)
        with feed.subscribe() as second:
            assert only(first.get(0)) == only(second.get(0))


def test_the_slow_get_the_newest_only() -> None:
    """Whatever a page has missed, of each part one reading waits for it."""
    sources = [Source("a"), Source("b")]
    feed = Feed([source.part for source in sources])
    with feed.subscribe() as subscription:
        for number in range(50):
            for source in sources:
                source.answer = {"n": number}
                feed.latest(source.part.name, at_most_seconds=0)
        found = subscription.get(0)
    assert found is not None
    assert [(one.part, one.data) for one in found] == [("a", {"n": 49}), ("b", {"n": 49})]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (WayraError("it is away"), "it is away"),
        (CancelledError("stopped"), "the dashboard is ending"),
        (KeyError("hunter2"), "unexpected KeyError; see it with `wayra-db status --debug`"),
    ],
)
def test_a_part_that_fails_says_why(failure: Exception, told: str) -> None:
    """And the others stand; no unknown error's text is shown, which could hold a value."""
    broken, whole = Source("broken"), Source("whole")
    broken.answer = failure
    feed = Feed([broken.part, whole.part])
    reading = feed.latest("broken", at_most_seconds=0)
    assert (reading.data, reading.error) == (None, told)
    assert feed.latest("whole", at_most_seconds=0).error is None
    broken.answer = {"n": 1}
    assert feed.latest("broken", at_most_seconds=0).error is None


def test_how_often_a_part_is_read() -> None:
    """As often as it says; after a failure, which may have waited for a server, not at once."""
    source, clock = Source("a", every_seconds=2), Clock()
    feed = Feed([source.part], clock=clock)
    assert feed._due(source.part) == 0
    feed.latest("a", at_most_seconds=0)
    assert feed._due(source.part) == 2
    clock.now += 1.5
    assert feed._due(source.part) == 0.5
    assert feed.latest("a", at_most_seconds=3).taken == 100
    assert source.asked == 1
    source.answer = WayraError("away")
    feed.latest("a", at_most_seconds=1)
    assert feed._due(source.part) == AFTER_FAILURE_SECONDS


def test_the_end_reaches_who_waits() -> None:
    """A page that waits for news is let go at once."""
    feed = Feed([])
    feed.start()
    ended = threading.Event()

    def look() -> None:
        with feed.subscribe() as subscription:
            assert subscription.get(60) is None
        ended.set()

    thread = threading.Thread(target=look)
    thread.start()
    while not feed.watched:
        time.sleep(0.001)
    feed.stop()
    assert ended.wait(10)
    thread.join()
    with feed.subscribe() as late:
        assert late.get(60) is None
