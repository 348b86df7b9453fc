"""The declared collections against the live database, in the words of each part that asks; none knows another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wayra_db.indexes import IndexManager
    from wayra_db.indexes.plan import PlannedIndex
    from wayra_db.migrations.autogenerate import DeclaredChanges, IndexChange
    from wayra_db.migrations.rehearsal import Declared
    from wayra_db.mongo.client import Deployment
    from wayra_db.schema.collection import Collection
    from wayra_db.schema.manager import SchemaManager


def changes(deployment: Deployment, declared: Sequence[Collection]) -> DeclaredChanges:
    """What a migration would have to do to make the database as declared. Reads only."""
    from wayra_db.indexes.asking import ask
    from wayra_db.indexes.live import read_indexes
    from wayra_db.indexes.plan import Rules, Step, open_questions, plan_indexes
    from wayra_db.migrations.autogenerate import compare
    from wayra_db.schema.live import read_collections

    live = read_collections(deployment)
    # A view has no indexes to ask for; that it is one is a difference of its own.
    indexed = [one for one in declared if one.name not in live or live[one.name].kind != "view"]
    documents = {one.name: one.index_documents() for one in indexed}
    found = read_indexes(deployment, documents)
    collations = {one.name: one.create_options().get("collation") for one in indexed}
    questions = open_questions(documents, found, collations)
    # A migration also runs where the live index is missing, so it builds one anew instead of making it unique.
    rules = Rules(converts=False, answers=ask(deployment, questions) if questions else {})
    plan = plan_indexes(documents, found, collations, rules)
    differing = (Step.CREATE, Step.CHANGE, Step.CONVERT, Step.SWAP, Step.REBUILD)
    return compare(
        declared,
        live,
        [_index_change(index) for index in plan.of(*differing)],
        [f"index {index.collection}.{index.name}" for index in plan.of(Step.UNDECLARED)],
    )


def demands(schema: SchemaManager, indexes: IndexManager) -> Declared:
    """The validators and unique indexes that are declared and not live as declared. Reads only."""
    from wayra_db.indexes.plan import Step
    from wayra_db.migrations.rehearsal import Declared, DeclaredIndex, DeclaredValidator

    plan = schema.plan()
    differing = {one.collection for one in plan.change} | {one.name for one in plan.create}
    validators = []
    for collection in schema.collections:
        options = collection.create_options()
        if collection.name in differing and options.get("validator") and options.get("validationLevel") != "off":
            validators.append(
                DeclaredValidator(
                    collection.name,
                    options["validator"],
                    options.get("validationLevel", "strict"),
                    options.get("validationAction", "error"),
                )
            )
    coming = indexes.plan().of(Step.CREATE, Step.WAIT, Step.CONVERT, Step.SWAP, Step.REBUILD)
    unique = [DeclaredIndex(one.collection, one.document) for one in coming if one.document.get("unique")]
    return Declared(tuple(validators), tuple(unique))


def _index_change(index: PlannedIndex) -> IndexChange:
    """A planned index in the words of migrations, which know nothing of the index manager."""
    from wayra_db.indexes.plan import Step
    from wayra_db.migrations.autogenerate import IndexChange

    if index.step is Step.CREATE:
        return IndexChange(index.collection, None, index.document)
    if index.step is not Step.CHANGE:
        return IndexChange(index.collection, index.live, index.declared)
    after = {**(index.live or {}), **index.changes}
    for flag in ("hidden", "prepareUnique"):
        if not after.get(flag):
            after.pop(flag, None)
    return IndexChange(index.collection, index.live, after, index.changes)
