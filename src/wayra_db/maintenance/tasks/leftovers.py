"""`leftovers`: what killed runs have left, in the database and beside it. Nothing that somebody works in is touched."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from wayra_db import locking, meta, scratch
from wayra_db.backups.live import TEMPORARY as RESTORE
from wayra_db.backups.transfer.staging import PREFIX as IMPORT
from wayra_db.guard import Guard
from wayra_db.indexes import asking
from wayra_db.indexes.advice.prove import SCRATCH as PROOF
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.usage.read import read_names
from wayra_db.locking import Lease
from wayra_db.maintenance import rebuilding
from wayra_db.maintenance.model import Done, PlannedTask, Request, Task
from wayra_db.maintenance.worker import counted
from wayra_db.migrations import checkpoints
from wayra_db.migrations import history as migration_history
from wayra_db.migrations.model import RecordState
from wayra_db.migrations.rehearsal import scratch as rehearsals
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

# `backup verify --deep` restores into a database of its own, whose lock it holds only for a part of the time.
VERIFY = re.compile(r"wayra_verify_[0-9a-f]{16}")
VERIFY_DAYS = 7
_OVER = (RecordState.APPLIED, RecordState.ROLLED_BACK)


@dataclass(frozen=True, slots=True)
class LeftoversPlan(PlannedTask):
    """What is to go: collections and databases by name, checkpoints by the version of their migration, and the
    collections with twins of indexes.
    """

    collections: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    checkpoints: tuple[int, ...] = ()
    twins: tuple[str, ...] = ()


@dataclass
class Leftovers:
    """What killed runs have left, and checkpoints of migrations that are over."""

    guard: Guard

    def plan(self, request: Request) -> LeftoversPlan:
        """What there is. While a run that may own a temporary collection holds the lock, it is found as well; the work
        waits for that lock.
        """
        deployment = self.guard.deployment
        names = _collection_names(deployment)
        merging = _merging(deployment)
        collections = rubbish(names, merging, now=time.time())
        databases = _databases(deployment)
        over = _over(deployment)
        twins = _with_twins(deployment)
        work = [f"drop the temporary collection {name}" for name in collections]
        work += [f"drop the temporary database {name}" for name in databases]
        work += [f"forget the checkpoints of migration {version}, which is over" for version in over]
        work += [f"bring the indexes of {name} back that a killed rebuild has left half done" for name in twins]
        notes = [
            f"an import into {target} was cut off while documents went over: the next `wayra-db backup import` ends it"
            for target in merging.values()
        ]
        return LeftoversPlan(
            Task.LEFTOVERS,
            tuple(work),
            tuple(notes),
            collections=tuple(collections),
            databases=tuple(databases),
            checkpoints=tuple(over),
            twins=tuple(twins),
        )

    def run(self, planned: LeftoversPlan, lease: Lease) -> Done:
        """Drop what was planned and is still a leftover. The lock keeps every owner of such a collection away."""
        guard, deployment = self.guard, self.guard.deployment
        still = rubbish(_collection_names(deployment), _merging(deployment), now=time.time())
        collections = [name for name in planned.collections if name in still]
        if collections:
            lease.write({"event": "leftovers dropped", "collections": collections})
        for name in collections:
            guard.stop.check()
            lease.check()
            with translated(deployment.address):
                deployment.metadata.drop_collection(name)
        databases = self._drop_databases(planned.databases)
        over = [version for version in _over(deployment) if version in planned.checkpoints]
        if over:
            delete = {"q": {"version": {"$in": over}, "epoch": {"$lt": lease.epoch}}, "limit": 0}
            forget: commands.Command = {"delete": checkpoints.COLLECTION, "deletes": [delete]}
            lease.write({"event": "checkpoints forgotten", "versions": over}, forget)
        healed = [twin for name in planned.twins for twin in rebuilding.heal(guard, lease, name)]
        rebuilding.settle(guard, lease)
        parts = {
            counted(len(collections), "collection"): collections,
            counted(len(databases), "database"): databases,
            counted(len(over), "migration's checkpoints", "migrations' checkpoints"): over,
            counted(len(healed), "stand-in for an index", "stand-ins for indexes"): healed,
        }
        said = ", ".join(words for words, found in parts.items() if found)
        return Done(f"gone: {said}" if said else "nothing was left any more", changed=bool(said))

    def _drop_databases(self, planned: Sequence[str]) -> list[str]:
        """Each kind by its owner's own rule of whether somebody is at work in it."""
        deployment, observer = self.guard.deployment, self.guard.observer
        dropped: list[str] = []
        if any(rehearsals.KIND.separator in name for name in planned):
            dropped += rehearsals.drop_leftovers(deployment, observer)
        if any(PROOF.separator in name for name in planned):
            dropped += scratch.drop_leftovers(deployment, PROOF, observer)
        for name in planned:
            if VERIFY.fullmatch(name) and _is_left(deployment.elsewhere(name)):
                with translated(deployment.address):
                    deployment.client.drop_database(name)
                dropped.append(name)
        return dropped


