"""MG902: a comment that suppresses a rule which does not exist, or names none."""

from __future__ import annotations

from wayra_db.migrations.lint.model import Rule, Severity
from wayra_db.migrations.lint.suppress import CommentFacts, Suppression

RULE = Rule("MG902", "suppression-unknown-rule", Severity.ERROR, "A suppression names no rule that exists")


def check_comment(comment: Suppression, facts: CommentFacts) -> str | None:
    """A name that no rule has, or no name at all."""
    if facts.rule is not None:
        return None
    if not comment.rule:
        return "this suppression names no rule, so it suppresses nothing: # wayra: ignore[MG101] why it is fine here"
    return f"this suppresses nothing: {facts.advice}"
