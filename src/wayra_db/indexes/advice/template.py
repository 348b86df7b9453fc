"""Several needs in one index: equalities may stand in any order, so that a shorter need can become a prefix. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wayra_db.indexes.advice.needs import Key, Need

# A set of fields whose order is still open, or one field with its order: 1, -1, or 0 while either will do.
Part = frozenset[str] | tuple[str, int | str]


@dataclass(frozen=True, slots=True)
class Template:
    """An index whose key is not settled yet: parts in order."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, need: Need) -> Template:
        """The template that serves one need."""
        parts: list[Part] = [need.equal] if need.equal else []
        if need.geo is not None:
            parts.append((need.geo, "2dsphere"))
        return cls((*parts, *need.tail))

    @property
    def width(self) -> int:
        """How many fields it has."""
        return sum(len(part) if isinstance(part, frozenset) else 1 for part in self.parts)

    def absorb(self, need: Need) -> Template | None:
        """The template settled so far that it serves `need` as well, without another field; None when it cannot."""
        taken = _take_equal(list(self.parts), need.equal)
        if taken is None:
            return None
        front, rest = taken
        if need.geo is not None:
            if not rest or rest[0] != (need.geo, "2dsphere"):
                return None
            front, rest = [*front, rest[0]], rest[1:]
        for turn in (1, -1):
            followed = _take_tail(rest, need.tail, turn)
            if followed is not None:
                return Template((*front, *followed))
        return None

    def key(self, crowd_of: Callable[[str], float]) -> Key:
        """The key, with what is open settled: ascending, the fields first whose values find the fewest documents."""
        settled: list[tuple[str, Any]] = []
        for part in self.parts:
            if isinstance(part, frozenset):
                settled += [(name, 1) for name in sorted(part, key=lambda one: (crowd_of(one), one))]
            else:
                name, order = part
                settled.append((name, order or 1))
        return tuple(settled)


def _take_equal(parts: list[Part], equal: frozenset[str]) -> tuple[list[Part], list[Part]] | None:
    """The parts split behind the fields of `equal`, which must come first."""
    front: list[Part] = []
    missing = set(equal)
    while missing:
        if not parts:
            return None
        part = parts.pop(0)
        if not isinstance(part, frozenset):
            name, order = part
            if name not in missing or isinstance(order, str):
                return None
            missing.discard(name)
            front.append(part)
        elif part <= missing:
            missing -= part
            front.append(part)
        elif missing < part:
            front.append(frozenset(missing))
            parts.insert(0, part - missing)
            missing.clear()
        else:
            return None
    return front, parts


def _take_tail(parts: list[Part], tail: tuple[tuple[str, int], ...], turn: int) -> list[Part] | None:
    """The parts with those in front settled as `tail` asks, all its orders multiplied by `turn`."""
    left = list(parts)
    settled: list[Part] = []
    for name, direction in tail:
        if not left:
            return None
        part = left.pop(0)
        wanted = direction * turn
        if isinstance(part, frozenset):
            if name not in part:
                return None
            settled.append((name, wanted))
            if len(part) > 1:
                left.insert(0, part - {name})
            continue
        found, order = part
        if found != name or isinstance(order, str) or (order and wanted and order != wanted):
            return None
        settled.append((name, order or wanted))
    return settled + left
