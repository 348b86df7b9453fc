"""Which seeds run. Pure: files and records in, a plan out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from wayra_db import atomicity
from wayra_db.environment import Environment
from wayra_db.errors import SeedNotFoundError
from wayra_db.seeds.model import (
    LARGE_BYTES,
    PlannedSeed,
    Seed,
    SeedPlan,
    SeedRecord,
    SeedStatus,
    SeedVerdict,
)
from wayra_db.seeds.order import with_dependencies


def verdict(seed: Seed, record: SeedRecord | None, environment: Environment) -> SeedVerdict:
    """What a seed is on a database: a seed whose run began and did not end well is to be run again.

    Where a seed says its version, that decides and not its text: a higher one than what ran is to be run, a lower one
    is a change that is left alone.
    """
    if environment not in seed.environments:
        return SeedVerdict.OTHER_ENVIRONMENT
    if record is None:
        return SeedVerdict.PENDING
    if not record.done:
        return SeedVerdict.FAILED
    if seed.version is not None:
        known = record.version or 1
        if seed.version > known:
            return SeedVerdict.OUTDATED
        return SeedVerdict.DONE if seed.version == known else SeedVerdict.CHANGED
    return SeedVerdict.DONE if record.checksum == seed.checksum else SeedVerdict.CHANGED


def plan_seeds(
    seeds: Sequence[Seed],
    records: Mapping[str, SeedRecord],
    environment: Environment,
    *,
    transactions: bool,
    again: bool = False,
    names: Sequence[str] = (),
) -> SeedPlan:
    """The seeds of this environment that have not run; with `again`, all of this environment.

    `names` chooses among them, and what these depend on is run before where it has not run; `again` is then for these
    alone. Raises SeedNotFoundError for a name that no seed of this environment has.
    """
    _require_known(seeds, names, environment)
    chosen = with_dependencies(seeds, names) if names else {seed.name for seed in seeds}
    verdicts = [(seed, verdict(seed, records.get(seed.name), environment)) for seed in seeds if seed.name in chosen]
    due = {SeedVerdict.PENDING, SeedVerdict.FAILED, SeedVerdict.OUTDATED}
    repeated = {SeedVerdict.DONE, SeedVerdict.CHANGED} if again else set()
    return SeedPlan(
        environment,
        tuple(
            PlannedSeed(seed, *_atomic(seed, transactions=transactions))
            for seed, found in verdicts
            if found in due or (found in repeated and (not names or seed.name in names))
        ),
        tuple(
            seed
            for seed, found in verdicts
            if found is SeedVerdict.CHANGED and not (again and (not names or seed.name in names))
        ),
    )


def _atomic(seed: Seed, *, transactions: bool) -> tuple[bool, str]:
    if transactions and seed.data is not None and seed.data.large and seed.transactional is not True:
        return (
            False,
            f"{seed.path.name} is larger than {LARGE_BYTES // 1_000_000} MB, so each batch is written by itself",
        )
    return atomicity.decide(seed.transactional, seed.blockers, transactions=transactions)


def _require_known(seeds: Sequence[Seed], names: Sequence[str], environment: Environment) -> None:
    here = [seed.name for seed in seeds if environment in seed.environments]
    for name in names:
        if name in here:
            continue
        near = difflib.get_close_matches(name, here, n=1, cutoff=0.4)
        known = any(seed.name == name for seed in seeds)
        raise SeedNotFoundError(
            f"the seed {name!r} is not for {environment}" if known else f"there is no seed {name!r}",
            name=name,
            hint=f"Did you mean {near[0]!r}?" if near and not known else "See `wayra-db seed list`.",
        )


def statuses(
    seeds: Sequence[Seed], records: Mapping[str, SeedRecord], environment: Environment
) -> tuple[SeedStatus, ...]:
    """Every seed file with what a run would do with it."""
    return tuple(
        SeedStatus(
            name=seed.name,
            verdict=verdict(seed, records.get(seed.name), environment),
            required=seed.required,
            environments=seed.environments,
            description=seed.description,
            at=records[seed.name].at if seed.name in records else None,
            detail=records[seed.name].error if seed.name in records else "",
        )
        for seed in seeds
    )
