from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.errors import (
    EditedFileError,
    HistoryMismatchError,
    InterruptedMigrationError,
    IrreversibleMigrationError,
    MigrationError,
    MissingFileError,
    OutOfOrderError,
    VersionNotFoundError,
)
from wayra_db.migrations.model import Checkpoint, Direction, DirectionHeader, Migration, Record, RecordState, Verdict
from wayra_db.migrations.plan import plan_redo, plan_rollback, plan_up, statuses

STARTED, STOPPED, APPLIED, FAILED, ROLLED_BACK = RecordState


def file(version: int, **changes: Any) -> Migration:
    """A migration file with `up` and `down`."""
    made = Migration(
        version=version,
        name=f"change {version}",
        path=Path(f"{version:04d}_change.py"),
        checksum=f"sum {version}",
        up=DirectionHeader(1, False, False),
        down=DirectionHeader(5, False, False),
    )
    return replace(made, **changes)


def record(version: int, state: RecordState = APPLIED, direction: Direction = "up", **changes: Any) -> Record:
    """What the database knows of a version, atomic unless it is half-done by nature."""
    made = Record(
        version=version,
        name=f"change {version}",
        checksum=f"sum {version}",
        state=state,
        direction="down" if state is ROLLED_BACK else direction,
        atomic=state is not STARTED,
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        seconds=0.5,
        host="laptop",
    )
    return replace(made, **changes)


def half_done(version: int, direction: Direction = "up", state: RecordState = FAILED) -> Record:
    """A version whose run is not atomic and did not end well."""
    return record(version, state, direction, atomic=False)


def safe(version: int) -> Migration:
    """A migration that may be repeated."""
    return file(version, retry="safe")


@dataclass(frozen=True)
class Case:
    """Files and records, and the versions that a plan then holds, or the error with the versions it names."""

    files: list[Migration]
    records: list[Record]
    expected: list[int] | type[MigrationError]
    options: dict[str, Any] = field(default_factory=dict)
    named: list[int] = field(default_factory=list)

    @property
    def by_version(self) -> dict[int, Record]:
        """The records as the history gives them."""
        return {one.version: one for one in self.records}


THREE = [file(1), file(2), file(3)]

