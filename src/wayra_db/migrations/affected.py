"""Which collections a migration may touch, read from its file without running it. Pure.

It follows the database from the first argument of `up` and `down` into the file's own functions. Where it loses sight
of it, or a collection's name is computed, it says so; the caller then takes every collection.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wayra_db.sourcefile import ParsedFile

# Methods of a Database whose first argument names a collection.
NAMING = frozenset({"get_collection", "create_collection", "drop_collection", "validate_collection"})
# What else of a Database touches no collection that is not named elsewhere.
HARMLESS = frozenset({"name", "codec_options", "read_preference", "write_concern", "read_concern"})
# Commands whose value is no collection of this database.
WITHOUT_COLLECTION = frozenset(
    {"buildInfo", "connectionStatus", "dbStats", "getParameter", "hello", "hostInfo", "ping", "serverStatus"}
)
# Aggregation stages that reach into another collection, and the field in which they name it.
STAGES: Mapping[str, str] = {
    "$lookup": "from",
    "$graphLookup": "from",
    "$unionWith": "coll",
    "$merge": "into",
    "$out": "coll",
}


@dataclass(frozen=True, slots=True)
class Affected:
    """The names that were seen, and for each place where a name could not be told, why and where.

    `names` may hold some that are no collections: `db.archive.users` may mean `archive` or `archive.users`.
    """

    names: frozenset[str]
    unclear: tuple[str, ...] = ()

    def chosen(self, live: Sequence[str]) -> tuple[str, ...]:
        """Those of the `live` collections that count as affected, sorted: all of them when something is unclear."""
        return tuple(sorted(live if self.unclear else set(live) & self.names))


def affected(files: Sequence[ParsedFile]) -> Affected:
    """What the files of some migrations touch."""
    found = [_Reader(parsed) for parsed in files]
    for reader in found:
        reader.read()
    return Affected(
        frozenset(name for reader in found for name in reader.names),
        tuple(reason for reader in found for reason in reader.unclear),
    )


class _Reader:
    """Reads one file."""

    def __init__(self, parsed: ParsedFile) -> None:
        self.names: set[str] = set()
        self.unclear: list[str] = []
        self._parsed = parsed
        self._functions = {
            node.name: node
            for node in ast.walk(parsed.tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        self._parents = {child: node for node in ast.walk(parsed.tree) for child in ast.iter_child_nodes(node)}
        self._texts = self._written_out()

    def read(self) -> None:
        """Follow the database, then look for names that stand elsewhere."""
        following: list[tuple[str, str]] = []  # a function, and the name of the database in it
        for name in ("up", "down"):
            function = self._functions.get(name)
            if function is not None and (arguments := _arguments(function)):
                following.append((name, arguments[0]))
        seen: set[tuple[str, str]] = set()
        while following:
            place = following.pop()
            if place not in seen:
                seen.add(place)
                following += self._follow(self._functions[place[0]], place[1])
        for node in ast.walk(self._parsed.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr == "batches":
                    self._take(node.args[0] if node.args else None, node)
                elif node.func.attr == "rename" and node.args:
                    self.names |= set(self._values(node.args[0]))
            elif isinstance(node, ast.Dict):
                self._stages(node)

    def _follow(self, function: ast.AST, database: str) -> Iterator[tuple[str, str]]:
        for node in ast.walk(function):
            if not (isinstance(node, ast.Name) and node.id == database and isinstance(node.ctx, ast.Load)):
                continue
            parent = self._parents[node]
            if isinstance(parent, ast.Attribute):
                self._member(parent)
            elif isinstance(parent, ast.Subscript) and parent.value is node:
                self._take(parent.slice, node)
            elif isinstance(parent, ast.Assign) and all(isinstance(target, ast.Name) for target in parent.targets):
                yield from self._inside(parent, function)
            elif isinstance(parent, ast.Call) and node in parent.args:
                yield from self._call(parent, parent.args.index(node), node)
            elif isinstance(parent, ast.keyword) and parent.arg is not None:
                yield from self._keyword(parent, node)
            else:
                self._lost(node, "the database is handed on")

    def _inside(self, assignment: ast.Assign, function: ast.AST) -> Iterator[tuple[str, str]]:
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for target in assignment.targets:
                if isinstance(target, ast.Name):
                    yield function.name, target.id

    def _call(self, call: ast.Call, position: int, node: ast.Name) -> Iterator[tuple[str, str]]:
        called = call.func
        if isinstance(called, ast.Name) and called.id == "getattr" and len(call.args) > 1:
            self._take(call.args[1], node)
            return
        function = self._functions.get(called.id) if isinstance(called, ast.Name) else None
        arguments = _arguments(function) if function is not None else []
        if function is None or position >= len(arguments) or any(isinstance(one, ast.Starred) for one in call.args):
            self._lost(node, f"the database is handed to {ast.unparse(called)}")
            return
        yield function.name, arguments[position]

    def _keyword(self, keyword: ast.keyword, node: ast.Name) -> Iterator[tuple[str, str]]:
        call = self._parents[keyword]
        called = call.func if isinstance(call, ast.Call) else None
        function = self._functions.get(called.id) if isinstance(called, ast.Name) else None
        if function is None or keyword.arg is None:
            self._lost(node, "the database is handed on")
            return
        yield function.name, keyword.arg

    def _member(self, attribute: ast.Attribute) -> None:
        """`db.something`: a collection, or a method of the database."""
        name, call = attribute.attr, self._parents[attribute]
        called = isinstance(call, ast.Call) and call.func is attribute
        if called and isinstance(call, ast.Call):
            if name in NAMING:
                self._take(call.args[0] if call.args else None, attribute)
            elif name == "command":
                self._command(call)
            else:
                self._lost(attribute, f"db.{name}(...) may touch any collection")
        elif name == "client":
            self._lost(attribute, "db.client reaches every database")
        elif name not in HARMLESS:
            self._dotted(attribute, name)

    def _dotted(self, attribute: ast.expr, name: str) -> None:
        """A collection, whose name may have dots: `db.archive.users`."""
        self.names.add(name)
        parent = self._parents[attribute]
        if isinstance(parent, ast.Attribute):
            self._dotted(parent, f"{name}.{parent.attr}")
        elif isinstance(parent, ast.Subscript) and parent.value is attribute:
            values = self._values(parent.slice)
            self.names |= {f"{name}.{value}" for value in values}
            if not values:
                self._lost(parent, "the name of a collection is computed")

    def _command(self, call: ast.Call) -> None:
        first = call.args[0] if call.args else None
        value: ast.expr | None = None
        if isinstance(first, ast.Dict) and first.keys and isinstance(first.keys[0], ast.Constant):
            name, value = first.keys[0].value, first.values[0]
        elif isinstance(first, ast.Constant):
            name, value = first.value, call.args[1] if len(call.args) > 1 else None
        else:
            self._lost(call, "the command is computed")
            return
        if name not in WITHOUT_COLLECTION:
            self._take(value, call)

    def _stages(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            field = STAGES.get(key.value) if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
            if field is None:
                continue
            named = [value]
            for name in (field, "coll"):  # $merge names its collection as {"into": {"coll": ...}}
                named = [inner for one in named for inner in _under(one, name)]
            for one in named:
                self._take(one, value)

    def _take(self, name: ast.expr | None, node: ast.expr) -> None:
        values = self._values(name) if name is not None else ()
        self.names |= set(values)
        if not values:
            self._lost(node, "the name of a collection is computed")

    def _values(self, expression: ast.expr) -> tuple[str, ...]:
        """The strings that an expression may be; none when they are not written out."""
        if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
            return (expression.value,)
        if isinstance(expression, ast.Name):
            return self._texts.get(expression.id, ())
        return ()

    def _written_out(self) -> dict[str, tuple[str, ...]]:
        """What each variable may hold, where all that is ever put into it are strings that stand in the file.

        A loop's variable holds one of the items that it goes over.
        """
        found: dict[str, list[tuple[str, ...]]] = {}
        constants = self._parsed.constants
        for node in ast.walk(self._parsed.tree):
            if isinstance(node, ast.arg):
                found.setdefault(node.arg, []).append(())
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                parent = self._parents[node]
                value: ast.expr | None = None
                if isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)):
                    value = parent.iter
                elif isinstance(parent, (ast.Assign, ast.AnnAssign)):
                    value = parent.value
                if isinstance(value, ast.Name) and value.id in constants:
                    found.setdefault(node.id, []).append(_texts(constants[value.id].value))
                else:
                    found.setdefault(node.id, []).append(_literal(value))
        return {
            name: tuple(sorted({text for texts in bound for text in texts}))
            for name, bound in found.items()
            if all(bound)
        }

    def _lost(self, node: ast.expr, why: str) -> None:
        reason = f"{self._parsed.path.name}:{node.lineno}: {why}"
        if reason not in self.unclear:
            self.unclear.append(reason)


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]


def _texts(value: object) -> tuple[str, ...]:
    """A string, or a sequence of nothing but strings."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(one, str) for one in value):
        return tuple(sorted(value))
    return ()


def _literal(value: ast.expr | None) -> tuple[str, ...]:
    try:
        return _texts(ast.literal_eval(value)) if value is not None else ()
    except (ValueError, TypeError, SyntaxError):
        return ()


def _under(value: ast.expr, name: str) -> list[ast.expr]:
    """What stands under `name` in a dictionary that is written out; anything else as it is."""
    if not isinstance(value, ast.Dict):
        return [value]
    return [one for key, one in zip(value.keys, value.values, strict=True) if _is(key, name)]


def _is(key: ast.expr | None, name: str) -> bool:
    return isinstance(key, ast.Constant) and key.value == name
