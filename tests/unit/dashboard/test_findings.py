from __future__ import annotations

import pytest

from wayra_db.dashboard.findings import for_page, problems_of
from wayra_db.health.findings import Severity, found


@pytest.mark.parametrize(
    ("severity", "pending", "kind"),
    [
        ("error", False, "problem"),
        ("error", True, "problem"),
        ("warning", True, "pending"),
        ("info", True, "pending"),
        ("warning", False, "warning"),
        ("info", False, "note"),
    ],
)
def test_in_the_words_of_the_page(severity: Severity, pending: bool, kind: str) -> None:
    """Work that only waits for its command is a kind of its own; what to do comes along."""
    finding = found(severity, "something", advice="Look", command="wayra-db x", pending=pending)
    assert for_page([finding.to_dict()]) == [
        {"kind": kind, "id": "", "message": "something", "advice": "Look", "command": "wayra-db x"}
    ]


def test_the_worst_comes_first_and_makes_a_probe_fail() -> None:
    """Problems do, pending work does not."""
    findings = [found("info", "a"), found("warning", "b", pending=True), found("error", "c"), found("warning", "d")]
    shown = for_page([one.to_dict() for one in findings])
    assert [one["message"] for one in shown] == ["c", "b", "d", "a"]
    assert problems_of({"findings": shown}) == ["c"]
    assert problems_of({}) == []