UP = {
    "an empty project": Case([], [], []),
    "an empty database": Case(THREE, [], [1, 2, 3]),
    "files in any order": Case([file(3), file(1), file(2)], [], [1, 2, 3]),
    "some applied": Case(THREE, [record(1)], [2, 3]),
    "all applied": Case(THREE, [record(1), record(2), record(3)], []),
    "gaps between versions": Case([file(5), file(20), file(100)], [record(5)], [20, 100]),
    "timestamps as versions": Case([file(20260101120000), file(20260102120000)], [], [20260101120000, 20260102120000]),
    "up to a version": Case(THREE, [], [1, 2], {"to": 2}),
    "up to a version that is applied": Case(THREE, [record(1), record(2)], [], {"to": 2}),
    "up to a version that nobody has": Case(THREE, [], VersionNotFoundError, {"to": 4}),
    "up to version zero": Case(THREE, [], VersionNotFoundError, {"to": 0}),
    "the next step": Case(THREE, [record(1)], [2], {"steps": 1}),
    "more steps than there are": Case(THREE, [record(1)], [2, 3], {"steps": 9}),
    "a step within a target": Case(THREE, [], [1], {"to": 2, "steps": 1}),
    "rolled back again": Case(THREE, [record(1), record(2, ROLLED_BACK)], [2, 3]),
    "rolled back, edited since": Case([file(1, checksum="new")], [record(1, ROLLED_BACK)], [1]),
    "rolled back, file gone": Case([file(1)], [record(1), record(2, ROLLED_BACK)], []),
    "failed in a transaction": Case(THREE, [record(1), record(2, FAILED)], [2, 3]),
    "failed in a transaction, edited since": Case([file(1, checksum="new")], [record(1, FAILED)], [1]),
    "failed in a transaction, file gone": Case([file(1)], [record(1), record(2, FAILED)], []),
    "its rollback failed in a transaction": Case([file(1)], [record(1, FAILED, "down")], []),
    "its rollback failed, edited since": Case(
        [file(1, checksum="new")], [record(1, FAILED, "down")], EditedFileError, named=[1]
    ),
    "file gone": Case([file(2)], [record(1), record(2)], MissingFileError, named=[1]),
    "two files gone": Case([file(2)], [record(1), record(2), record(3)], MissingFileError, named=[1, 3]),
    "file of a half-done version gone": Case([file(1)], [record(1), half_done(2)], MissingFileError, named=[2]),
    "edited": Case([file(1, checksum="new"), file(2)], [record(1)], EditedFileError, named=[1]),
    "two edited": Case(
        [file(1, checksum="new"), file(2, checksum="new")], [record(1), record(2)], EditedFileError, named=[1, 2]
    ),
    "edited above the target": Case(
        [file(1), file(2, checksum="new")], [record(2)], EditedFileError, {"to": 1}, named=[2]
    ),
    "out of order": Case(THREE, [record(1), record(3)], OutOfOrderError, named=[2]),
    "two out of order": Case(THREE, [record(3)], OutOfOrderError, named=[1, 2]),
    "out of order, allowed": Case([*THREE, file(4)], [record(1), record(3)], [2, 4], {"allow_out_of_order": True}),
    "out of order, allowed, up to it": Case(THREE, [record(1), record(3)], [2], {"allow_out_of_order": True, "to": 2}),
    "rolled back below an applied one": Case(
        THREE, [record(1), record(2, ROLLED_BACK), record(3)], OutOfOrderError, named=[2]
    ),
    "not in order, but nothing newer in effect": Case(THREE, [record(1), record(3, ROLLED_BACK)], [2, 3]),
    "interrupted": Case(THREE, [record(1), record(2, STARTED)], InterruptedMigrationError, named=[2]),
    "failed half-way": Case(THREE, [half_done(1)], InterruptedMigrationError, named=[1]),
    "failed half-way above the target": Case(
        THREE, [record(1), half_done(2)], InterruptedMigrationError, {"to": 1}, named=[2]
    ),
    "interrupted, may be repeated": Case([file(1), safe(2)], [record(1), record(2, STARTED)], [2]),
    "failed half-way, may be repeated": Case([file(1), safe(2), file(3)], [record(1), half_done(2)], [2, 3]),
    "half-way, corrected and declared safe": Case([file(1, checksum="new", retry="safe")], [half_done(1)], [1]),
    "its rollback failed half-way": Case([file(1)], [half_done(1, "down")], InterruptedMigrationError, named=[1]),
    "its rollback failed half-way, may be repeated": Case(
        [safe(1)], [half_done(1, "down")], InterruptedMigrationError, named=[1]
    ),
}

