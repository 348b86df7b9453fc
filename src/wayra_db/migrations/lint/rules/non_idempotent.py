"""MG301: a write that does more when it runs twice, where a broken run may be repeated."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.driver import INSERTS, UPDATES
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import Expression, Value, constant, elements, entries, quoted

_OPERATORS = frozenset({"$bit", "$inc", "$mul", "$pop", "$push", "$pushAll"})
_ARITHMETIC = frozenset({"$add", "$concat", "$concatArrays", "$divide", "$multiply", "$pow", "$subtract"})
# Operators that leave a mark on the document, by which its filter can know it again.
_MARKING = frozenset({"$addToSet", "$currentDate", "$rename", "$set", "$unset"})


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Writes that are neither in a transaction nor in a batch, and not the same when they are done again."""
    for trace in source.traces:
        if trace.atomic:
            continue
        for operation in trace.operations:
            if operation.in_batch:
                continue
            what = _repeats(operation)
            if what:
                yield Problem(
                    operation.node,
                    f"{what}, and this `{trace.direction}` is not atomic: {trace.reason}. A run that is broken off and "
                    "repeated does it twice. Let it join a transaction, work in batches, or write it so that a second "
                    "time changes nothing",
                    _safe(source, trace, operation),
                )


def _repeats(operation: Operation) -> str:
    """Why a second run of this write would change more; empty when it would not, or nobody can tell."""
    if operation.method in INSERTS:
        return _inserts(operation)
    if operation.method not in UPDATES:
        return ""
    fields = _changing(operation.update)
    if not fields or _is_guarded(operation, set(fields)):
        return ""
    field, operator = next(iter(fields.items()))
    return f"{operator} of {field} counts again with every run"


def _inserts(operation: Operation) -> str:
    value = operation.argument(0, "document" if operation.method == "insert_one" else "documents")
    if value is None:
        return ""
    documents = [value] if operation.method == "insert_one" else elements(value)
    for document in documents or []:
        found = entries(document)
        if found is not None and not any(key in ("_id", None) for key, _ in found):
            return f"{operation.method} without an _id makes new documents with every run"
    return ""


def _changing(update: Value | None) -> dict[str, str]:
    """The fields whose new value depends on their old one, each with the operator that does it."""
    found = {
        field or "a field": operator
        for operator, fields in advice.operators(update).items()
        if operator in _OPERATORS
        for field, _ in fields
    }
    for stage, value in advice.stages(update):
        if stage in ("$set", "$addFields"):
            for field, new in entries(value) or []:
                operator = _uses_itself(new, field)
                if field is not None and operator is not None:
                    found[field] = operator
    return found


def _uses_itself(value: Value, field: str | None) -> str | None:
    for operator, arguments in entries(value) or []:
        if operator in _ARITHMETIC:
            for one in elements(arguments) or []:
                if constant(one) == f"${field}" or _uses_itself(one, field):
                    return operator
    return None


def _is_guarded(operation: Operation, changing: set[str]) -> bool:
    """Whether the filter no longer finds a document after the update: it asks for something that the update sets."""
    conditions = dict((entries(operation.filter) if operation.filter is not None else None) or [])
    marked = {
        field
        for operator, fields in advice.operators(operation.update).items()
        if operator in _MARKING
        for field, _ in fields
    }
    marked |= {
        field
        for stage, value in advice.stages(operation.update)
        if stage in ("$set", "$addFields", "$unset")
        for field, _ in entries(value) or []
        if field not in changing
    }
    if (marked - {None}) & set(conditions):
        return True
    return any(_leaves(conditions[field]) for field in changing & {key for key in conditions if key is not None})


def _leaves(condition: Value) -> bool:
    """Whether a condition on the changed field itself fails after the change: an exact value, or its absence."""
    found = entries(condition)
    if found is None:
        return isinstance(condition, Expression) and isinstance(condition.node, ast.Constant)
    return any(key in ("$ne", "$nin", "$eq") or (key == "$exists" and constant(item) is False) for key, item in found)


def _safe(source: Source, trace: Trace, operation: Operation) -> str:
    wait = advice.wait(trace)
    if operation.method in INSERTS:
        return _safe_insert(source, trace, operation)
    update = source.code(operation.expression(1, "update"))
    filter = source.code(operation.expression(0, "filter"), "{}")
    if operation.method == "update_many" and operation.collection is not None:
        return advice.batched(trace, operation.collection, filter, [f"{wait}batch.update_many({update})"])
    # A mark on the document, by the same update, so that its filter no longer finds it.
    version = source.migration.version
    filter = advice.extended(filter, f'"migrations": {{"$ne": {version}}}')
    update = advice.extended(update, f'"$addToSet": {{"migrations": {version}}}')
    return f"{_called(source, trace, operation)}({filter}, {update})"


def _safe_insert(source: Source, trace: Trace, operation: Operation) -> str:
    written = source.code(operation.expression(0, "document" if operation.method == "insert_one" else "documents"))
    called = _called(source, trace, operation).replace("InsertOne", "UpdateOne")
    called = called.replace(operation.method, "update_one")
    if operation.method == "insert_one":
        fixed = quoted(f"{source.migration.version:04d}-1")
        return f'{called}({{"_id": {fixed}}}, {{"$setOnInsert": {written}}}, upsert=True)'
    return (
        f"for document in {written}:  # each with an _id that is written out\n"
        f'    {called}({{"_id": document["_id"]}}, {{"$setOnInsert": document}}, upsert=True)'
    )


def _called(source: Source, trace: Trace, operation: Operation) -> str:
    wait = "" if operation.request else advice.wait(trace)
    return wait + source.code(operation.node.func)


RULE = Rule("MG301", "non-idempotent", Severity.ERROR, "A write that cannot be repeated is not in a transaction", check)
