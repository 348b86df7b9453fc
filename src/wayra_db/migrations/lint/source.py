"""A migration as the rules see it: its text, its tree, and what each direction does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from wayra_db import sourcefile
from wayra_db.atomicity import decide
from wayra_db.migrations.lint.calls import CursorUse, Event, ExternalCall, HelperCall, Operation
from wayra_db.migrations.lint.trace import (
    read_direction,
    read_module,
    read_unreached,
)
from wayra_db.migrations.lint.values import FunctionNode, Scope
from wayra_db.migrations.loader import read_migration
from wayra_db.migrations.model import Direction, DirectionHeader, Migration


@dataclass(frozen=True, slots=True)
class Trace:
    """What `up` or `down` does, in the order in which it is written.

    `atomic` tells whether it runs in one transaction where the deployment has them, `reason` why not.
    """

    direction: Direction
    header: DirectionHeader
    node: ast.FunctionDef | ast.AsyncFunctionDef
    events: tuple[Event, ...]
    atomic: bool
    reason: str

    @property
    def operations(self) -> Iterator[Operation]:
        """The calls that reach the server."""
        return (event for event in self.events if isinstance(event, Operation))

    @property
    def cursors(self) -> Iterator[CursorUse]:
        """The cursors that are read to their ends."""
        return (event for event in self.events if isinstance(event, CursorUse))

    @property
    def helpers(self) -> Iterator[HelperCall]:
        """The calls of the file's own functions."""
        return (event for event in self.events if isinstance(event, HelperCall))

    @property
    def is_batched(self) -> bool:
        """Whether it works by `ctx.batches`."""
        return self.header.batched

    @property
    def database(self) -> str:
        """The name that the database has in this function."""
        return self._parameter(0, "db")

    @property
    def context(self) -> str:
        """The name that the context has, or `ctx` where the function takes none."""
        return self._parameter(1, "ctx")

    def _parameter(self, position: int, default: str) -> str:
        names = [one.arg for one in [*self.node.args.posonlyargs, *self.node.args.args]]
        return names[position] if position < len(names) else default


@dataclass(frozen=True)
class Source:
    """A migration file, read and followed, never run."""

    migration: Migration
    text: str
    tree: ast.Module
    up: Trace
    down: Trace | None
    elsewhere: tuple[Event, ...] = field(default=())

    @property
    def path(self) -> Path:
        """The file."""
        return self.migration.path

    @property
    def traces(self) -> tuple[Trace, ...]:
        """`up`, and `down` if there is one."""
        return (self.up,) if self.down is None else (self.up, self.down)

    @property
    def external_calls(self) -> Iterator[ExternalCall]:
        """Every call of something imported or built in, wherever in the file it stands."""
        events = [*self.elsewhere, *(event for trace in self.traces for event in trace.events)]
        return (event for event in events if isinstance(event, ExternalCall))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text; the first is number 0."""
        return self.text.split("\n")

    def code(self, node: ast.expr | None, default: str = "...") -> str:
        """An expression as it is written, on one line."""
        if node is None:
            return default
        written = ast.get_source_segment(self.text, node) or ""
        return written if written and "\n" not in written else ast.unparse(node)


def read_source(path: Path) -> Source:
    """Read a migration and follow what it does. Raises MigrationLoadError."""
    return follow(read_migration(path), sourcefile.read_source(path))


def follow(migration: Migration, text: str) -> Source:
    """What a migration with this text does."""
    tree = ast.parse(text)
    scope, events = read_module(tree)
    functions = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    up, entered = _trace(migration, "up", migration.up, functions["up"], scope)
    down = None
    if migration.down is not None:
        down, more = _trace(migration, "down", migration.down, functions["down"], scope)
        entered |= more
    unreached = [node for node in _functions(tree) if id(node) not in entered]
    return Source(migration, text, tree, up, down, (*events, *read_unreached(unreached, scope)))


def _functions(tree: ast.Module) -> Iterator[FunctionNode]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _trace(
    migration: Migration,
    direction: Direction,
    header: DirectionHeader,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    scope: Scope,
) -> tuple[Trace, set[int]]:
    events, entered = read_direction(node, scope)
    atomic, reason = decide(migration.transactional, header.blockers, transactions=True, batched=header.batched)
    return Trace(direction, header, node, tuple(events), atomic, reason), entered
