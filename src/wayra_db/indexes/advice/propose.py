"""From recorded shapes to proposed indexes. Pure: shapes, facts and live indexes in, proposals out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wayra_db.indexes.advice.facts import Facts
from wayra_db.indexes.advice.needs import Key, Need, collation_of, is_served, needs_of
from wayra_db.indexes.advice.shapes import Observed, collation_key
from wayra_db.indexes.advice.template import Template
from wayra_db.indexes.usage.redundancy import duty_of, is_plain, judge, same_order

IndexDocument = Mapping[str, Any]

# Below this many documents reading all of them is as quick.
SMALLEST_COLLECTION = 200
# When a scan returns this share of what it reads, an index would read as much, with a jump for each document.
MOST_OF_IT = 2 / 3
MOST_INDEXES = 64  # in one collection (manual, Limits)
LONGEST_NAME = 100


class Fate(StrEnum):
    """What became of a recorded shape."""

    PROPOSED = "an index is proposed"
    WELL_SERVED = "well served"
    SERVED = "an index serves it"
    DECLARED = "a declared index will serve it"
    TOO_SMALL = "the collection is small"
    MOST = "it returns most of what it reads"
    NOT_BY_KEY = "no index can find it by key"


@dataclass(frozen=True, slots=True)
class Judged:
    """A recorded shape, what became of it, and the index that this is about."""

    observed: Observed
    fate: Fate
    index: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**self.observed.to_dict(), "fate": self.fate.name.lower(), "index": self.index}


@dataclass(frozen=True, slots=True)
class Proposal:
    """An index that is worth building: for which shapes, at what weight, in the place of which others.

    `size_bytes` is estimated from sampled keys; `document` is what `createIndexes` takes.
    """

    collection: str
    document: IndexDocument
    shapes: tuple[str, ...]
    count: int
    milliseconds: float
    wasted: int
    weight: float
    replaces: tuple[str, ...] = ()
    size_bytes: int | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The index's name."""
        return str(self.document["name"])

    @property
    def declaration(self) -> str:
        """The line to put into the collection's declaration."""
        keys = ", ".join(f"({name!r}, {order!r})" for name, order in self.document["key"].items())
        options = "".join(f", {name}={value!r}" for name, value in self.document.items() if name not in ("key", "name"))
        named = "" if self.name == default_name(tuple(self.document["key"].items())) else f", name={self.name!r}"
        return f"IndexModel([{keys}]{named}{options})".replace("'", '"')

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "collection": self.collection,
            "name": self.name,
            "index": {**self.document, "key": [list(part) for part in self.document["key"].items()]},
            "declaration": self.declaration,
            "shapes": list(self.shapes),
            "count": self.count,
            "milliseconds": round(self.milliseconds, 3),
            "documentsReadInVain": self.wasted,
            "weight": round(self.weight, 3),
            "replaces": list(self.replaces),
            "sizeBytes": self.size_bytes,
            "warnings": list(self.warnings),
        }


@dataclass(slots=True)
class _Draft:
    """A template with the shapes it serves; `collation` counts only once text is asked of it."""

    template: Template
    text: bool
    collation: dict[str, Any] | None
    shapes: list[Observed] = field(default_factory=list)

    def takes(self, need: Need, observed: Observed) -> bool:
        """Serve this need as well, if that can be done without another field."""
        wanted = collation_of(observed.shape)
        if self.text and observed.shape.text and not same_order(wanted, self.collation):
            return False
        settled = self.template.absorb(need)
        if settled is None:
            return False
        self.template = settled
        if observed.shape.text:
            self.text, self.collation = True, wanted
        if observed not in self.shapes:
            self.shapes.append(observed)
        return True


