"""MG502: a `down` that does nothing, although `up` changes something."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from wayra_db.migrations.lint import inverse
from wayra_db.migrations.lint.driver import DDL
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.rules.ddl_with_data import is_write
from wayra_db.migrations.lint.source import Source


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Only `pass`, a docstring, or `return`."""
    down = source.down
    if down is None or not all(_does_nothing(statement) for statement in down.node.body):
        return
    if any(is_write(one) or one.method in DDL for one in source.up.operations):
        yield Problem(
            down.node,
            "this `down` does nothing, so a rollback would record as undone what is still there. Undo it, or delete "
            "`down`: a migration without one refuses the rollback before it begins",
            inverse.down_for(source),
        )


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, (ast.Expr, ast.Return)) and isinstance(statement.value, (ast.Constant, type(None)))
    )


RULE = Rule("MG502", "empty-down", Severity.WARNING, "A rollback would undo nothing", check)
