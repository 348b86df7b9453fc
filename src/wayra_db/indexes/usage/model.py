"""What is known of live indexes: definition, size, use, and what speaks against one. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from wayra_db.indexes.spec import IndexDocument, shown


@dataclass(frozen=True, slots=True)
class Counter:
    """How often one member has used an index since it counts: since the index was built or changed, or it started."""

    member: str
    collection: str
    index: str
    key: tuple[tuple[str, Any], ...]
    uses: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """How often an index was used, by all members together.

    `since` is when the last of them began to count now. `observed_days` is how long its use is known for, samples
    included, and `quiet_days` how much of that has passed since it was last seen used; both on the member where they
    are shortest. `complete` says whether every member could be asked.
    """

    uses: int
    since: datetime | None
    observed_days: float
    quiet_days: float
    complete: bool
    by_member: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "uses": self.uses,
            "since": self.since.isoformat() if self.since else None,
            "observedDays": round(self.observed_days, 2),
            "quietDays": round(self.quiet_days, 2),
            "complete": self.complete,
            "byMember": [{"member": member, "uses": uses} for member, uses in self.by_member.items()],
        }


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """One live index of one collection. Sizes in bytes; `cached_bytes` is what lies in the server's memory."""

    collection: str
    document: IndexDocument
    use: Use
    size_bytes: int
    cached_bytes: int | None
    data_bytes: int
    documents: int
    declared: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["name"])

    @property
    def namespace(self) -> str:
        """`collection.index`."""
        return f"{self.collection}.{self.name}"

    @property
    def ratio(self) -> float:
        """Its size against that of the collection's data, uncompressed."""
        return self.size_bytes / self.data_bytes if self.data_bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values. A partial filter may hold values, and is left out."""
        return {
            "collection": self.collection,
            "name": self.name,
            "index": shown(self.document),
            "declared": self.declared,
            "use": self.use.to_dict(),
            "sizeBytes": self.size_bytes,
            "cachedBytes": self.cached_bytes,
            "shareOfData": round(self.ratio, 4),
        }


class Kind(StrEnum):
    """What speaks against an index."""

    UNUSED = "unused"
    REDUNDANT = "redundant"
    DUPLICATE = "duplicate"
    OVERSIZED = "oversized"
    LOW_SELECTIVITY = "low selectivity"
    NOT_YET_USED = "not used yet"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that speaks against an index, with its evidence and what to do next."""

    kind: Kind
    collection: str
    index: str
    evidence: str
    next: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.kind.value,
            "collection": self.collection,
            "index": self.index,
            "evidence": self.evidence,
            "next": self.next,
        }


@dataclass(frozen=True, slots=True)
class UsageReport:
    """All live indexes of the user's collections, and what speaks against some. `at` is the server's time."""

    at: datetime
    indexes: tuple[LiveIndex, ...]
    findings: tuple[Finding, ...]
    members: tuple[str, ...]
    unreachable: tuple[str, ...]
    samples: int = 0

    @property
    def size_bytes(self) -> int:
        """The size of all indexes."""
        return sum(index.size_bytes for index in self.indexes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "at": self.at.isoformat(),
            "members": list(self.members),
            "unreachable": list(self.unreachable),
            "samples": self.samples,
            "sizeBytes": self.size_bytes,
            "indexes": [index.to_dict() for index in self.indexes],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def span(days: float) -> str:
    """A time for people: 12 min, 3.4 h, 8 days."""
    if days * 24 < 1:
        return f"{days * 24 * 60:.0f} min"
    return f"{days * 24:.1f} h" if days < 2 else f"{days:.0f} days"
