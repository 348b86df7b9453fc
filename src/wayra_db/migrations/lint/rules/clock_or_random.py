"""MG302: values from the clock or from chance are written, so each run writes others."""

from __future__ import annotations

import ast
import hashlib
import uuid
from collections.abc import Iterator

from wayra_db.migrations.lint.calls import Operation
from wayra_db.migrations.lint.driver import WRITES
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source, Trace
from wayra_db.migrations.lint.values import external_path, quoted, reached

_CLOCK = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "time.ctime",
        "time.gmtime",
        "time.localtime",
        "time.time",
        "time.time_ns",
    }
)
_UUIDS = frozenset({"uuid.uuid1", "uuid.uuid4"})
_OBJECT_IDS = frozenset({"bson.ObjectId", "bson.objectid.ObjectId"})
_CHANCE = ("random.", "secrets.", "numpy.random.")


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Calls of the clock or of chance whose value takes part in a write, wherever it was computed."""
    seeded = any(call.path == "random.seed" and call.node.args for call in source.external_calls)
    seen: set[ast.AST] = set()
    for trace in source.traces:
        for operation in trace.operations:
            if operation.method not in WRITES:
                continue
            for call, path in _varying(operation, seeded=seeded):
                if call not in seen:
                    seen.add(call)
                    yield Problem(call, _message(source, call, operation), _safe(source, trace, operation, call, path))


def _varying(operation: Operation, *, seeded: bool) -> Iterator[tuple[ast.Call, str]]:
    for value in [*operation.positional, *operation.keywords.values()]:
        for node, scope in reached(value):
            if not isinstance(node, ast.Call) or (path := external_path(node.func, scope)) is None:
                continue
            if path in _CLOCK | _UUIDS or path == "os.urandom" or (path in _OBJECT_IDS and not node.args):
                yield node, path
            elif path.startswith(_CHANCE) and not (path.startswith("random.") and seeded):
                if path in ("random.Random", "numpy.random.default_rng") and node.args:
                    continue  # from a seed that is written out
                yield node, path


def _message(source: Source, call: ast.Call, operation: Operation) -> str:
    return (
        f"{source.code(call)} gives another value with every run, and {operation.method} on line "
        f"{operation.node.lineno} writes it: a repeated run, a rehearsal and each other environment get "
        "different data. Let the server say what time it is, or write the value out"
    )


def _safe(source: Source, trace: Trace, operation: Operation, call: ast.Call, path: str) -> str:
    seed = f"{source.path.name}:{call.lineno}:{call.col_offset}".encode()
    if path in _CLOCK:
        field = _field(source, call)
        if (field is not None and operation.method.startswith("update")) or operation.method == "find_one_and_update":
            return f'{{"$currentDate": {{{quoted(field or "...")}: True}}}}  # beside the other operators of the update'
        return '# in an update with a pipeline: "$$NOW"; elsewhere a constant\ndatetime(2026, 1, 1, tzinfo=UTC)'
    each = bool(operation.site.loops) or _in_comprehension(source, call)
    if path in _OBJECT_IDS:
        return f'ObjectId("{hashlib.sha256(seed).hexdigest()[:24]}")'
    if path in _UUIDS and not each:
        return f'uuid.UUID("{uuid.uuid5(uuid.NAMESPACE_URL, seed.decode())}")'
    if path in _UUIDS:
        return 'uuid.uuid5(uuid.NAMESPACE_OID, str(document["_id"]))  # the same for a document in every run'
    return f"random = Random({source.migration.version})  # a sequence that is the same in every run"


def _field(source: Source, call: ast.Call) -> str | None:
    """The field whose value the call is."""
    node: ast.AST = call
    while (parent := source.parents.get(node)) is not None and not isinstance(parent, ast.stmt):
        if isinstance(parent, ast.Dict):
            for key, value in zip(parent.keys, parent.values, strict=True):
                if value is node and isinstance(key, ast.Constant) and isinstance(key.value, str):
                    return key.value
        node = parent
    return None


def _in_comprehension(source: Source, call: ast.Call) -> bool:
    node: ast.AST | None = call
    while node is not None and not isinstance(node, ast.stmt):
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            return True
        node = source.parents.get(node)
    return False


RULE = Rule("MG302", "clock-or-random", Severity.WARNING, "A value from the clock or from chance is written", check)
