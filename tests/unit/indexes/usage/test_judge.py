from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wayra_db.indexes.usage.history import Sample, from_document, to_document, use_of
from wayra_db.indexes.usage.judge import Limits, Spread, Surroundings, judge_all, spread_of
from wayra_db.indexes.usage.model import Counter, Kind, LiveIndex, Use

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = (("a", 1),)


def days(number: float) -> datetime:
    """So many days ago."""
    return NOW - timedelta(days=number)


def counter(member: str, uses: int, since_days: float, key: tuple[tuple[str, Any], ...] = KEY) -> Counter:
    """A counter of the index `a_1` of trips."""
    return Counter(member, "trips", "a_1", key, uses, days(since_days))


def used(*samples: tuple[float, list[Counter]], members: tuple[str, ...] = ("one",), complete: bool = True) -> Use:
    """The use of `a_1` by samples, each taken so many days ago."""
    taken = [Sample(days(ago), tuple(counters)) for ago, counters in samples]
    return use_of("trips", "a_1", KEY, taken, members=members, complete=complete)


def test_without_samples_use_is_known_since_the_server_started() -> None:
    """The window is the time of the present counter."""
    use = used((0, [counter("one", 0, 9)]))
    assert (use.uses, use.observed_days, use.quiet_days, use.complete) == (0, 9, 9, True)
    assert use.since == days(9)


def test_samples_know_what_was_before_a_restart() -> None:
    """Both eras count; the time between the last sample of one and the start of the next does not."""
    use = used((20, [counter("one", 5, 30)]), (12, [counter("one", 7, 30)]), (0, [counter("one", 2, 10)]))
    assert use.uses == 9
    assert use.observed_days == pytest.approx(18 + 10)
    assert use.quiet_days == 0


def test_quiet_since_the_last_sample_that_saw_a_rise() -> None:
    """Used long ago and no more: what was quiet since is known to the day of the sample."""
    use = used((20, [counter("one", 5, 30)]), (12, [counter("one", 5, 30)]), (0, [counter("one", 0, 10)]))
    assert use.uses == 5
    assert use.quiet_days == pytest.approx(8 + 10)


def test_the_member_that_counts_for_the_shortest_time_decides() -> None:
    """One member restarted yesterday: what it did before, nobody knows."""
    use = used((0, [counter("one", 0, 40), counter("two", 0, 1)]), members=("one", "two"))
    assert (use.observed_days, use.since) == (1, days(1))


@pytest.mark.parametrize(
    ("counters", "members", "complete"),
    [
        ([counter("one", 0, 40)], ("one", "two"), True),
        ([counter("one", 0, 40)], ("one",), False),
        ([], ("one",), True),
    ],
)
def test_a_member_that_was_not_asked_makes_it_incomplete(
    counters: list[Counter], members: tuple[str, ...], complete: bool
) -> None:
    """Its use is not known then."""
    assert not used((0, counters), members=members, complete=complete).complete


def test_another_index_under_the_same_name_does_not_count() -> None:
    """Dropped and built anew over other fields, it is another index."""
    use = used((20, [counter("one", 500, 30, (("b", 1),))]), (0, [counter("one", 0, 10)]))
    assert (use.uses, use.observed_days) == (0, 10)


def test_a_sample_comes_back_as_it_was_kept() -> None:
    """Order of fields included."""
    sample = Sample(NOW, (counter("one", 3, 2, (("b", -1), ("a", "2dsphere"))),))
    assert from_document(to_document(sample)) == sample


def live(name: str, *key: tuple[str, Any], uses: int = 0, quiet: float = 30, **options: Any) -> LiveIndex:
    """A live index of trips with 10,000 documents."""
    size, complete = options.pop("size", 1000), options.pop("complete", True)
    use = Use(uses, days(30), 30, quiet, complete, {"one": uses})
    document = {"name": name, "key": dict(key), **options}
    return LiveIndex("trips", document, use, size, None, 100_000_000, 10_000)


