"""Looks at the server's load between batches and says how long to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from wayra_db.events import Notice, Observer, notify
from wayra_db.migrations.pressure import Load, Wait, decide
from wayra_db.mongo import load as server

if TYPE_CHECKING:
    from wayra_db.mongo.ports import Port

LOOK_SECONDS = 1.0
AGAIN_SECONDS = 0.2
SAY_SECONDS = 30.0

Request = Callable[["Port"], Any]


class Throttle:
    """The load as it was when last looked at, at most once a second."""

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer = observer
        self._name = name
        self._looked = float("-inf")
        self._said = float("-inf")
        self._said_pausing = False
        self._wait = Wait()
        self._refused: set[str] = set()
        self._delayed: frozenset[int] | None = None

    def look(self) -> Generator[Request, Any, Wait | None]:
        """The wait before the next batch, None for none; says for what it waits."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            found = decide((yield from self._read()))
            if found.seconds and not self._wait.seconds:
                # After a quiet time one write makes all others look that far behind, until they have it a moment later.
                yield lambda port: port.sleep(AGAIN_SECONDS)
                found = decide((yield from self._read()))
            self._wait = found
            self._say(now)
        return self._wait if self._wait.seconds else None

    def _read(self) -> Generator[Request, Any, Load]:
        members = yield from self._ask(server.MEMBERS)
        hello = None if members else (yield from self._ask(server.HELLO))
        status = (yield from self._ask(server.STATUS)) or {}
        dirty, used = server.cache_shares(status) or (None, None)
        if members and self._delayed is None:
            self._delayed = server.delayed_members((yield from self._ask(server.CONFIG)) or {})
        if members:
            lag = server.lag_of_members(members, besides=self._delayed or ())
        else:
            lag = server.lag_of_majority(hello or {})
        return Load(lag, server.holds_back(status), dirty, used)

    def _ask(self, command: Any) -> Generator[Request, Any, Any]:
        """The server's reply, None when the user may not ask or there is nothing to ask for; then never asked again."""
        from pymongo.errors import OperationFailure

        name = next(iter(command))
        if name in self._refused:
            return None
        try:
            return (yield lambda port: port.admin(command))
        except OperationFailure:
            self._refused.add(name)
            return None

    def _say(self, now: float) -> None:
        if self._wait.seconds and (now - self._said >= SAY_SECONDS or (self._wait.pausing and not self._said_pausing)):
            self._said, self._said_pausing = now, self._wait.pausing
            doing = "pauses until that has passed" if self._wait.pausing else "goes slower"
            notify(self._observer, Notice(f"{self._name} {doing}: {self._wait.reason}", "warning"))
        elif not self._wait.seconds:
            self._said, self._said_pausing = float("-inf"), False