DOWN = {
    "nothing applied": Case(THREE, [], []),
    "all of them, newest first": Case(THREE, [record(1), record(2), record(3)], [3, 2, 1]),
    "down to a version": Case(THREE, [record(1), record(2), record(3)], [3, 2], {"version": 2}),
    "the newest alone": Case(THREE, [record(1), record(2)], [2], {"version": 2}),
    "by steps": Case(THREE, [record(1), record(2), record(3)], [3, 2], {"steps": 2}),
    "more steps than there are": Case(THREE, [record(1)], [1], {"steps": 5}),
    "with a pending one above": Case(THREE, [record(1)], [1], {"version": 1}),
    "of a pending one": Case(THREE, [record(1)], VersionNotFoundError, {"version": 2}, named=[2]),
    "of one that was rolled back": Case(
        THREE, [record(1), record(2, ROLLED_BACK)], VersionNotFoundError, {"version": 2}, named=[2]
    ),
    "of one that nobody has": Case(THREE, [record(1)], VersionNotFoundError, {"version": 9}, named=[9]),
    "of one that failed in a transaction": Case(
        THREE, [record(1), record(2, FAILED)], VersionNotFoundError, {"version": 2}, named=[2]
    ),
    "whose rollback failed in a transaction": Case([file(1)], [record(1, FAILED, "down")], [1], {"version": 1}),
    "without down": Case(
        [file(1), file(2, down=None)], [record(1), record(2)], IrreversibleMigrationError, {"version": 1}, named=[2]
    ),
    "above one without down": Case([file(1, down=None), file(2)], [record(1), record(2)], [2], {"version": 2}),
    "file gone": Case([file(1)], [record(1), record(2)], MissingFileError, {"version": 1}, named=[2]),
    "file gone below": Case([file(2)], [record(1), record(2)], MissingFileError, {"version": 2}, named=[1]),
    "edited": Case([file(1, checksum="new")], [record(1)], EditedFileError, {"version": 1}, named=[1]),
    "out of order, in the order of versions": Case(THREE, [record(3), record(2), record(1)], [3, 2], {"version": 2}),
    "up failed half-way": Case(
        [file(1), file(2)], [record(1), half_done(2)], InterruptedMigrationError, {"version": 1}, named=[2]
    ),
    "up failed half-way, may be repeated": Case(
        [file(1), safe(2)], [record(1), half_done(2)], InterruptedMigrationError, {"version": 2}, named=[2]
    ),
    "down failed half-way": Case(
        [file(1)], [half_done(1, "down")], InterruptedMigrationError, {"version": 1}, named=[1]
    ),
    "down failed half-way, may be repeated": Case([safe(1)], [half_done(1, "down")], [1], {"version": 1}),
    "down interrupted, may be repeated, all": Case(
        [file(1), safe(2)], [record(1), half_done(2, "down", STARTED)], [2, 1]
    ),
}


def named_in(error: MigrationError) -> list[int]:
    """The versions that an error carries in its fields."""
    if isinstance(error, HistoryMismatchError):
        return list(error.versions)
    return [error.version] if hasattr(error, "version") else []


@pytest.mark.parametrize("case", UP.values(), ids=UP)
def test_up(case: Case) -> None:
    """What `migrate up` would run, or why it refuses, with every version concerned."""
    if isinstance(case.expected, list):
        plan = plan_up(case.files, case.by_version, transactions=True, **case.options)
        assert plan.direction == "up"
        assert list(plan.versions) == case.expected
        return
    with pytest.raises(case.expected) as caught:
        plan_up(case.files, case.by_version, transactions=True, **case.options)
    assert case.named in ([], named_in(caught.value))
    assert caught.value.hint


@pytest.mark.parametrize("case", DOWN.values(), ids=DOWN)
def test_rollback(case: Case) -> None:
    """What `migrate rollback` would undo, or why it refuses."""
    if isinstance(case.expected, list):
        plan = plan_rollback(case.files, case.by_version, transactions=True, **case.options)
        assert plan.direction == "down"
        assert list(plan.versions) == case.expected
        return
    with pytest.raises(case.expected) as caught:
        plan_rollback(case.files, case.by_version, transactions=True, **case.options)
    assert case.named in ([], named_in(caught.value))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("changes", "transactions", "direction", "atomic", "reason"),
    [
        ({}, True, "up", True, ""),
        ({}, False, "up", False, "standalone"),
        ({"transactional": False}, True, "up", False, "transactional = False"),
        ({"up": DirectionHeader(1, False, False, ("drop (line 2)",))}, True, "up", False, "drop (line 2)"),
        ({"up": DirectionHeader(1, False, False, ("drop (line 2)",))}, True, "down", True, ""),
        ({"down": DirectionHeader(5, False, False, ("rename (line 6)",))}, True, "down", False, "rename (line 6)"),
        ({"transactional": True, "up": DirectionHeader(1, False, False, ("drop (line 2)",))}, True, "up", True, ""),
    ],
)
def test_each_step_says_whether_it_is_atomic(
    changes: dict[str, Any], transactions: bool, direction: Direction, atomic: bool, reason: str
) -> None:
    """Each direction for itself, with the reason when it is not."""
    files = [file(1, **changes)]
    if direction == "up":
        step = plan_up(files, {}, transactions=transactions).steps[0]
    else:
        step = plan_rollback(files, {1: record(1)}, transactions=transactions).steps[0]
    assert step.header is (files[0].up if direction == "up" else files[0].down)
    assert step.atomic is atomic
    assert reason in step.reason
    assert step.to_dict()["atomic"] is atomic


