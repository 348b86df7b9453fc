from __future__ import annotations

import threading

import pytest

from wayra_db.errors import CancelledError
from wayra_db.stopping import Stop


def test_nothing_happens_without_a_request() -> None:
    """A check passes, a wait runs out."""
    stop = Stop()
    stop.check()
    assert not stop.requested
    assert stop.wait(0) is False


def test_a_request_ends_the_work_at_the_next_check() -> None:
    """With the reason in the message and in a field, and the exit code of an interrupt."""
    stop = Stop()
    stop.request("SIGTERM")
    assert stop.requested
    with pytest.raises(CancelledError, match="stopped by SIGTERM at a safe point") as caught:
        stop.check()
    assert caught.value.signal_name == "SIGTERM"
    assert caught.value.exit_code == 130


def test_a_request_from_another_thread_ends_a_wait() -> None:
    """A waiting runner hears of it at once."""
    stop = Stop()
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(stop.wait(60)))
    waiting.start()
    stop.request("program")
    waiting.join(10)
    assert heard == [True]


def test_protected_blocks_nest_and_end_with_an_exception() -> None:
    """Who asks can tell whether the work may be cut now."""
    stop = Stop()
    seen = [stop.protecting]

    def work() -> None:
        with stop.protected():
            with stop.protected():
                seen.append(stop.protecting)
            seen.append(stop.protecting)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert [*seen, stop.protecting] == [False, True, True, False]


def test_the_time_of_one_run_is_not_that_of_the_next() -> None:
    """Once the block is left its time has no meaning."""
    stop = Stop()
    with stop.within(0.0):
        assert stop.wait(60), "does not sleep beyond its time"
        with pytest.raises(CancelledError, match="the end of its time"):
            stop.check()
    stop.check()


def test_a_request_outlives_the_time_of_a_run() -> None:
    """And is what is named."""
    stop = Stop()
    with stop.within(0.0):
        stop.request("SIGTERM")
    with pytest.raises(CancelledError, match="SIGTERM"):
        stop.check()
