"""MG206: a new validator over data that nobody has measured against it."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import Value, constant, elements, entries, quoted, reached

_COUNTS = ("count_documents", "find_one", "find", "aggregate")


def check(source: Source, context: Context) -> Iterator[Problem]:
    """`collMod` with a validator that refuses, unless the documents that it would refuse were looked for before. A
    `down` may give back the rules that its `up` changes.
    """
    for trace in source.traces:
        counted = {_name(one) for one in source.up.operations if _rules(one)} if trace.direction == "down" else set()
        for operation in trace.operations:
            name = _name(operation)
            if operation.method in _COUNTS and _looks_for_violators(operation):
                counted.add(name)
            elif operation.method == "collMod" and _refuses(operation) and name not in counted:
                yield Problem(
                    operation.node,
                    f"the new validator of {advice.name_of(operation)} meets data that nobody has measured against it: "
                    "each update of a document that does not fit is refused from here on, by every application. Count "
                    "those documents first and stop when there are any",
                    _safe(source, trace, operation),
                )


def _name(operation: Operation) -> str | None:
    return operation.collection.name if operation.collection is not None else None


def _rules(operation: Operation) -> bool:
    """Whether it makes a collection or sets its validator."""
    made = operation.method in ("create_collection", "create")
    return made or (operation.method == "collMod" and "validator" in operation.keywords)


def _refuses(operation: Operation) -> bool:
    """Whether a `collMod` sets a validator that stands in the way of documents already there.

    One that refuses whatever comes shuts the collection, and is not about documents.
    """
    validator = operation.keywords.get("validator")
    if validator is None or entries(validator) == [] or _refuses_everything(validator):
        return False
    level, action = (_given(operation.keywords.get(name)) for name in ("validationLevel", "validationAction"))
    return level not in ("off", "moderate") and action != "warn"


def _refuses_everything(validator: Value) -> bool:
    """Whether it is `{"$nor": [{}]}`."""
    found = dict(entries(validator) or [])
    parts = elements(found["$nor"]) if set(found) == {"$nor"} else None
    return parts is not None and any(entries(part) == [] for part in parts)


def _given(value: Value | None) -> object:
    return constant(value) if value is not None else None


def _looks_for_violators(operation: Operation) -> bool:
    given = [*operation.positional, *operation.keywords.values()]
    keys = {getattr(node, "value", None) for value in given for node, _ in reached(value)}
    return "$nor" in keys or "$jsonSchema" in keys or "$not" in keys


def _safe(source: Source, trace: Trace, operation: Operation) -> str:
    validator = operation.keywords.get("validator")
    node = getattr(validator, "node", None)
    written = next((one.value for one in operation.node.keywords if one.arg == "validator"), node)
    target, wait = advice.on(operation, trace), advice.wait(trace)
    refusal = quoted(f"%d documents of {advice.name_of(operation)} do not fit the new validator")
    return "\n".join(
        [
            f'violators = {wait}{target}.count_documents({{"$nor": [{source.code(written)}]}})',
            "if violators:",
            f"    raise ValueError({refusal} % violators)",
            f"{wait}{source.code(operation.node)}",
        ]
    )


RULE = Rule("MG206", "stricter-validator", Severity.ERROR, "A validator is set over unread data", check)
