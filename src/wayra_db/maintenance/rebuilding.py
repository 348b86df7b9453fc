"""Building indexes of one collection anew, with no moment in which queries or uniqueness are without them.

A twin of each is built beside (see `twins`), hidden; then the twin is shown and the old one dropped, the index built
again under its own name, and the twin dropped. What is under way stands in `_wayra_indexes`. Killed at any point, a
twin or the index itself is live; `heal` brings back the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wayra_db.errors import CancelledError, IndexManagementError
from wayra_db.guard import Guard
from wayra_db.indexes import history
from wayra_db.indexes.builds import Build, Builder, BuildFailure, WhenStopped
from wayra_db.indexes.history import Change
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.spec import IndexDocument, definition, is_building
from wayra_db.locking import Lease
from wayra_db.maintenance import twins
from wayra_db.mongo.errors import translate, translated

COMMAND = "rebuild"


def rebuild(guard: Guard, lease: Lease, collection: str, names: Sequence[str]) -> list[str]:
    """Build these indexes anew; returns the names of those that still were there.

    A stop while twins are built drops them again; once the old indexes are gone the rest is done first. Raises
    IndexManagementError, CancelledError, LockLostError.
    """
    live = read_indexes(guard.deployment, [collection])[collection]
    old = [one for one in live if one["name"] in names and not twins.why_not(one, live)]
    if not old:
        return []
    taken = {str(one["name"]) for one in live}
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for document in old:
        twin = twins.twin_of(document, taken)
        taken.add(str(twin["name"]))
        pairs.append((definition(document), twin))
    there = [Change(collection, "swap", one, _shown(twin)) for one, twin in pairs]
    record = history.new_record(COMMAND, lease.epoch, there)
    lease.write(_event("index rebuild started", there), history.store(record))
    try:
        _build(guard, lease, collection, [twin for _, twin in pairs], when_stopped="abort")
    except (CancelledError, IndexManagementError):
        lease.write(_event("index rebuild given up", []), history.store(history.ended(record, "failed", [])))
        raise
    back = [Change(collection, "swap", _shown(twin), one) for one, twin in pairs]
    record = replace(record, changes=tuple(back))
    with guard.stop.protected():
        lease.write(_event("index rebuild swapped", there), history.store(record))
        for one, twin in pairs:
            _exchange(guard, lease, collection, show=twin["name"], drop=one["name"], hidden=bool(one.get("hidden")))
        _build(guard, lease, collection, [{**one, "hidden": True} for one, _ in pairs], when_stopped="wait")
        for one, twin in pairs:
            _exchange(guard, lease, collection, show=one["name"], drop=twin["name"], hidden=bool(one.get("hidden")))
        # Nothing is another than before, so there is nothing to be undone.
        lease.write(_event("index rebuild done", back), history.store(history.ended(record, "done", [])))
    return [str(one["name"]) for one, _ in pairs]


def heal(guard: Guard, lease: Lease, collection: str) -> list[str]:
    """Put right what a rebuild that was killed has left; returns the indexes that were concerned.

    Where the index itself is live its twin goes, else it is built again first. Twins that are still being built stay
    for the next time.
    """
    healed: list[str] = []
    while twin := _leftover(guard, collection, healed):
        live = read_indexes(guard.deployment, [collection])[collection]
        original = twins.partner(twin, live)
        if original is not None and is_building(original):
            break
        name = str(original["name"]) if original else ""
        with guard.stop.protected():
            lease.write({"event": "index rebuild healed", "collection": collection, "index": twin["name"]})
            if original is None:
                built = twins.original_of(twin, {str(one["name"]) for one in live})
                name = built["name"]
                _build(guard, lease, collection, [{**built, "hidden": True}], when_stopped="wait")
            # A twin is shown once the index that it stands in for goes. One that is still hidden has changed nothing.
            stays_hidden = bool(twin.get("hidden")) and bool(original is None or original.get("hidden"))
            _exchange(guard, lease, collection, show=name, drop=twin["name"], hidden=stays_hidden)
        healed.append(str(twin["name"]))
    return healed


def settle(guard: Guard, lease: Lease) -> None:
    """Close the records of rebuilds that were killed. What they have left is healed, and nothing is to be undone."""
    for record in history.read_unfinished(guard.deployment):
        if record.command == COMMAND and record.epoch != lease.epoch:
            ended = history.store(history.ended(record, "interrupted", []))
            lease.write({"event": "index rebuild interrupted", "id": record.id}, ended)


def leftover_twins(live: Sequence[IndexDocument]) -> list[IndexDocument]:
    """The twins among the indexes of a collection that are built. Pure."""
    return [one for one in live if twins.is_twin(one) and not is_building(one)]


def _leftover(guard: Guard, collection: str, healed: Sequence[str]) -> IndexDocument | None:
    found = leftover_twins(read_indexes(guard.deployment, [collection])[collection])
    return next((one for one in found if one["name"] not in healed), None)


def _build(
    guard: Guard, lease: Lease, collection: str, documents: Sequence[IndexDocument], *, when_stopped: WhenStopped
) -> None:
    """One `createIndexes`, so that the collection is read once."""
    from pymongo.errors import PyMongoError

    builder = Builder(guard, lease, parallel=1, on_stop=lambda _: when_stopped)
    try:
        builder.run([Build(collection, tuple(documents))], lambda build: None)
    except BuildFailure as failure:
        if not isinstance(failure.error, PyMongoError):
            raise failure.error from failure
        known = translate(failure.error, guard.deployment.address)
        names = ", ".join(str(one["name"]) for one in documents)
        raise IndexManagementError(
            f"{names} of {collection} could not be built: {known.message}",
            hint="Queries and uniqueness are served as before; the next maintenance puts the rest right.",
        ) from failure.error


def _exchange(guard: Guard, lease: Lease, collection: str, *, show: str, drop: str, hidden: bool) -> None:
    """Let one index be used in the place of another. Between the two commands a hint by key would be unclear, so there
    is nothing between them.
    """
    lease.check()
    database = guard.deployment.metadata
    with translated(guard.deployment.address):
        if not hidden:
            database.command({"collMod": collection, "index": {"name": show, "hidden": False}})
        database.command({"dropIndexes": collection, "index": drop})


def _shown(twin: IndexDocument) -> dict[str, Any]:
    return {key: value for key, value in twin.items() if key != "hidden"}


def _event(event: str, changes: Sequence[Change]) -> dict[str, Any]:
    return {"event": event, "changes": [change.to_dict() for change in changes]}
