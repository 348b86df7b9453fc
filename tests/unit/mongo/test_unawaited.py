"""What is noticed of coroutines that nobody awaits, and what is left to Python's own warning."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
from pathlib import Path

import pytest

from wayra_db.mongo.unawaited import NotAwaitedError, returned, watching

HERE = Path(__file__)


async def work() -> None:
    """Nothing."""


def lose() -> None:
    """Make a coroutine and throw it away."""
    work()  # type: ignore[unused-coroutine]


def test_what_is_thrown_away_is_told_with_its_line() -> None:
    """Where it was made, and what to write; whatever the filters of warnings say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with watching() as watch:
            lose()
            with pytest.raises(NotAwaitedError, match=r"`work` was never awaited") as caught:
                watch.require_none()
    assert (caught.value.path, caught.value.line) == (HERE, lose.__code__.co_firstlineno + 2)


def test_nothing_is_noticed_of_other_threads_and_other_times() -> None:
    """Python warns of those as ever, and how it follows coroutines is as before."""
    depth = sys.get_coroutine_origin_tracking_depth()
    early = work()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with watching() as watch:
            thread = threading.Thread(target=lose)
            thread.start()
            thread.join()
            del early
            gc.collect()
            watch.require_none()
        lose()
    assert [str(one.message).splitlines()[0] for one in caught] == ["coroutine 'work' was never awaited"] * 3
    assert sys.get_coroutine_origin_tracking_depth() == depth


def test_the_innermost_watch_is_told() -> None:
    """One unit is not blamed for another that runs within it."""
    with watching() as outer, watching() as inner:
        lose()
        outer.require_none()
        with pytest.raises(NotAwaitedError):
            inner.require_none()


def test_what_is_held_is_told_and_ended() -> None:
    """A variable, or a list in one; ended, so that nobody else hears of it later."""

    async def unit() -> None:
        first, more = work(), [work(), 1]
        with pytest.raises(NotAwaitedError):
            watch.require_none(held=True)
        for one in (first, more[0]):
            with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
                await one  # type: ignore[misc]

    with watching() as watch:
        asyncio.run(unit())


def test_tasks_that_nobody_waits_for() -> None:
    """Told with the line that made their coroutine, and cancelled; the running one is none of them."""

    async def unit() -> asyncio.Task[None]:
        with watching() as watch:
            await asyncio.create_task(work())
            watch.require_none()
            task = asyncio.create_task(work())
            with pytest.raises(NotAwaitedError, match="runs in a task"):
                watch.require_none()
        await asyncio.wait([task])
        return task

    assert asyncio.run(unit()).cancelled()


def test_what_is_returned_is_ended() -> None:
    """Its line is known where coroutines are followed."""
    with watching() as watch:
        error = returned(work())
        watch.require_none()
    assert error.path == HERE
    assert "nobody awaited" in error.message
