"""Versions, clocks, backups. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from wayra_db.health.checks.model import Check, Context
from wayra_db.health.facts import BackupFact, Facts, known
from wayra_db.health.findings import Finding, found
from wayra_db.health.words import span

# When MongoDB ends the support of a release (mongodb.com/legal/support-policy/lifecycles, read in November 2026).
END_OF_LIFE: Mapping[tuple[int, int], date] = {
    (4, 4): date(2024, 2, 29),
    (5, 0): date(2024, 10, 31),
    (6, 0): date(2025, 7, 31),
    (7, 0): date(2027, 8, 31),
    (8, 0): date(2029, 10, 31),
}


def _supported(facts: Facts, context: Context) -> Iterator[Finding]:
    deployment = facts.status.deployment
    if deployment is None:
        return
    release = deployment.server_version[:2]
    if len(release) < 2:
        return
    ends = END_OF_LIFE.get((release[0], release[1]))
    today = facts.at.date()
    if ends is not None and ends < today:
        yield found(
            "info" if context.embedded or not context.production else "warning",
            f"MongoDB {deployment.version} gets no more fixes since {ends:%Y-%m-%d}",
            evidence={"version": deployment.version, "endOfLife": ends.isoformat()},
            advice="Upgrade one major version after the other, with a backup before each."
            if not context.embedded
            else "It is only the embedded server, for development.",
        )


def _compatibility(facts: Facts, context: Context) -> Iterator[Finding]:
    deployment = facts.status.deployment
    if deployment is None or not deployment.feature_compatibility_version:
        return
    release = ".".join(map(str, deployment.server_version[:2]))
    if deployment.feature_compatibility_version != release:
        yield found(
            "info",
            f"MongoDB {deployment.version} still works like {deployment.feature_compatibility_version}",
            evidence={"version": deployment.version, "compatibility": deployment.feature_compatibility_version},
            advice=f"When the upgrade is to stay: setFeatureCompatibilityVersion {release}.",
        )


def _clock(facts: Facts, context: Context) -> Iterator[Finding]:
    clock = known(facts.server.clock)
    if clock is None:
        return
    sure = abs(clock.ahead_seconds) - clock.give_or_take_seconds
    if sure >= context.limits.clock_skew:
        where = "ahead of" if clock.ahead_seconds > 0 else "behind"
        yield found(
            "warning",
            f"the server's clock is {abs(clock.ahead_seconds):,.1f} s {where} this machine's",
            evidence=clock.to_dict(),
            advice="Locks go by the server's clock and are safe; times in logs and backups, and TLS, are not. Run NTP.",
        )


def _whole(facts: Facts) -> list[BackupFact]:
    return sorted(
        (one for one in facts.status.backup_facts if one.whole and not one.damaged), key=lambda one: one.created_at
    )


def _has_data(facts: Facts) -> bool:
    return any(one.documents for one in facts.status.collections or ())


def _old(facts: Facts, context: Context) -> Iterator[Finding]:
    if facts.status.backups is None or context.embedded or not _has_data(facts):
        return
    whole, most = _whole(facts), context.backup_max_age
    create = "wayra-db backup create"
    if not whole:
        yield found(
            "error" if context.production else "info",
            "there is no backup that could bring this database back",
            advice="Make one, and let a timer repeat it",
            command=create,
        )
        return
    age = (facts.at - whole[-1].created_at).total_seconds()
    if age > most.total_seconds():
        yield found(
            "warning" if context.production else "info",
            f"the newest backup, {whole[-1].name}, is {span(age)} old; the policy is {span(most.total_seconds())}",
            evidence={"backup": whole[-1].name, "ageSeconds": round(age), "maxAgeSeconds": most.total_seconds()},
            advice="Make one, and look at why the timer did not",
            command=create,
        )


def _unverified(facts: Facts, context: Context) -> Iterator[Finding]:
    whole = _whole(facts)
    if whole and not whole[-1].verified and not context.embedded:
        yield found(
            "warning" if context.production else "info",
            f"the newest backup, {whole[-1].name}, was never verified",
            evidence={"backup": whole[-1].name},
            command=f"wayra-db backup verify {whole[-1].name}",
        )


def _damaged(facts: Facts, context: Context) -> Iterator[Finding]:
    for one in facts.status.backup_facts:
        if one.damaged:
            yield found(
                "error" if context.production else "warning",
                f"the backup {one.name} is damaged{f': {one.problem}' if one.problem else ''}",
                evidence={"backup": one.name, "problem": one.problem},
                advice="Bring back a copy of it, or delete it and make a new one",
                command=f"wayra-db backup verify {one.name}",
            )


CHECKS: Sequence[Check] = (
    Check(
        "backups-damaged",
        "backups",
        "Damaged backups",
        "A backup that cannot be restored is worse than none: somebody relies on it.",
        _damaged,
        glance=True,
    ),
    Check(
        "backups-old",
        "backups",
        "The newest backup is too old",
        "What was written since is lost with the server. The setting backups.max_age says how old it may be.",
        _old,
        glance=True,
    ),
    Check(
        "backups-unverified",
        "backups",
        "The newest backup was never verified",
        "Whether it can be restored shows when it is tried, and that should not be the day it is needed.",
        _unverified,
        glance=True,
    ),
    Check(
        "server-unsupported",
        "versions",
        "The server's version is out of support",
        "Faults and holes that are found from now on stay in it.",
        _supported,
    ),
    Check(
        "compatibility-behind",
        "versions",
        "The feature compatibility version is behind",
        "New features stay off, and the next upgrade is refused.",
        _compatibility,
    ),
    Check(
        "clock-skew",
        "versions",
        "Clocks differ",
        "Logs cannot be laid side by side, and certificates seem to be of tomorrow.",
        _clock,
        lambda facts: (facts.server.clock,),
    ),
)
