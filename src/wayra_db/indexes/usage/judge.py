"""What speaks against an index, with the evidence. Pure.

An index that does more than answer queries (unique, TTL, `_id`, shard key) is never called unused or redundant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wayra_db.indexes.usage.model import Finding, Kind, LiveIndex, span
from wayra_db.indexes.usage.redundancy import duty_of, find_redundant, is_plain


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something speaks against an index.

    `unused_days`: without a use for so long, on every member; 7, or 30 where jobs run once a month. `oversized_bytes`
    and `oversized_share`: larger than both. `few_values`: in a sample each value is found in at least this share.
    """

    unused_days: float = 7.0
    oversized_bytes: int = 64_000_000
    oversized_share: float = 0.5
    few_values: float = 0.05
    smallest_collection: int = 1000


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Spread:
    """How the keys of an index lie in a sample: how many different, and the share of the rarest."""

    sampled: int
    different: int
    rarest: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else judging needs: shard keys, and the spread of single indexes' keys by `collection.index`."""

    shard_keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    spreads: Mapping[str, Spread] = field(default_factory=dict)


def judge_all(
    indexes: Sequence[LiveIndex], around: Surroundings | None = None, limits: Limits = DEFAULT
) -> tuple[Finding, ...]:
    """All that speaks against these indexes, by collection and index; one may have several findings."""
    around = around or Surroundings()
    found: list[Finding] = []
    by_collection: dict[str, list[LiveIndex]] = {}
    for index in indexes:
        by_collection.setdefault(index.collection, []).append(index)
    for collection, here in by_collection.items():
        shard_key = around.shard_keys.get(collection)
        found += _redundant(here, shard_key)
        for index in here:
            found += _use(index, shard_key, limits)
            found += _size(index, limits)
            found += _spread(index, around.spreads.get(index.namespace), limits)
    order = list(Kind)
    return tuple(sorted(found, key=lambda one: (one.collection, order.index(one.kind), one.index)))


def _redundant(here: Sequence[LiveIndex], shard_key: Mapping[str, Any] | None) -> Iterator[Finding]:
    by_name = {index.name: index for index in here}
    declared = [index.name for index in here if index.declared]
    for one in find_redundant([index.document for index in here], shard_key, declared):
        index, cover = by_name[one.name], by_name[one.covered_by]
        yield Finding(
            Kind.DUPLICATE if one.duplicate else Kind.REDUNDANT,
            index.collection,
            index.name,
            f"{cover.name} does all that it does: {one.reason}. It takes {index.size_bytes:,} bytes; "
            f"{_used(index)}, and {cover.name} {_used(cover)}",
            _retire(index),
        )


def _use(index: LiveIndex, shard_key: Mapping[str, Any] | None, limits: Limits) -> Iterator[Finding]:
    use, document = index.use, index.document
    if duty_of(document, shard_key) or document.get("hidden") or "buildUUID" in document or not use.complete:
        return
    if use.quiet_days >= limits.unused_days:
        before = f", and {use.uses:,} before" if use.uses else ""
        members = f"any of {len(use.by_member)} members" if len(use.by_member) > 1 else "the server"
        yield Finding(
            Kind.UNUSED,
            index.collection,
            index.name,
            f"no use in {span(use.quiet_days)} on {members}{before}; it takes {index.size_bytes:,} bytes "
            "and is written with the documents",
            _retire(index),
        )
    elif not use.uses:
        yield Finding(
            Kind.NOT_YET_USED,
            index.collection,
            index.name,
            f"no use since {use.since:%Y-%m-%d %H:%M} UTC, which says nothing before {limits.unused_days:g} days",
            "Look again later: wayra-db indexes usage. If it was built just now and stays so: wayra-db indexes undo",
        )


def _size(index: LiveIndex, limits: Limits) -> Iterator[Finding]:
    if index.size_bytes >= limits.oversized_bytes and index.ratio >= limits.oversized_share:
        yield Finding(
            Kind.OVERSIZED,
            index.collection,
            index.name,
            f"{index.size_bytes:,} bytes, {index.ratio:.0%} of the collection's data ({index.data_bytes:,} bytes)",
            "Index fewer fields, or by partialFilterExpression only the documents that are asked for.",
        )


def _spread(index: LiveIndex, spread: Spread | None, limits: Limits) -> Iterator[Finding]:
    if spread is None or spread.rarest < limits.few_values or index.documents < limits.smallest_collection:
        return
    if duty_of(index.document):
        return
    many = f"{spread.different} different keys" if spread.different > 1 else "one key"
    yield Finding(
        Kind.LOW_SELECTIVITY,
        index.collection,
        index.name,
        f"{many} in {spread.sampled:,} sampled documents, the rarest in {spread.rarest:.0%} of them: whatever is "
        "asked, a large part of the collection is read",
        "Put a field behind it that tells more, or leave it out; for one rare value, a partial index.",
    )


def wants_spread(document: Mapping[str, Any]) -> bool:
    """Whether the values of an index's fields say how much it narrows: not where it holds few documents on purpose."""
    special = document.get("partialFilterExpression") or document.get("sparse") or document.get("hidden")
    return is_plain(document) and not special and not duty_of(document)


def spread_of(fields: Sequence[str], sample: Sequence[Mapping[str, Any]]) -> Spread | None:
    """The spread of the keys over these fields; None where one holds arrays, or where there is no sample."""
    counts: dict[tuple[str, ...], int] = {}
    for document in sample:
        values = [_value(document, name.split(".")) for name in fields]
        if any(isinstance(value, list) for value in values):
            return None
        key = tuple(map(repr, values))
        counts[key] = counts.get(key, 0) + 1
    if not counts:
        return None
    return Spread(len(sample), len(counts), min(counts.values()) / len(sample))


def _value(document: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        if isinstance(document, list):
            return document
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


def _used(index: LiveIndex) -> str:
    uses = f"{index.use.uses:,} uses" if index.use.uses != 1 else "1 use"
    return f"{uses} in {span(index.use.observed_days)}"


def _retire(index: LiveIndex) -> str:
    first = "Take it out of its collection's declaration. Then hide" if index.declared else "Hide"
    return f"{first}, watch and drop it: wayra-db indexes retire {index.namespace}"
