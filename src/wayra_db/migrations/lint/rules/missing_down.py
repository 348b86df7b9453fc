"""MG501: a migration without a way back."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import inverse
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source


def check(source: Source, context: Context) -> Iterator[Problem]:
    """No `down`."""
    if source.down is None:
        yield Problem(
            source.up.node,
            "there is no `down`: once applied, neither this migration nor any before it can be rolled back. If that is "
            "meant, say so: # wayra: ignore[MG501] why it cannot be undone",
            inverse.down_for(source),
        )


RULE = Rule("MG501", "missing-down", Severity.WARNING, "A migration cannot be rolled back", check)
