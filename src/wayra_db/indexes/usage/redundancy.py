"""May an index go because another does all that it does? Pure: index documents as the server lists them.

Wrong in one direction only: where it is not certain, the answer is to keep. Each rule was held against what the planner
does (MongoDB 6.0).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.schema.diff import COLLATION_DEFAULTS, same

IndexDocument = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an index may be dropped for another, and why or why not."""

    droppable: bool
    reason: str


def judge(index: IndexDocument, other: IndexDocument, shard_key: Mapping[str, Any] | None = None) -> Verdict:
    """Whether `index` may be dropped because of `other`, an index of the same collection."""
    constraint = duty_of(index, shard_key)
    if constraint:
        return Verdict(False, constraint)
    for one, whose in ((index, "it"), (other, "the other")):
        if "buildUUID" in one:
            return Verdict(False, f"{whose} is still being built")
        if one.get("hidden"):
            return Verdict(False, f"{whose} is hidden, and no query uses it")
        if not is_plain(one):
            return Verdict(False, f"{whose} is of a special kind")
    if not same_order(index.get("collation"), other.get("collation")):
        return Verdict(False, "their collations differ")
    covered = _covered(index, other)
    if not covered:
        return Verdict(False, "its key does not lead the other's, in the same orders or all turned round")
    return _same_documents(index, other) or Verdict(True, covered)


def duty_of(index: IndexDocument, shard_key: Mapping[str, Any] | None = None) -> str:
    """What an index does besides answering queries, which no other index does in its place; empty for nothing."""
    if list(index["key"].items()) == [("_id", 1)] or index.get("clustered"):
        return "it is the index of _id"
    if index.get("unique"):
        return "it keeps keys unique"
    if index.get("prepareUnique"):
        return "it is being made unique"
    if "expireAfterSeconds" in index:
        return "it deletes documents when their time has come"
    if shard_key and list(index["key"])[: len(shard_key)] == list(shard_key):
        return "it supports the shard key"
    return ""


def is_plain(index: IndexDocument) -> bool:
    """Whether it is an ordinary index: each field ascending or descending, none for all fields."""
    return all(
        isinstance(order, (int, float)) and not isinstance(order, bool) and "$**" not in name
        for name, order in index["key"].items()
    )


def same_order(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two collations order alike, each as a query names it or as the server fills it in.

    For the few locales whose own defaults differ from the common ones, the two spellings count as different.
    """
    return same(_filled_in(one), _filled_in(other))


def _filled_in(collation: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if not collation or collation.get("locale") == "simple":
        return {}
    given = {name: value for name, value in collation.items() if name != "version"}
    return {**COLLATION_DEFAULTS, "backwards": False, **given}


def _covered(index: IndexDocument, other: IndexDocument) -> str:
    """How the other's key holds this one's; empty when it does not."""
    own, longer = _directions(index), _directions(other)
    lead = longer[: len(own)]
    turned = [(name, -order) for name, order in lead]
    if own not in (lead, turned):
        return ""
    if len(own) < len(longer):
        return "its key is the beginning of the other's"
    if own == lead:
        return "both have the same key"
    return "both have the same key, read from the other end"


def _directions(index: IndexDocument) -> list[tuple[str, int]]:
    return [(name, 1 if order > 0 else -1) for name, order in index["key"].items()]


def _same_documents(index: IndexDocument, other: IndexDocument) -> Verdict | None:
    """A verdict against it where the other leaves out documents that this one has, or is larger for a reason."""
    own, others = index.get("partialFilterExpression"), other.get("partialFilterExpression")
    if others is not None and not (own is not None and same(own, others)):
        return Verdict(False, "the other is partial and leaves documents out")
    if own is not None and others is None:
        return Verdict(False, "it is partial: smaller, and its filter costs no look at a document")
    if other.get("sparse") and not index.get("sparse"):
        return Verdict(False, "the other is sparse and leaves documents out")
    return None


@dataclass(frozen=True, slots=True)
class Redundant:
    """An index that may go, the one that does its work, and why."""

    name: str
    covered_by: str
    reason: str
    duplicate: bool


def find_redundant(
    indexes: Sequence[IndexDocument],
    shard_key: Mapping[str, Any] | None = None,
    declared: Collection[str] = (),
) -> tuple[Redundant, ...]:
    """The indexes of one collection that may all be dropped at once: what covers one is never itself among them.

    Of two alike, one that is not `declared` goes, or the one with the later name.
    """
    found: list[Redundant] = []
    gone: set[str] = set()
    by_name = sorted(indexes, key=lambda one: str(one["name"]), reverse=True)
    for index in sorted(by_name, key=lambda one: (len(one["key"]), one["name"] in declared)):
        covers = [
            (other, verdict)
            for other in indexes
            if other is not index
            and other["name"] not in gone
            and (verdict := judge(index, other, shard_key)).droppable
        ]
        if covers:
            other, verdict = min(covers, key=lambda one: (-len(one[0]["key"]), one[0]["name"]))
            duplicate = len(other["key"]) == len(index["key"])
            found.append(Redundant(index["name"], other["name"], verdict.reason, duplicate))
            gone.add(index["name"])
    return tuple(sorted(found, key=lambda one: one.name))
