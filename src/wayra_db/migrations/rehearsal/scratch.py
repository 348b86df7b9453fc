"""Databases to rehearse in: see `wayra_db.scratch`.

<database>_wayra_rehearsal_<random>            where the migrations run
<database>_wayra_rehearsal_<random>_crash      where they are killed
<database>_wayra_rehearsal_<random>_start      what each kill starts from
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wayra_db import meta, scratch
from wayra_db.environment import Action, Environment
from wayra_db.events import Observer
from wayra_db.guard import Guard
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

CRASH, START = "_crash", "_start"
KIND = scratch.Kind("_wayra_rehearsal_", "migrate rehearse", (CRASH, START))
LEASE_SECONDS = scratch.LEASE_SECONDS
KEPT = "rehearsal kept"


@contextmanager
def scratch_database(guard: Guard, *, keep: bool = False) -> Iterator[Guard]:
    """Make the database of `guard`, for the block; dropped afterwards whatever happens, unless `keep`.

    The guard holds its lock throughout, which tells others that somebody is at work in it.
    """
    deployment, stop = guard.deployment, guard.stop
    kept = False
    try:
        mark(deployment, guard.environment)
        with guard.changing(Action.MIGRATE, KIND.what) as lease:
            yield guard
            if keep:
                lease.write({"event": KEPT}, commands.insert(meta.COLLECTION, {"_id": KEPT}))
                kept = True
    finally:
        if not kept:
            with stop.protected():
                scratch.drop(deployment, KIND)


def mark(deployment: Deployment, environment: Environment) -> None:
    """Let the database belong to `environment`, so that migrations may run and be rolled back in it."""
    with translated(deployment.address):
        commands.execute(deployment.metadata, [meta.store_marker(meta.Marker(environment.value))], None)


def free(deployment: Deployment) -> None:
    """Take the lock of a scratch database from a process that is known to be dead."""
    scratch.free(deployment, KIND)


def drop_leftovers(deployment: Deployment, observer: Observer) -> tuple[str, ...]:
    """Drop what killed rehearsals have left for this deployment's database, and nothing that was kept on purpose."""
    return scratch.drop_leftovers(deployment, KIND, observer, is_kept=_is_kept)


def _is_kept(deployment: Deployment) -> bool:
    with translated(deployment.address):
        return deployment.metadata[meta.COLLECTION].find_one({"_id": KEPT}) is not None
