"""The declared collections of a project, read from its folder.

Every `*.py` in the folder is executed, and every `Collection` at the top level of a file is taken. A file whose name
starts with `_` is not read by itself; it is the place for what others share, and they import it by its name:
`from _common import closed_object`. `sys.path` and `sys.modules` are afterwards as they were before.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from wayra_db.errors import DeclarationError
from wayra_db.schema.collection import Collection
from wayra_db.sourcefile import SourceFileError, load_module

_EXAMPLE = 'users = Collection("users", validator={...}, indexes=[...])'


def load_collections(directory: Path) -> tuple[Collection, ...]:
    """The collections declared in `directory`, sorted by name; none when it holds no files.

    Executes the user's files and writes nothing. Raises DeclarationError, with the path and line of the user's mistake,
    when the folder is missing, a file cannot be executed or declares nothing, or one collection is declared twice.
    """
    if (missing := missing_folder(directory)) is not None:
        raise missing
    declared: dict[str, Collection] = {}
    for path in sorted(directory.glob("*.py")):
        if path.name.startswith(("_", ".")):
            continue
        for collection in _collections_in(path):
            known = declared.setdefault(collection.name, collection)
            if not _is_same_declaration(known, collection):
                message = f"collection {known.name!r} is declared twice, first at {known.path}:{known.line}"
                hint = "Remove one of them, or give it another name."
                raise DeclarationError(message, path=collection.path, line=collection.line, hint=hint)
    return tuple(declared[name] for name in sorted(declared))


def missing_folder(directory: Path) -> DeclarationError | None:
    """The error of a project that has no folder of collections; None when it has one."""
    if directory.is_dir():
        return None
    hint = f"Make the folder and declare a collection in it: {_EXAMPLE}."
    return DeclarationError("no such folder of collections", path=directory, hint=hint)


def _collections_in(path: Path) -> list[Collection]:
    try:
        module = load_module(path, f"wayra_collection_{path.stem}")
    except SourceFileError as error:
        if isinstance(error.__cause__, DeclarationError):
            raise error.__cause__ from None
        raise _load_error(error) from (error.__cause__ or error)
    found = [value for value in vars(module).values() if isinstance(value, Collection)]
    if not found:
        hint = f"Assign one: {_EXAMPLE}; or start the file's name with `_` if others only import from it."
        raise DeclarationError("declares no collection", path=path, hint=hint)
    return found


def _is_same_declaration(first: Collection, second: Collection) -> bool:
    """Whether both come from one place: a file that its neighbour imports is executed for each of them."""
    return first is second or (
        (first.path.resolve(), first.line) == (second.path.resolve(), second.line) and first == second
    )


def _load_error(error: SourceFileError) -> DeclarationError:
    cause = error.__cause__
    if isinstance(cause, SyntaxError) and cause.filename:
        return DeclarationError(f"syntax error: {cause.msg}", path=Path(cause.filename), line=cause.lineno)
    path, line = _deepest_place(cause, error.path.parent) or (error.path, error.line)
    return DeclarationError(error.message, path=path, line=line, hint=_import_hint(cause))


def _deepest_place(cause: BaseException | None, directory: Path) -> tuple[Path, int | None] | None:
    """The last place in the traceback that lies in the folder: a helper's own line, not the one that imports it."""
    frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
    places = [(Path(frame.filename), frame.lineno) for frame in frames]
    return next((place for place in reversed(places) if place[0].resolve().parent == directory.resolve()), None)


def _import_hint(cause: BaseException | None) -> str:
    if isinstance(cause, ImportError) and "relative import" in str(cause):
        return "Files in one folder import each other by name, without a dot: `from _common import ...`."
    return ""
