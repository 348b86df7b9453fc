from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wayra_db.dashboard.feed import Reading
from wayra_db.dashboard.metrics import render

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def backup(hours: float, *, damaged: bool = False, verified: bool = False) -> dict[str, Any]:
    """A backup of some age."""
    at = (NOW - timedelta(hours=hours)).isoformat()
    return {"modifiedAt": at, "damaged": damaged, "wellVerified": verified}


def samples(part: str, data: dict[str, Any] | None, error: str | None = None) -> dict[tuple[str, ...], float]:
    """What Prometheus reads of one part."""
    text = render({part: Reading(part, data, error, NOW, 0.0, 1)}, NOW).decode()
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


@pytest.mark.parametrize(
    ("backups", "newest", "verified"),
    [
        ([], None, None),
        ([backup(2), backup(5, verified=True), backup(9, verified=True)], 2, 5),
        ([backup(1, damaged=True), backup(3)], 3, None),
        ([backup(1, damaged=True)], None, None),
    ],
)
def test_the_age_of_backups(backups: list[dict[str, Any]], newest: float | None, verified: float | None) -> None:
    """A damaged one is no backup, and where there is none there is no age: an alert asks for `absent`."""
    found = samples("backups", {"backups": backups})
    assert found["wayra_db_backups",] == len(backups)
    hours = [
        None if (age := found.get((f"wayra_db_backup_{name}_age_seconds",))) is None else age / 3600
        for name in ("newest", "newest_verified")
    ]
    assert hours == [newest, verified]


def test_a_part_that_failed() -> None:
    """It has no numbers, not even old ones, and says that it is down."""
    assert samples("status", None, "it is away") == {("wayra_db_part_up", "status"): 0}


def test_work() -> None:
    """What could not be read is missing, not zero."""
    found = samples("work", {"lock": {"held": True}, "builds": None, "batches": [{}, {}], "backups": []})
    assert found == {("wayra_db_part_up", "work"): 1, ("wayra_db_lock_held",): 1, ("wayra_db_batches",): 2}
