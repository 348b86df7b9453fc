"""MG304: an operation that the server refuses in a transaction, where there is or could be one."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.driver import BLOCKING_READS, DDL
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.rules.ddl_with_data import is_write
from wayra_db.migrations.lint.source import Source, Trace

_JOINS = frozenset({"create_collection", "create"})


def check(source: Source, context: Context) -> Iterator[Problem]:
    """With `transactional = True` all of them; otherwise looks that cost the writes beside them their transaction."""
    for trace in source.traces:
        if source.migration.transactional is False:
            continue
        demanded = source.migration.transactional is True
        writes = any(is_write(one) for one in trace.operations)
        changes = any(one.method in DDL - _JOINS for one in trace.operations)
        for operation in trace.operations:
            if operation.in_batch:
                continue
            looks = operation.method in BLOCKING_READS
            if demanded and (looks or operation.method in DDL - _JOINS):
                message = (
                    f"{operation.method} cannot run in a transaction, and the file says `transactional = True`: the "
                    "server refuses it and nothing of the migration is kept"
                )
                yield Problem(operation.node, message, _safe(source, trace, operation))
            elif looks and writes and not changes and not trace.is_batched:
                message = (
                    f"{operation.method} cannot run in a transaction, so the writes beside it lose theirs although "
                    "they could have it"
                )
                yield Problem(operation.node, message, _safe(source, trace, operation), Severity.WARNING)


def _safe(source: Source, trace: Trace, operation: Operation) -> str:
    if operation.method in ("estimated_document_count", "count"):
        return f"{advice.wait(trace)}{advice.on(operation, trace)}.count_documents({{}})"
    if operation.method in DDL:
        return "# in a migration of its own, without `transactional = True`:\n" + advice.call(source, trace, operation)
    return "# without it: what a migration finds must not decide what it does; or in a migration of its own"


RULE = Rule(
    "MG304", "blocks-transaction", Severity.ERROR, "An operation cannot run in the migration's transaction", check
)