def rubbish(names: Iterable[str], merging: Mapping[str, str], *, now: float) -> list[str]:
    """The temporary collections that nobody can need any more, given the lock: those of restores, of imports but for
    one whose documents were going over, and those of questions to the server once they are an hour old. Pure.
    """
    found = []
    for name in sorted(names):
        if name.startswith(RESTORE) or (name.startswith(IMPORT) and name not in merging):
            found.append(name)
        elif name.startswith(asking.SCRATCH):
            made = name.removeprefix(asking.SCRATCH).partition("_")[0]
            if made.isdigit() and int(made) < now - asking.LEFT_BEHIND_SECONDS:
                found.append(name)
    return found


def _collection_names(deployment: Deployment) -> list[str]:
    with translated(deployment.address):
        names: list[str] = deployment.metadata.list_collection_names(filter={"name": {"$regex": f"^{meta.PREFIX}"}})
    return names


def _merging(deployment: Deployment) -> dict[str, str]:
    """The collections whose documents were going over into another when an import was cut off, with that other."""
    with translated(deployment.address):
        found = deployment.metadata[meta.COLLECTION].find({"_id": {"$regex": f"^{IMPORT}"}}, {"target": 1})
        return {str(one["_id"]): str(one["target"]) for one in found}


def _over(deployment: Deployment) -> list[int]:
    """The migrations that have checkpoints and are applied or rolled back. Two reads at most."""
    versions = checkpoints.read_checkpoints(deployment)
    if not versions:
        return []
    records = migration_history.read_records(deployment)
    return sorted(version for version in versions if version in records and records[version].state in _OVER)


def _with_twins(deployment: Deployment) -> list[str]:
    live = read_indexes(deployment, read_names(deployment))
    return [name for name, documents in live.items() if rebuilding.leftover_twins(documents)]


def _databases(deployment: Deployment) -> list[str]:
    """The scratch databases of this database that nobody works in. A user who may not list them has none."""
    from pymongo.errors import OperationFailure

    pattern = f"{rehearsals.KIND.separator}|{PROOF.separator}|^{VERIFY.pattern}$"
    with translated(deployment.address):
        try:
            listed = deployment.client.list_databases(filter={"name": {"$regex": pattern}}, nameOnly=True)
            names = sorted(database["name"] for database in listed)
        except OperationFailure:
            return []
    own = (rehearsals.KIND.stem(deployment.database_name), PROOF.stem(deployment.database_name))
    return [
        name
        for name in names
        if (VERIFY.fullmatch(name) or name.startswith(own)) and _is_left(deployment.elsewhere(name))
    ]


def _is_left(database: Deployment) -> bool:
    """Whether nobody works in a scratch database: its lock is free, none is kept on purpose, and one of a verification,
    which goes on after its restore, is some days old.
    """
    state = locking.read_state(database)
    if state is not None and state.held:
        return False
    with translated(database.address):
        if database.metadata[meta.COLLECTION].find_one({"_id": rehearsals.KEPT}):
            return False
        marker: Mapping[str, Any] | None = database.metadata[meta.COLLECTION].find_one({"_id": meta.KEY})
    if not VERIFY.fullmatch(database.database_name):
        return True
    return marker is not None and marker["setAt"] < datetime.now(UTC) - timedelta(days=VERIFY_DAYS)
