"""What `migrate check` and `migrate lint` look at: the files, and what is not applied or not as declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wayra_db.errors import DeclarationError
from wayra_db.migrations.model import MigrationStatus, Verdict
from wayra_db.migrations.surroundings import Surroundings

if TYPE_CHECKING:
    from wayra_db.migrations.lint import LintReport


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `MigrationManager.check` found: the linter's report, what is not applied, what is not as declared."""

    lint: LintReport
    unfinished: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()

    def is_clean(self, *, strict: bool = False) -> bool:
        """Whether nothing stands in the way; with `strict` a linter's warning does."""
        return self.lint.is_clean(strict=strict) and not self.unfinished and not self.drift

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"lint": self.lint.to_dict(), "unfinished": list(self.unfinished), "drift": list(self.drift)}


def lint_files(
    folder: Path,
    surroundings: Surroundings,
    paths: Sequence[Path] = (),
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> LintReport:
    """Lint a folder of migrations, or the files `paths`; the declarations are executed where a rule asks for them."""
    from wayra_db.migrations import lint

    declarations, notes = None, []
    if surroundings.collections and lint.asks_for_declarations(paths or lint.migration_files(folder)):
        try:
            collections = surroundings.collections()
            declarations = lint.declared_fields(collections) if collections is not None else None
        except DeclarationError as error:
            notes = [f"indexed and validated fields are not known, since a declaration is broken: {error.message}"]
    if paths:
        return lint.lint_paths(paths, declarations=declarations, select=select, ignore=ignore, notes=notes)
    return lint.lint_folder(folder, declarations=declarations, select=select, ignore=ignore, notes=notes)


def unfinished(found: Sequence[MigrationStatus]) -> tuple[str, ...]:
    """A sentence for each version that is not applied."""
    return tuple(
        f"migration {one.version} ({one.name}) is {one.verdict}{f': {one.detail}' if one.detail else ''}"
        for one in found
        if one.verdict is not Verdict.APPLIED
    )
