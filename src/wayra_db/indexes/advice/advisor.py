"""IndexAdvisor: from what was recorded to proposed indexes, proved on a copy when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from wayra_db.environment import Action
from wayra_db.errors import IndexManagementError
from wayra_db.guard import Guard
from wayra_db.indexes.advice.operations import Operation, from_command
from wayra_db.indexes.advice.plans import Explained, in_words
from wayra_db.indexes.advice.propose import Judged, Proposal, propose
from wayra_db.indexes.advice.prove import Proof, prove
from wayra_db.indexes.advice.sampling import read_facts, read_options
from wayra_db.indexes.advice.shapes import Observed, group, shape_of
from wayra_db.indexes.advice.sources import Recorded, read_log, read_profile, read_query_stats
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.plan import Step, plan_indexes
from wayra_db.mongo.errors import translated
from wayra_db.schema.collection import Collection

EXPLAIN_AT_MOST_MILLISECONDS = 10_000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The proposed indexes, the weightiest first, what became of each recorded shape, and the proof where one was asked
    for.
    """

    recorded: Recorded
    proposals: tuple[Proposal, ...]
    shapes: tuple[Judged, ...]
    proof: Proof | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without any of a document."""
        return {
            "recorded": self.recorded.to_dict(),
            "proposals": [
                {**one.to_dict(), "proof": proved.to_dict() if (proved := self._proved(one)) else None}
                for one in self.proposals
            ],
            "shapes": [one.to_dict() for one in self.shapes],
            "proof": self.proof.to_dict() if self.proof else None,
        }

    def _proved(self, proposal: Proposal) -> Any:
        return self.proof.of(proposal.collection, proposal.name) if self.proof else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A query's plan in words. `shape` is the query without its values."""

    shape: str
    sentences: tuple[str, ...]
    proposals: tuple[Proposal, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "shape": self.shape,
            "plan": list(self.sentences),
            "proposals": [one.to_dict() for one in self.proposals],
        }


