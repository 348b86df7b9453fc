from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.environment import Environment
from wayra_db.seeds.model import Seed, SeedRecord, SeedVerdict
from wayra_db.seeds.plan import plan_seeds, statuses, verdict

DEVELOPMENT, TEST, PRODUCTION = Environment


def seed(name: str = "users", **changes: Any) -> Seed:
    """A seed for development and test."""
    made = Seed(
        name=name,
        path=Path(f"{name}.py"),
        checksum=f"sum {name}",
        environments=(DEVELOPMENT, TEST),
        required=False,
        description="Some data",
        is_async=False,
        takes_context=False,
        transactional=None,
    )
    return replace(made, **changes)


def record(name: str = "users", *, done: bool = True, checksum: str = "", error: str = "") -> SeedRecord:
    """What the database knows of a seed."""
    return SeedRecord(name, checksum or f"sum {name}", done, datetime(2026, 1, 2, tzinfo=UTC), error)


VERDICTS = [
    (None, TEST, SeedVerdict.PENDING, True, True),
    (record(), TEST, SeedVerdict.DONE, False, True),
    (record(checksum="old"), TEST, SeedVerdict.CHANGED, False, True),
    (record(done=False), TEST, SeedVerdict.FAILED, True, True),
    (record(done=False, checksum="old"), TEST, SeedVerdict.FAILED, True, True),
    (None, DEVELOPMENT, SeedVerdict.OTHER_ENVIRONMENT, False, False),
    (record(), DEVELOPMENT, SeedVerdict.OTHER_ENVIRONMENT, False, False),
    (record(done=False), PRODUCTION, SeedVerdict.OTHER_ENVIRONMENT, False, False),
]


@pytest.mark.parametrize(("known", "environment", "expected", "runs", "runs_again"), VERDICTS)
def test_verdicts(
    known: SeedRecord | None, environment: Environment, expected: SeedVerdict, runs: bool, runs_again: bool
) -> None:
    """What a seed for `test` is here, and whether `seed` and `seed --again` run it."""
    one = seed(environments=(TEST,))
    records = {known.name: known} if known else {}
    assert verdict(one, known, environment) is expected
    for again, wanted in ((False, runs), (True, runs_again)):
        plan = plan_seeds([one], records, environment, transactions=True, again=again)
        assert [planned.seed for planned in plan.run] == ([one] if wanted else [])
    (status,) = statuses([one], records, environment)
    assert status.verdict is expected


def test_changed_seeds_are_named_and_left_alone() -> None:
    """Data of a seed that ran belongs to the database; with `again` it runs and is not left over."""
    seeds, records = [seed("a"), seed("b")], {"a": record("a", checksum="old")}
    plan = plan_seeds(seeds, records, TEST, transactions=True)
    assert [one.name for one in plan.changed] == ["a"]
    assert [planned.seed.name for planned in plan.run] == ["b"]
    assert plan_seeds(seeds, records, TEST, transactions=True, again=True).changed == ()


@pytest.mark.parametrize(
    ("changes", "transactions", "atomic", "reason"),
    [
        ({}, True, True, ""),
        ({}, False, False, "standalone"),
        ({"transactional": False}, True, False, "transactional = False"),
        ({"blockers": ("drop (line 2)",)}, True, False, "drop (line 2)"),
        ({"blockers": ("drop (line 2)",), "transactional": True}, True, True, ""),
    ],
)
def test_each_seed_says_whether_it_is_atomic(
    changes: dict[str, Any], transactions: bool, atomic: bool, reason: str
) -> None:
    """With the reason when it is not, also in the plan that a program reads."""
    plan = plan_seeds([seed(**changes)], {}, TEST, transactions=transactions)
    assert plan.run[0].atomic is atomic
    assert reason in plan.run[0].reason
    written = json.loads(json.dumps(plan.to_dict()))
    assert written["run"] == [{"name": "users", "atomic": atomic, "reason": plan.run[0].reason}]


def test_status_tells_what_the_record_tells() -> None:
    """When it ran and what went wrong; nothing of a seed that never ran."""
    ran, fresh = statuses([seed("a"), seed("b")], {"a": record("a", done=False, error="boom")}, TEST)
    assert (ran.at, ran.detail) == (datetime(2026, 1, 2, tzinfo=UTC), "boom")
    assert (fresh.at, fresh.detail) == (None, "")
    assert json.loads(json.dumps(ran.to_dict())) == {
        "name": "a",
        "state": "failed",
        "required": False,
        "environments": ["development", "test"],
        "description": "Some data",
        "at": "2026-01-02T00:00:00+00:00",
        "detail": "boom",
    }


@given(
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.booleans(), st.booleans())),
    st.sampled_from(Environment),
    st.booleans(),
)
def test_any_plan(names: list[str], known: dict[str, tuple[bool, bool]], environment: Environment, again: bool) -> None:
    """Seeds run in the order of the files, never in another environment, and never twice unless asked to."""
    seeds = [seed(name) for name in names]
    records = {name: record(name, done=done, checksum="" if same else "old") for name, (done, same) in known.items()}
    plan = plan_seeds(seeds, records, environment, transactions=True, again=again)
    run = [planned.seed.name for planned in plan.run]
    assert run == [name for name in names if name in run]
    assert environment is not PRODUCTION or not run
    assert again or not any(records[name].done for name in run if name in records)
    assert not set(run) & {one.name for one in plan.changed}
