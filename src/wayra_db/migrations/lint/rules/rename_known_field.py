"""MG205: `$rename` of a field that an index or a validator names."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import constant, quoted


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Every field that is renamed: an error when a declaration names it, a warning while nobody knows."""
    for trace in source.traces:
        for operation in trace.operations:
            for old, value in advice.operators(operation.update).get("$rename", []):
                new = constant(value)
                if old is None or not isinstance(new, str):
                    continue
                problem = _judge(source, trace, operation, (old, new), context)
                if problem is not None:
                    yield problem


def _judge(
    source: Source, trace: Trace, operation: Operation, names: tuple[str, str], context: Context
) -> Problem | None:
    safe = _safe(source, trace, operation, *names)
    name = operation.collection.name if operation.collection is not None else None
    renamed = f"$rename of {names[0]} to {names[1]} in {advice.name_of(operation)}"
    until = "Copy the field first, let the applications move over, and remove the old one in a later migration"
    if context.declarations is None or name is None:
        message = (
            f"{renamed}: applications that run now still read and write {names[0]}, and whether an index or a "
            f"validator names either field is not known here. {until}"
        )
        return Problem(operation.node, message, safe, Severity.WARNING)
    declared = context.declarations.get(name)
    if declared is None:
        return None
    said = []
    for field in names:
        if _touches(field, declared.indexed):
            said.append(f"an index on {field}")
        if _touches(field, declared.validated):
            said.append(f"the validator's {field}")
    if not said:
        return None
    under = f"{' and '.join(said)}, which the declaration of {name} names"
    message = f"{renamed} pulls the field away from under {under}. {until}"
    return Problem(operation.node, message, safe)


def _touches(field: str, known: frozenset[str]) -> bool:
    return any(one == field or one.startswith(f"{field}.") or field.startswith(f"{one}.") for one in known)


def _safe(source: Source, trace: Trace, operation: Operation, old: str, new: str) -> str:
    if operation.collection is None:
        return ""
    wait = advice.wait(trace)
    to_copy = f'{{{quoted(old)}: {{"$exists": True}}, {quoted(new)}: {{"$exists": False}}}}'
    copy = f'{wait}batch.update_many([{{"$set": {{{quoted(new)}: {quoted(f"${old}")}}}}}])'
    remove = f'{wait}batch.update_many({{"$unset": {{{quoted(old)}: ""}}}})'
    return "\n".join(
        [
            advice.this_file(source),
            advice.batched(trace, operation.collection, to_copy, [copy]),
            "",
            advice.later_file(source, "remove_old_field"),
            advice.batched(trace, operation.collection, f'{{{quoted(old)}: {{"$exists": True}}}}', [remove]),
        ]
    )


RULE = Rule("MG205", "rename-known-field", Severity.ERROR, "A field that is indexed or validated is renamed", check)
