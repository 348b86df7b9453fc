"""A database to try indexes in: `<database>_wayra_advice_<random>`, held by its own lock, dropped at the end.

A process that is killed cannot drop it. The next one does: whoever works in one holds its lock.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from wayra_db import locking
from wayra_db.errors import LockError
from wayra_db.events import Event, Notice, Observer, notify
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.stopping import Stop

SEPARATOR = "_wayra_advice_"
LONGEST_NAME_BYTES = 63  # what MongoDB allows
WHAT = "indexes suggest --prove"
# Long: an index build may keep the server busy, and nobody waits for a scratch database.
LEASE_SECONDS = 60.0


@contextmanager
def scratch_database(deployment: Deployment, stop: Stop) -> Iterator[Deployment]:
    """A new database beside the one of `deployment`, for the block; dropped afterwards whatever happens."""
    scratch = deployment.elsewhere(_new_name(deployment.database_name))
    try:
        with _lock(scratch):
            yield scratch
    finally:
        with stop.protected(), translated(scratch.address):
            scratch.client.drop_database(scratch.database_name)


def drop_leftovers(deployment: Deployment, observer: Observer) -> tuple[str, ...]:
    """Drop what killed processes have left for this database, and nothing that somebody works in; returns the names."""
    mine = re.escape(prefix(deployment.database_name))
    with translated(deployment.address):
        found = deployment.client.list_databases(filter={"name": {"$regex": f"^{mine}[0-9a-f]{{8}}$"}}, nameOnly=True)
        names = [database["name"] for database in found]
    dropped = tuple(name for name in names if _drop_if_left(deployment.elsewhere(name)))
    if dropped:
        notify(observer, Notice(f"dropped what a killed proof had left: {', '.join(dropped)}"))
    return dropped


def _drop_if_left(scratch: Deployment) -> bool:
    try:
        _lock(scratch).release()
    except LockError:
        return False
    with translated(scratch.address):
        scratch.client.drop_database(scratch.database_name)
    return True


def _lock(scratch: Deployment) -> locking.Lease:
    return locking.acquire(scratch, WHAT, lease_seconds=LEASE_SECONDS, timeout_seconds=0, observer=_silent)


def _silent(event: Event) -> None:
    """It is no lock of the real database."""


def _new_name(database: str) -> str:
    return f"{prefix(database)}{secrets.token_hex(4)}"


def prefix(database: str) -> str:
    """What the names of the scratch databases of `database` begin with."""
    room = LONGEST_NAME_BYTES - len(SEPARATOR) - 8
    return database.encode()[:room].decode(errors="ignore") + SEPARATOR
