"""A `down` for an `up`, as far as what `up` does can be turned round; printed by the rules that miss one."""

from __future__ import annotations

import ast

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import constant, entries, quoted


def down_for(source: Source) -> str:
    """The text of a `down` that undoes `up`, newest first; a comment stands where only its author can know."""
    trace = source.up
    lines = [line for operation in reversed(list(trace.operations)) for line in _undo(source, trace, operation)]
    batched = any("batch." in line for line in lines)
    body = list(dict.fromkeys(lines)) or ["...  # undo what `up` did"]
    return "\n".join([advice.definition(trace, "down", context=batched), *(f"    {line}" for line in body)])


def _undo(source: Source, trace: Trace, operation: Operation) -> list[str]:
    wait = advice.wait(trace)
    match operation.method:
        case "update_many" | "update_one":
            return _undo_update(trace, operation)
        case "create_index":
            keys = advice.index_keys(operation.argument(0, "keys"))
            given = operation.keywords.get("name")
            name = constant(given) if given is not None else advice.index_name(keys) if keys else "..."
            return [f"{wait}{advice.on(operation, trace)}.drop_index({quoted(str(name))})"]
        case "insert_one":
            document = dict((entries(value) if (value := operation.argument(0, "document")) else None) or [])
            key = constant(document["_id"]) if "_id" in document else ...
            shown = "..." if key is ... else ast.unparse(ast.Constant(key))
            return [f'{wait}{advice.on(operation, trace)}.delete_one({{"_id": {shown}}})']
        case "create_collection" if operation.collection is not None:
            return [f"{wait}{trace.database}.drop_collection({operation.collection.code})"]
        case "rename" if operation.collection is not None:
            new = source.code(operation.expression(0, "new_name"))
            return [f"{wait}{trace.database}[{new}].rename({operation.collection.code})"]
        case "insert_many" | "delete_many" | "delete_one" | "drop" | "drop_collection" | "drop_index" | "bulk_write":
            return [f"...  # undo {operation.method} (line {operation.node.lineno})"]
    return []


def _undo_update(trace: Trace, operation: Operation) -> list[str]:
    found = advice.operators(operation.update)
    added = [field for field, _ in found.get("$set", []) if field is not None]
    renamed = [(old, constant(new)) for old, new in found.get("$rename", [])]
    inside = []
    if added and set(found) == {"$set"}:
        fields = ", ".join(f'{quoted(field)}: ""' for field in added)
        condition = f'{{{quoted(added[0])}: {{"$exists": True}}}}'
        inside.append((condition, f'{{"$unset": {{{fields}}}}}'))
    for old, new in renamed:
        if old is not None and isinstance(new, str):
            inside.append(
                (f'{{{quoted(new)}: {{"$exists": True}}}}', f'{{"$rename": {{{quoted(new)}: {quoted(old)}}}}}')
            )
    if not inside or operation.collection is None:
        return [f"...  # undo {operation.method} (line {operation.node.lineno})"]
    wait, loop = advice.wait(trace), "async for" if trace.header.is_async else "for"
    if not operation.in_batch:
        return [f"{wait}{advice.on(operation, trace)}.update_many({filter}, {update})" for filter, update in inside]
    return [
        line
        for filter, update in inside
        for line in (
            f"{loop} batch in {trace.context}.batches({operation.collection.code}, {filter}, size=1000):",
            f"    {wait}batch.update_many({update})",
        )
    ]
