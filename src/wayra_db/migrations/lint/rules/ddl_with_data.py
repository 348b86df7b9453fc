"""MG201: changes of collections or indexes and changes of data in one migration."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.driver import DDL, WRITES
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source
from wayra_db.migrations.lint.values import constant, elements, entries

# It may join a transaction, so it takes nothing from the data beside it.
_JOINS = frozenset({"create_collection", "create"})


def check(source: Source, context: Context) -> Iterator[Problem]:
    """The first operation of either direction that cannot join the transaction of the data beside it."""
    for trace in source.traces:
        changes = [one for one in trace.operations if one.method in DDL - _JOINS]
        writes = [one for one in trace.operations if is_write(one)]
        if not changes or not writes:
            continue
        ddl, data = changes[0], writes[0]
        listed = ", ".join(dict.fromkeys(f"{one.method} (line {one.node.lineno})" for one in changes))
        lines = [
            advice.this_file(source),
            advice.definition(trace),
            f"    {advice.call(source, trace, data)}",
            "",
            advice.later_file(source, "by_itself"),
            advice.definition(trace),
            f"    {advice.call(source, trace, ddl)}",
        ]
        yield Problem(
            ddl.node,
            f"{listed} cannot join a transaction, so the changes of data beside it (line {data.node.lineno}) lose "
            "theirs: what stops between the two leaves half of it. Make two migrations of it",
            "\n".join(lines),
        )


def is_write(operation: Operation) -> bool:
    """Whether an operation changes documents: a write, or an aggregation that ends in `$out` or `$merge`."""
    if operation.method in ("aggregate", "aggregate_raw_batches"):
        return target_of_aggregate(operation) is not None
    return operation.method in WRITES


def target_of_aggregate(operation: Operation) -> str | None:
    """The collection that an aggregation writes; empty when its name is not written out, None when it writes none."""
    pipeline = operation.argument(0, "pipeline")
    for stage in elements(pipeline) or [] if pipeline is not None else []:
        for key, value in entries(stage) or []:
            if key in ("$out", "$merge"):
                inside = dict(entries(value) or [])
                name = constant(inside.get("coll") or inside.get("into") or value)
                return name if isinstance(name, str) else ""
    return None


RULE = Rule("MG201", "ddl-with-data", Severity.ERROR, "Collections or indexes and data are changed together", check)
