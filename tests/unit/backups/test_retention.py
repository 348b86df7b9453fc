from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.backups.catalog import BackupEntry
from wayra_db.backups.manifest import Consistency, LeftOut, Manifest, Reason, Source
from wayra_db.backups.records import DEPTHS, Verified, VerifyKind
from wayra_db.backups.retention import _group, plan_retention
from wayra_db.settings.model import KeepRules

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)


def entry(
    at: datetime,
    *,
    name: str | None = None,
    reason: Reason = "manual",
    database: str = "wayra",
    redacted: bool = False,
    left_out: tuple[str, ...] = (),
    pinned: bool = False,
    verified: bool | None = None,
    depth: VerifyKind = "structure",
    problem: str = "",
) -> BackupEntry:
    """A backup of 10 bytes made at a time."""
    name = name or f"{at:%Y%m%dT%H%M}"
    manifest = Manifest(
        id="0" * 32,
        name=name,
        created_at=at,
        finished_at=at,
        tool_version="1",
        source=Source(database, "development"),
        consistency=Consistency("snapshot"),
        codec="zstd",
        reason=reason,
        redacted=redacted,
        left_out=tuple(LeftOut(one, "not asked for") for one in left_out),
    )
    record = None if verified is None else Verified(at, depth, verified, "", "1")
    return BackupEntry(name, "backup", 10, at, None if problem else manifest, record, pinned, problem)


def nightly(count: int) -> list[BackupEntry]:
    """One backup a night, the newest first."""
    return [entry(NOW - timedelta(days=number)) for number in range(count)]


def kept(entries: list[BackupEntry], **rules: int | str) -> list[str]:
    """The days of the backups that stay."""
    plan = plan_retention(entries, KeepRules(**rules))  # type: ignore[arg-type]
    return [f"{one.entry.modified_at:%Y-%m-%d}" for one in plan.keep]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"last": 3}, ["2026-11-25", "2026-11-24", "2026-11-23"]),
        ({"daily": 2}, ["2026-11-25", "2026-11-24"]),
        ({"weekly": 3}, ["2026-11-25", "2026-11-22", "2026-11-15"]),
        ({"monthly": 3}, ["2026-11-25", "2026-10-31", "2026-09-30"]),
        ({"yearly": 2}, ["2026-11-25", "2025-12-31"]),
        ({"within": "48h"}, ["2026-11-25", "2026-11-24", "2026-11-23"]),
        ({"within": "2d", "monthly": 2}, ["2026-11-25", "2026-11-24", "2026-11-23", "2026-10-31"]),
        ({"last": 1, "weekly": 2, "yearly": 2}, ["2026-11-25", "2026-11-22", "2025-12-31"]),
        ({"last": 0, "daily": 1}, ["2026-11-25"]),
    ],
)
def test_rules_on_a_backup_every_night(rules: dict[str, int | str], expected: list[str]) -> None:
    """The newest of each span; rules add up."""
    assert kept(nightly(500), **rules) == expected


def test_days_without_a_backup_do_not_count() -> None:
    """Three days with a backup, however far apart they are."""
    days = [entry(NOW - timedelta(days=number)) for number in (0, 10, 400, 401)]
    assert kept(days, daily=3) == ["2026-11-25", "2026-11-15", "2025-10-21"]


def test_several_on_one_day() -> None:
    """The newest of the day stays, with its reasons; the bytes of the others are counted."""
    hours = [entry(NOW - timedelta(minutes=number)) for number in range(3)]
    plan = plan_retention(hours, KeepRules(daily=7, last=1))
    assert [one.reasons for one in plan.keep] == [("the newest", "last 1 of 1", "day 2026-11-25")]
    assert (len(plan.remove), plan.freed) == (2, 20)
    assert plan.to_dict()["remove"] == ["20261125T0159", "20261125T0158"]


def test_without_a_rule_nothing_made_by_hand_goes() -> None:
    """And the tool's own stay by their own rule, five of them."""
    automatic = [entry(NOW - timedelta(hours=number), name=f"safety{number}", reason="safety") for number in range(9)]
    plan = plan_retention([*nightly(4), *automatic], KeepRules())
    assert [one.name for one in plan.remove] == ["safety5", "safety6", "safety7", "safety8"]


def test_automatic_backups_push_no_other_out() -> None:
    """However many are newer."""
    automatic = [entry(NOW + timedelta(hours=number), name=f"a{number}", reason="migration") for number in range(20)]
    assert {one.name for one in plan_retention([*nightly(3), *automatic], KeepRules(last=3)).remove} == {
        f"a{number}" for number in range(15)
    }


@pytest.mark.parametrize(
    "other", [{"database": "shop"}, {"redacted": True}, {"left_out": ("trips",)}], ids=lambda other: next(iter(other))
)
def test_backups_of_another_kind_take_no_place(other: dict[str, object]) -> None:
    """Another database's, redacted ones, those of some collections: they are kept apart."""
    whole = entry(NOW - timedelta(days=30))
    others = [entry(NOW - timedelta(days=number), **other) for number in range(3)]  # type: ignore[arg-type]
    plan = plan_retention([whole, *others], KeepRules(last=1))
    assert [one.entry for one in plan.keep] == [others[0], whole]


