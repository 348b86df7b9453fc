"""MG101: an update or delete of a whole collection in one go."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source
from wayra_db.migrations.lint.values import is_empty_filter


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Every `update_many` or `delete_many` that certainly matches all documents, outside batches."""
    for trace in source.traces:
        for operation in trace.operations:
            if operation.method not in ("update_many", "delete_many") or operation.in_batch or operation.request:
                continue
            collection = operation.collection
            if collection is None or not is_empty_filter(operation.filter):
                continue
            if operation.method == "update_many":
                changed = source.code(operation.expression(1, "update"))
                filter, call = advice.still_to_do(operation.update), f"batch.update_many({changed})"
            else:
                filter, call = "{}", "batch.delete_many()"
            yield Problem(
                operation.node,
                f"{operation.method} on all of {advice.name_of(operation)} in one go: a large collection does not fit "
                "into the 60 seconds of a transaction, and without one nothing remembers how far it came. Work in "
                "batches, each of which commits with its checkpoint",
                advice.batched(trace, collection, filter, [advice.wait(trace) + call]),
            )


RULE = Rule("MG101", "unbatched-update", Severity.ERROR, "A whole collection is changed in one go", check)