def test_a_repeated_step_says_that_it_resumes() -> None:
    """Only the one that had begun."""
    plan = plan_up([safe(1), file(2)], {1: half_done(1)}, transactions=True)
    assert [step.resumes for step in plan.steps] == [True, False]


@pytest.mark.parametrize(
    ("records", "hint"),
    [
        ([half_done(1)], "migrate repair --version 1 --as applied"),
        ([half_done(1, "down")], "migrate repair --version 1 --as applied"),
        ([record(1)], "migrate repair --version 1 --accept-edit"),
    ],
)
def test_a_refusal_names_the_command_that_helps(records: list[Record], hint: str) -> None:
    """With the version filled in."""
    with pytest.raises(MigrationError) as caught:
        plan_up([file(1, checksum="new")], {one.version: one for one in records}, transactions=True)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("direction", "command"), [("up", "`wayra-db migrate`"), ("down", "wayra-db migrate rollback --version 1")]
)
def test_a_run_in_the_other_direction_is_finished_first(direction: Direction, command: str) -> None:
    """What may be repeated is repeated in the direction in which it broke off."""
    opposite = plan_rollback if direction == "up" else plan_up
    with pytest.raises(InterruptedMigrationError) as caught:
        opposite([safe(1)], {1: half_done(1, direction)}, transactions=True)
    assert command in caught.value.hint


@pytest.mark.parametrize(
    ("to", "versions", "hint"), [(30, [1, 2, 3], "Did you mean 3?"), (99, [1, 2], "The newest is 2."), (5, [], "none")]
)
def test_an_unknown_version_is_met_with_help(to: int, versions: list[int], hint: str) -> None:
    """The nearest, else the newest, else that there are none."""
    with pytest.raises(VersionNotFoundError) as caught:
        plan_up([file(version) for version in versions], {}, transactions=True, to=to)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("files", "records", "verdict", "detail"),
    [
        ([file(1)], [], Verdict.PENDING, ""),
        ([file(1)], [record(1)], Verdict.APPLIED, ""),
        ([file(1)], [record(1, ROLLED_BACK)], Verdict.PENDING, "rolled back"),
        ([file(1)], [record(1, STARTED)], Verdict.INTERRUPTED, "up began on laptop and did not end"),
        ([file(1)], [record(1, STARTED, "down")], Verdict.INTERRUPTED, "down began on laptop"),
        ([file(1)], [record(1, FAILED, error="boom")], Verdict.FAILED, "up failed on laptop: boom; nothing"),
        ([file(1)], [record(1, FAILED, error="boom", line=7)], Verdict.FAILED, "up failed at line 7 on laptop: boom"),
        ([file(1)], [record(1, FAILED, "down", error="boom")], Verdict.APPLIED, "still applied: down failed on laptop"),
        ([file(1, checksum="new")], [record(1, FAILED, "down")], Verdict.EDITED, "changed; still applied: down failed"),
        ([file(1)], [half_done(1)], Verdict.FAILED, "what it did before stays"),
        ([file(1, checksum="new")], [record(1)], Verdict.EDITED, "changed since"),
        ([], [record(1)], Verdict.MISSING, "its file 0001_*.py is gone"),
        ([], [record(1, file="0001_add.py")], Verdict.MISSING, "its file 0001_add.py is gone"),
        ([], [half_done(1)], Verdict.FAILED, "what it did before stays"),
    ],
)
def test_status(files: list[Migration], records: list[Record], verdict: Verdict, detail: str) -> None:
    """The word for each state, and a detail where there is one."""
    (status,) = statuses(files, {one.version: one for one in records})
    assert status.verdict is verdict
    assert detail in status.detail
    assert bool(status.detail) is bool(detail)
    assert status.to_dict()["state"] == verdict.value


