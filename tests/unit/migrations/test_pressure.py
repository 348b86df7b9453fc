from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from wayra_db.events import Notice
from wayra_db.migrations import throttle
from wayra_db.migrations.pressure import Load, Wait, decide
from wayra_db.migrations.throttle import Throttle
from wayra_db.mongo import load
from wayra_db.mongo.ports import Port
from wayra_db.testing import RecordingObserver

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "seconds", "pausing"),
    [
        (Load(), 0, False),
        (Load(lag_seconds=2.9), 0, False),
        (Load(lag_seconds=3), 0.1, False),
        (Load(lag_seconds=10), 1, True),
        (Load(flow_control=True), 0.1, False),
        (Load(dirty_share=0.14, used_share=0.89), 0, False),
        (Load(dirty_share=0.15), 0.1, False),
        (Load(dirty_share=0.20), 1, True),
        (Load(used_share=0.90), 0.1, False),
        (Load(used_share=0.95), 1, True),
        (Load(lag_seconds=3, used_share=0.95), 1, True),
    ],
)
def test_the_worst_figure_decides(found: Load, seconds: float, pausing: bool) -> None:
    """Slower beyond the first limit, a pause beyond the second, with the reason in words."""
    wait = decide(found)
    assert (wait.seconds, wait.pausing) == (seconds, pausing)
    assert bool(wait.reason) == bool(seconds)


def member(number: int, state: int, behind: float) -> dict[str, Any]:
    """A member as `replSetGetStatus` lists it."""
    return {"_id": number, "state": state, "optimeDate": NOW - timedelta(seconds=behind)}


@pytest.mark.parametrize(
    ("members", "besides", "lag"),
    [
        ([], (), None),
        ([member(0, 1, 0)], (), None),
        ([member(0, 1, 0), member(1, 2, 4), member(2, 2, 7)], (), 7),
        ([member(0, 1, 0), member(1, 2, 4), member(2, 2, 3600)], (2,), 4),
        ([member(0, 1, 0), member(1, 8, 900), member(2, 2, 1)], (), 1),
        ([member(0, 1, 5), member(1, 2, 0)], (), 0),
    ],
)
def test_lag_of_members(members: list[dict[str, Any]], besides: tuple[int, ...], lag: float | None) -> None:
    """The slowest that works counts; one that is down or behind on purpose does not."""
    assert load.lag_of_members({"members": members}, besides=besides) == lag


def test_delayed_members_are_known_by_their_configuration() -> None:
    """By the present and the former name of the field."""
    members = [
        {"_id": 0},
        {"_id": 1, "secondaryDelaySecs": 3600},
        {"_id": 2, "slaveDelay": 60},
        {"_id": 3, "slaveDelay": 0},
    ]
    assert load.delayed_members({"config": {"members": members}}) == {1, 2}
    assert load.delayed_members({}) == frozenset()


def test_other_replies_are_read_or_left_out() -> None:
    """`hello` of a standalone, `serverStatus` of another engine."""
    written = {"lastWriteDate": NOW, "majorityWriteDate": NOW - timedelta(seconds=2)}
    assert load.lag_of_majority({"lastWrite": written}) == 2
    assert load.lag_of_majority({}) is None
    assert load.cache_shares({}) is None
    cache = {
        "maximum bytes configured": 100,
        "tracked dirty bytes in the cache": 5,
        "bytes currently in the cache": 50,
    }
    assert load.cache_shares({"wiredTiger": {"cache": cache}}) == (0.05, 0.5)
    assert load.holds_back({"flowControl": {"isLagged": True}})
    assert not load.holds_back({})


class Server:
    """Answers the throttle's commands: the lag at each look, and what it is asked."""

    def __init__(self, *lags: float) -> None:
        self.lags = list(lags)
        self.asked: list[str] = []

    def admin(self, command: dict[str, Any]) -> dict[str, Any]:
        """A reply."""
        name = next(iter(command))
        self.asked.append(name)
        if name == "replSetGetStatus":
            return {"members": [member(0, 1, 0), member(1, 2, self.lags.pop(0))]}
        return {}

    def sleep(self, seconds: float) -> None:
        """A moment."""
        self.asked.append("sleep")


def look(throttled: Throttle, server: Server) -> Wait | None:
    """One look, answered by the server."""
    steps = throttled.look()
    answer: Any = None
    while True:
        try:
            answer = steps.send(answer)(cast(Port, server))
        except StopIteration as end:
            result: Wait | None = end.value
            return result


def test_one_write_after_a_quiet_time_is_no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """All others look behind until they have it: what counts is true a moment later as well."""
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0)
    observer = RecordingObserver()
    server = Server(9.0, 0.0)
    assert look(Throttle(observer, "0001 step"), server) is None
    assert server.asked.count("sleep") == 1
    assert observer.of(Notice) == []


def test_it_says_when_slow_becomes_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, and again after it has passed; the configuration is asked for once."""
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0)
    observer = RecordingObserver()
    throttled, server = Throttle(observer, "0001 step"), Server(5, 5, 5, 20, 20, 0, 5, 5)
    found = [look(throttled, server) for _ in range(6)]
    assert [bool(one and one.pausing) for one in found] == [False, False, True, True, False, False]
    said = [one.message.split(": ")[0].removeprefix("0001 step ") for one in observer.of(Notice)]
    assert said == ["goes slower", "pauses until that has passed", "goes slower"]
    assert server.asked.count("replSetGetConfig") == 1
