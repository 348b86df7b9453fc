"""The nouns of the linter: a rule, what it finds, the report, and what the declarations say of a collection."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayra_db.migrations.lint.source import Source


class Severity(StrEnum):
    """How bad a finding is: an error makes `migrate lint` end with 3, a warning only with `--strict`."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class DeclaredFields:
    """What a declaration says of a collection's fields, as dotted paths."""

    indexed: frozenset[str] = frozenset()
    validated: frozenset[str] = frozenset()


# By collection name; None where nobody has read the declarations.
Declarations = Mapping[str, DeclaredFields]


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may know besides the file: the migrations before it in their order, and the declarations."""

    earlier: tuple[Source, ...] = ()
    declarations: Declarations | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule has seen: where, what is wrong, and the code that would be safe.

    `severity` is the rule's own unless this case is milder. `node` may be None: the problem is then the whole file's.
    """

    node: ast.AST | None
    message: str
    safe: str = ""
    severity: Severity | None = None


Check = Callable[["Source", Context], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its id and slug never change, `check` is pure.

    Rules without a check are about something that the engine itself sees: files that cannot be read, and comments.
    """

    id: str
    slug: str
    severity: Severity
    title: str
    check: Check | None = None

    @property
    def page(self) -> str:
        """The rule's documentation page, from the root of the repository."""
        return f"docs/reference/lint/{self.id}.md"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "slug": self.slug,
            "severity": self.severity.value,
            "title": self.title,
            "page": self.page,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding in one file. Lines and columns count from 1, columns in characters; the end is exclusive.

    `reason` is what the comment says that suppresses it, None when nothing does.
    """

    rule: Rule
    severity: Severity
    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    safe: str = ""
    reason: str | None = None

    @property
    def position(self) -> tuple[str, int, int, str]:
        """Findings are listed in this order."""
        return str(self.path), self.line, self.column, self.rule.id

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rule": self.rule.id,
            "slug": self.rule.slug,
            "severity": self.severity.value,
            "path": str(self.path),
            "line": self.line,
            "column": self.column,
            "endLine": self.end_line,
            "endColumn": self.end_column,
            "message": self.message,
            "safe": self.safe,
            "page": self.rule.page,
            **({} if self.reason is None else {"reason": self.reason}),
        }


@dataclass(frozen=True, slots=True)
class LintReport:
    """What was found in which files, by file and line. `notes` say what could not be taken into account, and why."""

    files: tuple[Path, ...]
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = ()
    rules: tuple[Rule, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(one for one in self.findings if one.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(one for one in self.findings if one.severity is Severity.WARNING)

    def is_clean(self, *, strict: bool = False) -> bool:
        """Whether nothing stands against these files: no error, and with `strict` no warning."""
        return not (self.findings if strict else self.errors)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "files": [str(path) for path in self.files],
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "findings": [one.to_dict() for one in self.findings],
            "suppressed": [one.to_dict() for one in self.suppressed],
            "notes": list(self.notes),
        }
