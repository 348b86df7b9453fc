"""Which seeds run. Pure: files and records in, a plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wayra_db import atomicity
from wayra_db.environment import Environment
from wayra_db.seeds.model import PlannedSeed, Seed, SeedPlan, SeedRecord, SeedStatus, SeedVerdict


def verdict(seed: Seed, record: SeedRecord | None, environment: Environment) -> SeedVerdict:
    """What a seed is on a database: a seed whose run began and did not end well is to be run again."""
    if environment not in seed.environments:
        return SeedVerdict.OTHER_ENVIRONMENT
    if record is None:
        return SeedVerdict.PENDING
    if not record.done:
        return SeedVerdict.FAILED
    return SeedVerdict.DONE if record.checksum == seed.checksum else SeedVerdict.CHANGED


def plan_seeds(
    seeds: Sequence[Seed],
    records: Mapping[str, SeedRecord],
    environment: Environment,
    *,
    transactions: bool,
    again: bool = False,
) -> SeedPlan:
    """The seeds of this environment that have not run; with `again`, all of this environment."""
    verdicts = [(seed, verdict(seed, records.get(seed.name), environment)) for seed in seeds]
    due = {SeedVerdict.PENDING, SeedVerdict.FAILED}
    if again:
        due |= {SeedVerdict.DONE, SeedVerdict.CHANGED}
    return SeedPlan(
        environment,
        tuple(
            PlannedSeed(seed, *atomicity.decide(seed.transactional, seed.blockers, transactions=transactions))
            for seed, found in verdicts
            if found in due
        ),
        tuple(seed for seed, found in verdicts if found is SeedVerdict.CHANGED and not again),
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