@pytest.mark.parametrize("state", [ROLLED_BACK, FAILED])
def test_a_version_that_is_gone_on_both_sides_is_no_concern(state: RecordState) -> None:
    """It was undone, or never took effect, and its file is gone: nobody has to do anything."""
    assert statuses([], {1: record(1, state)}) == ()


def test_status_lists_all_versions_in_order() -> None:
    """Those of files and of records, each once."""
    listed = statuses([file(3), file(1)], {2: record(2), 1: record(1)})
    assert [one.version for one in listed] == [1, 2, 3]


# --- whatever the files and the records ---------------------------------------------------------------------------

versions = st.integers(1, 12)
some_files = st.lists(
    st.builds(
        lambda version, checksum, retry, down: file(
            version,
            checksum=checksum or f"sum {version}",
            retry=retry,
            down=DirectionHeader(5, False, False) if down else None,
        ),
        versions,
        st.sampled_from(["", "", "new"]),
        st.sampled_from(["safe", "manual"]),
        st.booleans(),
    ),
    unique_by=lambda one: one.version,
)
some_records = st.lists(
    st.builds(
        lambda version, state, direction, atomic: record(version, state, direction, atomic=atomic),
        versions,
        st.sampled_from(RecordState),
        st.sampled_from(["up", "down"]),
        st.booleans(),
    ),
    unique_by=lambda one: one.version,
).map(lambda records: {one.version: one for one in records})


@given(some_files, some_records, st.none() | versions, st.none() | st.integers(1, 4), st.booleans(), st.booleans())
def test_any_up(
    files: list[Migration],
    records: dict[int, Record],
    to: int | None,
    steps: int | None,
    allow_out_of_order: bool,
    transactions: bool,
) -> None:
    """Either a refusal, or migrations that are not in effect, each once, in ascending order and within the limits."""
    try:
        plan = plan_up(
            files, records, transactions=transactions, to=to, steps=steps, allow_out_of_order=allow_out_of_order
        )
    except MigrationError as error:
        assert error.hint  # noqa: PT017
        return
    assert list(plan.versions) == sorted(set(plan.versions))
    assert not any(records[version].is_in_effect for version in plan.versions if version in records)
    assert all(step.migration in files and step.direction == "up" for step in plan.steps)
    assert to is None or all(version <= to for version in plan.versions)
    assert steps is None or len(plan.steps) <= steps
    in_effect = [version for version, one in records.items() if one.is_in_effect]
    assert allow_out_of_order or not in_effect or all(version > max(in_effect) for version in plan.versions)
    assert transactions or not any(step.atomic for step in plan.steps)


@given(some_files, some_records)
def test_any_whole_up_leaves_nothing_pending(files: list[Migration], records: dict[int, Record]) -> None:
    """After the plan every file is in effect, and the next plan is empty."""
    try:
        plan = plan_up(files, records, transactions=True, allow_out_of_order=True)
    except MigrationError:
        return
    done = {
        step.migration.version: record(step.migration.version, checksum=step.migration.checksum) for step in plan.steps
    }
    assert plan_up(files, {**records, **done}, transactions=True).steps == ()


