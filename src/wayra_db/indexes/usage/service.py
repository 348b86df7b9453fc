"""IndexUsage: how much live indexes are used, what they take, and what speaks against some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from wayra_db.environment import Action
from wayra_db.guard import Guard
from wayra_db.indexes.facts import read_shard_keys
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.usage import read
from wayra_db.indexes.usage.history import Sample, to_document, use_of
from wayra_db.indexes.usage.judge import DEFAULT, Limits, Spread, Surroundings, judge_all
from wayra_db.indexes.usage.model import LiveIndex, UsageReport
from wayra_db.mongo import commands
from wayra_db.schema.collection import Collection

# Older samples are removed as new ones come.
KEPT_DAYS = 400
FORMAT = 1


class IndexUsage:
    """Reads what members count; `declared` are the project's collections."""

    def __init__(self, guard: Guard, declared: Sequence[Collection] = ()) -> None:
        self._guard = guard
        self._declared = {collection.name: collection for collection in declared}

    def report(self, limits: Limits | None = None) -> UsageReport:
        """All live indexes of the user's collections with their use and size, and what speaks against some.

        Reads only: three requests, three a collection, and one more a collection for each member. Counters begin anew
        when a member restarts; kept samples (see `sample`) know what was before.
        """
        deployment, limits = self._guard.deployment, limits or DEFAULT
        names = read.read_names(deployment)
        live = read_indexes(deployment, names)
        now, members = read.read_counters(deployment, names)
        samples = [*read.read_samples(deployment), now]
        complete = not members.unreachable and not deployment.capabilities.sharded
        asked = members.addresses or tuple(dict.fromkeys(counter.member for counter in now.counters))
        indexes: list[LiveIndex] = []
        spreads: dict[str, Spread] = {}
        for name in names:
            sizes = read.read_sizes(deployment, name)
            if sizes.documents >= limits.smallest_collection:
                spreads |= read.read_spreads(deployment, name, live[name])
            for document in live[name]:
                key = tuple(document["key"].items())
                use = use_of(name, document["name"], key, samples, members=asked, complete=complete)
                indexes.append(
                    LiveIndex(
                        name,
                        document,
                        use,
                        sizes.indexes.get(document["name"], 0),
                        sizes.cached.get(document["name"]),
                        sizes.data,
                        sizes.documents,
                        self._is_declared(name, document),
                    )
                )
        around = Surroundings(read_shard_keys(deployment, names), spreads)
        return UsageReport(
            now.at, tuple(indexes), judge_all(indexes, around, limits), asked, members.unreachable, len(samples) - 1
        )

    def sample(self) -> Sample:
        """Keep what each member counts now, so that use is known over weeks, whatever restarts in between.

        Locks, writes one document into `_wayra_index_samples` and the audit log, and removes samples past their time.
        """
        deployment = self._guard.deployment
        with self._guard.changing(Action.SAMPLE_INDEXES, "indexes usage --sample") as lease:
            taken, members = read.read_counters(deployment, read.read_names(deployment))
            old: dict[str, Any] = {"q": {"at": {"$lt": taken.at - timedelta(days=KEPT_DAYS)}}, "limit": 0}
            lease.write(
                {"event": "index use sampled", "members": len(members.addresses) or 1},
                commands.insert(read.COLLECTION, {"format": FORMAT, **to_document(taken)}),
                {"delete": read.COLLECTION, "deletes": [old]},
            )
        return taken

    def _is_declared(self, collection: str, document: Any) -> bool:
        """Whether the declaration names an index with this key."""
        declared = self._declared.get(collection)
        keys = [list(one["key"].items()) for one in declared.index_documents()] if declared else []
        return list(document["key"].items()) in keys
