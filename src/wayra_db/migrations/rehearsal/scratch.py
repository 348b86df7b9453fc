"""Databases to rehearse in: made under a name of their own, held by their own lock, dropped at the end.

    <database>_wayra_rehearsal_<random>            where the migrations run
    <database>_wayra_rehearsal_<random>_crash      where they are killed
    <database>_wayra_rehearsal_<random>_start      what each kill starts from

A process that is killed cannot drop them. The next rehearsal does: whoever works in one holds its lock.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from wayra_db import locking, meta
from wayra_db.environment import Action, Environment
from wayra_db.errors import LockError
from wayra_db.events import Notice, Observer, notify
from wayra_db.guard import Guard
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

SEPARATOR = "_wayra_rehearsal_"
NAME = re.compile(r".*_wayra_rehearsal_[0-9a-f]{8}(_crash|_start)?", re.DOTALL)
LONGEST_NAME_BYTES = 63  # what MongoDB allows
CRASH, START = "_crash", "_start"
KEPT = "rehearsal kept"
WHAT = "migrate rehearse"
# Long: reading a large collection may keep this process busy, and nobody waits for a scratch database.
LEASE_SECONDS = 60.0


def new_name(database: str) -> str:
    """A name for the scratch database of `database` that nobody has."""
    return f"{prefix(database)}{secrets.token_hex(4)}"


def prefix(database: str) -> str:
    """What the names of the scratch databases of `database` begin with."""
    room = LONGEST_NAME_BYTES - len(SEPARATOR) - 8 - max(len(CRASH), len(START))
    return database.encode()[:room].decode(errors="ignore") + SEPARATOR


def is_scratch(name: str) -> bool:
    """Whether a database is one of a rehearsal."""
    return NAME.fullmatch(name) is not None


@contextmanager
def scratch_database(guard: Guard, *, keep: bool = False) -> Iterator[Guard]:
    """Make the database of `guard`, for the block; dropped afterwards whatever happens, unless `keep`.

    The guard holds its lock throughout, which tells others that somebody is at work in it.
    """
    deployment, stop = guard.deployment, guard.stop
    kept = False
    try:
        mark(deployment, guard.environment)
        with guard.changing(Action.MIGRATE, WHAT) as lease:
            yield guard
            if keep:
                lease.write({"event": KEPT}, commands.insert(meta.COLLECTION, {"_id": KEPT}))
                kept = True
    finally:
        if not kept:
            with stop.protected():
                drop(deployment)


def mark(deployment: Deployment, environment: Environment) -> None:
    """Let the database belong to `environment`, so that migrations may run and be rolled back in it."""
    with translated(deployment.address):
        commands.execute(deployment.metadata, [meta.store_marker(meta.Marker(environment.value))], None)


def drop(deployment: Deployment) -> None:
    """Drop a scratch database and those beside it; the one whose lock tells who is at work goes last."""
    name = deployment.database_name
    if not is_scratch(name):
        raise ValueError(f"{name} is no scratch database")
    for suffix in (CRASH, START, ""):
        one = deployment.elsewhere(name + suffix)
        free(one)
        with translated(deployment.address):
            deployment.client.drop_database(one.database_name)


def free(deployment: Deployment) -> None:
    """Take the lock from a process that is known to be dead. Its transaction ends, for which a drop would wait."""
    state = locking.read_state(deployment)
    if state is not None and state.holder is not None:
        _acquire(deployment, force=True)


def _acquire(deployment: Deployment, *, force: bool) -> None:
    locking.acquire(
        deployment,
        WHAT,
        lease_seconds=LEASE_SECONDS,
        timeout_seconds=0,
        observer=lambda event: None,  # it is no lock of the real database
        force=force,
    ).release()


def drop_leftovers(deployment: Deployment, observer: Observer) -> tuple[str, ...]:
    """Drop the scratch databases for this deployment's database that killed rehearsals have left; returns their names.

    One that somebody works in, or that was kept on purpose, stays.
    """
    mine = prefix(deployment.database_name)
    with translated(deployment.address):
        found = deployment.client.list_databases(filter={"name": {"$regex": SEPARATOR}}, nameOnly=True)
        listed = [database["name"] for database in found if database["name"].startswith(mine)]
    owners = sorted({name.removesuffix(CRASH).removesuffix(START) for name in listed if is_scratch(name)})
    dropped = tuple(name for name in owners if _drop_if_left(deployment.elsewhere(name), name in listed))
    if dropped:
        notify(observer, Notice(f"dropped what killed rehearsals had left: {', '.join(dropped)}"))
    return dropped


def _drop_if_left(deployment: Deployment, exists: bool) -> bool:
    if exists:
        with translated(deployment.address):
            if deployment.metadata[meta.COLLECTION].find_one({"_id": KEPT}):
                return False
        try:
            _acquire(deployment, force=False)
        except LockError:
            return False  # somebody works in it, or is dropping it as well
    drop(deployment)
    return True
