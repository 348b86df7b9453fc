"""What `up(db, ctx)` and `down(db, ctx)` may use besides the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wayra_db.context import Context
from wayra_db.errors import MigrationError

if TYPE_CHECKING:
    from wayra_db.migrations.batches import Batches, Run

DEFAULT_SIZE = 1000


@dataclass(frozen=True, slots=True)
class MigrationContext(Context):
    """A Context that can also go over large collections in batches."""

    _run: Run | None = field(default=None, repr=False)

    def batches(
        self,
        collection: str,
        filter: Mapping[str, Any] | None = None,
        *,
        size: int = DEFAULT_SIZE,
        key: str = "_id",
    ) -> Batches:
        """Walk over the documents of `collection` that match `filter`, `size` at a time, in the order of `key`.

            for batch in ctx.batches("users", {"role": {"$exists": False}}):
                db.users.update_many(batch.filter, {"$set": {"role": "user"}})

        Each batch commits in one transaction with a checkpoint, so that a run that is killed goes on where it stopped
        and no document is done twice; what stands outside the loop is run again then. Waits when the deployment falls
        behind, and stops between batches when asked to. `key` needs an index and one value a document. In an
        `async def`, use `async for`.
        """
        if self._run is None:
            raise MigrationError(
                "ctx.batches cannot run inside one transaction: each batch is a transaction of its own",
                hint="Remove `transactional = True`, and write `ctx.batches(...)`, so that it is seen in the file.",
            )
        return self._run.batches(collection, {} if filter is None else filter, size=size, key=key)
