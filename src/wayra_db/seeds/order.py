"""The order in which seeds run. Pure."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Mapping, Sequence

from wayra_db.errors import SeedLoadError
from wayra_db.seeds.model import Seed


def in_order(seeds: Sequence[Seed], lines: Mapping[str, int] | None = None) -> tuple[Seed, ...]:
    """The seeds, each behind what it depends on, else by their names.

    `lines` says where each file has its `depends_on`. Raises SeedLoadError, with the files, for a name that no seed
    has, for seeds that wait for each other, and for a seed of an environment that what it depends on is not for.
    """
    named: dict[str, Seed] = {}
    for seed in seeds:
        if seed.name in named:
            raise SeedLoadError(
                f"{named[seed.name].path.name} is a seed of the same name", path=seed.path, hint="Rename one of them."
            )
        named[seed.name] = seed
    lines = lines or {}
    for seed in seeds:
        for name in seed.depends_on:
            _check(seed, name, named, lines.get(seed.name))
    waiting = {seed.name: set(seed.depends_on) for seed in seeds}
    ready = [name for name, needs in waiting.items() if not needs]
    heapq.heapify(ready)
    ordered: list[Seed] = []
    while ready:
        done = heapq.heappop(ready)
        ordered.append(named[done])
        del waiting[done]
        for name, needs in waiting.items():
            if done in needs:
                needs.remove(done)
                if not needs:
                    heapq.heappush(ready, name)
    if waiting:
        raise _cycle(waiting, named, lines)
    return tuple(ordered)


def with_dependencies(seeds: Sequence[Seed], names: Sequence[str]) -> set[str]:
    """The names, and those of all that they depend on."""
    needs = {seed.name: seed.depends_on for seed in seeds}
    found: set[str] = set()
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += needs[name]
    return found


def _check(seed: Seed, name: str, named: Mapping[str, Seed], line: int | None) -> None:
    if name not in named:
        near = difflib.get_close_matches(name, named, n=1, cutoff=0.4)
        raise SeedLoadError(
            f"depends on {name!r}, and there is no {seed.path.parent / name}.py or data file of that name",
            path=seed.path,
            line=line,
            hint=f"Did you mean {near[0]!r}?" if near else "Name a seed as its file is named, without the ending.",
        )
    needed = named[name]
    missing = [one.value for one in seed.environments if one not in needed.environments]
    if missing:
        raise SeedLoadError(
            f"is for {', '.join(missing)}, and {needed.path}, which it depends on, is not",
            path=seed.path,
            line=line,
            hint=f"Add {missing[0]!r} to `environments` there, or take it out here.",
        )


def _cycle(waiting: Mapping[str, set[str]], named: Mapping[str, Seed], lines: Mapping[str, int]) -> SeedLoadError:
    """The error for seeds that wait for each other: from any of them, going on to what it waits for comes round."""
    path = [min(waiting)]
    while (following := min(one for one in waiting[path[-1]] if one in waiting)) not in path:
        path.append(following)
    circle = path[path.index(following) :]
    first = named[circle[0]]
    files = " → ".join(str(named[name].path) for name in (*circle, circle[0]))
    return SeedLoadError(
        f"waits for itself: {files}" if len(circle) > 1 else "depends on itself",
        path=first.path,
        line=lines.get(first.name),
        hint="Take one of these names out of its `depends_on`. Nothing has run.",
    )
