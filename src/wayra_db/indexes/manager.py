"""IndexManager: plans, validates, applies, retires and undoes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wayra_db import locking
from wayra_db.environment import Action
from wayra_db.errors import DeclarationError, IndexManagementError
from wayra_db.guard import Guard
from wayra_db.indexes import asking, facts, history
from wayra_db.indexes.apply import Applier, How, tell_interrupted
from wayra_db.indexes.builds import OnStop, leave
from wayra_db.indexes.changes import came_to_pass, undo_plan
from wayra_db.indexes.checks import Problem, needs_drop
from wayra_db.indexes.history import Change, Record
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.plan import (
    BUILDING,
    Collations,
    Declared,
    IndexPlan,
    PlannedIndex,
    Rules,
    Step,
    Undeclared,
    open_questions,
    plan_indexes,
)
from wayra_db.indexes.progress import read_progress
from wayra_db.indexes.retire import Retirement, RetireResult, split_namespace
from wayra_db.indexes.spec import (
    VERSIONS,
    Context,
    IndexDocument,
    definition,
    differences,
    fixed_differences,
    is_building,
)
from wayra_db.indexes.validation import Validator
from wayra_db.schema.manager import SchemaManager

if TYPE_CHECKING:
    from wayra_db.indexes.advice import IndexAdvisor, Suggestion
    from wayra_db.indexes.profiler import Profiler
    from wayra_db.indexes.usage.history import Sample
    from wayra_db.indexes.usage.judge import Limits
    from wayra_db.indexes.usage.model import UsageReport
    from wayra_db.indexes.usage.service import IndexUsage

WATCH_SECONDS = 10.0
PARALLEL = 2


@dataclass(frozen=True, slots=True)
class IndexResult:
    """What was done to which indexes, each as `collection.name`.

    `replaced` were built anew in the place of another; `kept` are undeclared ones that were to be dropped and are in
    use, with the reason.
    """

    created: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    interrupted: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.created or self.modified or self.replaced or self.hidden or self.dropped)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "changed": self.changed,
            "created": list(self.created),
            "modified": list(self.modified),
            "replaced": list(self.replaced),
            "hidden": list(self.hidden),
            "dropped": list(self.dropped),
            "kept": [{"index": name, "reason": reason} for name, reason in self.kept],
            "interrupted": list(self.interrupted),
        }


class IndexManager:
    """Brings live indexes to the declared ones. What becomes of `undeclared` ones the project says.

    `missing` is what `plan` and `apply` raise where there are no declarations to go by; all else works without.
    """

    def __init__(
        self,
        guard: Guard,
        schema: SchemaManager,
        *,
        undeclared: str = Undeclared.REPORT,
        missing: DeclarationError | None = None,
    ) -> None:
        self._guard = guard
        self._schema = schema
        self._missing = missing
        self._undeclared = Undeclared(undeclared)
        self._validator = Validator(guard, schema.collections)

    @property
    def declares(self) -> bool:
        """Whether there are declarations to go by."""
        return self._missing is None

    def plan(self, *, ask_server: bool = False, live: Declared | None = None) -> IndexPlan:
        """Declared against live. One read a declared collection, none where the caller has read what is `live` in
        each of them; writes nothing.

        Differently written filters and collations are asked of the server, which reads only. With `ask_server` each
        replacement is also put before the server on an empty scratch collection, which is made and dropped; `apply`
        always does that before it replaces anything.
        """
        plan = self._compared(live)
        if ask_server:
            plan = self._confirmed(plan)
        if plan.empty:
            return plan
        sentences = [sentence for _, said in self._interrupted() for sentence in said]
        return replace(plan, indexes=self._with_progress(plan), interrupted=tuple(sentences))

    def validate(self, plan: IndexPlan) -> list[Problem]:
        """What speaks against a plan. Reads only, but all documents of a collection that is to have a unique index or
        a new lifetime. `apply` does this by itself and asks the server as well.
        """
        return self._validator.problems(plan)

    def apply(
        self,
        plan: IndexPlan | None = None,
        *,
        parallel: int = PARALLEL,
        on_stop: OnStop = leave,
        watch_seconds: float = WATCH_SECONDS,
    ) -> IndexResult:
        """Make the live indexes as declared, or do what `plan` says, if it is still what is to be done.

        One `createIndexes` a collection so that its data is scanned once, `parallel` collections side by side; reads
        and writes go on meanwhile. An index becomes unique where it stands, if the server can; replaced ones are built
        beside the old. Undeclared ones that the project wants dropped are hidden and watched for `watch_seconds` first.
        A stop asks `on_stop` whether running builds are to end, or to go on with or without us.

        A declared collection that does not exist is created as declared first. Takes no lock and writes nothing when
        all is as declared. Everything is checked before anything is changed: RefusedError, DuplicateKeysError,
        IndexValidationError. What was done before a later failure stays and is recorded, for `undo`.
        """
        quick = self._compared() if plan is None else plan
        if quick.empty and not history.read_unfinished(self._guard.deployment):
            self._guard.require_settled(Action.APPLY_INDEXES)
            return IndexResult()
        self._require_drops(quick)
        with self._guard.changing(Action.APPLY_INDEXES, "indexes apply") as lease:
            self._schema.create_missing(lease)
            current = self._compared()
            confirmed = self._confirmed(current)
            if plan is not None and not _is_same(plan, current) and not _is_same(plan, confirmed):
                raise IndexManagementError(
                    "the indexes have changed since the plan was made; nothing was changed by this run",
                    hint="Look at the new plan: wayra-db indexes plan",
                )
            current = confirmed
            self._require_drops(current)
            self._validator.require(current)
            asking.sweep(self._guard.deployment)
            interrupted = self._interrupted()
            sentences = [sentence for _, said in interrupted for sentence in said]
            tell_interrupted(self._guard, sentences)
            closes = [record for record, _ in interrupted]
            done: list[Change] = []
            now = replace(current, indexes=tuple(one for one in current.indexes if one.step is not Step.DROP))
            if not now.empty or closes:
                applier = Applier(self._guard, lease, self._validator, How(parallel, on_stop))
                done = applier.run(now, "apply", closes)
            retired = [self._retire(one.collection, one.old_name, watch_seconds) for one in current.of(Step.DROP)]
        return _result(done, retired, sentences)

    def retire(self, namespace: str, *, watch_seconds: float = WATCH_SECONDS) -> RetireResult:
        """Hide the index `collection.name`, watch for so long whether queries miss it, then drop it; 0 drops at once.

        See `Retirement.run`.
        """
        collection, name = self._split(namespace)
        return self._retire(collection, name, watch_seconds)

    def undo_plan(self, id: str | None = None) -> tuple[Record, IndexPlan]:
        """The newest run that can be undone, or the one called `id`, and what undoing it would do. Reads only."""
        record = history.read_undoable(self._guard.deployment, id)
        if record is None:
            what = f"no run {id} that could be undone" if id else "nothing to undo"
            raise IndexManagementError(f"there is {what}", hint="See them all: wayra-db indexes undo --list")
        live = read_indexes(self._guard.deployment, dict.fromkeys(change.collection for change in record.changes))
        return record, undo_plan(record, live, self._collations())

    def undo(self, id: str | None = None, *, parallel: int = PARALLEL, on_stop: OnStop = leave) -> IndexResult:
        """Bring back what the newest run has changed, or the run called `id`; each index as it was before.

        Builds what was dropped, drops what was built, sets back what was set. Declarations stay as they are, so the
        next `apply` does it again. As `apply`, everything is checked first.
        """
        record, plan = self.undo_plan(id)
        self._require_drops(plan)
        with self._guard.changing(Action.APPLY_INDEXES, "indexes undo") as lease:
            record, plan = self.undo_plan(record.id)
            self._validator.require(plan, declared_only=False)
            closed = history.ended(record, "undone", record.changes)
            applier = Applier(self._guard, lease, self._validator, How(parallel, on_stop))
            return _result(applier.run(plan, "undo", [closed]), [], [])

    def runs(self, newest: int = 20) -> list[Record]:
        """What was done to indexes, the newest first. One read."""
        return history.read_all(self._guard.deployment, newest)

    def duplicates(self, namespace: str) -> Iterator[dict[str, Any]]:
        """Every key that the declared index `collection.name` would find more than once, with its documents' number and
        some ids; values are masked where they are sensitive, in production all are. Reads the whole collection once.
        """
        collection, name = self._split(namespace)
        index = self._definition(collection, name)
        for group in facts.every_duplicate(self._guard.deployment, collection, index):
            yield self._validator.shown(collection, index, group)

    @cached_property
    def profiler(self) -> Profiler:
        """The profiler of each member, which records what the advisor reads."""
        from wayra_db.indexes.profiler import Profiler

        return Profiler(self._guard)

    @cached_property
    def advisor(self) -> IndexAdvisor:
        """What proposes indexes and explains queries."""
        from wayra_db.indexes.advice import IndexAdvisor

        return IndexAdvisor(self._guard, self._schema.collections)

    def usage(self, limits: Limits | None = None) -> UsageReport:
        """Use and size of every live index, and what speaks against some. Reads only: see `IndexUsage.report`."""
        return self._usage.report(limits)

    def sample_usage(self) -> Sample:
        """Keep what each member counts now, so that use is known over weeks. See `IndexUsage.sample`."""
        return self._usage.sample()

    def suggest(
        self, *, log: Path | None = None, query_stats: bool = False, prove: bool = False, whole: bool = False
    ) -> Suggestion:
        """Indexes that recorded queries ask for: the profiler's, those of a `log`, or of `$queryStats`.

        With `prove` they are tried on a copy, sampled unless `whole`. Builds none: see `IndexAdvisor.suggest`.
        """
        recorded = self.advisor.recorded(log=log, query_stats=query_stats)
        return self.advisor.suggest(recorded, prove_it=prove, whole=whole)

    @cached_property
    def _usage(self) -> IndexUsage:
        from wayra_db.indexes.usage.service import IndexUsage

        return IndexUsage(self._guard, self._schema.collections)

    def _compared(self, live: Declared | None = None) -> IndexPlan:
        if self._missing is not None:
            raise self._missing
        declared = {collection.name: collection.index_documents() for collection in self._schema.collections}
        collations = self._collations()
        live = read_indexes(self._guard.deployment, declared) if live is None else live
        questions = open_questions(declared, live, collations)
        answers = asking.ask(self._guard.deployment, questions) if questions else {}
        return self._planned(declared, live, Rules(undeclared=self._undeclared, answers=answers))

    def _planned(self, declared: Declared, live: Declared, rules: Rules) -> IndexPlan:
        """The plan; only one that converts asks what the server can do."""
        plan = plan_indexes(declared, live, self._collations(), rules)
        if plan.of(Step.CONVERT) and not self._guard.deployment.capabilities.unique_conversion:
            return plan_indexes(declared, live, self._collations(), replace(rules, converts=False))
        return plan

    def _with_progress(self, plan: IndexPlan) -> tuple[PlannedIndex, ...]:
        """The planned indexes; those that are being built tell how far they are, where the user may see that."""
        from pymongo.errors import PyMongoError

        waits = {one.collection for one in plan.of(Step.WAIT)}
        if not waits:
            return plan.indexes
        try:
            far = read_progress(self._guard.deployment, waits)
        except PyMongoError:
            return plan.indexes
        return tuple(
            replace(one, detail=f"{one.detail}: {far[one.collection]}")
            if one.step is Step.WAIT and one.collection in far
            else one
            for one in plan.indexes
        )

    def _collations(self) -> Collations:
        # `collation` is a mapping once the declaration is made; the options as a whole would be copied for it.
        return {one.name: cast("Mapping[str, Any] | None", one.collation) for one in self._schema.collections}

    def _confirmed(self, plan: IndexPlan) -> IndexPlan:
        """The plan with the server's word on every replacement: nothing goes that it holds for the same index."""
        options = {collection.name: collection.create_options() for collection in self._schema.collections}
        indexes = [self._confirm(one, options.get(one.collection, {})) for one in plan.indexes]
        return replace(plan, indexes=tuple(indexes))

    def _confirm(self, one: PlannedIndex, options: Mapping[str, Any]) -> PlannedIndex:
        if one.step not in (Step.SWAP, Step.REBUILD) or one.live is None or is_building(one.live):
            return one
        said = asking.compare(self._guard.deployment, options, definition(one.live), one.declared)
        versions = set(fixed_differences(one.declared, one.live)) & set(VERSIONS)
        if said is asking.Verdict.IDENTICAL and not versions:
            return replace(one, step=Step.KEEP, name=one.old_name, detail="the server holds it for the declared one")
        if said is asking.Verdict.SAME_INDEX and one.step is Step.SWAP:
            detail = f"the server allows no two such indexes: {one.old_name} is dropped, then built"
            return replace(one, step=Step.REBUILD, name=str(one.declared["name"]), detail=detail)
        return one

    def _interrupted(self) -> list[tuple[Record, list[str]]]:
        """The runs that were cut off, settled by what is live now, each with what is to be said of it."""
        deployment = self._guard.deployment
        unfinished = history.read_unfinished(deployment)
        if not unfinished:
            return []
        lock = locking.read_state(deployment)
        held = lock.epoch if lock and lock.held else None
        settled = []
        for record in unfinished:
            if record.epoch == held:
                continue  # it is under way, perhaps by this very process
            live = read_indexes(deployment, dict.fromkeys(change.collection for change in record.changes))
            done, said = came_to_pass(record, live)
            at = f"{record.started_at:%Y-%m-%d %H:%M:%S} UTC"
            sentences = [f"`indexes {record.command}` of {at} was cut off: {sentence}" for sentence in said]
            settled.append((history.ended(record, "interrupted", done), sentences))
        return settled

    def _retire(self, collection: str, name: str, watch_seconds: float) -> RetireResult:
        declared = next((one for one in self._schema.collections if one.name == collection), None)
        documents = declared.index_documents() if declared else []
        context = Context(collection, self._collations().get(collection))

        def is_declared(live: IndexDocument) -> bool:
            return any(not differences(one, live, context) for one in documents)

        return Retirement(self._guard, collection, name, is_declared=is_declared).run(watch_seconds)

    def _require_drops(self, plan: IndexPlan) -> None:
        if needs_drop(plan):
            self._guard.require(Action.DROP_INDEXES)

    def _split(self, namespace: str) -> tuple[str, str]:
        return split_namespace(namespace, [collection.name for collection in self._schema.collections])

    def _definition(self, collection: str, name: str) -> IndexDocument:
        declared = next((one for one in self._schema.collections if one.name == collection), None)
        documents = declared.index_documents() if declared else []
        named = {str(one["name"]): one for one in documents}
        # A swap builds under another name than the declared one.
        found = named.get(name) or named.get(name.rpartition("__v")[0])
        if found is None:
            raise IndexManagementError(
                f"no index {collection}.{name} is declared", hint=f"Declared: {', '.join(named) or 'none'}."
            )
        return found