def propose(
    observed: Iterable[Observed],
    facts: Mapping[str, Facts],
    live: Mapping[str, Sequence[IndexDocument]],
    *,
    declared: Mapping[str, Sequence[IndexDocument]] | None = None,
    collations: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[tuple[Proposal, ...], tuple[Judged, ...]]:
    """The proposals, the weightiest first, and what became of each shape.

    `declared` are indexes that are declared and not built yet; `collations` the collections' default ones.
    """
    judged: list[Judged] = []
    open_needs: dict[str, list[tuple[Need, Observed]]] = {}
    for one in observed:
        name = one.shape.collection
        fate, index, needs = _judge(one, facts.get(name, Facts()), live.get(name, ()), (declared or {}).get(name, ()))
        judged.append(Judged(one, fate, index))
        open_needs.setdefault(name, []).extend((need, one) for need in needs)
    proposals: list[Proposal] = []
    for name, needs_here in open_needs.items():
        default = (collations or {}).get(name)
        taken = {str(index["name"]) for index in (*live.get(name, ()), *(declared or {}).get(name, ()))}
        for draft in _merge(needs_here):
            _lead_with(draft, live.get(name, ()))
            proposal = _proposal(name, draft, facts.get(name, Facts()), live.get(name, ()), default, taken)
            taken.add(proposal.name)
            proposals.append(proposal)
    proposals.sort(key=lambda one: (-one.weight, one.collection, one.name))
    return tuple(proposals), tuple(_named(one, proposals) for one in judged)


def _judge(
    one: Observed, facts: Facts, live: Sequence[IndexDocument], declared: Sequence[IndexDocument]
) -> tuple[Fate, str, tuple[Need, ...]]:
    if one.is_well_served:
        return Fate.WELL_SERVED, "", ()
    if facts.documents < SMALLEST_COLLECTION:
        return Fate.TOO_SMALL, "", ()
    needs = needs_of(one.shape, facts, one.examples)
    if not needs:
        return Fate.NOT_BY_KEY, "", ()
    servants = [_servant(need, one, live) for need in needs]
    if all(servants):
        return Fate.SERVED, ", ".join(dict.fromkeys(servants)), ()
    missing = [need for need, servant in zip(needs, servants, strict=True) if not servant]
    promised = [_servant(need, one, declared) for need in missing]
    if all(promised):
        return Fate.DECLARED, ", ".join(dict.fromkeys(promised)), ()
    reads_on = one.shape.kind in ("count", "distinct", "lookup") or one.shape.sort or one.returned is None
    if not reads_on and one.documents_examined and (one.returned or 0) / one.documents_examined > MOST_OF_IT:
        return Fate.MOST, "", ()
    wanted = tuple(need for need, servant in zip(missing, promised, strict=True) if not servant)
    return Fate.PROPOSED, "", wanted


def _servant(need: Need, one: Observed, indexes: Sequence[IndexDocument]) -> str:
    return next((str(index["name"]) for index in indexes if is_served(need, one.shape, index)), "")


def _merge(needs: Sequence[tuple[Need, Observed]]) -> list[_Draft]:
    """As few indexes as serve all needs without a field more: the widest first, the shorter as their prefixes."""
    drafts: list[_Draft] = []
    for need, observed in sorted(needs, key=lambda one: (-Template.of(one[0]).width, -one[1].weight)):
        if not any(draft.takes(need, observed) for draft in drafts):
            drafts.append(_Draft(Template.of(need), observed.shape.text, collation_of(observed.shape), [observed]))
    return drafts


def _lead_with(draft: _Draft, live: Sequence[IndexDocument]) -> None:
    """Settle what is open so that the key begins as a live index does, which can then go."""
    for index in sorted(live, key=lambda one: -len(one["key"])):
        if duty_of(index) or not is_plain(index) or index.get("hidden") or "partialFilterExpression" in index:
            continue
        if draft.text and not same_order(draft.collation, index.get("collation")):
            continue
        ordered = tuple((name, 1 if order > 0 else -1) for name, order in index["key"].items())
        settled = draft.template.absorb(Need(frozenset(), ordered))
        if settled is not None:
            draft.template = settled


def _proposal(
    collection: str,
    draft: _Draft,
    facts: Facts,
    live: Sequence[IndexDocument],
    default: Mapping[str, Any] | None,
    taken: set[str],
) -> Proposal:
    key = draft.template.key(facts.crowd_of)
    collation = draft.collation if draft.text else default
    document: dict[str, Any] = {"key": dict(key), "name": _free_name(key, taken)}
    if collation_key(collation) is not None:
        document["collation"] = {name: value for name, value in (collation or {}).items() if name != "version"}
    elif collation_key(default) is not None:
        document["collation"] = {"locale": "simple"}  # else it would take the collection's
    replaces = tuple(index["name"] for index in live if judge(index, document).droppable)
    after = len(live) - len(replaces) + 1
    full = after > MOST_INDEXES
    return Proposal(
        collection,
        document,
        tuple(one.shape.id for one in draft.shapes),
        sum(one.count for one in draft.shapes),
        sum(one.milliseconds for one in draft.shapes),
        sum(one.wasted for one in draft.shapes),
        sum(one.weight for one in draft.shapes),
        replaces,
        facts.index_bytes([name for name, _ in key]),
        (f"{collection} would have {after} indexes, and {MOST_INDEXES} are the most",) if full else (),
    )


def _free_name(key: Key, taken: set[str]) -> str:
    name = default_name(key)
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 3].rstrip("_") + "___"
    number, free = 2, name
    while free in taken:
        free, number = f"{name}__{number}", number + 1
    return free


def default_name(key: Key) -> str:
    """The name that drivers give an index that is given none."""
    return "_".join(f"{name}_{order}" for name, order in key)


def _named(one: Judged, proposals: Sequence[Proposal]) -> Judged:
    if one.fate is not Fate.PROPOSED:
        return one
    names = [proposal.name for proposal in proposals if one.observed.shape.id in proposal.shapes]
    return Judged(one.observed, one.fate, ", ".join(names))
