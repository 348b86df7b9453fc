"""MG404: a plain `def` that calls something asynchronous, which then never runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wayra_db.migrations.lint.calls import ExternalCall, HelperCall
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace

_LOOPS = ("asyncio.run", "asyncio.Runner", "anyio.run", "trio.run")


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Asynchronous helpers and event loops of their own in a `def up` or `def down`."""
    for trace in source.traces:
        if trace.header.is_async:
            continue
        for event in trace.events:
            if isinstance(event, HelperCall) and isinstance(event.function, ast.AsyncFunctionDef):
                if event.site.is_async:
                    continue
                yield Problem(
                    event.node,
                    f"`{trace.direction}` is a plain def and {event.function.name} is asynchronous: the call makes a "
                    "coroutine that never runs, and the database that it is given is not an asynchronous one",
                    _safe(source, trace, event.node),
                )
            elif isinstance(event, ExternalCall) and (
                event.path in _LOOPS or event.path.endswith(".run_until_complete")
            ):
                yield Problem(
                    event.node,
                    f"{source.code(event.node.func)} runs an event loop of its own; the database that "
                    f"`{trace.direction}` is given is not an asynchronous one, and another client is not in the "
                    f"transaction. Make `{trace.direction}` itself asynchronous",
                    f"async def {trace.direction}({trace.database}):\n    await ...",
                )


def _safe(source: Source, trace: Trace, call: ast.Call) -> str:
    return f"async def {trace.direction}({trace.database}):\n    await {source.code(call)}"


RULE = Rule("MG404", "sync-calls-async", Severity.ERROR, "A plain def calls something asynchronous", check)
