"""What becomes of a document that is there already: three states of each field in, what to write out. Pure.

A field is what the seed wants now, what the database holds, and what the seed wrote last. Where the database still
holds what the seed wrote, nobody has edited the field, and the seed's change arrives; where it does not, somebody has,
and the field is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wayra_db.seeds.values import digest


@dataclass(frozen=True, slots=True)
class Merge:
    """The fields to set and to take away, those that a person has edited, and what is remembered for the next time."""

    set: tuple[str, ...]
    unset: tuple[str, ...]
    kept: tuple[str, ...]
    remember: Mapping[str, int]

    @property
    def changes(self) -> bool:
        """Whether anything is to be written to the document."""
        return bool(self.set or self.unset)


def merge(
    wanted: Mapping[str, bytes],
    live: Mapping[str, bytes],
    remembered: Mapping[str, int],
    *,
    fixed: Collection[str] = ("_id",),
    keep_edits: bool = True,
) -> Merge:
    """Join what the seed wants with what is there; all fields as BSON elements, what was written last as hashes.

    `fixed` are the fields by which the document was found. A field that the seed no longer names is taken away where
    nobody has edited it. Without `keep_edits` the seed wins everywhere.
    """
    changed, kept = [], []
    remember: dict[str, int] = {}
    for name, value in wanted.items():
        if name in fixed:
            continue
        if live.get(name) == value:
            remember[name] = digest(value)
        elif not keep_edits or _untouched(live.get(name), remembered.get(name)):
            changed.append(name)
            remember[name] = digest(value)
        else:
            kept.append(name)
            if name in remembered:
                remember[name] = remembered[name]
    gone = [
        name
        for name, last in remembered.items()
        if name not in wanted and name in live and (not keep_edits or digest(live[name]) == last)
    ]
    return Merge(tuple(changed), tuple(gone), tuple(kept), remember)


def first(wanted: Mapping[str, bytes], *, fixed: Collection[str] = ("_id",)) -> dict[str, int]:
    """What is remembered of a document that is written for the first time."""
    return {name: digest(value) for name, value in wanted.items() if name not in fixed}


def _untouched(live: bytes | None, last: int | None) -> bool:
    if live is None or last is None:
        return live is None and last is None
    return digest(live) == last
