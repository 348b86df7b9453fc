"""Declared against live collections: what to create, what to change by `collMod`, what cannot be changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wayra_db.schema.collection import Collection
from wayra_db.schema.live import LiveCollection

# `collMod` can set these; an option that is no longer declared is set back to the server's default.
CHANGEABLE: Mapping[str, Any] = {"validator": {}, "validationLevel": "strict", "validationAction": "error"}
# What the server fills into a collation; `backwards` is left out, as its default differs between locales.
COLLATION_DEFAULTS: Mapping[str, Any] = {
    "strength": 3,
    "caseLevel": False,
    "caseFirst": "off",
    "numericOrdering": False,
    "alternate": "non-ignorable",
    "maxVariable": "punct",
    "normalization": False,
}
# These are fixed when a collection is created (manual, create and collMod).
FIXED = ("collation", "capped", "size", "max", "timeseries", "clusteredIndex")


@dataclass(frozen=True, slots=True)
class CollectionChange:
    """Options of an existing collection to set by `collMod`."""

    collection: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A difference that only a rewrite of the collection can remove."""

    collection: str
    option: str
    message: str


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """What makes the live collections equal the declared ones; `undeclared` are live, known to nobody, left alone."""

    create: tuple[Collection, ...] = ()
    change: tuple[CollectionChange, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    undeclared: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.create or self.change or self.conflicts)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "create": [collection.name for collection in self.create],
            "change": [{"collection": change.collection, "options": sorted(change.options)} for change in self.change],
            "conflicts": [
                {"collection": conflict.collection, "option": conflict.option, "message": conflict.message}
                for conflict in self.conflicts
            ],
            "undeclared": list(self.undeclared),
        }


def diff(declared: Sequence[Collection], live: Mapping[str, LiveCollection]) -> SchemaPlan:
    """The plan for all declared collections."""
    create: list[Collection] = []
    change: list[CollectionChange] = []
    conflicts: list[Conflict] = []
    for collection in declared:
        found = live.get(collection.name)
        if found is None:
            create.append(collection)
            continue
        wanted = collection.create_options()
        if found.kind == "view" or (found.kind == "timeseries") != ("timeseries" in wanted):
            conflicts.append(Conflict(collection.name, "type", f"it is a {found.kind}"))
            continue
        conflicts += _conflicts(collection.name, wanted, found.options)
        options = _changes(wanted, found.options)
        if options:
            change.append(CollectionChange(collection.name, options))
    names = {collection.name for collection in declared}
    return SchemaPlan(tuple(create), tuple(change), tuple(conflicts), tuple(sorted(set(live) - names)))


def _changes(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    changes = {
        option: wanted.get(option, default)
        for option, default in CHANGEABLE.items()
        if not same(wanted.get(option, default), live.get(option, default))
    }
    if not same(wanted.get("expireAfterSeconds"), live.get("expireAfterSeconds")):
        changes["expireAfterSeconds"] = wanted.get("expireAfterSeconds", "off")
    return changes


def _conflicts(name: str, wanted: Mapping[str, Any], live: Mapping[str, Any]) -> list[Conflict]:
    return [
        Conflict(name, option, f"`{option}` is {live.get(option)!r} and is declared as {wanted.get(option)!r}")
        for option in FIXED
        if not _covers(live.get(option), wanted.get(option), option)
    ]


def _covers(live: Any, wanted: Any, option: str) -> bool:
    """Whether a fixed option is as declared; the server fills in defaults, so only what is declared counts."""
    if option == "collation":
        return same_collation(wanted, live)
    if option == "size" and wanted is not None and live is not None:
        # The server rounds a capped collection's size up to a multiple of 256 bytes.
        return bool(-(-wanted // 256) * 256 == -(-live // 256) * 256)
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return wanted.get("metaField") == live.get("metaField") and _holds(live, wanted)
    return same(wanted, live)


def same_collation(declared: Mapping[str, Any] | None, live: Mapping[str, Any] | None) -> bool:
    """Whether a live collation, in which the server has filled everything in, is the declared one."""
    if _is_simple(declared) or _is_simple(live):
        return _is_simple(declared) and _is_simple(live)
    return _holds(live or {}, {**COLLATION_DEFAULTS, **(declared or {})})


def _is_simple(collation: Mapping[str, Any] | None) -> bool:
    return not collation or collation.get("locale") == "simple"


def _holds(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(key in live and same(value, live[key]) for key, value in wanted.items())


def same(left: Any, right: Any) -> bool:
    """Equality of values before and after the server has stored them.

    The order of keys does not count, 1 equals 1.0 and True is not 1; times lose their zone and their microseconds, and
    regular expressions come back as `bson.Regex`.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(_stored(left) == _stored(right))


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    if hasattr(value, "pattern") and hasattr(value, "flags"):  # a `re.Pattern` or a `bson.Regex`
        return value.pattern, value.flags
    return value
