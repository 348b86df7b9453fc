"""Which migrations run, in which order, and whether each is atomic. Pure: files and records in, a plan out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wayra_db import atomicity
from wayra_db.errors import (
    EditedFileError,
    GroupError,
    HistoryMismatchError,
    InterruptedMigrationError,
    IrreversibleMigrationError,
    MissingFileError,
    OutOfOrderError,
    VersionNotFoundError,
)
from wayra_db.migrations.model import (
    OTHER_WALK,
    Checkpoint,
    Checkpoints,
    Direction,
    DirectionHeader,
    Migration,
    MigrationPlan,
    MigrationStatus,
    PlannedStep,
    Record,
    RecordState,
    Verdict,
)


def plan_up(
    files: Sequence[Migration],
    records: Mapping[int, Record],
    *,
    transactions: bool,
    checkpoints: Checkpoints = MappingProxyType({}),
    to: int | None = None,
    steps: int | None = None,
    allow_out_of_order: bool = False,
    group: bool = False,
) -> MigrationPlan:
    """The pending migrations in the order of their versions, up to version `to` or the first `steps` of them; with
    `group` all in one transaction.

    Raises MissingFileError, EditedFileError, InterruptedMigrationError, OutOfOrderError, VersionNotFoundError or
    GroupError; each lists every file concerned.
    """
    by_version = {migration.version: migration for migration in files}
    if to is not None and to not in by_version:
        raise _unknown(to, by_version)
    _refuse_missing(by_version, records)
    _refuse_edited(by_version, records)
    _refuse_half_done(by_version, records, "up", checkpoints)
    pending = [
        migration
        for migration in sorted(files, key=lambda migration: migration.version)
        if not (record := records.get(migration.version)) or not record.is_in_effect
    ]
    newest_applied = max((version for version, record in records.items() if record.is_in_effect), default=0)
    late = [migration for migration in pending if migration.version < newest_applied]
    if late and not allow_out_of_order:
        raise OutOfOrderError(
            f"{_listed(late)} came after version {newest_applied} was applied",
            versions=[migration.version for migration in late],
            hint="Renumber the file to come last, or run it where it is with --allow-out-of-order.",
        )
    chosen = [migration for migration in pending if to is None or migration.version <= to][:steps]
    planned = tuple(_step(one, "up", one.up, records.get(one.version), transactions) for one in chosen)
    if group:
        _refuse_to_group(planned)
    return MigrationPlan("up", planned, grouped=group)


def _refuse_to_group(steps: Sequence[PlannedStep]) -> None:
    apart = [step for step in steps if not step.atomic]
    if apart:
        listed = "; ".join(f"{step.migration.version} ({step.migration.name}): {step.reason}" for step in apart)
        raise GroupError(
            f"not all of them can run in one transaction. {listed}",
            versions=[step.migration.version for step in apart],
            hint="Run them without --group, or up to the one before with --to.",
        )
    asynchronous = [step.migration for step in steps if step.header.is_async]
    if asynchronous and len(asynchronous) < len(steps):
        raise GroupError(
            f"{_listed(asynchronous)} of them are `async def`, and one transaction belongs to one driver",
            versions=[one.version for one in asynchronous],
            hint="Write all of them in one way, or run them without --group.",
        )


def plan_rollback(
    files: Sequence[Migration],
    records: Mapping[int, Record],
    *,
    transactions: bool,
    checkpoints: Checkpoints = MappingProxyType({}),
    version: int | None = None,
    steps: int | None = None,
) -> MigrationPlan:
    """Applied migrations to undo, newest first: down to and with `version`, the last `steps`, or all of them.

    Raises MissingFileError, EditedFileError, InterruptedMigrationError, IrreversibleMigrationError or
    VersionNotFoundError.
    """
    by_version = {migration.version: migration for migration in files}
    _refuse_missing(by_version, records)
    # A `down` that failed may be corrected and tried again: that is an edit, and what it was told to do.
    _refuse_edited(by_version, {number: one for number, one in records.items() if one.state is not RecordState.FAILED})
    _refuse_half_done(by_version, records, "down", checkpoints)
    undoable = sorted(
        (number for number, record in records.items() if record.is_in_effect or record.is_half_done), reverse=True
    )
    if version is not None and version not in undoable:
        if version not in by_version:
            raise _unknown(version, by_version)
        raise VersionNotFoundError(
            f"version {version} is not applied, so there is nothing to roll back",
            version=version,
            hint="`wayra-db migrate status` lists what is applied.",
        )
    chosen = [by_version[number] for number in undoable if version is None or number >= version][:steps]
    planned = []
    for migration in chosen:
        if migration.down is None:
            raise IrreversibleMigrationError(
                f"{_listed([migration])} has no `down`, so it cannot be rolled back; nothing was touched",
                version=migration.version,
                hint=f"Write `def down(db)` in {migration.path.name}, or restore a backup.",
            )
        planned.append(_step(migration, "down", migration.down, records.get(migration.version), transactions))
    return MigrationPlan("down", tuple(planned))


def plan_redo(
    files: Sequence[Migration],
    records: Mapping[int, Record],
    *,
    transactions: bool,
    version: int | None = None,
    steps: int | None = None,
) -> tuple[MigrationPlan, MigrationPlan]:
    """What to roll back, and what to apply again: version `version` and all above it, or the last `steps`.

    Raises as `plan_rollback` does, and InterruptedMigrationError when a migration is half-done.
    """
    by_version = {migration.version: migration for migration in files}
    _refuse_missing(by_version, records)
    _refuse_half_done(by_version, records, None, {})
    down = plan_rollback(files, records, transactions=transactions, version=version, steps=steps)
    again = tuple(_step(step.migration, "up", step.migration.up, None, transactions) for step in reversed(down.steps))
    return down, MigrationPlan("up", again)


def plan_baseline(files: Sequence[Migration], records: Mapping[int, Record], *, version: int) -> tuple[Migration, ...]:
    """The migrations to record as applied without running them: all up to and with `version`.

    Raises VersionNotFoundError, and HistoryMismatchError when the database has a history already.
    """
    by_version = {migration.version: migration for migration in files}
    if version not in by_version:
        raise _unknown(version, by_version)
    begun = sorted(number for number, record in records.items() if record.is_in_effect or record.is_half_done)
    if begun:
        raise HistoryMismatchError(
            f"this database has a history already: version {begun[-1]} has been run here; nothing was recorded",
            versions=begun,
            hint="A baseline is for a database that was never migrated by wayra-db. To say that one version is done, "
            "use `wayra-db migrate repair --version N --as applied`.",
        )
    return tuple(by_version[number] for number in sorted(by_version) if number <= version)


def statuses(
    files: Sequence[Migration],
    records: Mapping[int, Record],
    checkpoints: Checkpoints = MappingProxyType({}),
    *,
    runner: str = "",
) -> tuple[MigrationStatus, ...]:
    """Every version that has a file or left something in the database, in order; never raises.

    `runner` is who holds the lock now: what has been started and not ended is then under way.
    """
    by_version = {migration.version: migration for migration in files}
    left = {version for version, record in records.items() if record.is_in_effect or record.is_half_done}
    return tuple(
        _status(version, by_version.get(version), records.get(version), checkpoints.get(version, ()), runner)
        for version in sorted({*by_version, *left})
    )


def _status(
    version: int, migration: Migration | None, record: Record | None, points: Sequence[Checkpoint], runner: str
) -> MigrationStatus:
    name = migration.name if migration else record.name if record else ""
    if record is None or record.state is RecordState.ROLLED_BACK:
        return MigrationStatus(version, name, Verdict.PENDING, detail="rolled back" if record else "")
    verdict, detail, after = Verdict.APPLIED, "baseline: never ran here" if record.baseline else "", ""
    if record.state is RecordState.FAILED and record.is_in_effect:
        detail, after = f"still applied: {_failed_words(record)}; nothing of it was kept", _command(record, version)
    if record.state is RecordState.STARTED and runner:
        told = "; ".join(point.describe() for point in points if point.direction == record.direction)
        verdict, detail = Verdict.RUNNING, f"{record.direction} by {runner}{f'; {told}' if told else ''}"
    elif record.is_half_done:
        verdict = {RecordState.STARTED: Verdict.INTERRUPTED, RecordState.STOPPED: Verdict.STOPPED}.get(
            record.state, Verdict.FAILED
        )
        detail, after = _half_done_words(record, points), _way_on(migration, record, points)
    elif record.state is RecordState.FAILED and not record.is_in_effect:
        verdict, detail = Verdict.FAILED, f"{_failed_words(record)}; nothing of it was kept"
        after = _command(record, version)
    elif migration is None:
        verdict, detail = Verdict.MISSING, f"applied, and its file {_file(record)} is gone"
        after = f"bring the file back, or: wayra-db migrate repair --version {version} --forget"
    elif migration.checksum != record.checksum:
        verdict = Verdict.EDITED
        if record.state is RecordState.FAILED:
            detail = f"the file has changed; {detail}"
            after = f"{after}; or, to keep it applied: wayra-db migrate repair --version {version} --accept-edit"
        else:
            detail = "the file has changed since it was applied"
            after = f"undo the edit, or: wayra-db migrate repair --version {version} --accept-edit"
    return MigrationStatus(
        version,
        name,
        verdict,
        record.at,
        record.seconds,
        detail,
        after,
        error=record.error,
        line=record.line,
        traceback=record.traceback,
    )


def can_resume(migration: Migration, record: Record, points: Sequence[Checkpoint]) -> bool:
    """Whether a half-done migration may be run again by itself.

    The file decides by `retry`. Where it says nothing, one that goes in batches goes on from its checkpoint, unless a
    deployment without transactions left a batch in doubt; any other is left to a person.
    """
    if migration.retry is not None:
        return migration.retry == "safe"
    header = migration.up if record.direction == "up" else migration.down
    return header is not None and header.batched and not any(point.doubt for point in points)


def _half_done_words(record: Record, points: Sequence[Checkpoint]) -> str:
    how = {
        RecordState.STARTED: f"{record.direction} began on {record.host} and did not end",
        RecordState.STOPPED: f"{record.direction} was stopped on {record.host}",
    }.get(record.state, _failed_words(record))
    told = "; ".join(point.describe() for point in points if point.direction == record.direction)
    return f"{how}; {told}" if told else f"{how}; what it did before stays"


def _failed_words(record: Record) -> str:
    at = f" at line {record.line}" if record.line else ""
    return f"{record.direction} failed{at} on {record.host}: {record.error}"


def _way_on(migration: Migration | None, record: Record, points: Sequence[Checkpoint]) -> str:
    if migration is None:
        return (
            f"bring {_file(record)} back; or, once you have undone or finished by hand what it did: "
            f"wayra-db migrate repair --version {record.version} --forget"
        )
    if record.other_walk and record.checksum == migration.checksum:
        said = f"{OTHER_WALK[0].lower()}{OTHER_WALK[1:]}"
        return f"{said}: wayra-db migrate repair --version {record.version} --as pending"
    if can_resume(migration, record, points):
        return _command(record, record.version)
    return f"look at what it has done, then: wayra-db migrate repair --version {record.version} --as applied|pending"


def _file(record: Record) -> str:
    return record.file or f"{record.version:04d}_*.py"


def _command(record: Record, version: int) -> str:
    return "wayra-db migrate" if record.direction == "up" else f"wayra-db migrate rollback --version {version}"


def _step(
    migration: Migration, direction: Direction, header: DirectionHeader, record: Record | None, transactions: bool
) -> PlannedStep:
    atomic, reason = atomicity.decide(
        migration.transactional, header.blockers, transactions=transactions, batched=header.batched
    )
    return PlannedStep(migration, direction, header, atomic, reason, resumes=bool(record and record.is_half_done))


def _refuse_missing(by_version: Mapping[int, Migration], records: Mapping[int, Record]) -> None:
    gone = [record for version, record in sorted(records.items()) if version not in by_version]
    half_done = [record for record in gone if record.is_half_done]
    if half_done:
        listed = "; ".join(f"{one.version} ({_file(one)}): {_half_done_words(one, ())}" for one in half_done)
        raise MissingFileError(
            f"half-done here, and the file is gone: {listed}",
            versions=[record.version for record in half_done],
            hint=f"Bring {_file(half_done[0])} back from version control, then see `wayra-db migrate status`. If it is "
            "gone for good, undo or finish by hand what it did; then: "
            f"`wayra-db migrate repair --version {half_done[0].version} --forget`.",
        )
    missing = [record for record in gone if record.is_in_effect]
    if missing:
        listed = ", ".join(f"{record.version} ({_file(record)})" for record in missing)
        raise MissingFileError(
            f"applied here, but the file is gone: {listed}",
            versions=[record.version for record in missing],
            hint="Bring the file back from version control; `wayra-db migrate status` shows when it was applied. If it "
            f"is gone for good: `wayra-db migrate repair --version {missing[0].version} --forget`.",
        )


def _refuse_edited(by_version: Mapping[int, Migration], records: Mapping[int, Record]) -> None:
    edited = [
        migration
        for version, migration in sorted(by_version.items())
        if (record := records.get(version)) and record.is_in_effect and record.checksum != migration.checksum
    ]
    if edited:
        raise EditedFileError(
            f"changed since it was applied: {_listed(edited)}",
            versions=[migration.version for migration in edited],
            hint="Undo the edit and put the change into a new migration; or accept the file as it is with "
            f"`wayra-db migrate repair --version {edited[0].version} --accept-edit`.",
        )


def _refuse_half_done(
    by_version: Mapping[int, Migration],
    records: Mapping[int, Record],
    direction: Direction | None,
    checkpoints: Checkpoints,
) -> None:
    """Refuse to go over a half-done migration, unless running in its own `direction` finishes it."""
    for version, record in sorted(records.items()):
        if not record.is_half_done:
            continue
        migration, points = by_version[version], checkpoints.get(version, ())
        resumable = can_resume(migration, record, points)
        if resumable and record.direction == direction:
            continue
        if resumable:
            hint = f"It goes on where it stopped: finish it with `{_command(record, version)}` first."
        else:
            hint = (
                'Look at what it has done. If running it again is right, write `retry = "safe"` into the file; '
                f"if you have finished or undone it by hand, say so: `wayra-db migrate repair --version {version} "
                "--as applied` or `--as pending`."
            )
        raise InterruptedMigrationError(
            f"migration {_listed([migration])} is half-done since {record.at:%Y-%m-%d %H:%M:%S} UTC: "
            f"{_half_done_words(record, points)}",
            version=version,
            hint=hint,
        )


def _unknown(version: int, by_version: Mapping[int, Migration]) -> VersionNotFoundError:
    near = difflib.get_close_matches(str(version), [str(number) for number in by_version], n=1)
    newest = max(by_version, default=None)
    return VersionNotFoundError(
        f"there is no migration with version {version}",
        version=version,
        hint=f"Did you mean {near[0]}?" if near else f"The newest is {newest}." if newest else "There are none yet.",
    )


def _listed(migrations: Sequence[Migration]) -> str:
    return ", ".join(f"{migration.version} ({migration.path.name})" for migration in migrations)
