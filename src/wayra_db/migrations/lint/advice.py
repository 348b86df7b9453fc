"""Parts of the safe code that rules print, with the names that the user's own code has."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import Collection, Value, constant, elements, entries, quoted


def batched(trace: Trace, collection: Collection, filter: str, body: Sequence[str]) -> str:
    """The whole direction as a loop over batches, `body` inside it."""
    loop = f"{_async(trace)}for batch in {trace.context}.batches({collection.code}, {filter}, size=1000):"
    return "\n".join([definition(trace, context=True), f"    {loop}", *(f"        {line}" for line in body)])


def definition(trace: Trace, direction: str = "", *, context: bool = False) -> str:
    """The `def` line of this direction or another, with or without the context as second parameter."""
    parameters = f"{trace.database}, {trace.context}" if context else trace.database
    return f"{_async(trace)}def {direction or trace.direction}({parameters}):"


def wait(trace: Trace) -> str:
    """`await ` in an asynchronous migration."""
    return "await " if trace.header.is_async else ""


def _async(trace: Trace) -> str:
    return "async " if trace.header.is_async else ""


def on(operation: Operation, trace: Trace) -> str:
    """The collection of an operation as an expression: `db.users`, or what the user wrote."""
    collection = operation.collection
    if collection is None:
        return f"{trace.database}[...]"
    if collection.name is None and isinstance(operation.owner, Collection):
        return operation.receiver
    if collection.name is not None and collection.name.isidentifier() and not collection.name.startswith("_"):
        return f"{trace.database}.{collection.name}"
    return f"{trace.database}[{collection.code}]"


def call(source: Source, trace: Trace, operation: Operation) -> str:
    """An operation as code that stands by itself: on `db.users`, whatever variable the user has for it."""
    if operation.is_command or not isinstance(operation.owner, Collection):
        return wait(trace) + source.code(operation.node)
    given = [source.code(one) for one in operation.node.args]
    given += [
        f"{one.arg}={source.code(one.value)}" if one.arg else f"**{source.code(one.value)}"
        for one in operation.node.keywords
    ]
    return f"{wait(trace)}{on(operation, trace)}.{operation.method}({', '.join(given)})"


def extended(written: str, entry: str) -> str:
    """A dictionary in code with one entry more."""
    if written.startswith("{") and written.endswith("}"):
        return f"{written[:-1]}{', ' if written != '{}' else ''}{entry}}}"
    return f"{{**{written}, {entry}}}"


def name_of(operation: Operation) -> str:
    """The collection of an operation for a sentence."""
    collection = operation.collection
    if collection is None:
        return "the collection"
    return collection.name if collection.name is not None else f"the collection {collection.code}"


def operators(update: Value | None) -> dict[str, list[tuple[str | None, Value]]]:
    """The update operators of a document that is written out, each with its fields."""
    found = entries(update) if update is not None else None
    return {key: entries(value) or [] for key, value in found or [] if key is not None and key.startswith("$")}


def stages(update: Value | None) -> list[tuple[str, Value]]:
    """The stages of a pipeline that is written out, as operator and value."""
    found = elements(update) if update is not None else None
    listed = [entry for stage in found or [] for entry in entries(stage) or []]
    return [(key, value) for key, value in listed if key is not None]


def still_to_do(update: Value | None) -> str:
    """A filter for the documents that an update has not changed yet, as code; `{}` where that cannot be told.

    It finds what the update would change, so that the update does with it what it does without.
    """
    found = operators(update)
    if len(found) != 1:
        return "{}"
    (operator, fields), *_ = found.items()
    if len(fields) != 1:
        return "{}"
    field, value = fields[0]
    if field is None:
        return "{}"
    if operator in ("$unset", "$rename"):
        return f'{{{quoted(field)}: {{"$exists": True}}}}'
    if operator == "$set" and (written := constant(value)) is not ... and written is not None:
        shown = quoted(written) if isinstance(written, str) else repr(written)
        return f'{{{quoted(field)}: {{"$ne": {shown}}}}}'
    return "{}"


def index_keys(value: Value | None) -> list[tuple[str, str]] | None:
    """The keys of an index, as field and direction in code; None when they are not written out."""
    if value is None:
        return None
    single = constant(value)
    if isinstance(single, str):
        return [(single, "1")]
    listed = elements(value)
    if listed is not None:
        pairs = [elements(one) or [one] for one in listed]
    elif (found := entries(value)) is not None:
        return [(key, _direction(item)) for key, item in found if key is not None]
    else:
        return None
    keys = [(constant(pair[0]), _direction(pair[1]) if len(pair) > 1 else "1") for pair in pairs if pair]
    return [(field, direction) for field, direction in keys if isinstance(field, str)]


def _direction(value: Value) -> str:
    written = constant(value)
    if isinstance(written, (str, int)) and not isinstance(written, bool):
        return quoted(written) if isinstance(written, str) else str(written)
    node = getattr(value, "node", None)
    text = ast.unparse(node) if isinstance(node, ast.expr) else str(getattr(value, "path", "1"))
    return {"ASCENDING": "1", "DESCENDING": "-1"}.get(text.rpartition(".")[2], text)


def index_name(keys: Sequence[tuple[str, str]]) -> str:
    """The name that the server's drivers give to an index with these keys."""
    return "_".join(f"{field}_{direction.strip(chr(34))}" for field, direction in keys)


def key_pattern(keys: Sequence[tuple[str, str]]) -> str:
    """Index keys as a document in code."""
    return "{" + ", ".join(f"{quoted(field)}: {direction}" for field, direction in keys) + "}"


def later_file(source: Source, what: str) -> str:
    """A comment line that begins the next migration of the safe code."""
    return f"# {source.migration.version + 1:04d}_{what}.py, or later"


def this_file(source: Source) -> str:
    """A comment line that begins this migration's part of the safe code."""
    return f"# {source.path.name}"
