"""SchemaManager: creates declared collections and brings validators up to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.environment import Action
from wayra_db.errors import SchemaError
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.commands import MAJORITY
from wayra_db.mongo.errors import NAMESPACE_EXISTS
from wayra_db.schema.collection import Collection
from wayra_db.schema.diff import SchemaPlan, diff
from wayra_db.schema.live import LiveCollection, read_collections
from wayra_db.schema.refused import told_of


@dataclass(frozen=True, slots=True)
class SchemaResult:
    """The collections that were created and those whose options were changed."""

    created: tuple[str, ...] = ()
    changed_options: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return bool(self.created or self.changed_options)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"created": list(self.created), "changed": list(self.changed_options)}


class SchemaManager:
    """Plans and applies what makes live collections equal their declarations."""

    def __init__(self, guard: Guard, collections: Sequence[Collection]) -> None:
        self._guard = guard
        self.collections = tuple(collections)

    def plan(self, live: Mapping[str, LiveCollection] | None = None) -> SchemaPlan:
        """Declared against live. One read, unless the caller has read what is `live`; writes nothing."""
        return diff(self.collections, read_collections(self._guard.deployment) if live is None else live)

    def apply(self) -> SchemaResult:
        """Create missing collections and set changed validators and levels.

        Takes no lock and writes nothing when all is as declared. `collMod` holds the collection exclusively for a
        moment; documents are not read. Raises SchemaError, before anything is changed, when an option differs that is
        fixed for the life of a collection, and DeclarationError when the server refuses what is declared.
        """
        if _checked(self.plan()).empty:
            self._guard.require_settled(Action.APPLY_SCHEMA)
            return SchemaResult()
        with self._guard.changing(Action.APPLY_SCHEMA, "schema apply") as lease:
            plan = _checked(self.plan())
            for collection in plan.create:
                self._guard.stop.check()
                lease.check()
                create_collection(self._guard.deployment, collection)
            declared = {collection.name: collection for collection in self.collections}
            for change in plan.change:
                self._guard.stop.check()
                lease.check()
                with told_of(declared[change.collection], self._guard.deployment.address):
                    self._guard.deployment.metadata.command(
                        {"collMod": change.collection, **change.options, "writeConcern": MAJORITY}
                    )
            result = SchemaResult(
                tuple(collection.name for collection in plan.create),
                tuple(change.collection for change in plan.change),
            )
            if result.changed:
                lease.write({"event": "schema applied", **result.to_dict()})
            return result

    def create_missing(self, lease: Lease) -> tuple[str, ...]:
        """Create the declared collections that do not exist, under the caller's lease, and change no others."""
        missing = self.plan().create
        for collection in missing:
            lease.check()
            create_collection(self._guard.deployment, collection)
        return tuple(collection.name for collection in missing)


def create_collection(deployment: Deployment, collection: Collection) -> None:
    """Create one collection as declared and, on a sharded cluster, shard it. One that exists is left as it is.

    Raises DeclarationError when the server refuses what is declared.
    """
    from pymongo.errors import OperationFailure

    with told_of(collection, deployment.address):
        try:
            deployment.metadata.command(
                {"create": collection.name, **collection.create_options(), "writeConcern": MAJORITY}
            )
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise
        if collection.shard_key is not None and deployment.capabilities.sharded:
            namespace = f"{deployment.database_name}.{collection.name}"
            deployment.client.admin.command({"shardCollection": namespace, "key": dict(collection.shard_key)})


def _checked(plan: SchemaPlan) -> SchemaPlan:
    if plan.conflicts:
        first = plan.conflicts[0]
        raise SchemaError(
            f"collection {first.collection}: {first.message}, which cannot be changed on a live collection; nothing "
            "was touched",
            collection=first.collection,
            hint="Correct the declaration, or move the data into a new collection in a migration.",
        )
    return plan
