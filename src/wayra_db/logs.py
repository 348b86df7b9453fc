"""The log: one tree of loggers under `wayra_db`, as lines for people or as one JSON object a line for programs.

No line holds a value of a document or a secret: events carry none, and what looks like a URI loses its password.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TextIO

from wayra_db.environment import Environment
from wayra_db.events import Event, Notice, SecurityEvent, level_of
from wayra_db.settings.uri import redact_uri

ROOT = "wayra_db"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def configure(environment: Environment, *, stream: TextIO | None = None, debug: bool = False) -> logging.Handler:
    """Send the log of a program that uses the library to `stream`, by default standard error; returns the handler.

    Development: everything from `info` on, for people. Test: warnings. Production: JSON lines from `info` on, security
    events always. With `debug` everything, each server command with its time too.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    production = environment is Environment.PRODUCTION
    handler.setFormatter(JsonLines() if production else Lines())
    logger = logging.getLogger(ROOT)
    level = logging.WARNING if environment is Environment.TEST else logging.INFO
    logger.setLevel(logging.DEBUG if debug else level)
    logger.addHandler(handler)
    logger.propagate = False
    return handler


class Lines(logging.Formatter):
    """A line for people: time, level, words."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line, without passwords."""
        return _clean(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line, with the event's own fields where the record is of one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without passwords."""
        event = getattr(record, "wayra_event", None)
        at = datetime.fromtimestamp(record.created, UTC)
        if isinstance(event, Event):
            return line_of(event, at=at)
        more = {"trace": self.formatException(record.exc_info)} if record.exc_info else {}
        return line(record.levelname.lower(), at=at, message=record.getMessage(), logger=record.name, **more)


def line_of(event: Event, *, at: datetime | None = None) -> str:
    """An event as a line; a security event also says who did it, from where."""
    fields = event.to_dict()
    name = fields.pop("event")
    if isinstance(event, Notice):
        fields.pop("level")
    who = {"security": True, "who": who_and_where()} if isinstance(event, SecurityEvent) else {}
    return line(logging.getLevelName(level_of(event)).lower(), at=at, event=name, **who, **fields)


def line(level: str, *, at: datetime | None = None, **fields: Any) -> str:
    """A line of the log."""
    moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds")
    cleaned = {key: _clean(value) if isinstance(value, str) else value for key, value in fields.items()}
    return json.dumps({"at": moment, "level": level, **cleaned}, ensure_ascii=False, default=str)


@cache
def who_and_where() -> Mapping[str, Any]:
    """The user, host and process that this is."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return {"user": user, "host": socket.gethostname(), "pid": os.getpid()}


def _clean(text: str) -> str:
    return _URI.sub(lambda found: redact_uri(found[0]), text)
