"""MG903: a comment that suppresses a rule which finds nothing there."""

from __future__ import annotations

from wayra_db.migrations.lint.model import Rule, Severity
from wayra_db.migrations.lint.suppress import CommentFacts, Suppression

RULE = Rule("MG903", "unused-suppression", Severity.WARNING, "A suppression is not needed")


def check_comment(comment: Suppression, facts: CommentFacts) -> str | None:
    """A good comment without a finding; of a rule that is not running nobody can say."""
    if facts.rule is None or facts.used or not comment.reason or facts.rule not in facts.running:
        return None
    where = "in this file" if comment.counts_for is None else f"on line {comment.counts_for}"
    return (
        f"{facts.rule.id} ({facts.rule.slug}) finds nothing {where}: delete the comment, or move it to where it belongs"
    )
