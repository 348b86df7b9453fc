"""MG901: a comment that suppresses a rule and does not say why."""

from __future__ import annotations

from wayra_db.migrations.lint.model import Rule, Severity
from wayra_db.migrations.lint.suppress import CommentFacts, Suppression

RULE = Rule("MG901", "suppression-without-reason", Severity.ERROR, "A suppression gives no reason")


def check_comment(comment: Suppression, facts: CommentFacts) -> str | None:
    """A suppression without a reason suppresses nothing."""
    if comment.reason or facts.rule is None:
        return None
    return (
        f"this suppression of {facts.rule.id} gives no reason, so it suppresses nothing. Say why the code is fine "
        f"here: # wayra: ignore[{facts.rule.id}] the collection has twenty documents"
    )
