"""MG204: a unique index over data that nobody has looked at for duplicates."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import Expression, Value, elements, entries, is_true, look, quoted


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Unique indexes without a `$group` over the collection, or `prepareUnique`, before them."""
    prepared = {_name(one) for earlier in context.earlier for one in earlier.up.operations if _prepares(one)}
    for trace in source.traces:
        checked = set(prepared)
        for operation in trace.operations:
            if operation.method == "create_collection" or _groups(operation) or _prepares(operation):
                checked.add(_name(operation))
            elif operation.method in ("create_index", "create_indexes") and _name(operation) not in checked:
                for node, keys, partial in _unique(operation):
                    yield Problem(node, _message(operation), _safe(source, trace, operation, keys, partial))


def _name(operation: Operation) -> str | None:
    return operation.collection.name if operation.collection is not None else None


def _groups(operation: Operation) -> bool:
    if operation.method not in ("aggregate", "aggregate_raw_batches"):
        return False
    return any(key in ("$group", "$sortByCount") for key, _ in advice.stages(operation.argument(0, "pipeline")))


def _prepares(operation: Operation) -> bool:
    index = operation.keywords.get("index") if operation.method == "collMod" else None
    options = dict((entries(index) if index is not None else None) or [])
    return any(is_true(options.get(name)) for name in ("prepareUnique", "unique"))


def _unique(operation: Operation) -> Iterator[tuple[ast.expr, Value | None, Value | None]]:
    """Each unique index that a call builds: where it is written, its keys, its partial filter."""
    if operation.method == "create_index":
        if is_true(operation.keywords.get("unique")):
            keys = operation.argument(0, "keys")
            yield operation.node, keys, operation.keywords.get("partialFilterExpression")
        return
    models = operation.argument(0, "indexes")
    for model in elements(models) or [] if models is not None else []:
        if isinstance(model, Expression) and isinstance(model.node, ast.Call):
            given = {one.arg: look(one.value, model.scope) for one in model.node.keywords}
            if is_true(given.get("unique")):
                first = model.node.args[0] if model.node.args else None
                keys = look(first, model.scope) if first is not None else given.get("keys")
                yield model.node, keys, given.get("partialFilterExpression")


def _message(operation: Operation) -> str:
    return (
        f"a unique index on {advice.name_of(operation)} fails on the first duplicate, after the server has read the "
        "whole collection. Look for duplicates first; where applications write meanwhile, build the index without "
        "`unique` and convert it by collMod with prepareUnique (MongoDB 6.0 and newer)"
    )


def _safe(source: Source, trace: Trace, operation: Operation, keys: Value | None, partial: Value | None) -> str:
    found = advice.index_keys(keys) or [("...", "1")]
    fields = [field for field, _ in found]
    group = ", ".join(f"{quoted(field.replace('.', '_'))}: {quoted(f'${field}')}" for field in fields)
    refusal = quoted(f"{advice.name_of(operation)} has duplicates of {', '.join(fields)}; resolve them first")
    target, wait = advice.on(operation, trace), advice.wait(trace)
    cursor = f"{wait}{target}.aggregate(pipeline, allowDiskUse=True)"
    only = source.code(partial.node) if isinstance(partial, Expression) else ""
    match = [f'    {{"$match": {only}}},'] if only else []
    lines = [
        "pipeline = [",
        *match,
        f'    {{"$group": {{"_id": {{{group}}}, "count": {{"$sum": 1}}}}}},',
        '    {"$match": {"count": {"$gt": 1}}},',
        '    {"$limit": 1},',
        "]",
        f"if {'await (' + cursor + ').to_list()' if wait else f'list({cursor})'}:",
        f"    raise ValueError({refusal})",
        advice.call(source, trace, operation),
        "",
        "# Or, while applications write: convert an ordinary index, which refuses new duplicates at once.",
    ]
    code = operation.collection.code if operation.collection is not None else "..."
    pattern = f'{{"keyPattern": {advice.key_pattern(found)}, '
    lines += [
        f'# {wait}{trace.database}.command("collMod", {code}, index={pattern}"prepareUnique": True}})',
        f'# {wait}{trace.database}.command("collMod", {code}, index={pattern}"unique": True}})',
    ]
    return "\n".join(lines)


RULE = Rule("MG204", "unchecked-unique-index", Severity.ERROR, "A unique index is built over unread data", check)
