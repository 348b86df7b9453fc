from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from tests.unit.test_events import EXAMPLES
from wayra_db import logs
from wayra_db.environment import Environment
from wayra_db.events import CommandSent, Event, Notice, SecurityEvent, log_observer


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The logger, put back."""
    logger = logging.getLogger(logs.ROOT)
    before = (logger.level, list(logger.handlers), logger.propagate)
    yield
    logger.setLevel(before[0])
    logger.handlers, logger.propagate = before[1], before[2]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_is_one_json_line_in_production(event: Event) -> None:
    """With time, level and its own fields; one of security with who and from where."""
    stream = io.StringIO()
    logs.configure(Environment.PRODUCTION, stream=stream, debug=True)
    log_observer(event)
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert document["event"] == type(event).__name__
    assert {"at", "level"} <= set(document)
    assert {key: document[key] for key in event.to_dict() if key not in ("event", "level")} == {
        key: value for key, value in event.to_dict().items() if key not in ("event", "level")
    }
    assert document.get("security", False) is isinstance(event, SecurityEvent)
    assert ("who" in document) is isinstance(event, SecurityEvent)


@pytest.mark.parametrize(
    ("environment", "debug", "seen"),
    [
        (Environment.DEVELOPMENT, False, ["info", "warning"]),
        (Environment.DEVELOPMENT, True, ["debug", "info", "warning", "command"]),
        (Environment.TEST, False, ["warning"]),
        (Environment.PRODUCTION, False, ["info", "warning"]),
    ],
)
def test_what_each_environment_logs(environment: Environment, debug: bool, seen: list[str]) -> None:
    """Everything in development, warnings in test, no debugging in production unless it is asked for."""
    stream = io.StringIO()
    logs.configure(environment, stream=stream, debug=debug)
    for level in ("debug", "info", "warning"):
        log_observer(Notice(f"at {level}", level))
    log_observer(CommandSent("find", "wayra.users at command", 0.3, True))
    assert [word for word in ("debug", "info", "warning", "command") if f"at {word}" in stream.getvalue()] == seen


@pytest.mark.parametrize("environment", Environment)
def test_no_password_is_logged(environment: Environment) -> None:
    """Whatever a message says, and whoever logs it in the tree."""
    stream = io.StringIO()
    logs.configure(environment, stream=stream, debug=True)
    secret = "mongodb://ada:hunter2@host:27017/db"
    log_observer(Notice(f"connecting to {secret} now", "warning"))
    logging.getLogger("wayra_db.migrations").warning("with %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        logging.getLogger("wayra_db").exception("it failed")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("\n") >= 3
    assert "host" in stream.getvalue()


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("Set MONGODB_URI=mongodb://host:27017/shop.", "Set MONGODB_URI=mongodb://host:27017/shop."),
        ("at (mongodb://ada:secret@host/shop)", "at (mongodb://ada:***@host/shop)"),
        ("uri='mongodb+srv://ada:secret@host'", "uri='mongodb+srv://ada:***@host'"),
        ("mail ada@example.com", "mail ada@example.com"),
    ],
)
def test_a_uri_loses_its_password_and_no_more(said: str, logged: str) -> None:
    """Wherever in a word it begins."""
    record = logging.LogRecord("wayra_db", logging.INFO, "", 0, said, (), None)
    assert json.loads(logs.JsonLines().format(record))["message"] == logged
