"""Whether a user's unit runs in a transaction, and which of its operations cannot join one, seen by static reading.

It sees direct calls only; what it misses, the server refuses with code 263 and nothing is kept.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

# Methods whose commands the server refuses inside a transaction (manual, Transactions, Restricted Operations).
# `createIndexes` and `create` may join only on collections made in the same transaction, so they count as refused.
BLOCKING_METHODS = frozenset(
    {
        "create_index",
        "create_indexes",
        "create_search_index",
        "create_search_indexes",
        "drop",
        "drop_collection",
        "drop_database",
        "drop_index",
        "drop_indexes",
        "drop_search_index",
        "estimated_document_count",
        "explain",
        "index_information",
        "list_collection_names",
        "list_collections",
        "list_indexes",
        "rename",
        "update_search_index",
        "validate_collection",
        "watch",
    }
)
BLOCKING_COMMANDS = frozenset(
    {
        "collMod",
        "compact",
        "convertToCapped",
        "count",
        "create",
        "createIndexes",
        "drop",
        "dropDatabase",
        "dropIndexes",
        "explain",
        "listCollections",
        "listIndexes",
        "reIndex",
        "renameCollection",
        "validate",
    }
)
BLOCKING_STAGES = frozenset({"$out", "$merge"})

# After a dot, or the dollar of a stage; a comment may stand between the dot and the name.
_WORTH_A_LOOK = re.compile(
    rf"[.$]\s*(?:#.*\s*)*(?:{'|'.join(['command', 'batches', 'out', 'merge', *sorted(BLOCKING_METHODS)])})"
)


def decide(
    transactional: bool | None, found: Sequence[str], *, transactions: bool, batched: bool = False
) -> tuple[bool, str]:
    """Whether a unit is atomic, and if not, why: from its own flag, its blockers and what the deployment can do."""
    if not transactions:
        return False, "a standalone server has no transactions"
    if batched:
        beside = f"; {', '.join(found)} stands outside them" if found else ""
        return False, f"each batch commits with its checkpoint{beside}"
    if transactional is False:
        return False, "the file says `transactional = False`"
    if transactional is None and found:
        return False, f"{', '.join(found)} cannot join a transaction"
    return True, ""


def is_plain(text: str) -> bool:
    """Whether a source text certainly has no blockers and no batches, so that its tree need not be walked.

    Most of a thousand migrations are such, and the walk would be half of the time that reading them takes. What is not
    plain ASCII, or has escapes, may spell a name in another way.
    """
    return text.isascii() and "\\" not in text and _WORTH_A_LOOK.search(text) is None


def blockers(tree: ast.Module, *, skip: str = "") -> Iterator[str]:
    """Operations outside the function `skip` that cannot join a transaction, each as `name (line N)`."""
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == skip:
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in BLOCKING_METHODS:
                    yield f"{node.func.attr} (line {node.lineno})"
                elif node.func.attr == "command" and node.args and (name := _command_name(node.args[0])):
                    yield f"{name} (line {node.lineno})"
            elif isinstance(node, ast.Dict):
                for key in node.keys:
                    if isinstance(key, ast.Constant) and key.value in BLOCKING_STAGES:
                        yield f"{key.value} (line {key.lineno})"


def goes_in_batches(tree: ast.Module, *, skip: str = "") -> bool:
    """Whether something outside the function `skip` calls `.batches(...)`."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "batches"
        for statement in tree.body
        if not (isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == skip)
        for node in ast.walk(statement)
    )


def _command_name(argument: ast.expr) -> str | None:
    if isinstance(argument, ast.Dict) and argument.keys:
        argument = argument.keys[0] or argument
    if isinstance(argument, ast.Constant) and argument.value in BLOCKING_COMMANDS:
        return str(argument.value)
    return None
