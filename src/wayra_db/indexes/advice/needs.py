"""What one branch of a shape asks of an index, by equality, sort, range; and whether an index serves it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.indexes.advice.facts import Facts
from wayra_db.indexes.advice.filters import Arm
from wayra_db.indexes.advice.operations import Command
from wayra_db.indexes.advice.shapes import Shape
from wayra_db.indexes.advice.shares import shares_of
from wayra_db.indexes.usage.redundancy import same_order

# One value that finds no more documents than this needs no other field beside it in the index.
FEW_DOCUMENTS = 3.0
# The server splits `$in`s into so many scans at most to keep an order (internalQueryMaxScansToExplode).
MOST_SCANS = 200
# What a range is taken for whose width nobody knows.
UNKNOWN = 0.5
USUAL_LIMIT = 20
# So many keys are read and sorted in the time of fetching one document and looking into it.
KEYS_FOR_A_DOCUMENT = 4
# Ranges behind the first only sieve keys; more than this make an index larger than they are worth.
MOST_RANGES = 2
Key = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Need:
    """The fields that must equal something, in any order, and what follows them: (field, order), 0 for either order.

    `geo` stands between the two as a 2dsphere key.
    """

    equal: frozenset[str]
    tail: tuple[tuple[str, int], ...] = ()
    geo: str | None = None

    @property
    def empty(self) -> bool:
        """Whether no index can help."""
        return not self.equal and not self.tail and self.geo is None


def needs_of(shape: Shape, facts: Facts, examples: Sequence[Command] = ()) -> tuple[Need, ...]:
    """What each branch of a shape asks for; () when one of them cannot be found by key, so that no index helps.

    `examples` are recorded queries of the shape, by which the width of ranges is judged.
    """
    shares = shares_of(examples, facts.values, facts.sampled)
    limit = min((int(one["limit"]) for one in examples if one.get("limit")), default=USUAL_LIMIT)
    needs = [_need(arm, shape, facts, shares, limit) for arm in shape.arms]
    if any(need.empty for need in needs):
        return ()
    return tuple(dict.fromkeys(needs))


def _need(arm: Arm, shape: Shape, facts: Facts, shares: Mapping[str, float], limit: int) -> Need:
    equal, several = set(arm.equal), set(arm.several)
    telling = min(equal - several - arm.geo, key=lambda one: (facts.crowd_of(one), one), default=None)
    if telling is not None and facts.sampled and facts.crowd_of(telling) <= FEW_DOCUMENTS:
        return Need(frozenset({telling}))
    wanted = [shape.distinct] if shape.distinct else [name for name, _ in shape.sort]
    if several & set(wanted) or (shape.sort and arm.points > MOST_SCANS):
        # Their order is asked for, or there are too many to keep another: they are scanned as ranges are.
        equal -= several if arm.points > MOST_SCANS else several & set(wanted)
    ordered = [(shape.distinct, 0)] if shape.distinct else list(shape.sort)
    # What equals one value is in order by itself.
    ordered = [(name, order) for name, order in ordered if name not in equal]
    ranges = _ranges(arm, equal, {name for name, _ in ordered}, facts, shares)
    if arm.geo:
        return _buildable(equal, ranges, min(arm.geo), arm, facts)
    if not equal and not ordered and ranges and ranges[0][0] in arm.patterns:
        return Need(frozenset())  # the server would hold the pattern against every key, and often every document
    in_front = _ranges(arm, equal, {name for name, _ in ordered[:1]}, facts, shares)
    if shape.distinct or (
        not equal and in_front and _narrows(in_front[0][0], ordered, arm, shape, facts, shares, limit)
    ):
        behind = [(name, order) for name, order in ordered if (name, 0) not in in_front]
        return _buildable(equal, [*in_front, *behind], None, arm, facts)
    if ordered and not equal and not (arm.bounded | arm.ranges) & {ordered[0][0]}:
        # An index that is read for its order alone: the server holds conditions against documents, not against keys.
        return _buildable(equal, ordered, None, arm, facts)
    return _buildable(equal, [*ordered, *ranges], None, arm, facts)


def _ranges(
    arm: Arm, equal: set[str], in_order: set[str], facts: Facts, shares: Mapping[str, float]
) -> list[tuple[str, int]]:
    """The ranges that are not sorted by, the narrowest first; then the patterns, which sieve keys."""
    found: list[tuple[str, int]] = []
    for kind in (arm.equal - equal, arm.bounded | arm.ranges, arm.patterns):
        by_width = sorted(kind - in_order, key=lambda one: (shares.get(one, UNKNOWN), one not in arm.bounded, one))
        found += [(name, 0) for name in by_width]
    return found[:MOST_RANGES]


def _narrows(
    name: str,
    ordered: Sequence[tuple[str, int]],
    arm: Arm,
    shape: Shape,
    facts: Facts,
    shares: Mapping[str, float],
    limit: int,
) -> bool:
    """Whether, with no equality, a range in front and a sort of its keys costs less than reading in order from the end
    of the index and holding each document against the range.
    """
    if not ordered or name in arm.patterns or ordered[0][0] in arm.bounded | arm.ranges:
        return False
    share = shares.get(name)
    if name in arm.equal and facts.documents:
        share = min(1.0, arm.points * facts.crowd_of(name) / facts.documents)
    if share is None:
        return name in arm.bounded
    keys = share * facts.documents
    in_order = min(facts.documents, limit / share) if shape.limited and share else facts.documents
    return keys <= KEYS_FOR_A_DOCUMENT * in_order


def _buildable(equal: set[str], tail: Sequence[tuple[str, int]], geo: str | None, arm: Arm, facts: Facts) -> Need:
    """Without the fields that cannot stand in one index, the most telling equalities first."""
    kept: list[str] = [geo] if geo else []

    def fits(name: str) -> bool:
        return all(facts.can_share_an_index(name, other) and not _apart(name, other, arm, facts) for other in kept)

    chosen = set()
    for name in sorted(equal, key=lambda one: (facts.crowd_of(one), one)):
        if fits(name):
            kept.append(name)
            chosen.add(name)
    followed = []
    for name, order in tail:
        if fits(name):
            kept.append(name)
            followed.append((name, order))
        elif order:
            break  # behind a gap nothing is in order
    return Need(frozenset(chosen), tuple(followed), geo)


def _apart(one: str, other: str, arm: Arm, facts: Facts) -> bool:
    """Whether both lie in one array and may be met by different elements, so that one scan cannot bound both."""
    shared = facts.arrays_on(one) & facts.arrays_on(other)
    return bool(shared) and not shared & arm.joined


def serves(key: Key, need: Need) -> bool:
    """Whether an index with this key does all that is asked: equalities lead in any order, then the rest follows, in
    the same orders or all turned round.
    """
    lead = key[: len(need.equal)]
    if {name for name, _ in lead} != need.equal or not all(_is_plain(order) for _, order in lead):
        return False
    rest = key[len(need.equal) :]
    if need.geo is not None:
        if not rest or rest[0] != (need.geo, "2dsphere"):
            return False
        rest = rest[1:]
    if len(rest) < len(need.tail):
        return False
    turned: int | None = None
    for (name, order), (wanted, direction) in zip(rest, need.tail, strict=False):
        if name != wanted or not _is_plain(order):
            return False
        if direction:
            turn = (1 if order > 0 else -1) * direction
            if turned not in (None, turn):
                return False
            turned = turn
    return True


def is_served(need: Need, shape: Shape, index: Mapping[str, Any]) -> bool:
    """Whether an index does all that is asked by every query of this shape."""
    key: Key = tuple(index["key"].items())
    if key[0][0] == "_id" and len(key) == 1 and "_id" in need.equal:
        return True
    partial = any(index.get(option) for option in ("hidden", "partialFilterExpression", "sparse", "wildcardProjection"))
    if partial or "buildUUID" in index or not _same_order(shape, index):
        return False
    if index.get("unique") and {name for name, _ in key} <= need.equal:
        return True  # at most one document is left
    return serves(key, need)


def _same_order(shape: Shape, index: Mapping[str, Any]) -> bool:
    """Whether the index orders text as the shape asks; where no text is asked for, any does."""
    return not shape.text or same_order(collation_of(shape), index.get("collation"))


def collation_of(shape: Shape) -> dict[str, Any] | None:
    """The collation that orders what is asked, None for the simple one."""
    return json.loads(shape.collation) if shape.text and shape.collation else None


def _is_plain(order: Any) -> bool:
    return isinstance(order, (int, float)) and not isinstance(order, bool)
