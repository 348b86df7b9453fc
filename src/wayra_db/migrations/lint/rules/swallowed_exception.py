"""MG303: an exception of the database is caught and the migration goes on."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import Batch

_BROAD = frozenset({"BaseException", "Exception"})
# The whole family of the driver, and the errors of single writes, which abort a transaction all the same.
_OF_THE_DRIVER = frozenset(
    {
        "AutoReconnect",
        "BulkWriteError",
        "ConnectionFailure",
        "DuplicateKeyError",
        "ExecutionTimeout",
        "NetworkTimeout",
        "OperationFailure",
        "PyMongoError",
        "WTimeoutError",
        "WriteConcernError",
        "WriteError",
    }
)
# Outside a transaction, to expect one of these is a way of asking; to expect anything at all is not.
_WHOLE_FAMILY = frozenset({"ConnectionFailure", "OperationFailure", "PyMongoError"})


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Handlers and `suppress` blocks around operations that catch broadly and do not raise again."""
    seen: set[ast.AST] = set()
    for trace in source.traces:
        for operation in trace.operations:
            in_transaction = trace.atomic or isinstance(operation.site.batch, Batch)
            for guard in operation.site.guards:
                for node, caught in _swallows(guard, in_transaction=in_transaction):
                    if node not in seen:
                        seen.add(node)
                        yield Problem(
                            node, _message(trace, operation.method, caught, in_transaction), _safe(source, node)
                        )


def _swallows(guard: ast.Try | ast.TryStar | ast.withitem, *, in_transaction: bool) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(guard, ast.withitem):
        call = guard.context_expr
        if isinstance(call, ast.Call) and (name := _caught(call.args, in_transaction)):
            yield call, name
        return
    for handler in guard.handlers:
        if any(isinstance(node, ast.Raise) for statement in handler.body for node in ast.walk(statement)):
            continue
        if handler.type is None:
            yield handler, "everything"
            continue
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if name := _caught(types, in_transaction):
            yield handler, name


def _caught(types: list[ast.expr], in_transaction: bool) -> str | None:
    wanted = _BROAD | (_OF_THE_DRIVER if in_transaction else _WHOLE_FAMILY)
    names = [ast.unparse(one).rpartition(".")[2] for one in types]
    return next((name for name in names if name in wanted), None)


def _message(trace: Trace, method: str, caught: str, in_transaction: bool) -> str:
    if in_transaction:
        why = "the server has aborted the transaction by then, so nothing that follows is kept and the run fails anyway"
    else:
        why = "the migration is recorded as applied although a part of it failed"
    return (
        f"{caught} is caught around {method} and not raised again: {why}. Let it out, or ask before instead of catching"
    )


def _safe(source: Source, node: ast.AST) -> str:
    if not isinstance(node, ast.ExceptHandler):
        return "# without the `with suppress(...)`; a check before the write says what is expected"
    kind = "" if node.type is None else f" {source.code(node.type)}"
    name = f" as {node.name}" if node.name else ""
    return f"except{kind}{name}:\n    ...\n    raise"


RULE = Rule("MG303", "swallowed-exception", Severity.ERROR, "An exception of the database is swallowed", check)
