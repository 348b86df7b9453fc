"""MG203: a collection is dropped, with no way back but a backup."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.rules.ddl_with_data import target_of_aggregate
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import constant, is_true, quoted

_DROPS = ("drop", "drop_collection", "drop_database", "dropDatabase")


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Dropped collections, unless an earlier migration has put them aside or this one has made them."""
    aside = {name for earlier in context.earlier for name in _renamed_to(earlier.up)}
    for trace in source.traces:
        made = _made(source.up) if trace.direction == "down" else set()
        for operation in trace.operations:
            name = _dropped(operation)
            if name is not None and name not in aside | made:
                yield Problem(operation.node, _message(operation), _safe(source, trace, operation, name))
            made |= _made_by(operation)


def _dropped(operation: Operation) -> str | None:
    """The name of what is dropped: empty when it is computed, None when nothing is."""
    if operation.method in ("drop_database", "dropDatabase"):
        return ""
    if operation.method in _DROPS:
        return operation.collection.name or "" if operation.collection is not None else ""
    if operation.method == "rename" and is_true(operation.keywords.get("dropTarget")):
        return _new_name(operation) or ""
    return None


def _message(operation: Operation) -> str:
    if "atabase" in operation.method:
        what = f"{operation.method} deletes everything that the database holds"
    elif operation.method == "rename":
        what = "rename with dropTarget deletes the collection that has the new name now"
    else:
        what = f"{operation.method} deletes {advice.name_of(operation)} and its indexes for good"
    return (
        f"{what}; only a backup brings them back. Rename it aside, and drop it in a later migration when nobody has "
        "missed it"
    )


def _new_name(operation: Operation) -> str | None:
    value = operation.argument(0, "new_name")
    name = constant(value) if value is not None else None
    return name if isinstance(name, str) else None


def _renamed_to(trace: Trace) -> Iterator[str]:
    return (name for one in trace.operations if one.method == "rename" and (name := _new_name(one)))


def _made(trace: Trace) -> set[str]:
    return {name for operation in trace.operations for name in _made_by(operation)}


def _made_by(operation: Operation) -> set[str]:
    if operation.method in ("create_collection", "create") and operation.collection is not None:
        name = operation.collection.name
    elif operation.method == "rename":
        name = _new_name(operation)
    elif operation.method == "aggregate":
        name = target_of_aggregate(operation)
    else:
        name = None
    return {name} if name else set()


def _safe(source: Source, trace: Trace, operation: Operation, name: str) -> str:
    if not name or operation.method == "rename":
        name = name or "..."
        target = f"{trace.database}[{quoted(name)}]" if not name.isidentifier() else f"{trace.database}.{name}"
    else:
        target = advice.on(operation, trace)
    aside = quoted(f"{name}_dropped_{source.migration.version:04d}")
    wait = advice.wait(trace)
    return "\n".join(
        [
            advice.this_file(source),
            advice.definition(trace, "up"),
            f"    {wait}{target}.rename({aside})",
            "",
            advice.definition(trace, "down"),
            f"    {wait}{trace.database}[{aside}].rename({quoted(name)})",
            "",
            advice.later_file(source, "drop_collection"),
            advice.definition(trace, "up"),
            f"    {wait}{trace.database}.drop_collection({aside})",
        ]
    )


RULE = Rule("MG203", "drop-collection", Severity.ERROR, "A collection is dropped without having been put aside", check)
