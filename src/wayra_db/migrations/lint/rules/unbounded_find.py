"""MG102: a loop over all that `find` returns, with a write for each document, or a list of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.calls import CursorUse
from wayra_db.migrations.lint.driver import WRITES
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Cursors without a limit that are collected into memory, or written from one by one, outside batches."""
    for trace in source.traces:
        for use in trace.cursors:
            cursor = use.cursor
            if cursor.limited or cursor.in_batch:
                continue
            name = cursor.collection.name or f"the collection {cursor.collection.code}"
            if use.how == "list":
                message = (
                    f"all documents of {name} that match are held in memory at once, however many there are. Read them "
                    "in batches, or bound it by a limit"
                )
            elif _writes_within(trace, use):
                message = (
                    f"one write for each document of {name} that matches: as many round trips as documents, and "
                    "nothing remembers how far it came. Let the server do it by an update with a pipeline, or work in "
                    "batches"
                )
            else:
                continue
            yield Problem(use.node, message, _safe(source, trace, use))


def _writes_within(trace: Trace, use: CursorUse) -> bool:
    """Whether the loop over the cursor writes, itself or in a helper."""
    around = [loop for loop in _loops(trace) if getattr(loop, "iter", None) is use.node]
    return any(
        operation.method in WRITES and any(loop in operation.site.loops for loop in around)
        for operation in trace.operations
    )


def _loops(trace: Trace) -> set[ast.AST]:
    return {loop for operation in trace.operations for loop in operation.site.loops}


def _safe(source: Source, trace: Trace, use: CursorUse) -> str:
    find = use.cursor.find
    filter = source.code(find.args[0] if find.args else None, "{}")
    others = [source.code(one) for one in find.args[1:]]
    others += [f"{one.arg}={source.code(one.value)}" for one in find.keywords if one.arg not in (None, "filter")]
    item = ast.unparse(use.target) if use.target is not None else "document"
    keyword = "async " if trace.header.is_async else ""
    body = [f"{keyword}for {item} in batch.find({', '.join(others)}):", "    ..."]
    return advice.batched(trace, use.cursor.collection, filter, body)


RULE = Rule("MG102", "unbounded-find", Severity.WARNING, "All that `find` returns is read or changed one by one", check)
