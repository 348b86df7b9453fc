"""Projects of a few lines, linted."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wayra_db.migrations.lint import Finding, LintReport, lint_folder

DOWN = "\n\ndef down(db):\n    db.log.delete_many({'version': 7})\n"


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write migrations, and a `latest.txt` that names the newest."""
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")
    if "latest.txt" not in files:
        (folder / "latest.txt").write_text(max(files) + "\n", encoding="utf-8")


def lint(folder: Path, files: Mapping[str, str] | str, **options: Any) -> LintReport:
    """Lint files by their names, or one text as migration 7."""
    write(folder, {"0007_step.py": files} if isinstance(files, str) else files)
    return lint_folder(folder, **options)


def lint_up(folder: Path, body: str, *, head: str = "", define: str = "def up(db, ctx):", **options: Any) -> LintReport:
    """Lint the body of an `up`; its `down` is in order."""
    indented = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return lint(folder, f"{textwrap.dedent(head)}\n{define}\n{indented}\n{DOWN}", **options)


def ids(report: LintReport) -> list[str]:
    """The rules that were found, in the order of their lines."""
    return [finding.rule.id for finding in report.findings]


def only(report: LintReport) -> Finding:
    """The one finding."""
    (finding,) = report.findings
    return finding