def _is_same(planned: IndexPlan, current: IndexPlan) -> bool:
    """Whether the same things are to be done to the same indexes."""
    return [_essence(one) for one in planned.indexes] == [_essence(one) for one in current.indexes]


def _essence(one: PlannedIndex) -> tuple[Any, ...]:
    keys = [list(document["key"].items()) for document in (one.declared, one.live or {}) if "key" in document]
    live = None if one.live is None else definition(one.live)
    return one.step, one.collection, one.name, keys, dict(one.declared), live, dict(one.changes)


def _result(done: Sequence[Change], retired: Sequence[RetireResult], interrupted: Sequence[str]) -> IndexResult:
    def names(*steps: Step) -> tuple[str, ...]:
        return tuple(sorted(change.namespace for change in done if change.step in steps))

    dropped = tuple(f"{one.collection}.{one.name}" for one in retired if one.outcome == "dropped")
    return IndexResult(
        created=names(Step.CREATE, Step.WAIT),
        modified=names(Step.CHANGE, Step.CONVERT),
        replaced=names(*(step for step in BUILDING if step is not Step.CREATE)),
        hidden=names(Step.HIDE),
        dropped=(*names(Step.DROP), *dropped),
        kept=tuple((f"{one.collection}.{one.name}", one.reason) for one in retired if one.outcome != "dropped"),
        interrupted=tuple(interrupted),
    )
