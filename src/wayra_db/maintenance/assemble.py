"""Which worker does which task: the one place where a new task is entered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wayra_db.backups import BackupKeeper
from wayra_db.guard import Guard
from wayra_db.indexes import IndexManager
from wayra_db.maintenance import space
from wayra_db.maintenance.manager import Maintenance
from wayra_db.maintenance.model import Task
from wayra_db.maintenance.space import Limits
from wayra_db.maintenance.tasks.backups import Pruning, Verification
from wayra_db.maintenance.tasks.compact import Compact
from wayra_db.maintenance.tasks.leftovers import Leftovers
from wayra_db.maintenance.tasks.looks import Diagnose, Health, IndexUse, Suggestions
from wayra_db.maintenance.tasks.rebuild import Rebuilds
from wayra_db.maintenance.tasks.sample import Sampling, Sizes
from wayra_db.maintenance.tasks.validate import Validate


def assemble(
    guard: Guard,
    *,
    indexes: IndexManager,
    keeper: BackupKeeper,
    sizes: Callable[[], Sequence[Sizes]],
    diagnose: Diagnose,
    limits: Limits = space.DEFAULT,
) -> Maintenance:
    """The maintenance of one database. `sizes` reads what collections hold; `limits` say what is worth compacting."""
    return Maintenance(
        guard,
        {
            Task.SAMPLE: Sampling(guard, indexes, sizes),
            Task.INDEX_USAGE: IndexUse(indexes),
            Task.SUGGESTIONS: Suggestions(indexes),
            Task.LEFTOVERS: Leftovers(guard),
            Task.VERIFY_BACKUPS: Verification(keeper),
            Task.PRUNE_BACKUPS: Pruning(keeper),
            Task.HEALTH: Health(diagnose),
            Task.VALIDATE: Validate(guard),
            Task.REBUILD_INDEXES: Rebuilds(guard, limits),
            Task.COMPACT: Compact(guard, limits),
        },
    )
