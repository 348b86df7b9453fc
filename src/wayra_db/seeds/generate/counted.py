"""Which fields an object has where their number is bounded, or where some come only together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wayra_db.seeds.generate.draws import RANGE
from wayra_db.seeds.generate.model import Object


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """The fields that are always there, the share of each, what each takes with it, and the bounds of their number."""

    always: frozenset[str]
    limits: Mapping[str, int]
    needed: Mapping[str, frozenset[str]]
    least: int
    most: int

    @classmethod
    def of(cls, node: Object) -> FieldChoice | None:
        """That of an object; None where more fields are always there than there may be."""
        needed = {name: frozenset(together) for name, together in node.together}
        most = len(node.fields) if node.most is None else node.most
        always: set[str] = set()
        for one in node.fields:
            if one.share >= 1:
                always |= _with_needed(one.name, needed)
        limits = {one.name: int(one.share * RANGE) for one in node.fields}
        return cls(frozenset(always), limits, needed, node.least, most) if len(always) <= most else None

    def choose(self, draws: Mapping[str, int]) -> set[str]:
        """The fields of one object, from a draw for each: those that want to be there, then as many as it takes."""
        chosen = set(self.always)
        order = sorted(draws, key=lambda name: draws[name])
        for wanted in (True, False):
            for name in order:
                if draws[name] >= self.limits[name] if wanted else len(chosen) >= self.least:
                    continue
                more = _with_needed(name, self.needed) | chosen
                if len(more) <= self.most:
                    chosen = more
        return chosen


def _with_needed(name: str, needed: Mapping[str, frozenset[str]]) -> set[str]:
    """A field and all that has to be there with it."""
    found, open_ = {name}, [name]
    while open_:
        for one in needed.get(open_.pop(), ()):
            if one not in found:
                found.add(one)
                open_.append(one)
    return found
