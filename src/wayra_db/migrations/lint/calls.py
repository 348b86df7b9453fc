"""The calls that a migration makes, as the rules see them: each with what it is given and where it stands."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from wayra_db.migrations.lint.values import IN_BATCH, Batch, Batches, Collection, Cursor, FunctionNode, Value


@dataclass(frozen=True, slots=True)
class Site:
    """Where a call stands: inside which batch, `try` bodies (and `suppress` blocks), loops, and which function."""

    batch: Batch | None = None
    guards: tuple[ast.Try | ast.TryStar | ast.withitem, ...] = ()
    loops: tuple[ast.AST, ...] = ()
    function: FunctionNode | None = None

    @property
    def is_async(self) -> bool:
        """Whether the function around it is `async def`."""
        return isinstance(self.function, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Operation:
    """A call that reaches the server.

    `method` is PyMongo's name, or of `command` the command's; its arguments are then those of the command. `request`
    tells that it is one request of a `bulk_write`, whose collection is not known.
    """

    node: ast.Call
    method: str
    collection: Collection | None
    owner: Value
    receiver: str
    positional: tuple[Value, ...]
    keywords: Mapping[str, Value]
    site: Site
    is_command: bool = False
    request: bool = False

    def argument(self, position: int, name: str) -> Value | None:
        """An argument by its place or its name."""
        return self.positional[position] if position < len(self.positional) else self.keywords.get(name)

    @property
    def filter(self) -> Value | None:
        """The filter of an update, a delete or a find."""
        return IN_BATCH if isinstance(self.owner, Batch) else self.argument(0, "filter")

    @property
    def update(self) -> Value | None:
        """The update document or pipeline."""
        return self.argument(0 if isinstance(self.owner, Batch) else 1, "update")

    @property
    def in_batch(self) -> bool:
        """Whether it commits together with a batch's checkpoint."""
        return self.site.batch is not None

    def expression(self, position: int, name: str) -> ast.expr | None:
        """An argument as it is written."""
        if position < len(self.node.args):
            return self.node.args[position]
        return next((one.value for one in self.node.keywords if one.arg == name), None)


@dataclass(frozen=True, slots=True)
class ExternalCall:
    """A call of something imported or built in, by its full name."""

    node: ast.Call
    path: str
    site: Site


@dataclass(frozen=True, slots=True)
class HelperCall:
    """A call of a function of the file."""

    node: ast.Call
    function: FunctionNode
    site: Site


@dataclass(frozen=True, slots=True)
class CursorUse:
    """A cursor that is read to its end: `how` is `loop`, or `list` when all documents are held in memory at once."""

    node: ast.AST
    cursor: Cursor
    how: str
    site: Site
    target: ast.expr | None = None
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class BatchLoop:
    """A loop over `ctx.batches(...)`."""

    node: ast.For | ast.AsyncFor
    batches: Batches
    site: Site


Event = Operation | ExternalCall | HelperCall | CursorUse | BatchLoop
