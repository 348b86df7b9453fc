"""What `up(db, ctx)`, `down(db, ctx)` and `seed(db, ctx)` may use besides the database."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wayra_db.events import Observer, Progress, notify
from wayra_db.stopping import Stop


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to a migration or seed that takes a second argument.

    `session` is the transaction's session, None outside one; calls on `db` join it without naming it. `log` is a
    logger; `progress` reports long work; `should_stop` tells whether somebody asked to end.
    """

    name: str
    session: Any
    log: logging.Logger
    _observer: Observer
    _stop: Stop

    def progress(self, done: int, total: int | None = None, unit: str = "documents") -> None:
        """Report that `done` of `total` units are done; call it per batch, not per document."""
        notify(self._observer, Progress(self.name, done, total, unit))

    @property
    def should_stop(self) -> bool:
        """Whether SIGINT, SIGTERM or the program asked to stop; end at the next consistent point."""
        return self._stop.requested


def call_with_context(
    function: Callable[..., Any], *, takes_context: bool, make: Callable[[Any], Context]
) -> Callable[[Any, Any], Any]:
    """A user's function as one of database and session, whichever of the two shapes it has.

    `make` makes the context from the session.
    """
    if not takes_context:
        return lambda database, session: function(database)
    return lambda database, session: function(database, make(session))
