from __future__ import annotations

from pathlib import Path

import pytest

from wayra_db.migrations.model import DirectionHeader, Migration
from wayra_db.migrations.rehearsal.model import DeclaredValidator, Duplicates, Severity, Violations
from wayra_db.migrations.rehearsal.verdicts import CrashOutcome, Ending, crash_findings, duplicates, violations

MIGRATION = Migration(3, "step", Path("0003_step.py"), "", DirectionHeader(1, False, False))


@pytest.mark.parametrize(
    ("endings", "severity", "words"),
    [
        ([Ending.SAME, Ending.SAME], None, ""),
        ([Ending.SAME, Ending.DIFFERS], Severity.PROBLEM, "did not end as an undisturbed run after 1 of them"),
        ([Ending.FAILS, Ending.DIFFERS], Severity.PROBLEM, "did not end as an undisturbed run after 2 of them"),
        ([Ending.SAME, Ending.DIFFERS_BY_HAND], Severity.PROBLEM, "is left half-done"),
        ([Ending.SAME_BY_HAND, Ending.FAILS_BY_HAND], Severity.PROBLEM, "is left half-done"),
        ([Ending.SAME, Ending.SAME_BY_HAND], Severity.NOTE, "waits for a person after 1 of them"),
    ],
)
def test_what_came_of_kills(endings: list[Ending], severity: Severity | None, words: str) -> None:
    """Nothing to say, a problem with the first bad moment, or the line that makes it go on by itself."""
    outcomes = [CrashOutcome(f"after insert (command {number})", one) for number, one in enumerate(endings)]
    found = crash_findings(MIGRATION, "up", outcomes)
    assert [one.severity for one in found] == ([severity] if severity else [])
    for one in found:
        assert words in one.message
        assert "killed 2 times" in one.message
        assert one.next


@pytest.mark.parametrize(
    ("level", "action", "today", "severity"),
    [
        ("strict", "error", None, Severity.PROBLEM),
        ("moderate", "error", None, Severity.NOTE),
        ("strict", "warn", None, Severity.NOTE),
        ("strict", "error", 4, Severity.NOTE),
        ("strict", "error", 3, Severity.PROBLEM),
    ],
)
def test_how_bad_a_violation_is(level: str, action: str, today: int | None, severity: Severity) -> None:
    """It depends on whether the server will refuse updates, and on whether it was so before."""
    known = None if today is None else Violations(today)
    (found,) = violations(
        DeclaredValidator("users", {"a": 1}, level, action), Violations(4, (b"1",)), bytes.decode, today=known
    )
    assert found.severity is severity
    assert found.examples == ("1",)


def test_nothing_found_is_nothing_said() -> None:
    """No documents, no keys, no finding."""
    assert violations(DeclaredValidator("users", {}), Violations(0), bytes.decode) == ()
    assert duplicates("users", {"key": {"a": 1}}, Duplicates(0)) == ()


def test_the_way_to_the_duplicates_can_be_pasted() -> None:
    """With every field of the key, dotted ones too."""
    (found,) = duplicates("users", {"key": {"a.b": 1, "c": 1}}, Duplicates(2, (5, 2)), migration=MIGRATION)
    assert 'db.users.aggregate([{$group: {_id: {a_b: "$a.b", c: "$c"}, n: {$sum: 1}}}, {$match: {n: {$gt: 1}}}])' in (
        found.next
    )
    assert "2 values of a.b, c stand in several documents (the most frequent in 5, 2)" in found.message
