"""MG503: a name at the top of the file that looks like a flag or a function that wayra-db reads, but is not."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source

_FLAGS = {"transactional": bool, "retry": str}
# What other tools call them.
_FLAGS_ELSEWHERE = {
    "atomic": "transactional",
    "in_transaction": "transactional",
    "transaction": "transactional",
    "use_transaction": "transactional",
    "retries": "retry",
    "retry_policy": "retry",
}
_FUNCTIONS_ELSEWHERE = {
    "backward": "down",
    "backwards": "down",
    "downgrade": "down",
    "revert": "down",
    "rollback": "down",
    "undo": "down",
}


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Unused constants that are nearly a flag, and unused functions that are nearly `down`."""
    used = {node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for node in source.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            meant = _meant_function(node.name) if node.name not in used and source.down is None else None
            if meant is not None:
                message = f"nothing calls `{node.name}`, and wayra-db looks for `{meant}`: it would never run"
                yield Problem(node, message, f"def {meant}({source.up.database}):")
            continue
        for name, value in _assigned(node):
            flag = None if name in used or name in _FLAGS else _meant_flag(name, value)
            if flag is not None:
                message = f"`{name}` is not read by anything. Did you mean `{flag}`?"
                yield Problem(node, message, f"{flag} = {ast.unparse(value)}")


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                yield target.id, node.value


def _meant_flag(name: str, value: ast.expr) -> str | None:
    lower = name.lower()
    flag = _FLAGS_ELSEWHERE.get(lower) or next(iter(difflib.get_close_matches(lower, _FLAGS, n=1, cutoff=0.8)), None)
    if flag is None or not isinstance(value, ast.Constant):
        return None
    return flag if isinstance(value.value, _FLAGS[flag]) or lower in _FLAGS else None


def _meant_function(name: str) -> str | None:
    lower = name.lower()
    return _FUNCTIONS_ELSEWHERE.get(lower) or ("down" if lower == "down" and name != "down" else None)


RULE = Rule("MG503", "unknown-flag", Severity.ERROR, "A flag or function has a name that wayra-db does not know", check)
