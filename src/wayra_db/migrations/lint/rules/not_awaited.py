"""MG403: a call in an asynchronous migration that nobody awaits, so it never happens."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wayra_db.migrations.lint.calls import BatchLoop, CursorUse, HelperCall, Operation
from wayra_db.migrations.lint.driver import ANSWER_AT_ONCE
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source
from wayra_db.migrations.lint.values import FunctionNode

# Builtins that would get the coroutine itself and not what it gives.
_TAKE_IT_AS_IT_IS = frozenset(
    [
        "all",
        "any",
        "bool",
        "dict",
        "enumerate",
        "frozenset",
        "int",
        "iter",
        "len",
        "list",
        "max",
        "min",
        "next",
        "print",
        "repr",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
    ]
)


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Database calls, asynchronous helpers and loops of an `async def up` or `down` without `await` or `async for`."""
    for trace in source.traces:
        if trace.header.is_async:
            for event in trace.events:
                if isinstance(event, Operation) and _is_coroutine(event):
                    yield from _judge(source, event.node, f"{event.method} sends nothing")
                elif isinstance(event, HelperCall) and isinstance(event.function, ast.AsyncFunctionDef):
                    yield from _judge(source, event.node, f"{event.function.name} does nothing")
                elif isinstance(event, CursorUse):
                    yield from _judge_cursor(source, event)
                elif isinstance(event, BatchLoop) and isinstance(event.node, ast.For):
                    yield _loop(source, event.node.target, event.node.iter)


def _is_coroutine(operation: Operation) -> bool:
    return operation.method not in ANSWER_AT_ONCE and not operation.request


def _judge(source: Source, call: ast.Call, so: str) -> Iterator[Problem]:
    if _is_lost(source, call):
        message = f"{so}: the coroutine is never awaited, and the migration would be recorded as applied without it"
        yield Problem(call, message, f"await {source.code(call)}")


def _is_lost(source: Source, call: ast.Call) -> bool:
    """Whether the coroutine certainly goes to waste, or is taken for its result."""
    parent = source.parents.get(call)
    match parent:
        case ast.Expr() | ast.Attribute() | ast.Subscript() | ast.Compare() | ast.BinOp() | ast.BoolOp() | ast.If():
            return True
        case ast.UnaryOp() | ast.FormattedValue() | ast.For() | ast.AsyncFor() | ast.comprehension() | ast.While():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _TAKE_IT_AS_IT_IS
        case ast.Assign(targets=[ast.Name(id=name)]):
            return not _is_used(_function_around(source, call), name)
        case _:
            return False


def _is_used(function: FunctionNode | None, name: str) -> bool:
    """Whether a variable that holds a coroutine is awaited, handed on or returned."""
    if function is None:
        return True
    for node in ast.walk(function):
        used: list[ast.expr] = []
        if isinstance(node, ast.Call):
            used = [*node.args, *(one.value for one in node.keywords)]
        elif isinstance(node, (ast.Await, ast.Return, ast.Starred)) and node.value is not None:
            used = [node.value]
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            used = node.elts
        if any(isinstance(one, ast.Name) and one.id == name for one in used):
            return True
    return False


def _function_around(source: Source, node: ast.AST) -> FunctionNode | None:
    above: ast.AST | None = node
    while above is not None and not isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef)):
        above = source.parents.get(above)
    return above


def _judge_cursor(source: Source, use: CursorUse) -> Iterator[Problem]:
    if isinstance(use.node, ast.Call) and use.how == "list" and isinstance(use.node.func, ast.Name):
        found = source.code(use.node.args[0])
        message = f"{use.node.func.id}() cannot read an asynchronous cursor"
        yield Problem(use.node, message, f"await {found}.to_list()")
    elif (
        isinstance(use.node, ast.Call) and isinstance(use.node.func, ast.Attribute) and use.node.func.attr == "to_list"
    ):
        yield from _judge(source, use.node, "to_list reads nothing")
    elif isinstance(use.node, ast.expr) and not use.is_async:
        yield _loop(source, use.target, use.node)


def _loop(source: Source, target: ast.expr | None, over: ast.expr) -> Problem:
    item = ast.unparse(target) if target is not None else "document"
    message = f"{source.code(over)} is asynchronous, so a plain `for` cannot go through it"
    return Problem(over, message, f"async for {item} in {source.code(over)}:")


RULE = Rule("MG403", "not-awaited", Severity.ERROR, "An asynchronous call is never awaited", check)
