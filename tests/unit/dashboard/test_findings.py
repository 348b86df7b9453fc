from __future__ import annotations

from typing import Any

import pytest

from wayra_db.dashboard.findings import for_page, problems_of


@pytest.mark.parametrize(
    ("finding", "shown"),
    [
        ({"severity": "problem", "advice": "Check the set."}, ("problem", "Check the set.", "")),
        ({"severity": "pending", "advice": "wayra-db migrate"}, ("pending", "", "wayra-db migrate")),
        ({"severity": "note", "advice": ""}, ("note", "", "")),
        ({"severity": "error", "advice": "Look", "command": "wayra-db x"}, ("problem", "Look", "wayra-db x")),
        ({"severity": "warning", "pending": True, "command": "wayra-db x"}, ("pending", "", "wayra-db x")),
        ({"severity": "error", "pending": True}, ("problem", "", "")),
        ({"severity": "warning", "pending": False}, ("warning", "", "")),
        ({"severity": "info"}, ("note", "", "")),
        ({"severity": "never heard of"}, ("note", "", "")),
    ],
)
def test_in_the_words_of_the_page(finding: dict[str, Any], shown: tuple[str, str, str]) -> None:
    """A command is told from a sentence, and a word that is not known breaks no page."""
    (found,) = for_page([{"message": "something", **finding}])
    assert (found["kind"], found["advice"], found["command"]) == shown


def test_the_worst_comes_first_and_makes_a_probe_fail() -> None:
    """Problems do, pending work does not."""
    found = for_page(
        [{"message": severity, "severity": severity} for severity in ("note", "pending", "error", "warning")]
    )
    assert [one["message"] for one in found] == ["error", "pending", "warning", "note"]
    assert problems_of({"findings": found}) == ["error"]
    assert problems_of({}) == []
