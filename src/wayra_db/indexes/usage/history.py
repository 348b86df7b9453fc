"""How often an index was used over weeks, from counters that begin anew with every restart. Pure.

A member counts from `since` on. Kept samples of its counters know what was before: of each such era the last one seen.
What was used between the last sample of an era and its end, nobody knows; that time does not count as observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wayra_db.indexes.usage.model import Counter, Use

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters of all members at one moment, by the server's clock."""

    at: datetime
    counters: tuple[Counter, ...]


@dataclass(slots=True)
class _Era:
    """What was seen of one member's counter while it counted on: from `since` to `seen`, `last` rising when it was."""

    since: datetime
    seen: datetime
    last: datetime
    uses: int = 0

    def see(self, at: datetime, uses: int) -> None:
        if uses > self.uses:
            self.uses, self.last = uses, at
        self.seen = max(self.seen, at)

    @property
    def observed(self) -> float:
        return max(0.0, (self.seen - self.since).total_seconds())

    @property
    def quiet(self) -> float:
        return max(0.0, (self.seen - self.last).total_seconds())


def use_of(
    collection: str,
    index: str,
    key: tuple[tuple[str, Any], ...],
    samples: Sequence[Sample],
    *,
    members: Iterable[str],
    complete: bool,
) -> Use:
    """The use of one index over all samples, the oldest first, the present counters being the last of them.

    `members` are those that were asked now. One that has no counter of the index makes its use incomplete.
    """
    eras: dict[str, dict[datetime, _Era]] = {}
    counting: dict[str, datetime] = {}
    for sample in samples:
        counting.clear()
        for counter in sample.counters:
            if (counter.collection, counter.index, counter.key) == (collection, index, key):
                of_member = eras.setdefault(counter.member, {})
                era = of_member.setdefault(counter.since, _Era(counter.since, sample.at, counter.since))
                era.see(sample.at, counter.uses)
                counting[counter.member] = counter.since
    asked = list(members)
    by_age = {member: sorted(found.values(), key=lambda era: era.since) for member, found in eras.items()}
    return Use(
        uses=sum(era.uses for found in by_age.values() for era in found),
        since=max(counting.values(), default=None),
        observed_days=min((_days(era.observed for era in by_age.get(one, ())) for one in asked), default=0.0),
        quiet_days=min((_quiet(by_age.get(one, ())) for one in asked), default=0.0),
        complete=complete and bool(asked) and all(member in counting for member in asked),
        by_member={member: sum(era.uses for era in found) for member, found in by_age.items()},
    )


def _quiet(eras: Sequence[_Era]) -> float:
    """Observed days since a member was last seen using it."""
    seconds: list[float] = []
    for era in reversed(eras):
        seconds.append(era.quiet)
        if era.uses:
            break
    return _days(seconds)


def _days(seconds: Iterable[float]) -> float:
    return sum(seconds) / SECONDS_PER_DAY


def to_document(sample: Sample) -> dict[str, Any]:
    """A sample as it is kept."""
    return {
        "at": sample.at,
        "counters": [
            {
                "member": one.member,
                "collection": one.collection,
                "index": one.index,
                "key": [list(part) for part in one.key],
                "uses": one.uses,
                "since": one.since,
            }
            for one in sample.counters
        ],
    }


def from_document(document: Mapping[str, Any]) -> Sample:
    """A kept sample."""
    return Sample(
        document["at"],
        tuple(
            Counter(
                one["member"],
                one["collection"],
                one["index"],
                tuple((name, order) for name, order in one["key"]),
                int(one["uses"]),
                one["since"],
            )
            for one in document["counters"]
        ),
    )
