"""Proposed indexes tried on a scratch copy: what each recorded query reads before and after, which index it chose.

Queries are explained, never run on the real database, which is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.errors import IndexManagementError
from wayra_db.events import Observer, Progress, notify
from wayra_db.guard import Guard
from wayra_db.indexes.advice.operations import Command, joined_by
from wayra_db.indexes.advice.plans import Cost, cost_of
from wayra_db.indexes.advice.propose import Judged, Proposal
from wayra_db.indexes.advice.sampling import read_options
from wayra_db.indexes.live import read_indexes
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.scratch import Kind, drop_leftovers, scratch_database

SCRATCH = Kind("_wayra_advice_", "indexes suggest --prove")
SAMPLE_DOCUMENTS = 5000
EXPLAIN_AT_MOST_MILLISECONDS = 60_000
# A copy may fill so much of what is free on the server's disk.
FREE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ProvedQuery:
    """One recorded query, by its shape: what it cost before and after, and the indexes it chose."""

    shape: str
    before: Cost
    after: Cost

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"shape": self.shape, "before": self.before.to_dict(), "after": self.after.to_dict()}


@dataclass(frozen=True, slots=True)
class ProvedIndex:
    """A proposal: how many of the queries that it is for chose it, and why it could not be built, where that is so.

    `size_bytes` is what it takes on the copy.
    """

    collection: str
    name: str
    queries: int
    chosen: int
    refused: str = ""
    size_bytes: int = 0

    @property
    def marked(self) -> bool:
        """Whether there is reason to doubt it; a sample can be wrong, so it is not withdrawn."""
        return bool(self.refused) or (self.queries > 0 and not self.chosen)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "collection": self.collection,
            "name": self.name,
            "queries": self.queries,
            "chosen": self.chosen,
            "marked": self.marked,
            "refused": self.refused,
            "sizeBytes": self.size_bytes,
        }


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found on the copy; `copied` says of each collection how many of its documents that was."""

    queries: tuple[ProvedQuery, ...]
    indexes: tuple[ProvedIndex, ...]
    copied: Mapping[str, tuple[int, int]]

    def of(self, collection: str, name: str) -> ProvedIndex | None:
        """What was found of one proposal."""
        return next((one for one in self.indexes if (one.collection, one.name) == (collection, name)), None)

    @property
    def documents_before(self) -> int:
        """Documents that all the queries read before."""
        return sum(one.before.documents for one in self.queries)

    @property
    def documents_after(self) -> int:
        """Documents that all the queries read after."""
        return sum(one.after.documents for one in self.queries)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "copied": [{"collection": name, "documents": some, "of": of} for name, (some, of) in self.copied.items()],
            "documentsBefore": self.documents_before,
            "documentsAfter": self.documents_after,
            "queries": [one.to_dict() for one in self.queries],
            "indexes": [one.to_dict() for one in self.indexes],
        }


def prove(guard: Guard, proposals: Sequence[Proposal], judged: Sequence[Judged], *, whole: bool = False) -> Proof:
    """Try the proposals on a copy of their collections, a sample of each or the `whole`, and drop it again.

    Live indexes are built on the copy as well, without the times after which documents would expire. Writes only into
    a database of its own, which needs readWriteAnyDatabase; on the source it reads. Raises IndexManagementError when
    there is no room for a whole copy.
    """
    deployment, stop = guard.deployment, guard.stop
    proposed = {one.collection for one in proposals}
    if not proposed:
        return Proof((), (), {})
    recorded = [
        (one.observed.shape.id, command)
        for one in judged
        if one.observed.shape.collection in proposed
        for command in one.observed.examples
    ]
    # A $lookup is asked from another collection, which has to be there as well; a view cannot be copied.
    others = read_options(deployment, {name for _, command in recorded for name in joined_by(command)})
    examples = [(id, command) for id, command in recorded if all(name in others for name in joined_by(command)[:1])]
    names = sorted(proposed | {name for _, command in examples for name in joined_by(command) if name in others})
    drop_leftovers(deployment, SCRATCH, guard.observer)
    if whole:
        _check_room(deployment, names)
    live = read_indexes(deployment, names)
    with scratch_database(deployment, SCRATCH, stop) as copy:
        copied = {}
        for name in names:
            stop.check()
            copied[name] = _copy(deployment, copy, name, live[name], whole, guard.observer)
        before = _explain_all(copy, examples, stop.check)
        refused = {}
        for one in proposals:
            stop.check()
            refused[one.collection, one.name] = _build(copy, one)
        after = _explain_all(copy, examples, stop.check)
        sizes = {name: _sizes(copy, name) for name in proposed}
    queries = tuple(ProvedQuery(shape, old, new) for (shape, _), old, new in zip(examples, before, after, strict=True))
    return Proof(queries, tuple(_proved(one, queries, refused, sizes) for one in proposals), copied)


