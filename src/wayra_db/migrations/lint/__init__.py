"""The linter of migrations: reads files, runs nothing, needs no database, and says what would be safe.

report = lint_folder(Path("migrations"))
print(render_text(report))
"""

from wayra_db.migrations.lint.declared import declared_fields
from wayra_db.migrations.lint.engine import (
    asks_for_declarations,
    lint_folder,
    lint_migrations,
    lint_paths,
    migration_files,
)
from wayra_db.migrations.lint.formats import render_github, render_json, render_sarif, render_text
from wayra_db.migrations.lint.model import DeclaredFields, Finding, LintReport, Rule, Severity
from wayra_db.migrations.lint.registry import chosen_rules, rule_named
from wayra_db.migrations.lint.rules import RULES

__all__ = [
    "RULES",
    "DeclaredFields",
    "Finding",
    "LintReport",
    "Rule",
    "Severity",
    "asks_for_declarations",
    "chosen_rules",
    "declared_fields",
    "lint_folder",
    "lint_migrations",
    "lint_paths",
    "migration_files",
    "render_github",
    "render_json",
    "render_sarif",
    "render_text",
    "rule_named",
]