class IndexAdvisor:
    """Proposes indexes for what the applications really ask; builds none.

    `declared` are the project's collections: an index that is declared and not built yet is not proposed again.
    """

    def __init__(self, guard: Guard, declared: Sequence[Collection] = ()) -> None:
        self._guard = guard
        self._declared = {collection.name: collection for collection in declared}

    def recorded(
        self, *, log: Path | None = None, query_stats: bool = False, since: datetime | None = None
    ) -> Recorded:
        """What was recorded, by the profiler of each member unless told otherwise. Reads only.

        Raises IndexManagementError for a file that is no log, UnsupportedDeploymentError without `$queryStats`.
        """
        if log is not None:
            return read_log(self._guard.deployment, log)
        if query_stats:
            return read_query_stats(self._guard.deployment)
        return read_profile(self._guard.deployment, since)

    def suggest(self, recorded: Recorded | None = None, *, prove_it: bool = False, whole: bool = False) -> Suggestion:
        """The indexes that what was `recorded` (the profiler's, by default) asks for.

        Three reads a collection, one of which samples documents. With `prove_it` the proposals are tried on a copy of
        the collections, in a database of its own that is dropped again, sampled unless `whole`: see `prove`. Nothing
        else is written.
        """
        recorded = self.recorded() if recorded is None else recorded
        _, proposals, judged = self._propose(recorded.operations)
        suggestion = Suggestion(recorded, proposals, judged)
        if not prove_it:
            return suggestion
        self._guard.require(Action.PROVE_INDEXES)
        return replace(suggestion, proof=prove(self._guard, proposals, judged, whole=whole))

    def shapes(self, recorded: Recorded) -> tuple[Observed, ...]:
        """What was recorded, by shape, the most costly first. One read."""
        names = {one.collection for one in recorded.operations}
        options = read_options(self._guard.deployment, names)
        return group(recorded.operations, _collations(options))

    def operation(self, text: str) -> Operation:
        """The query that `text` holds: a command as extended JSON, as the shell or the server's log has it.

        Raises IndexManagementError for anything else.
        """
        from bson.json_util import loads

        example = '{"find": "trips", "filter": {"status": "booked"}, "sort": {"createdAt": -1}}'
        try:
            command = loads(text)
        except (ValueError, TypeError) as error:
            raise IndexManagementError("this is no JSON", hint=f"Write a command: {example}") from error
        found = None
        if isinstance(command, Mapping):
            found = from_command(self._guard.deployment.database_name, command)
        if found is None:
            raise IndexManagementError(
                "this is no command that finds documents",
                hint=f"find, aggregate, count, distinct, update, delete and findAndModify do: {example}",
            )
        return found

    def recorded_operation(self, shape: str) -> Operation:
        """The most costly operation of a shape, by its id, that the profiler has recorded. Two reads, one a member."""
        recorded = self.recorded()
        options = read_options(self._guard.deployment, {one.collection for one in recorded.operations})
        collations = _collations(options)
        found = [
            one
            for one in recorded.operations
            if shape_of(one, collations.get(one.collection)).id == shape and one.command
        ]
        if not found:
            raise IndexManagementError(
                f"no recorded query has the shape {shape}",
                hint="List them: wayra-db indexes profile report",
            )
        return max(found, key=lambda one: (one.documents_examined, one.milliseconds))

    def explain(self, operation: Operation, *, execute: bool = True) -> Explanation:
        """How the server answers a query now, in words, and the index that would serve it better.

        With `execute` the server also carries it out, to count; nothing it finds is returned, and what would change
        documents only looks for them. It is given ten seconds. Raises IndexManagementError where the query cannot be
        explained.
        """
        from pymongo.errors import OperationFailure

        if operation.command is None:
            raise IndexManagementError(
                "this query was recorded without its values, so the server cannot be asked about it",
                hint="Write one into a file and name that: wayra-db indexes explain query.json",
            )
        verbosity = "executionStats" if execute else "queryPlanner"
        deployment = self._guard.deployment
        asked = {
            "explain": dict(operation.command),
            "verbosity": verbosity,
            "maxTimeMS": EXPLAIN_AT_MOST_MILLISECONDS,
        }
        with translated(deployment.address):
            try:
                reply: Explained = deployment.database.command(asked)
            except OperationFailure as error:
                # The server's text may quote the query's values.
                raise IndexManagementError(
                    f"the server cannot explain this query (code {error.code})",
                    hint="Check its operators; a query that takes more than ten seconds needs --plan-only.",
                ) from error
        asked_now = replace(operation, plan="", documents_examined=0, returned=None)
        observed, proposals, _ = self._propose((asked_now,))
        shape = observed[0].shape if observed else shape_of(operation)  # there is no such collection
        return Explanation(str(shape), in_words(reply), proposals)

    def _propose(
        self, operations: Sequence[Operation]
    ) -> tuple[tuple[Observed, ...], tuple[Proposal, ...], tuple[Judged, ...]]:
        deployment = self._guard.deployment
        options = read_options(deployment, {one.collection for one in operations})
        collations = _collations(options)
        observed = group([one for one in operations if one.collection in options], collations)
        live = read_indexes(deployment, options)
        validators = {name: one.validator for name, one in self._declared.items()}
        facts = read_facts(deployment, options, validators)
        declared = {name: one.index_documents() for name, one in self._declared.items() if name in options}
        missing: dict[str, list[Mapping[str, Any]]] = {}
        for index in plan_indexes(declared, live, collations).of(Step.CREATE, Step.WAIT, Step.SWAP, Step.REBUILD):
            missing.setdefault(index.collection, []).append(index.document)
        proposals, judged = propose(observed, facts, live, declared=missing, collations=collations)
        return observed, proposals, judged


def _collations(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {name: found["collation"] for name, found in options.items() if found.get("collation")}
