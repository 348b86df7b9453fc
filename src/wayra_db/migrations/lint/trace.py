"""What a migration does, read without running it: the calls of `up` or `down` in their order, helpers included.

The reader goes through a function's statements with what each name stands for (`values`), enters helper functions of
the same file where they are called, and keeps for each call in which batch, `try` and loop it stands. Code that it
cannot follow, such as helpers of another file, it does not judge.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from wayra_db.migrations.lint.calls import BatchLoop, CursorUse, Event, ExternalCall, HelperCall, Operation, Site
from wayra_db.migrations.lint.driver import REQUESTS
from wayra_db.migrations.lint.resolve import (
    as_command,
    attribute,
    bind_import,
    bind_parameters,
    collection_named,
    may_be_many,
    subscript,
    target_of,
)
from wayra_db.migrations.lint.values import (
    IN_BATCH,
    UNKNOWN,
    Batch,
    Batches,
    Client,
    Collection,
    Cursor,
    Database,
    Expression,
    External,
    Function,
    FunctionNode,
    Method,
    MigrationContext,
    Mixed,
    Scope,
    Value,
    elements,
    external_path,
    is_true,
    join,
)

_BUILTINS = frozenset(dir(builtins))
_CLIENTS = ("MongoClient", "AsyncMongoClient")
_COLLECTING = frozenset({"list", "tuple", "set", "sorted", "frozenset", "len", "reversed"})
_ADDING = frozenset({"add", "append", "extend", "insert", "setdefault", "update"})
# Helpers that call each other can be entered in very many ways; beyond this nobody reads such a file either.
_MOST_CALLS = 500


def read_module(tree: ast.Module) -> tuple[Scope, list[Event]]:
    """The names at the top level of a file, and what happens when it is imported."""
    reader = _Reader()
    scope: Scope = {}
    reader.run(tree.body, scope)
    return scope, reader.events


def read_direction(node: FunctionNode, scope: Scope) -> tuple[list[Event], set[int]]:
    """What `up` or `down` does, and the ids of the functions that were entered."""
    reader = _Reader()
    arguments: list[Value] = [Database(), MigrationContext()]
    reader.enter(Function(node, scope), arguments, {})
    return reader.events, reader.entered


def read_unreached(functions: Iterable[FunctionNode], scope: Scope) -> list[Event]:
    """What functions do that nothing was seen to call; their parameters are unknown."""
    reader = _Reader()
    for node in functions:
        if id(node) not in reader.entered:
            reader.enter(Function(node, scope), [], {})
    return reader.events


class _Reader:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.entered: set[int] = set()
        self._site = Site()
        self._stack: tuple[int, ...] = ()
        self._returned: list[Value] = []

    # --- statements ---------------------------------------------------------------------------------------------

    def run(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        for statement in body:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in node.decorator_list:
                    self._value(decorator, scope)
                scope[node.name] = Function(node, scope)
            case ast.ClassDef():
                self.run([one for one in node.body if not isinstance(one, ast.FunctionDef)], dict(scope))
                scope[node.name] = UNKNOWN
            case ast.Import() | ast.ImportFrom():
                bind_import(node, scope)
            case ast.Assign():
                value = self._value(node.value, scope)
                for target in node.targets:
                    self._bind(target, value, scope)
            case ast.AnnAssign():
                if node.value is not None:
                    self._bind(node.target, self._value(node.value, scope), scope)
            case ast.AugAssign():
                value = self._value(node.value, scope)
                if isinstance(node.target, ast.Name):
                    scope[node.target.id] = Mixed((scope.get(node.target.id, UNKNOWN), value))
            case ast.If():
                self._value(node.test, scope)
                self._branches([node.body, node.orelse], scope)
            case ast.For() | ast.AsyncFor():
                self._for(node, scope)
            case ast.While():
                self._forget_rebound(node, scope)
                with self._in(loops=(*self._site.loops, node)):
                    self._value(node.test, scope)
                    self.run(node.body, scope)
                self.run(node.orelse, scope)
            case ast.With() | ast.AsyncWith():
                self._with(node, scope)
            case ast.Try() | ast.TryStar():
                with self._in(guards=(*self._site.guards, node)):
                    self.run(node.body, scope)
                self._branches([*(handler.body for handler in node.handlers), node.orelse], scope)
                self.run(node.finalbody, scope)
            case ast.Match():
                self._value(node.subject, scope)
                self._branches([case.body for case in node.cases], scope)
            case ast.Return():
                if node.value is not None:
                    self._returned.append(self._value(node.value, scope))
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._value(child, scope)

    def _branches(self, bodies: Sequence[Sequence[ast.stmt]], scope: Scope) -> None:
        ends = []
        for body in bodies:
            branch = dict(scope)
            self.run(body, branch)
            if not (body and isinstance(body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))):
                ends.append(branch)
        for name in dict.fromkeys(name for end in ends for name in end):
            scope[name] = join([end[name] for end in ends if name in end])

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        over = self._value(node.iter, scope)
        self._forget_rebound(node, scope)
        self._bind(node.target, self._item(over), scope)
        batch = self._site.batch
        if isinstance(over, Cursor):
            use = CursorUse(node.iter, over, "loop", self._site, node.target, isinstance(node, ast.AsyncFor))
            self.events.append(use)
        elif isinstance(over, Batches):
            self.events.append(BatchLoop(node, over, self._site))
            batch = Batch(over.collection)
        with self._in(loops=(*self._site.loops, node), batch=batch):
            self.run(node.body, scope)
        self.run(node.orelse, scope)

    def _item(self, over: Value) -> Value:
        if isinstance(over, Batches):
            return Batch(over.collection)
        found = elements(over)
        return join(found) if found else UNKNOWN

    def _forget_rebound(self, node: ast.For | ast.AsyncFor | ast.While, scope: Scope) -> None:
        """What a loop changes is not what it was before the loop, from its second round on."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                before = scope.get(inner.id)
                if isinstance(before, (Expression, Mixed)):
                    scope[inner.id] = Mixed((before, UNKNOWN))

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        guards = self._site.guards
        for item in node.items:
            value = self._value(item.context_expr, scope)
            call = item.context_expr
            if isinstance(call, ast.Call) and external_path(call.func, scope) == "contextlib.suppress":
                guards = (*guards, item)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, value, scope)
        with self._in(guards=guards):
            self.run(node.body, scope)

    def _bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name():
                if isinstance(value, Collection) and value.name is None and value.code == "collection.name":
                    value = replace(value, code=f"{target.id}.name")
                scope[target.id] = value
            case ast.Tuple() | ast.List():
                items = elements(value) or []
                matching = len(items) == len(target.elts)
                for number, one in enumerate(target.elts):
                    self._bind(one, items[number] if matching else Mixed((value,)), scope)
            case ast.Starred():
                self._bind(target.value, UNKNOWN, scope)
            case ast.Subscript() | ast.Attribute():
                self._add_to(target.value, [value], scope)

    def _add_to(self, node: ast.expr, values: list[Value], scope: Scope) -> None:
        while isinstance(node, (ast.Subscript, ast.Attribute)):
            node = node.value
        if isinstance(node, ast.Name) and isinstance(before := scope.get(node.id, UNKNOWN), (Expression, Mixed)):
            scope[node.id] = Mixed((before, *values))

    @contextmanager
    def _in(self, **more: object) -> Iterator[None]:
        before = self._site
        self._site = replace(before, **more)  # type: ignore[arg-type]
        try:
            yield
        finally:
            self._site = before

    # --- expressions --------------------------------------------------------------------------------------------

    def _value(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Name():
                found = self._name(node, scope)
                if isinstance(found, Function):
                    self._enter_once(found)  # handed on: whoever gets it may call it
                return found
            case ast.Attribute():
                return attribute(self._value(node.value, scope), node, scope)
            case ast.Subscript():
                owner = self._value(node.value, scope)
                self._value(node.slice, scope)
                return subscript(owner, node, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.Await() | ast.Starred():
                return self._value(node.value, scope)
            case ast.NamedExpr():
                value = self._value(node.value, scope)
                self._bind(node.target, value, scope)
                return value
            case ast.IfExp():
                self._value(node.test, scope)
                return join([self._value(node.body, scope), self._value(node.orelse, scope)])
            case ast.Lambda():
                function = Function(node, scope)
                self._enter_once(function)
                return function
            case ast.List() | ast.Tuple() | ast.Set():
                items = tuple(self._value(one, scope) for one in node.elts)
                return Expression(node, dict(scope), items)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehension(node, scope)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._value(child, scope)
                return Expression(node, dict(scope))

    def _name(self, node: ast.Name, scope: Scope) -> Value:
        if node.id in scope:
            return scope[node.id]
        return External(node.id) if node.id in _BUILTINS else UNKNOWN

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope) -> Value:
        inner = dict(scope)
        for generator in node.generators:
            over = self._value(generator.iter, inner)
            if isinstance(over, Cursor):
                how = "loop" if isinstance(node, ast.GeneratorExp) else "list"
                use = CursorUse(
                    generator.iter, over, how, self._site, target=generator.target, is_async=bool(generator.is_async)
                )
                self.events.append(use)
            self._bind(generator.target, self._item(over), inner)
            for condition in generator.ifs:
                self._value(condition, inner)
        with self._in(loops=(*self._site.loops, node)):
            for part in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
                self._value(part, inner)
        return Expression(node, inner)

    # --- calls --------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        callee = self._name(node.func, scope) if isinstance(node.func, ast.Name) else self._value(node.func, scope)
        positional = tuple(self._value(one, scope) for one in node.args)
        keywords = {one.arg or "**": self._value(one.value, scope) for one in node.keywords}
        match callee:
            case Function():
                self.events.append(HelperCall(node, callee.node, self._site))
                return self.enter(callee, list(positional), keywords)
            case Method():
                return self._method(node, callee, positional, keywords, scope)
            case External():
                return self._external(node, callee, positional, keywords, scope)
            case _:
                if isinstance(node.func, ast.Attribute):
                    self.events.append(ExternalCall(node, f"?.{node.func.attr}", self._site))
                    if node.func.attr in _ADDING:
                        self._add_to(node.func.value, [*positional, *keywords.values()], scope)
                return Expression(node, dict(scope))

    def enter(self, function: Function, positional: list[Value], keywords: Mapping[str, Value]) -> Value:
        """Read a function's body with these arguments; returns what it returns."""
        node = function.node
        if id(node) in self._stack or len(self.events) > _MOST_CALLS:
            return UNKNOWN
        self.entered.add(id(node))
        scope = dict(function.scope)
        bind_parameters(node.args, positional, keywords, scope)
        before, self._returned, stack = self._returned, [], self._stack
        self._stack = (*stack, id(node))
        try:
            with self._in(function=node):
                if isinstance(node, ast.Lambda):
                    return self._value(node.body, scope)
                self.run(node.body, scope)
            return join(self._returned)
        finally:
            self._returned, self._stack = before, stack

    def _enter_once(self, function: Function) -> None:
        if id(function.node) not in self.entered:
            self.enter(function, [], {})

    def _method(
        self, node: ast.Call, method: Method, positional: tuple[Value, ...], keywords: dict[str, Value], scope: Scope
    ) -> Value:
        owner, name = method.owner, method.name
        match owner:
            case Cursor():
                return self._cursor_method(node, owner, name, positional)
            case MigrationContext():
                if name != "batches":
                    return UNKNOWN
                return Batches(
                    collection_named(node.args[0] if node.args else None, positional, keywords, "collection"), node
                )
            case Database() if name == "get_collection":
                return collection_named(node.args[0] if node.args else None, positional, keywords, "name")
            case Client() if name in ("get_database", "get_default_database"):
                return Database()
        if name == "with_options":
            return owner
        operation = Operation(
            node=node,
            method=name,
            collection=target_of(owner, name, node, positional, keywords),
            owner=owner,
            receiver=ast.unparse(method.receiver),
            positional=positional,
            keywords=keywords,
            site=self._site,
        )
        if name in ("command", "cursor_command"):
            operation = as_command(operation)
        self.events.append(operation)
        if name in ("find", "find_raw_batches") and isinstance(owner, Collection):
            limited = is_true(keywords.get("limit")) or not may_be_many(operation.filter)
            return Cursor(
                owner, node, operation.filter or Expression(ast.Dict([], []), {}), limited, operation.in_batch
            )
        if name == "find" and isinstance(owner, Batch):
            return Cursor(owner.collection, node, IN_BATCH, True, in_batch=True)
        if name == "create_collection":
            return operation.collection or UNKNOWN
        return Expression(node, dict(scope))

    def _cursor_method(self, node: ast.Call, cursor: Cursor, name: str, positional: tuple[Value, ...]) -> Value:
        if name == "limit":
            return replace(cursor, limited=True)
        if name == "to_list":
            bounded = replace(cursor, limited=True) if positional else cursor
            self.events.append(CursorUse(node, bounded, "list", self._site))
            return UNKNOWN
        if name in ("explain", "distinct", "next", "try_next", "close"):
            return UNKNOWN
        return cursor

    def _external(
        self, node: ast.Call, callee: External, positional: tuple[Value, ...], keywords: dict[str, Value], scope: Scope
    ) -> Value:
        path = callee.path
        last = path.rpartition(".")[2]
        self.events.append(ExternalCall(node, path, self._site))
        if path in _COLLECTING and positional and isinstance(positional[0], Cursor):
            self.events.append(CursorUse(node, positional[0], "list", self._site))
        elif path == "getattr" and len(positional) >= 2 and isinstance(positional[0], Database):
            return collection_named(node.args[1], positional[1:], {}, "name")
        elif path in ("enumerate", "iter", "reversed") and positional:
            return positional[0] if isinstance(positional[0], (Cursor, Batches)) else Expression(node, dict(scope))
        elif last in _CLIENTS and path.startswith("pymongo."):
            return Client()
        elif last in REQUESTS and path.startswith("pymongo."):
            request = Operation(node, REQUESTS[last], None, UNKNOWN, "", positional, keywords, self._site, request=True)
            self.events.append(request)
        return Expression(node, dict(scope))