@given(some_files, some_records, st.none() | versions, st.none() | st.integers(1, 4))
def test_any_rollback(
    files: list[Migration], records: dict[int, Record], version: int | None, steps: int | None
) -> None:
    """Either a refusal, or migrations that have left something, each once, newest first, all of them with `down`."""
    try:
        plan = plan_rollback(files, records, transactions=True, version=version, steps=steps)
    except MigrationError as error:
        assert error.hint  # noqa: PT017
        return
    assert list(plan.versions) == sorted(set(plan.versions), reverse=True)
    assert all(records[one].is_in_effect or records[one].is_half_done for one in plan.versions)
    assert all(step.migration.down is not None and step.direction == "down" for step in plan.steps)
    assert version is None or all(one >= version for one in plan.versions)
    assert steps is None or len(plan.steps) <= steps


@given(some_files, some_records)
def test_any_status(files: list[Migration], records: dict[int, Record]) -> None:
    """It never raises, and shows every file."""
    listed = [one.version for one in statuses(files, records)]
    assert listed == sorted(set(listed))
    assert {one.version for one in files} <= set(listed)


def test_status_passes_on_how_it_failed() -> None:
    """The error, the line and the way to it, apart from the sentence that people read."""
    failed = record(1, FAILED, error="boom", line=7, traceback="the way")
    told = statuses([file(1)], {1: failed})[0].to_dict()
    assert (told["error"], told["line"], told["traceback"]) == ("boom", 7, "the way")


def test_what_to_do_about_batches_that_are_not_those_of_before() -> None:
    """A command that works: running it again would meet the same refusal, until the file is changed back."""
    batched = replace(file(1).up, batched=True)
    failed = record(1, FAILED, atomic=False, other_walk=True, file="0001_add.py")
    (status,) = statuses([file(1, up=batched)], {1: failed})
    assert status.next.endswith("wayra-db migrate repair --version 1 --as pending")
    (status,) = statuses([file(1, up=batched, checksum="changed back")], {1: failed})
    assert status.next == "wayra-db migrate"


@pytest.mark.parametrize("planner", [plan_up, plan_rollback, plan_redo])
def test_a_half_done_migration_whose_file_is_gone(planner: Callable[..., Any]) -> None:
    """Each refuses, names the file, what is known of it, and both ways on."""
    begun = replace(half_done(1), file="0001_add.py", error="boom")
    with pytest.raises(MissingFileError, match=r"half-done here.*0001_add\.py.*up failed on laptop: boom") as caught:
        planner([], {1: begun}, transactions=True)
    assert "Bring 0001_add.py back" in caught.value.hint
    assert "wayra-db migrate repair --version 1 --forget" in caught.value.hint
    (status,) = statuses([], {1: begun})
    assert "bring 0001_add.py back" in status.next


def test_a_down_that_failed_may_be_corrected_and_tried_again() -> None:
    """Its file has changed since it was applied, as it had to; anything else still refuses such a file."""
    failed = {1: record(1, FAILED, "down")}
    corrected = file(1, checksum="corrected")
    assert plan_rollback([corrected], failed, transactions=True, version=1).versions == (1,)
    with pytest.raises(EditedFileError):
        plan_up([corrected], failed, transactions=True)


def test_what_somebody_is_at_is_running_and_not_interrupted() -> None:
    """A migration that was started, while the lock is held: whose it is and how far, and no advice to repeat it."""
    points = {1: [Checkpoint(1, "up", 1, "users", documents=200, batches=2, total=1000)]}
    begun = {1: record(1, STARTED)}
    (status,) = statuses([file(1)], begun, points, runner="ada (pid 7) on db1")
    assert (status.verdict, status.next) == (Verdict.RUNNING, "")
    assert status.detail == "up by ada (pid 7) on db1; 200 of about 1,000 documents of users are done in 2 batches"
    assert statuses([file(1)], begun, points)[0].verdict is Verdict.INTERRUPTED
    assert statuses([file(1)], {1: half_done(1)}, points, runner="ada")[0].verdict is Verdict.FAILED
