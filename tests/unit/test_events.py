from __future__ import annotations

import dataclasses
import json
import logging
from datetime import UTC, datetime

import pytest

from wayra_db import events
from wayra_db.errors import json_key
from wayra_db.events import Event, Notice, log_observer, notify

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXAMPLES: list[Event] = [
    events.StepStarted("indexes", "Indexes"),
    events.StepFinished("indexes", "Indexes", 0.5, True, "created 3"),
    events.StepFailed("indexes", "Indexes", 0.5, "duplicates"),
    events.Progress("0003 roles", 5, None, "documents"),
    events.Notice("something", "warning"),
    events.SecurityEvent("reset", "refused", "production", "never"),
    events.LockWaiting("ada (pid 1)", "host", MOMENT),
    events.LockAcquired(7, 0.1),
    events.UnitStarted("migration", "0003 roles", "up", True),
    events.UnitFinished("seed", "users", "seed", 0.1),
    events.UnitFailed("migration", "0003 roles", "down", 0.1, "no"),
    events.ServerStarted("6.0.5", 0.7, True),
    events.CommandSent("find", "wayra.users", 0.3, True),
]


def every_event() -> set[type[Event]]:
    """All event classes of the module."""
    return {one for one in vars(events).values() if isinstance(one, type) and issubclass(one, Event)} - {Event}


def test_there_is_an_example_of_every_event() -> None:
    """A new event cannot be forgotten here."""
    assert {type(example) for example in EXAMPLES} == every_event()


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_is_frozen_and_plain(event: Event) -> None:
    """It can be handed around, compared, and written as one JSON line with its name first."""
    fields = [field.name for field in dataclasses.fields(event)]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, fields[0], "other")
    line = json.loads(json.dumps(event.to_dict()))
    assert list(line) == ["event", *map(json_key, fields)]
    assert line["event"] == type(event).__name__


def test_times_are_written_in_iso_form() -> None:
    """The one field of an event that JSON does not know."""
    assert events.LockWaiting("ada", "host", MOMENT).to_dict()["expiresAt"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_the_default_observer_logs_every_event(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    """Once, to the package's logger."""
    with caplog.at_level(logging.DEBUG, "wayra_db"):
        log_observer(event)
    assert [record.name for record in caplog.records] == ["wayra_db"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_notice_keeps_its_level(level: events.Level, caplog: pytest.LogCaptureFixture) -> None:
    """The words alone, at the notice's own level."""
    with caplog.at_level(logging.DEBUG, "wayra_db"):
        log_observer(Notice("read me", level))
    assert [(record.levelname.lower(), record.getMessage()) for record in caplog.records] == [(level, "read me")]


def test_an_observer_that_raises_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its exception is logged with the event's name, and the caller goes on."""

    def broken(event: Event) -> None:
        raise RuntimeError("broken observer")

    notify(broken, Notice("read me"))
    assert "an observer raised on Notice" in caplog.text
    assert "broken observer" in caplog.text