def _proved(
    proposal: Proposal,
    queries: Sequence[ProvedQuery],
    refused: Mapping[tuple[str, str], str],
    sizes: Mapping[str, Mapping[str, int]],
) -> ProvedIndex:
    meant = [one for one in queries if one.shape in proposal.shapes]
    return ProvedIndex(
        proposal.collection,
        proposal.name,
        len(meant),
        sum(proposal.name in one.after.indexes for one in meant),
        refused[proposal.collection, proposal.name],
        sizes[proposal.collection].get(proposal.name, 0),
    )


def _copy(
    source: Deployment, copy: Deployment, name: str, live: Iterable[Mapping[str, Any]], whole: bool, observer: Observer
) -> tuple[int, int]:
    """Copy one collection by the server itself, with its collation and its indexes."""
    with translated(copy.address):
        listed = next(iter(source.database.list_collections(filter={"name": name})), {})
        collation = listed.get("options", {}).get("collation")
        copy.metadata.command({"create": name, **({"collation": collation} if collation else {})})
        documents = source.database[name].estimated_document_count()
        wanted = documents if whole else min(SAMPLE_DOCUMENTS, documents)
        notify(observer, Progress(f"copy {name}", 0, wanted, "documents"))
        stages: list[dict[str, Any]] = [] if wanted == documents else [{"$sample": {"size": wanted}}]
        source.metadata[name].aggregate([*stages, {"$out": {"db": copy.database_name, "coll": name}}])
        notify(observer, Progress(f"copy {name}", wanted, wanted, "documents"))
        indexes = [_harmless(index) for index in live if index["name"] != "_id_" and "buildUUID" not in index]
        if indexes:
            copy.metadata.command({"createIndexes": name, "indexes": indexes})
    return wanted, documents


def _harmless(index: Mapping[str, Any]) -> dict[str, Any]:
    """A live index as it can be built on the copy: without deleting documents there."""
    left = {key: value for key, value in index.items() if key not in ("ns", "expireAfterSeconds", "prepareUnique")}
    # A live index that has no collation is without one; in a command it would take the collection's.
    return {"collation": {"locale": "simple"}, **left}


def _build(copy: Deployment, proposal: Proposal) -> str:
    """Build one proposal on the copy; returns why the server refused it, empty when it did not."""
    from pymongo.errors import OperationFailure

    with translated(copy.address):
        try:
            copy.metadata.command({"createIndexes": proposal.collection, "indexes": [dict(proposal.document)]})
        except OperationFailure as error:
            # The server's text may quote a document's keys.
            return REFUSALS.get(error.code or 0, f"the server refused it (code {error.code})")
    return ""


REFUSALS = {
    171: "two of its fields hold arrays in one document (parallel arrays)",
    67: "the collection would have more than 64 indexes",
    16755: "a value of its geo field is no place",
}


def _explain_all(copy: Deployment, examples: Sequence[tuple[str, Command]], check: Callable[[], None]) -> list[Cost]:
    found: list[Cost] = []
    for _, command in examples:
        check()
        found.append(explain_cost(copy, command))
    return found


def explain_cost(deployment: Deployment, command: Command) -> Cost:
    """What a command costs by the server's own account; a command that it refuses costs nothing and says so."""
    from pymongo.errors import OperationFailure

    with translated(deployment.address):
        try:
            reply = deployment.metadata.command(
                {"explain": dict(command), "verbosity": "executionStats", "maxTimeMS": EXPLAIN_AT_MOST_MILLISECONDS}
            )
        except OperationFailure as error:
            return Cost(failed=f"code {error.code}")
    return cost_of(reply)


def _sizes(copy: Deployment, name: str) -> Mapping[str, int]:
    with translated(copy.address):
        sizes: Mapping[str, int] = copy.metadata.command("collStats", name)["indexSizes"]
        return sizes


def _check_room(deployment: Deployment, names: Sequence[str]) -> None:
    with translated(deployment.address):
        needed = sum(int(deployment.database.command("collStats", name).get("storageSize", 0)) for name in names)
        stats = deployment.database.command("dbStats")
    total, used = stats.get("fsTotalSize"), stats.get("fsUsedSize")
    if total is not None and used is not None and needed > FREE_SHARE * (total - used):
        raise IndexManagementError(
            f"a whole copy of {', '.join(names)} takes {needed:,} bytes, and {int(total - used):,} are free on the "
            "server's disk; nothing was copied",
            hint="Leave out --whole: a sample of each collection shows most of it.",
        )
