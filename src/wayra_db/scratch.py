"""Scratch databases: made beside the real one under a name of their own, held by their own lock, dropped at the end.

A process that is killed cannot drop its own. The next of the same kind does: whoever works in one holds its lock.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wayra_db import locking
from wayra_db.errors import LockError
from wayra_db.events import Event, Notice, Observer, notify
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.stopping import Stop

LONGEST_NAME_BYTES = 63  # what MongoDB allows
RANDOM_DIGITS = 8
# Long: a copy or a build may keep this process or the server busy, and nobody waits for a scratch database.
LEASE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What scratch databases are made for. They are called `<database><separator><random>`.

    `suffixes` are those of further databases that belong to one; `what` is what their lock is held for.
    """

    separator: str
    what: str
    suffixes: tuple[str, ...] = ()

    def stem(self, database: str) -> str:
        """What the names of all that are made for `database` begin with; of a long name its beginning."""
        longest = max(map(len, self.suffixes), default=0)
        room = LONGEST_NAME_BYTES - len(self.separator) - RANDOM_DIGITS - longest
        return database.encode()[:room].decode(errors="ignore") + self.separator

    def new_name(self, database: str) -> str:
        """A name for one of `database` that nobody has."""
        return self.stem(database) + secrets.token_hex(RANDOM_DIGITS // 2)

    def owner(self, name: str) -> str | None:
        """The scratch database that a database is, or belongs to; None for any other."""
        suffixes = "|".join(map(re.escape, (*self.suffixes, "")))
        pattern = rf"(.*{re.escape(self.separator)}[0-9a-f]{{{RANDOM_DIGITS}}})({suffixes})"
        found = re.fullmatch(pattern, name, re.DOTALL)
        return found[1] if found else None


@contextmanager
def scratch_database(deployment: Deployment, kind: Kind, stop: Stop) -> Iterator[Deployment]:
    """A new database beside the one of `deployment`, for the block; dropped afterwards whatever happens."""
    scratch = deployment.elsewhere(kind.new_name(deployment.database_name))
    try:
        with acquire(scratch, kind):
            yield scratch
    finally:
        with stop.protected():
            drop(scratch, kind)


def acquire(scratch: Deployment, kind: Kind, *, force: bool = False) -> locking.Lease:
    """Take the lock of a scratch database, at once or not at all: LockError tells that somebody works in it."""
    return locking.acquire(
        scratch, kind.what, lease_seconds=LEASE_SECONDS, timeout_seconds=0, observer=_silent, force=force
    )


def free(scratch: Deployment, kind: Kind) -> None:
    """Take the lock from a process that is known to be dead. Its transaction ends, for which a drop would wait."""
    state = locking.read_state(scratch)
    if state is not None and state.holder is not None:
        acquire(scratch, kind, force=True).release()


def drop(scratch: Deployment, kind: Kind) -> None:
    """Drop a scratch database and those that belong to it; the one whose lock tells who is at work goes last.

    Drops no other: ValueError.
    """
    name = scratch.database_name
    if kind.owner(name) != name:
        raise ValueError(f"{name} is no scratch database")
    for suffix in (*kind.suffixes, ""):
        one = scratch.elsewhere(name + suffix)
        free(one, kind)
        with translated(scratch.address):
            scratch.client.drop_database(one.database_name)


def drop_leftovers(
    deployment: Deployment, kind: Kind, observer: Observer, *, is_kept: Callable[[Deployment], bool] | None = None
) -> tuple[str, ...]:
    """Drop what killed processes have left for the database of `deployment`; returns the names.

    One that somebody works in stays, and so does one that `is_kept` on purpose.
    """
    mine = kind.stem(deployment.database_name)
    with translated(deployment.address):
        found = deployment.client.list_databases(filter={"name": {"$regex": re.escape(kind.separator)}}, nameOnly=True)
        listed = {database["name"] for database in found if database["name"].startswith(mine)}
    dropped: list[str] = []
    for name in sorted({owner for one in listed if (owner := kind.owner(one)) is not None}):
        scratch = deployment.elsewhere(name)
        if name in listed and ((is_kept is not None and is_kept(scratch)) or not _is_left(scratch, kind)):
            continue
        drop(scratch, kind)
        dropped.append(name)
    if dropped:
        notify(observer, Notice(f"dropped what a killed `{kind.what}` had left: {', '.join(dropped)}"))
    return tuple(dropped)


def _is_left(scratch: Deployment, kind: Kind) -> bool:
    try:
        acquire(scratch, kind).release()
    except LockError:
        return False  # somebody works in it, or is dropping it as well
    return True


def _silent(event: Event) -> None:
    """It is no lock of the real database."""