def kinds(*indexes: LiveIndex, limits: Limits | None = None, **spreads: Spread) -> set[tuple[str, str]]:
    """Which finding each index has."""
    around = Surroundings(spreads={f"trips.{name}": spread for name, spread in spreads.items()})
    return {(one.index, one.kind.value) for one in judge_all(indexes, around, limits or Limits())}


def test_unused() -> None:
    """Seven quiet days are enough, a single use is not unused, less than seven say nothing."""
    assert kinds(live("a_1", ("a", 1))) == {("a_1", "unused")}
    assert kinds(live("a_1", ("a", 1), uses=1, quiet=0)) == set()
    assert kinds(live("a_1", ("a", 1), uses=900, quiet=29)) == {("a_1", "unused")}
    assert kinds(live("a_1", ("a", 1), quiet=6)) == {("a_1", "not used yet")}
    assert kinds(live("a_1", ("a", 1), quiet=20), limits=Limits(unused_days=30)) == {("a_1", "not used yet")}


@pytest.mark.parametrize(
    "options",
    [
        {"unique": True},
        {"expireAfterSeconds": 60},
        {"prepareUnique": True},
        {"hidden": True},
        {"buildUUID": "x"},
        {"complete": False},
    ],
)
def test_never_called_unused(options: dict[str, Any]) -> None:
    """What has another duty, what no query may use, and what not every member was asked about."""
    assert kinds(live("a_1", ("a", 1), **options)) == set()


def test_the_index_of_id_and_of_a_shard_key_are_never_called_unused() -> None:
    """The server itself needs them."""
    around = Surroundings(shard_keys={"trips": {"owner": 1}})
    assert judge_all([live("_id_", ("_id", 1)), live("owner_1", ("owner", 1))], around) == ()


def test_redundant_and_duplicate_come_with_what_covers_them() -> None:
    """The evidence names the other index, the next step the command."""
    one, two = live("a_1", ("a", 1), uses=4, quiet=0), live("a_1_b_1", ("a", 1), ("b", 1), uses=9, quiet=0)
    (finding,) = judge_all([one, two])
    assert (finding.kind, finding.index) == (Kind.REDUNDANT, "a_1")
    assert "a_1_b_1 does all that it does" in finding.evidence
    assert finding.next == "Hide, watch and drop it: wayra-db indexes retire trips.a_1"
    assert kinds(one, live("a_-1", ("a", -1), uses=1, quiet=0)) == {("a_1", "duplicate")}


def test_oversized_is_large_and_a_large_part_of_the_data() -> None:
    """Either alone is no finding."""
    assert kinds(live("w", ("$**", 1), uses=1, quiet=0, size=70_000_000)) == {("w", "oversized")}
    assert kinds(live("w", ("a", 1), uses=1, quiet=0, size=40_000_000)) == set()


def test_low_selectivity() -> None:
    """Four equal shares narrow nothing; one rare value among many does."""
    index = live("s_1", ("s", 1), uses=1, quiet=0)
    assert kinds(index, s_1=Spread(1000, 4, 0.24)) == {("s_1", "low selectivity")}
    assert kinds(index, s_1=Spread(1000, 2, 0.01)) == set()


@pytest.mark.parametrize(
    ("fields", "sample", "expected"),
    [
        (["s"], [{"s": "x"}, {"s": "x"}, {"s": "y"}, {}], Spread(4, 3, 0.25)),
        (["s", "t.u"], [{"s": 1, "t": {"u": 1}}, {"s": 1, "t": {"u": 2}}], Spread(2, 2, 0.5)),
        (["s"], [{"s": [1, 2]}, {"s": 1}], None),
        (["t.u"], [{"t": [{"u": 1}]}], None),
        (["s"], [], None),
    ],
)
def test_spread(fields: list[str], sample: list[dict[str, Any]], expected: Spread | None) -> None:
    """An absent field is a key, and arrays have too many of them to say."""
    assert spread_of(fields, sample) == expected
