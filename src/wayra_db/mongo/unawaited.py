"""Notices a coroutine that was made and never awaited, so that work which has not run is not recorded as done.

Python says so when such a coroutine is thrown away, and only by a warning, which filters may hide. Here it becomes an
error of the unit that made it, with the line where that was.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from types import CoroutineType, FrameType
from typing import Any

from wayra_db.errors import WayraError

DEPTH = 8  # frames from where a coroutine is made out to the user's own line
LOOKED_AT = 10_000  # so many elements of a list in a variable

_OWN = f"{Path(__file__).parent.parent}{os.sep}"


class NotAwaitedError(WayraError):
    """The unit left a coroutine, a task or a generator that has not run; `path` and `line` say where, when known."""

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made, and the line of the user's that made it; None where it was made by other hands."""

    name: str
    path: str
    line: int

    def refused(self, how: str, hint: str) -> NotAwaitedError:
        return NotAwaitedError(
            f"{self.path}:{self.line}: `{self.name}` {how}", path=Path(self.path), line=self.line, hint=hint
        )


class Watch:
    """What the code in a `watching()` block has made on this thread and left without awaiting it."""

    def __init__(self) -> None:
        self._lost: list[_Made] = []
        self._tasks = _tasks()

    def note(self, coroutine: CoroutineType[Any, Any, Any]) -> bool:
        """A coroutine is thrown away; whether it was the user's."""
        made = _made(coroutine)
        if made is not None:
            self._lost.append(made)
        return made is not None

    def require_none(self, *, held: bool = False) -> None:
        """Raise NotAwaitedError when there is one. With `held`, also when the calling code holds one in a variable,
        and will throw it away only later.
        """
        is_async = _loop() is not None
        waiting = list(_held(sys._getframe(1))) if held and is_async else []
        for coroutine in waiting:
            coroutine.close()  # or whoever is watched when it is thrown away would be told of it
        made = next(iter([*self._lost, *map(_made, waiting)]), None)
        if made is not None:
            hint = "Write `await` before it." if is_async else "Write the function with `async def`, and `await` it."
            raise made.refused("was never awaited, so it has not run", hint)
        for task in _tasks() - self._tasks:
            work = task.get_coro()
            begun = _made(work) if isinstance(work, CoroutineType) else None
            if begun is not None and task is not asyncio.current_task():
                task.cancel()
                raise begun.refused("runs in a task that nobody has awaited", "Write `await` before the task.")


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch this thread within the block. May be nested; the innermost is told."""
    _install()
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(max(depth, DEPTH))
    watch = Watch()
    watches = _watches()
    watches.append(watch)
    try:
        yield watch
    finally:
        watches.remove(watch)
        sys.set_coroutine_origin_tracking_depth(depth)


def returned(result: Any) -> NotAwaitedError:
    """The error for a unit that returned something to be awaited."""
    made = _made(result) if isinstance(result, CoroutineType) else None
    for end in ("close", "cancel"):
        getattr(result, end, lambda: None)()
    where = f"{made.path}:{made.line}: " if made else ""
    return NotAwaitedError(
        f"{where}the function returned a coroutine that nobody awaited, so its work has not run",
        path=Path(made.path) if made else None,
        line=made.line if made else None,
        hint="Write `await` before it." if _loop() else "Write the function with `async def`, and `await` the call.",
    )


_here = threading.local()


def _watches() -> list[Watch]:
    if not hasattr(_here, "watches"):
        _here.watches = []
    found: list[Watch] = _here.watches
    return found


@cache
def _install() -> None:
    """Have the interpreter tell us, once for the process.

    `warnings.catch_warnings` would do for one thread, but it replaces the filters of all, and a program that runs its
    migrations in a thread has others. This function is the one that the interpreter calls, whatever the filters.
    """
    original = getattr(warnings, "_warn_unawaited_coroutine", None)

    def told(coroutine: CoroutineType[Any, Any, Any]) -> None:
        watches = _watches()
        if not (watches and watches[-1].note(coroutine)) and original is not None:
            original(coroutine)

    warnings._warn_unawaited_coroutine = told  # type: ignore[attr-defined]


def _made(coroutine: CoroutineType[Any, Any, Any]) -> _Made | None:
    for path, line, _ in coroutine.cr_origin or ():
        if not path.startswith(_OWN):
            return None if _is_library(path) else _Made(coroutine.__qualname__, path, line)
    return None


def _is_library(path: str) -> bool:
    """Whether a file is the driver's or asyncio's own: what those leave lying is not the unit's fault."""
    return path.startswith(_libraries()) or path.startswith("<frozen")


@cache
def _libraries() -> tuple[str, ...]:
    import pymongo

    return tuple(f"{Path(str(module.__file__)).parent}{os.sep}" for module in (pymongo, asyncio))


def _held(frame: FrameType | None) -> Iterator[CoroutineType[Any, Any, Any]]:
    """Coroutines that have not begun, in variables of the user's functions below which this one runs."""
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_OWN) and not _is_library(path):
            for value in list(frame.f_locals.values()):
                yield from _unbegun(value)
        frame = frame.f_back


def _unbegun(value: Any) -> Iterator[CoroutineType[Any, Any, Any]]:
    several = value.values() if isinstance(value, dict) else value
    for one in islice(several, LOOKED_AT) if isinstance(value, (list, tuple, set, dict)) else (value,):
        begun = not inspect.iscoroutine(one) or inspect.getcoroutinestate(one) != inspect.CORO_CREATED
        if not begun and _made(one) is not None:
            yield one


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _tasks() -> set[asyncio.Task[Any]]:
    loop = _loop()
    return asyncio.all_tasks(loop) if loop is not None else set()
