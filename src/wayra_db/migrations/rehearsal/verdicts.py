"""The findings of a rehearsal, in words that somebody can act on at night. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wayra_db.migrations.model import Direction, Migration
from wayra_db.migrations.rehearsal.compare import Aspect, Difference
from wayra_db.migrations.rehearsal.model import (
    Check,
    DeclaredValidator,
    Duplicates,
    Finding,
    PlannedCopy,
    Severity,
    Violations,
)

# Turns the BSON of an `_id` into text.
Shown = Callable[[bytes], str]


class Ending(StrEnum):
    """How a migration ended that was killed and run again: by itself, or after somebody had allowed it by `repair`."""

    SAME = "same"
    DIFFERS = "differs"
    FAILS = "fails"
    SAME_BY_HAND = "same, by hand"
    DIFFERS_BY_HAND = "differs, by hand"
    FAILS_BY_HAND = "fails, by hand"


@dataclass(frozen=True, slots=True)
class CrashOutcome:
    """One kill: when, and what came of it."""

    moment: str
    ending: Ending
    detail: str = ""


def down_findings(migration: Migration, found: Iterable[Difference], shown: Shown) -> tuple[Finding, ...]:
    """What `down` did not bring back."""
    file = migration.path.name
    nexts: Mapping[Aspect, str] = {
        Aspect.INDEXES: f"Let `down` in {file} create and drop what `up` dropped and created.",
        Aspect.OPTIONS: f"Let `down` in {file} set the old options by collMod.",
        Aspect.CREATED: f"Let `down` in {file} drop the collection, if its documents are all from `up`.",
        Aspect.DROPPED: f"`down` cannot bring back what `up` drops: keep a copy in `up`, or remove `down` from {file}.",
    }
    return tuple(
        Finding(
            Severity.NOTE if one.harmless else Severity.PROBLEM,
            Check.DOWN_DIFFERS,
            f"after up and down, {one.collection} is not as before: {one.words}",
            ""
            if one.harmless
            else nexts.get(
                one.aspect,
                f"Correct `down` in {file}, or remove it: without it the migration is irreversible, and says so.",
            ),
            version=migration.version,
            collection=one.collection,
            examples=tuple(map(shown, one.examples)),
        )
        for one in found
    )


def again_findings(migration: Migration, found: Sequence[Difference], shown: Shown) -> tuple[Finding, ...]:
    """What differs when `up` runs a second time after a `down` that had restored everything."""
    if not found:
        return ()
    first = found[0]
    return (
        Finding(
            Severity.NOTE,
            Check.UP_DIFFERS,
            f"`up` does not do the same each time: in {first.collection}, {first.words}",
            "It uses the clock or random values, which is fine as long as nobody compares two databases.",
            version=migration.version,
            collection=first.collection,
            examples=tuple(map(shown, first.examples)),
        ),
    )


def left_out(copies: Sequence[PlannedCopy]) -> tuple[Finding, ...]:
    """The collections whose documents were not copied."""
    return tuple(
        Finding(
            Severity.NOTE,
            Check.NOT_COPIED,
            f"{copy.name} was not copied: {copy.left_out}",
            "What migrations do to its documents was not rehearsed.",
            collection=copy.name,
        )
        for copy in copies
        if copy.left_out
    )


def crash_findings(migration: Migration, direction: Direction, outcomes: Sequence[CrashOutcome]) -> tuple[Finding, ...]:
    """What came of killing one direction of a migration: nothing when each time the next run ended as it should."""
    file, kills = migration.path.name, len(outcomes)
    findings: list[Finding] = []

    def found(severity: Severity, endings: Sequence[Ending], words: str, after: str) -> None:
        bad = [one for one in outcomes if one.ending in endings]
        if bad:
            first = f"killed {bad[0].moment}{f': {bad[0].detail}' if bad[0].detail else ''}"
            findings.append(
                Finding(
                    severity,
                    Check.CRASH,
                    f"{direction}, killed {kills} times, {words} {len(bad)} of them; {first}",
                    after,
                    version=migration.version,
                )
            )

    repeatable = (
        f"Make each operation in {file} one that may be done twice ($set rather than $inc, upsert rather than insert), "
        "or use one transaction or `ctx.batches`."
    )
    found(
        Severity.PROBLEM,
        [Ending.DIFFERS, Ending.FAILS],
        "did not end as an undisturbed run after",
        f'{repeatable} Until then, take `retry = "safe"` out, if it is there.',
    )
    found(
        Severity.PROBLEM,
        [Ending.DIFFERS_BY_HAND, Ending.FAILS_BY_HAND],
        "is left half-done, and running it again does not end as an undisturbed run, after",
        repeatable,
    )
    if not findings:
        found(
            Severity.NOTE,
            [Ending.SAME_BY_HAND],
            "waits for a person after",
            f'Running it again ended well each time. Write `retry = "safe"` into {file}, and it goes on by itself.',
        )
    return tuple(findings)


def violations(
    validator: DeclaredValidator,
    found: Violations,
    shown: Shown,
    *,
    migration: Migration | None = None,
    today: Violations | None = None,
    declared: bool = False,
) -> tuple[Finding, ...]:
    """Documents that a validator refuses: one of a `migration`, a `declared` one, or one that is there `today`."""
    if not found.documents:
        return ()
    name, binding = validator.collection, validator.level == "strict" and validator.action != "warn"
    known = today is not None and found.documents <= today.documents
    whose = (
        f"the validator that migration {migration.version} sets"
        if migration
        else "its declared validator, which `init` applies,"
        if declared
        else "its validator"
    )
    documents = f"{found.documents:,} document{'s' if found.documents > 1 else ''}"
    effect = (
        "no longer be updated unless the update corrects them"
        if binding
        else "stay as they are, and may still be updated"
    )
    words = f"{documents} of {name} {'do' if found.documents > 1 else 'does'} not match {whose}"
    message = (
        f"{words}, as it is today" if known else f"{words}: they can {effect}" if binding else f"{words}: they {effect}"
    )
    return (
        Finding(
            Severity.PROBLEM if binding and not known else Severity.NOTE,
            Check.VALIDATOR,
            message,
            f"Correct them in a migration, or loosen the validator. They are: db.{name}.find({{$nor: [validator]}})",
            version=migration.version if migration else None,
            collection=name,
            examples=tuple(map(shown, found.examples)),
        ),
    )


def duplicates(
    collection: str,
    index: Mapping[str, Any],
    found: Duplicates,
    *,
    migration: Migration | None = None,
    in_sample: bool = True,
) -> tuple[Finding, ...]:
    """Keys that a unique index refuses; with `in_sample` false they were seen in the real collection only."""
    if not found.keys:
        return ()
    fields = ", ".join(index["key"])
    grouped = ", ".join(f'{field.replace(".", "_")}: "${field}"' for field in index["key"])
    whose = f"the unique index of migration {migration.version}" if migration else "the declared unique index"
    often = ", ".join(f"{number:,}" for number in found.largest)
    keys = "1 value" if found.keys == 1 else f"{found.keys:,} values"
    has = "stands" if found.keys == 1 else "stand"
    also = "" if in_sample else " If a pending migration does that, rehearse without --sample to see it."
    where = "" if in_sample else " of the real database, of which only a sample was copied"
    return (
        Finding(
            Severity.PROBLEM,
            Check.DUPLICATE_KEYS,
            f"{whose} on {collection} ({fields}) cannot be built: {keys} of {fields} {has} in several documents{where} "
            f"(the most frequent in {often})",
            "Make them one in a migration before it. Find them: "
            f"db.{collection}.aggregate([{{$group: {{_id: {{{grouped}}}, n: {{$sum: 1}}}}}}, "
            "{$match: {n: {$gt: 1}}}])" + also,
            version=migration.version if migration else None,
            collection=collection,
        ),
    )
