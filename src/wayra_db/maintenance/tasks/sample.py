"""`sample`: how much collections hold and indexes are used, kept so that both are known over months."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from wayra_db.guard import Guard
from wayra_db.indexes import IndexManager
from wayra_db.indexes.charts import size
from wayra_db.locking import Lease
from wayra_db.maintenance.model import Done, PlannedTask, Request, Task
from wayra_db.maintenance.worker import counted
from wayra_db.mongo.errors import translated

COLLECTION = "_wayra_samples"
FORMAT = 1
# As long as those of indexes; older ones are removed as new ones come.
KEPT_DAYS = 400


class Sizes(Protocol):
    """A collection's counts and sizes in bytes, `data_size` uncompressed."""

    @property
    def name(self) -> str:
        """The collection."""

    @property
    def documents(self) -> int:
        """How many."""

    @property
    def data_size(self) -> int:
        """Of the documents."""

    @property
    def storage_size(self) -> int:
        """Of the file."""

    @property
    def index_size(self) -> int:
        """Of all its indexes."""


@dataclass
class Sampling:
    """Writes into `_wayra_samples` and `_wayra_index_samples`; `sizes` reads what collections hold."""

    guard: Guard
    indexes: IndexManager
    sizes: Callable[[], Sequence[Sizes]]

    def plan(self, request: Request) -> PlannedTask:
        """Always due."""
        return PlannedTask(Task.SAMPLE, work=("keep what collections hold and how much indexes are used",))

    def run(self, planned: PlannedTask, lease: Lease) -> Done:
        """Keep a sample of each collection and of the index counters, and let go of those past their time."""
        sizes, deployment = self.sizes(), self.guard.deployment
        with translated(deployment.address):
            now: datetime = deployment.client.admin.command("hello")["localTime"]
        samples = [to_document(one, now) for one in sizes]
        if samples:
            lease.write(
                {"event": "growth sampled", "collections": len(samples)},
                {"insert": COLLECTION, "documents": samples},
                {"delete": COLLECTION, "deletes": [{"q": before(now - timedelta(days=KEPT_DAYS)), "limit": 0}]},
            )
        counters = self.indexes.sample_usage().counters
        total = sum(one.data_size for one in sizes)
        indexes = len({(one.collection, one.index) for one in counters})
        return Done(
            f"{counted(len(samples), 'collection')} with {size(total)}, {counted(indexes, 'index', 'indexes')}",
            changed=True,
        )


def to_document(one: Sizes, at: datetime) -> dict[str, Any]:
    """A sample as it is kept."""
    return {
        "at": at,
        "collection": one.name,
        "documents": one.documents,
        "data_bytes": one.data_size,
        "storage_bytes": one.storage_size,
        "index_bytes": one.index_size,
        "format": FORMAT,
    }


def before(moment: datetime) -> Mapping[str, Any]:
    """The samples that were taken before a moment, found by the time in their ids."""
    from bson import ObjectId

    # An id tells the time of the server's clock to the second; `at` is what counts.
    return {"_id": {"$lt": ObjectId.from_datetime(moment + timedelta(days=1))}, "at": {"$lt": moment}}
