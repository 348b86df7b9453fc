"""Where a mistake stands: from a step-by-step path inside a `Collection(...)` call to the line of the user's file.

The declaration was executed, so its values no longer know their lines. The file is read again as a syntax tree and
walked along the same steps, through dictionaries, lists, `**` and names assigned in the same file. Where a value was
computed the walk ends early, and the nearest literal or the last place it reached is the answer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Step = str | int
Where = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and the steps to it: `("validator", "$jsonSchema", "properties", "email", "bsonType")`.

    `literal` is the wrong word itself, to find it where the steps lead into computed values.
    """

    message: str
    where: Where
    literal: Step | None = None
    hint: str = ""


def find_line(path: Path, call_line: int, mistake: Mistake) -> int:
    """The line in `path` of the mistake inside the call that starts at `call_line`; that line if it cannot be told."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return call_line
    call = _call_at(tree, call_line)
    if call is None:
        return call_line
    names = _assigned_names(tree)
    node: ast.expr = call
    line = call_line
    for step in mistake.where:
        found = _descend(_resolve(node, names), step, names)
        if found is None:
            break
        line, node = found
    else:
        return line
    return _literal_line(_resolve(node, names), mistake.literal) or _only_literal_line(tree, mistake.literal) or line


def _call_at(tree: ast.Module, line: int) -> ast.Call | None:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.lineno == line]
    named = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "Collection"]
    return next(iter(named or calls), None)


def _assigned_names(tree: ast.Module) -> dict[str, ast.expr]:
    names: dict[str, ast.expr] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names.update({target.id: node.value for target in node.targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            names[node.target.id] = node.value
    return names


def _resolve(node: ast.expr, names: dict[str, ast.expr]) -> ast.expr:
    seen: set[str] = set()
    while isinstance(node, ast.Name) and node.id in names and node.id not in seen:
        seen.add(node.id)
        node = names[node.id]
    return node


def _descend(node: ast.expr, step: Step, names: dict[str, ast.expr]) -> tuple[int, ast.expr] | None:
    for line, key, value in _children(node):
        if key == step:
            return line, value
        if key is None and (found := _descend(_resolve(value, names), step, names)):
            return found
    return None


def _children(node: ast.expr) -> Iterator[tuple[int, Step | None, ast.expr]]:
    """A node's parts as (line, step, value); the step is None for `**value`, whose parts belong to the node."""
    if isinstance(node, ast.Call):
        for value in node.args[:1]:
            yield value.lineno, "name", value
        for keyword in node.keywords:
            yield keyword.lineno, keyword.arg, keyword.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                yield value.lineno, None, value
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.lineno, key.value, value
    elif isinstance(node, (ast.List, ast.Tuple)) and not any(isinstance(value, ast.Starred) for value in node.elts):
        for index, value in enumerate(node.elts):
            yield value.lineno, index, value


def _literal_line(node: ast.AST, literal: Step | None) -> int | None:
    return next(iter(_literal_lines(node, literal)), None)


def _only_literal_line(tree: ast.Module, literal: Step | None) -> int | None:
    lines = _literal_lines(tree, literal)
    return lines[0] if len(lines) == 1 else None


def _literal_lines(node: ast.AST, literal: Step | None) -> list[int]:
    if literal is None:
        return []
    return sorted(part.lineno for part in ast.walk(node) if isinstance(part, ast.Constant) and part.value == literal)
