"""MG001: a file that cannot be read as a migration. The engine reports what the loader says."""

from __future__ import annotations

from wayra_db.migrations.lint.model import Rule, Severity

RULE = Rule("MG001", "unreadable-file", Severity.ERROR, "A file cannot be read as a migration")
