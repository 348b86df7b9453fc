"""A project's own code around a run: `migrations/_hooks.py`.

    def before_run(db, run): ...
    def before_each(db, run): ...
    def after_each(db, run): ...
    def after_run(db, run): ...

Each is optional and may be `async def`. They run outside transactions and leave no record of their own.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from wayra_db import sourcefile
from wayra_db.errors import CancelledError, HookFailedError, LockError, MigrationLoadError
from wayra_db.migrations.model import Direction, MigrationPlan, PlannedStep
from wayra_db.sourcefile import FunctionHeader, SourceFileError
from wayra_db.units import UnitRunner, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "_hooks.py"
NAMES = ("before_run", "before_each", "after_each", "after_run")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a hook is told: the whole run, and in `before_each` and `after_each` the one migration.

    `outcome` is "running" until `after_run`, which is also called when the run failed or was stopped.
    """

    direction: Direction
    versions: tuple[int, ...]
    done: tuple[int, ...] = ()
    version: int | None = None
    name: str = ""
    path: Path | None = None
    outcome: Literal["running", "succeeded", "failed", "stopped"] = "running"
    error: str = ""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of a folder of migrations, read but not yet run."""

    path: Path | None = None
    functions: Mapping[str, FunctionHeader] = field(default_factory=dict)
    module: ModuleType | None = None

    def call(
        self, name: str, units: UnitRunner, info: RunInfo, *, done: Sequence[int], with_values: bool = True
    ) -> None:
        """Run one hook if the project has it. Raises HookFailedError with the user's own line; without `with_values`
        it does not repeat what the driver says, which may quote documents.
        """
        header = self.functions.get(name)
        if header is None or self.path is None:
            return
        function = getattr(self.module, name)
        try:
            with sourcefile.sibling_imports(self.path.parent):
                units.run(lambda database, session: function(database, info), is_async=header.is_async)
        except (LockError, CancelledError):
            raise
        except (Exception, SystemExit) as error:
            line = sourcefile.line_in(error, self.path)
            where = f"{self.path}:{line}" if line else str(self.path)
            applied = f"Done before it: {', '.join(map(str, done))}." if done else "No migration had run before it."
            raise HookFailedError(
                f"the hook `{name}` failed at {where}: {describe(error, with_values=with_values)}",
                path=self.path,
                line=line,
                hint=f"{applied} Fix it and run the command again.",
            ) from error


def load_hooks(folder: Path) -> Hooks:
    """The hooks in `folder`, none when it has no such file; executes the file. Raises MigrationLoadError."""
    path = folder / FILE
    if not path.is_file():
        return Hooks()
    try:
        parsed = sourcefile.parse(path)
        found = {name: header for name, header in parsed.functions.items() if name in NAMES}
        for name, header in parsed.functions.items():
            _require_known(path, name, header)
        return Hooks(path, found, sourcefile.load_module(path, "wayra_migration_hooks") if found else None)
    except SourceFileError as error:
        raise MigrationLoadError(error.message, path=path, line=error.line, hint="Nothing has run.") from error


def run_info(plan: MigrationPlan, done: Sequence[int], step: PlannedStep | None = None) -> RunInfo:
    """What a hook is told while `plan` runs and `done` are done."""
    info = RunInfo(plan.direction, plan.versions, tuple(done))
    if step is None:
        return info
    migration = step.migration
    return RunInfo(plan.direction, plan.versions, tuple(done), migration.version, migration.name, migration.path)


def _require_known(path: Path, name: str, header: FunctionHeader) -> None:
    if name in NAMES:
        if header.positional < 2 or header.unfilled:
            raise MigrationLoadError(
                f"`{name}` takes a database and the run", path=path, line=header.line, hint=f"def {name}(db, run): ..."
            )
    elif name.startswith(("before_", "after_")):
        near = difflib.get_close_matches(name, NAMES, n=1)
        meant = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(NAMES)}."
        raise MigrationLoadError(f"there is no hook `{name}`", path=path, line=header.line, hint=meant)
