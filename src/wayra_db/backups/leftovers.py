"""What restores and imports that were cut off have left in the database: found, and brought to an end."""

from __future__ import annotations

from collections.abc import Iterable

from wayra_db.backups.live import TEMPORARY
from wayra_db.environment import Action
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

IMPORTED = "_wayra_import_"


def read_leftovers(deployment: Deployment) -> tuple[str, ...]:
    """The temporary collections of restores and imports, also of one that is under way. One read; writes nothing."""
    with translated(deployment.address):
        return temporary(deployment.metadata.list_collection_names())


def temporary(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the collections that a restore or an import has made for a time. Pure."""
    return tuple(sorted(name for name in names if name.startswith((TEMPORARY, IMPORTED))))


def clean(guard: Guard) -> tuple[str, ...]:
    """Drop what restores have left, and finish or undo imports; returns the temporary collections that are gone.

    Locks and writes only when there are some. Not while a swap is unfinished: see `swap.finish`, which comes first.
    """
    from wayra_db.backups.swap import drop_leftovers
    from wayra_db.backups.transfer.staging import finish_imports

    if not read_leftovers(guard.deployment):
        return ()
    with guard.changing(Action.FINISH_RESTORE, "backup restore --continue") as lease:
        names = read_leftovers(guard.deployment)  # whose they were may have ended meanwhile
        drop_leftovers(guard, lease)
        finish_imports(guard, lease)
        lease.write({"event": "leftovers removed", "collections": list(names)})
    return names
