"""MG202: an index is dropped that nobody has tried to do without."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import Value, constant, entries, is_true, quoted

_DROPS = ("drop_index", "drop_indexes", "dropIndexes")
_CREATES = ("create_index", "create_indexes", "createIndexes")


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Dropped indexes that no earlier migration has hidden; a `down` may drop what its `up` creates, and a helper that
    is told the name may drop what it replaces.
    """
    hidden = [_hidden(one) for earlier in context.earlier for one in earlier.up.operations if _hides(one)]
    for trace in source.traces:
        for operation in trace.operations:
            if operation.method not in _DROPS or operation.collection is None:
                continue
            collection, index = operation.collection.name, _dropped(operation)
            if trace.direction == "down" and _creates(source.up, collection):
                continue
            if any(on == collection and name in (index, None) for on, name in hidden):
                continue
            if index is None and _given(operation) is not None and _creates(trace, collection):
                continue
            yield Problem(
                operation.node,
                f"{operation.method} on {advice.name_of(operation)} takes away an index that queries may still need, "
                "and to build it again takes as long as the data is large. Hide it first: a hidden index is kept up to "
                "date and comes back at once. Drop it in a later migration, when nothing has become slow",
                _safe(source, trace, operation, index),
            )


def _creates(trace: Trace, collection: str | None) -> bool:
    return any(
        one.method in _CREATES and one.collection is not None and one.collection.name == collection
        for one in trace.operations
    )


def _hides(operation: Operation) -> bool:
    return operation.method == "collMod" and is_true(_index(operation).get("hidden"))


def _index(operation: Operation) -> dict[str | None, Value]:
    value = operation.keywords.get("index")
    return dict((entries(value) if value is not None else None) or [])


def _hidden(operation: Operation) -> tuple[str | None, str | None]:
    """Collection and name of an index that `collMod` hides."""
    index = _index(operation)
    name = constant(index["name"]) if "name" in index else None
    keys = advice.index_keys(index.get("keyPattern"))
    collection = operation.collection.name if operation.collection is not None else None
    return collection, name if isinstance(name, str) else advice.index_name(keys) if keys else None


def _dropped(operation: Operation) -> str | None:
    """The name of the index that is dropped; None for several, or one whose name is computed."""
    value = _given(operation)
    if value is None:
        return None
    name = constant(value)
    if isinstance(name, str):
        return name
    keys = advice.index_keys(value)
    return advice.index_name(keys) if keys else None


def _given(operation: Operation) -> Value | None:
    return operation.keywords.get("index") if operation.is_command else operation.argument(0, "index_or_name")


def _safe(source: Source, trace: Trace, operation: Operation, index: str | None) -> str:
    target = operation.collection.code if operation.collection is not None else "..."
    which = quoted(index) if index and index != "*" else '"..."'
    command = f'{advice.wait(trace)}{trace.database}.command("collMod", {target}, index={{"name": {which}, "hidden": '
    drop = advice.call(source, trace, operation)
    return "\n".join(
        [
            advice.this_file(source),
            advice.definition(trace, "up"),
            f"    {command}True}})",
            "",
            advice.definition(trace, "down"),
            f"    {command}False}})",
            "",
            advice.later_file(source, "drop_index"),
            advice.definition(trace, "up"),
            f"    {drop}",
        ]
    )


RULE = Rule("MG202", "drop-index", Severity.ERROR, "An index is dropped without having been hidden first", check)
