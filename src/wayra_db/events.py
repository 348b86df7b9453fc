"""What happens during an operation, as frozen values handed to an observer.

The core never prints: it emits events, at batch edges and never per document. The command line renders them, a
program may record them, and the default writes them to the `wayra_db` logger.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from wayra_db.errors import json_key

logger = logging.getLogger("wayra_db")

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""

    def to_dict(self) -> dict[str, Any]:
        """The event as plain JSON values, with its class name under `event`."""
        values = {json_key(field.name): _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return {"event": type(self).__name__, **values}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A step of the initializer begins; `title` is for people."""

    step: str
    title: str


@dataclass(frozen=True, slots=True)
class StepFinished(Event):
    """A step ended well; `changed` tells whether it wrote anything, `summary` what it did."""

    step: str
    title: str
    seconds: float
    changed: bool
    summary: str


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    """A step failed after `seconds`."""

    step: str
    title: str
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """`done` of `total` units of a long task; `total` is None when it is not known."""

    task: str
    done: int
    total: int | None
    unit: str


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """A sentence worth reading that is not an error."""

    message: str
    level: Level = "info"


@dataclass(frozen=True, slots=True)
class SecurityEvent(Event):
    """Something an auditor wants to know: a refusal, a destructive command, a forced unlock."""

    action: str
    outcome: Literal["refused", "allowed", "done"]
    environment: str
    detail: str


@dataclass(frozen=True, slots=True)
class LockWaiting(Event):
    """Another runner holds the lock; emitted once per holder."""

    owner: str
    host: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LockAcquired(Event):
    """This runner holds the lock now."""

    epoch: int
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class UnitStarted(Event):
    """A migration or a seed begins."""

    kind: Literal["migration", "seed"]
    name: str
    direction: Literal["up", "down", "seed"]
    atomic: bool


@dataclass(frozen=True, slots=True)
class UnitFinished(Event):
    """A migration or a seed ended well and is recorded."""

    kind: Literal["migration", "seed"]
    name: str
    direction: Literal["up", "down", "seed"]
    seconds: float


@dataclass(frozen=True, slots=True)
class UnitFailed(Event):
    """A migration or a seed raised."""

    kind: Literal["migration", "seed"]
    name: str
    direction: Literal["up", "down", "seed"]
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class ServerStarted(Event):
    """The embedded server accepts writes; `first` is true when its data folder was made just now."""

    version: str
    seconds: float
    first: bool


@dataclass(frozen=True, slots=True)
class CommandSent(Event):
    """One server command ended; emitted only when debugging. Never carries a value from a document."""

    command: str
    target: str
    milliseconds: float
    ok: bool


Observer = Callable[[Event], None]

_LEVELS: dict[type[Event], int] = {
    StepFailed: logging.ERROR,
    UnitFailed: logging.ERROR,
    SecurityEvent: logging.WARNING,
    LockWaiting: logging.INFO,
    Progress: logging.DEBUG,
    CommandSent: logging.DEBUG,
}


def log_observer(event: Event) -> None:
    """The default observer: writes each event to the `wayra_db` logger."""
    text = event.message if isinstance(event, Notice) else event
    logger.log(level_of(event), "%s", text, extra={"wayra_event": event})


def level_of(event: Event) -> int:
    """The level at which an event is logged."""
    if isinstance(event, Notice):
        return logging.getLevelNamesMapping()[event.level.upper()]
    return _LEVELS.get(type(event), logging.INFO)


def notify(observer: Observer, event: Event) -> None:
    """Hand `event` to `observer`; an exception in it is logged and the work goes on."""
    try:
        observer(event)
    except Exception:
        logger.exception("an observer raised on %s; the work goes on", type(event).__name__)
