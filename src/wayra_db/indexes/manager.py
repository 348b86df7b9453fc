"""IndexManager: plans and applies the declared indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.environment import Action
from wayra_db.errors import DuplicateKeysError, IndexManagementError, WayraError
from wayra_db.guard import Guard
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.plan import IndexDocument, IndexPlan, PlannedIndex, Step, plan_indexes
from wayra_db.indexes.watch import build_progress
from wayra_db.mongo.errors import DUPLICATE_KEY, is_refused_as_written, translate
from wayra_db.schema.manager import SchemaManager

if TYPE_CHECKING:
    from pymongo.errors import OperationFailure


@dataclass(frozen=True, slots=True)
class IndexResult:
    """The indexes that were created and changed, each as `collection.name`."""

    created: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.created or self.modified)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"changed": self.changed, "created": list(self.created), "modified": list(self.modified)}


class IndexManager:
    """Brings live indexes to the declared ones; never drops any."""

    def __init__(self, guard: Guard, schema: SchemaManager) -> None:
        self._guard = guard
        self._schema = schema

    def plan(self) -> IndexPlan:
        """Declared against live. One read a declared collection; writes nothing."""
        declared = {collection.name: collection.index_documents() for collection in self._schema.collections}
        collations = {one.name: one.create_options().get("collation") for one in self._schema.collections}
        return plan_indexes(declared, read_indexes(self._guard.deployment, declared), collations)

    def apply(self) -> IndexResult:
        """Create missing indexes, one `createIndexes` a collection so that its data is scanned once, and set TTL and
        hidden by `collMod`.

        A declared collection that does not exist is created as declared first. Takes no lock and writes nothing when
        all is as declared. An index build lets reads and writes go on. Raises IndexManagementError before anything is
        changed when an index is live with other options, DuplicateKeysError when a unique index meets duplicates; of
        that collection nothing is built then.
        """
        if _checked(self.plan()).empty:
            return IndexResult()
        with self._guard.changing(Action.APPLY_INDEXES, "indexes apply") as lease:
            self._schema.create_missing(lease)
            plan = _checked(self.plan())
            created: list[str] = []
            # Asking for an index that is being built waits for that build.
            for collection, indexes in _by_collection(plan.of(Step.CREATE, Step.WAIT)).items():
                self._guard.stop.check()
                lease.check()
                with (
                    self._guard.stop.protected(),
                    build_progress(self._guard.deployment, collection, self._guard.observer),
                ):
                    self._create(collection, [index.document for index in indexes])
                created += [f"{collection}.{index.name}" for index in indexes]
            modified: list[str] = []
            for index in plan.of(Step.MODIFY):
                self._guard.stop.check()
                lease.check()
                self._command({"collMod": index.collection, "index": {"name": index.name, **index.document}})
                modified.append(f"{index.collection}.{index.name}")
            result = IndexResult(tuple(created), tuple(modified))
            if result.changed:
                lease.write({"event": "indexes applied", **result.to_dict()})
            return result

    def _create(self, collection: str, documents: Sequence[IndexDocument]) -> None:
        from pymongo.errors import OperationFailure

        try:
            self._guard.deployment.metadata.command({"createIndexes": collection, "indexes": list(documents)})
        except OperationFailure as error:
            raise self._refused(collection, documents, error) from error

    def _command(self, command: Mapping[str, Any]) -> None:
        from pymongo.errors import OperationFailure

        try:
            self._guard.deployment.metadata.command(dict(command))
        except OperationFailure as error:
            raise translate(error, self._guard.deployment.address) from error

    def _refused(self, collection: str, documents: Sequence[IndexDocument], error: OperationFailure) -> WayraError:
        details = error.details or {}
        if error.code == DUPLICATE_KEY:
            key = dict(details.get("keyPattern", {}))
            index = next((one["name"] for one in documents if dict(one["key"]) == key), "a unique index")
            fields = ", ".join(key)
            return DuplicateKeysError(
                f"several documents of {collection} have the same {fields}, so {index} cannot be built; no index of "
                f"{collection} was created",
                index=f"{collection}.{index}",
                samples=[{"fields": list(key)}],
                hint=f"Find them: db.{collection}.aggregate([{{$group: {{_id: {_group(key)}, n: {{$sum: 1}}}}}}, "
                "{$match: {n: {$gt: 1}}}])",
            )
        if not is_refused_as_written(error.code):
            return translate(error, self._guard.deployment.address)
        declared = next(one for one in self._schema.collections if one.name == collection)
        return IndexManagementError(
            f"{declared.path}:{declared.line}: the server refused the indexes of {collection}: "
            f"{details.get('errmsg', error)}",
            hint=f"Correct the declaration of {collection}; none of its missing indexes was created.",
        )


def _group(key: Mapping[str, Any]) -> str:
    return ", ".join(f'"${field}"' for field in key) if len(key) == 1 else str([f"${field}" for field in key])


def _by_collection(indexes: Sequence[PlannedIndex]) -> dict[str, list[PlannedIndex]]:
    grouped: dict[str, list[PlannedIndex]] = {}
    for index in indexes:
        grouped.setdefault(index.collection, []).append(index)
    return grouped


def _checked(plan: IndexPlan) -> IndexPlan:
    conflicts = plan.of(Step.CONFLICT)
    if conflicts:
        listed = "; ".join(f"{index.collection}.{index.name} is {index.detail}" for index in conflicts)
        raise IndexManagementError(
            f"{listed}. Nothing was changed",
            hint="Correct the declaration, or drop the live index in a migration; the next `wayra-db indexes apply` "
            "builds it as declared.",
        )
    return plan
