"""A user's Python file, read without running it (`parse`) and run without leaving traces (`load_module`).

Migrations and seeds are planned, listed and checked from what `ast` sees, so that looking never executes anybody's
code. Collections, and units whose turn has come, are executed from their source; no `__pycache__` is written into the
user's project, and line numbers in tracebacks are those of the file.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

MOST_FRAMES = 30


class SourceFileError(Exception):
    """A file cannot be read or executed; each caller wraps it into its own error with `path` and `line`."""

    def __init__(self, message: str, path: Path, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line


@dataclass(frozen=True, slots=True)
class FunctionHeader:
    """A function at the top level of a file: where it stands, if it is `async`, how many arguments it can take, and
    whether it has a `yield`, so that calling it would run nothing.

    `unfilled` names the arguments that it asks for and that a call with two positional ones leaves out.
    """

    name: str
    line: int
    is_async: bool
    positional: int
    yields: bool = False
    unfilled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal assigned at the top level of a file; `literal` is false when the value is computed."""

    value: Any
    line: int
    literal: bool = True


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What can be known of a Python file without running it.

    `checksum` is the SHA-256 of the text with line endings normalised and a byte-order mark removed, so that a checkout
    on another system does not count as an edit.
    """

    path: Path
    docstring: str
    checksum: str
    functions: Mapping[str, FunctionHeader]
    constants: Mapping[str, Constant]
    text: str
    tree: ast.Module


def read_source(path: Path) -> str:
    """The file's text as UTF-8 with line endings normalised to newlines."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceFileError(f"is not UTF-8 text ({error.reason} at byte {error.start})", path) from error
    except OSError as error:
        raise SourceFileError(f"cannot be read: {error.strerror}", path) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def checksum(text: str) -> str:
    """SHA-256 of a source text as `read_source` returns it, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(path: Path) -> ParsedFile:
    """Read a file's header by `ast`; nothing in it is executed. Raises SourceFileError with the line of a mistake."""
    text = read_source(path)
    try:
        tree = ast.parse(text, filename=str(path))
    except SyntaxError as error:
        raise SourceFileError(f"syntax error: {error.msg}", path, error.lineno) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceFileError(f"cannot be parsed: {str(error) or type(error).__name__}", path) from error
    functions: dict[str, FunctionHeader] = {}
    constants: dict[str, Constant] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions[node.name] = _header(node, yields="yield" in text and _yields(node))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    constants[target.id] = _constant(node.value, node.lineno)
    return ParsedFile(
        path=path,
        docstring=ast.get_docstring(tree) or "",
        checksum=checksum(text),
        functions=MappingProxyType(functions),
        constants=MappingProxyType(constants),
        text=text,
        tree=tree,
    )


def _header(node: ast.FunctionDef | ast.AsyncFunctionDef, *, yields: bool) -> FunctionHeader:
    arguments = node.args
    positional = 100 if arguments.vararg else len(arguments.posonlyargs) + len(arguments.args)
    is_async = isinstance(node, ast.AsyncFunctionDef)
    return FunctionHeader(node.name, node.lineno, is_async, positional, yields, _unfilled(arguments))


def _unfilled(arguments: ast.arguments) -> tuple[str, ...]:
    in_order = [*arguments.posonlyargs, *arguments.args]
    required = in_order[: len(in_order) - len(arguments.defaults)][2:]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return tuple(one.arg for one in [*required, *(one for one, default in keywords if default is None)])


def _yields(function: ast.AST) -> bool:
    """Whether a function's own body has a `yield`; one in a function inside it is that one's."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)) and _yields(node):
            return True
    return False


def _constant(value: ast.expr, line: int) -> Constant:
    try:
        return Constant(ast.literal_eval(value), line)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Constant(None, line, literal=False)


def load_module(path: Path, name: str, *, expected_checksum: str | None = None) -> ModuleType:
    """Execute a user's file and return its module; with `expected_checksum` only the very text that was parsed before.

    While it runs, imports of files beside it (`from _common import address`) are found; `sys.path` and `sys.modules`
    are as before afterwards. Whatever the file raises comes as SourceFileError with the file's own line, the original
    as its cause.
    """
    text = read_source(path)
    if expected_checksum is not None and checksum(text) != expected_checksum:
        raise SourceFileError("was changed after it was read", path)
    module = ModuleType(name)
    module.__file__ = str(path)
    try:
        code = compile(text, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise SourceFileError(f"syntax error: {error}", path, getattr(error, "lineno", None)) from error
    with sibling_imports(path.parent):
        # Dataclasses look for their module here; like its neighbours', its entry is gone after the block.
        sys.modules.setdefault(name, module)
        try:
            exec(code, module.__dict__)  # noqa: S102 - running the user's own file is what this is for
        except (Exception, SystemExit) as error:
            line = line_in(error, path)
            raise SourceFileError(f"{type(error).__name__}: {error}", path, line) from error
    return module


@contextmanager
def sibling_imports(folder: Path) -> Iterator[None]:
    """Within the block, modules in `folder` can be imported by name; nothing of it stays behind.

    They come last, so that a file named like a module of the standard library hides it from nobody.
    """
    # This runs twice for each of a thousand migrations, hence strings, and a copy instead of set arithmetic.
    resolved = os.path.realpath(folder)
    known = resolved in sys.path
    before = sys.modules.copy()
    previous = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    if not known:
        sys.path.append(resolved)
    try:
        yield
    finally:
        sys.dont_write_bytecode = previous
        if not known and resolved in sys.path:
            sys.path.remove(resolved)
        # A new module is always added at the end.
        for name in list(takewhile(lambda name: name not in before, reversed(sys.modules))):
            file = getattr(sys.modules[name], "__file__", None)
            if file and os.path.realpath(Path(file).parent) == resolved:
                del sys.modules[name]


def line_in(error: BaseException, path: Path) -> int | None:
    """The last line of `path` in the error's traceback: the user's own line, not the library's below it."""
    wanted = path.resolve()
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == wanted
    ]
    return lines[-1] if lines else None


def frames_in(error: BaseException, folder: Path) -> tuple[str, ...]:
    """The frames of an error's traceback in files below `folder`, the outermost first, without their lines of code.

    Paths begin with the folder's own name. Of a deep recursion the middle is left out.
    """
    below = folder.resolve()
    shown = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename).resolve()
        if path.is_relative_to(below):
            where = path.relative_to(below.parent).as_posix()
            shown.append(f'  File "{where}", line {frame.lineno}, in {frame.name}')
    if len(shown) > MOST_FRAMES:
        half = MOST_FRAMES // 2
        shown[half:-half] = [f"  ... {len(shown) - 2 * half} frames ..."]
    return tuple(shown)