def test_what_is_never_removed() -> None:
    """The newest, the newest verified, the pinned, the damaged, and what others have made."""
    nights = nightly(7)
    nights[2] = replace(nights[2], pinned=True)
    nights[3] = entry(nights[3].modified_at, verified=True)
    nights[4] = entry(nights[4].modified_at, verified=True)
    nights[5] = entry(nights[5].modified_at, verified=False)
    nights[6] = entry(nights[6].modified_at, problem="manifest.json: it is no JSON object")
    dump = BackupEntry("dump", "dump directory", 5, NOW - timedelta(days=900))
    plan = plan_retention([*nights, dump], KeepRules(daily=1))
    assert [one.name for one in plan.remove] == [nights[1].name, nights[4].name]
    assert {one.entry.name: one.reasons[0] for one in plan.keep} == {
        nights[0].name: "the newest",
        nights[2].name: "pinned",
        nights[3].name: "the newest verified",
        nights[5].name: "damaged: look at it, and delete it yourself",
        nights[6].name: "damaged: look at it, and delete it yourself",
        "dump": "a dump directory that wayra-db has not made",
    }


def test_a_damaged_one_takes_no_sound_ones_place() -> None:
    """Two sound ones stay, whatever lies between them."""
    nights = nightly(4)
    nights[0] = entry(nights[0].modified_at, verified=False)
    assert [one.name for one in plan_retention(nights, KeepRules(last=2)).remove] == [nights[3].name]


def test_nothing_is_nothing() -> None:
    """An empty folder has an empty plan."""
    assert plan_retention([], KeepRules(last=1)).to_dict() == {"keep": [], "remove": [], "freed": 0}


def test_hashes_alone_are_no_verification_of_the_content() -> None:
    """They protect a newer backup as well, but take no place of one whose content was looked into."""
    nights = nightly(6)
    nights[1] = entry(nights[1].modified_at, verified=True, depth="hashes")
    nights[2] = entry(nights[2].modified_at, verified=True, depth="hashes")
    nights[3] = entry(nights[3].modified_at, verified=True, depth="deep")
    nights[4] = entry(nights[4].modified_at, verified=True, depth="hashes")
    plan = plan_retention(nights, KeepRules(last=1))
    assert {one.entry.name: one.reasons for one in plan.keep} == {
        nights[0].name: ("the newest", "last 1 of 1"),
        nights[1].name: ("the newest whose hashes are verified",),
        nights[3].name: ("the newest verified",),
    }


COUNTS = st.none() | st.integers(0, 4)
ENTRIES = st.lists(
    st.builds(
        entry,
        st.integers(0, 2000).map(lambda hours: NOW - timedelta(hours=hours)),
        name=st.integers(0, 10**9).map(str),
        reason=st.sampled_from(["manual", "safety", "migration"]),
        database=st.sampled_from(["wayra", "shop"]),
        redacted=st.booleans(),
        pinned=st.integers(0, 9).map(lambda number: number == 0),
        verified=st.sampled_from([None, None, True, False]),
        depth=st.sampled_from(DEPTHS),
        problem=st.sampled_from(["", "", "", "unreadable"]),
    ),
    max_size=40,
    unique_by=lambda one: one.name,
)
RULES = st.builds(
    KeepRules,
    last=COUNTS,
    daily=COUNTS,
    weekly=COUNTS,
    monthly=COUNTS,
    yearly=COUNTS,
    within=st.none() | st.sampled_from(["1h", "3d", "2w", "1m"]),
    automatic=st.integers(0, 3),
)


@given(entries=ENTRIES, rules=RULES)
def test_whatever_the_rules_the_last_line_of_defence_stays(entries: list[BackupEntry], rules: KeepRules) -> None:
    """Nothing protected goes, every backup is in one of the two lists, and pruning twice removes nothing more."""
    plan = plan_retention(entries, rules)
    removed, stay = list(plan.remove), [one.entry for one in plan.keep]
    assert sorted(one.name for one in [*removed, *stay]) == sorted(one.name for one in entries)
    assert all(one.reasons for one in plan.keep)
    assert not any(one.pinned or one.damaged or one.manifest is None for one in removed)
    assert stay or not entries
    for kind in {_group(one) for one in removed}:
        alike = [one for one in entries if one.manifest is not None and not one.damaged and _group(one) == kind]
        alike.sort(key=lambda one: (one.modified_at, one.name))
        assert alike[-1] in stay
        verified = [one for one in alike if one.verified is not None and one.verified.in_depth]
        assert not verified or verified[-1] in stay
    assert plan_retention(stay, rules).remove == ()


@given(entries=ENTRIES, rules=RULES)
def test_the_order_of_the_list_does_not_count(entries: list[BackupEntry], rules: KeepRules) -> None:
    """The same plan from the list backwards."""
    assert plan_retention(entries, rules) == plan_retention(entries[::-1], rules)
