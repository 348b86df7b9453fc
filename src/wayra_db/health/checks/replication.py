"""Members, lag, oplog, write concern. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wayra_db.health.checks.model import Check, Context
from wayra_db.health.facts import Facts, known
from wayra_db.health.findings import Finding, found
from wayra_db.health.words import span

_WORKING = frozenset({"PRIMARY", "SECONDARY", "ARBITER", ""})  # "": reached, and no more is known


def _primary(facts: Facts, context: Context) -> Iterator[Finding]:
    deployment = facts.status.deployment
    if deployment is not None and not deployment.writable_primary:
        yield found("error", "no writable primary answers", advice="Check the replica set: rs.status().")


def _transactions(facts: Facts, context: Context) -> Iterator[Finding]:
    deployment = facts.status.deployment
    if deployment is not None and not deployment.transactions:
        yield found(
            "info",
            "a standalone server has no transactions: a migration that is cut off is not undone",
            advice="Run it as a replica set, even of one node.",
        )


def _members(facts: Facts, context: Context) -> Iterator[Finding]:
    replication = known(facts.server.replication)
    for member in replication.members if replication else ():
        if not member.reachable:
            yield found(
                "error",
                f"member {member.address} cannot be reached",
                evidence=member.to_dict(),
                advice="Start it, or look at its log and its network: rs.status() shows since when.",
            )
        elif member.state not in _WORKING:
            yield found(
                "warning",
                f"member {member.address} is {member.state}",
                evidence=member.to_dict(),
                advice="It serves nothing in this state; if it does not leave it, look at its log.",
            )


def _lag(facts: Facts, context: Context) -> Iterator[Finding]:
    replication, limits = known(facts.server.replication), context.limits
    lag = replication.lag_seconds if replication else None
    if replication is None or lag is None or lag < limits.lag_warning:
        return
    slow = [one.address for one in replication.members if (one.lag_seconds or 0) >= limits.lag_warning]
    yield found(
        "error" if lag >= limits.lag_error else "warning",
        f"replication is {span(lag)} behind" + (f" on {', '.join(slow)}" if slow else ""),
        evidence={"lagSeconds": lag, "members": slow},
        advice="Writes that wait for the majority wait for it: look for long operations, index builds and a slow disk "
        "there.",
    )


def _oplog(facts: Facts, context: Context) -> Iterator[Finding]:
    oplog, limits = known(facts.server.oplog), context.limits
    if oplog is None or context.embedded or oplog.filled < limits.oplog_filled:
        return  # nothing has been dropped from one that has room, so it says nothing of how far it can reach
    longest = max((one.seconds for one in facts.status.backup_facts), default=0.0)
    evidence = {"oplogSeconds": oplog.seconds, "longestBackupSeconds": longest}
    if oplog.seconds < longest * limits.oplog_backups:
        yield found(
            "error" if oplog.seconds < longest else "warning",
            f"the oplog reaches back {span(oplog.seconds)}, and the longest backup took {span(longest)}",
            evidence=evidence,
            advice="A backup that outlives the oplog is not of one moment. Enlarge it: replSetResizeOplog.",
        )
    elif context.production and oplog.seconds < limits.oplog_least:
        yield found(
            "warning",
            f"the oplog reaches back only {span(oplog.seconds)}",
            evidence=evidence,
            advice="A member that is down for longer must copy everything anew. Enlarge it: replSetResizeOplog.",
        )


def _write_concern(facts: Facts, context: Context) -> Iterator[Finding]:
    concern = known(facts.server.write_concern)
    if concern is None:
        return
    advice = "A write that only the primary has is lost when it fails over."
    if concern.of_connection is not None:
        if concern.of_connection in (0, 1):
            yield found(
                "warning" if context.production else "info",
                f"this connection's writes wait for w={concern.of_connection}, not for the majority",
                evidence={"w": concern.of_connection},
                advice=f"{advice} Take w=... out of MONGODB_URI, or say w=majority.",
            )
    elif concern.of_deployment in (0, 1):
        yield found(
            "warning" if context.production else "info",
            f"the deployment's default write concern is w={concern.of_deployment}, below the majority",
            evidence={"w": concern.of_deployment},
            advice=f"{advice} Say w=majority in URIs, or as the default: setDefaultRWConcern.",
        )


CHECKS: Sequence[Check] = (
    Check(
        "primary-missing",
        "replication",
        "No writable primary",
        "Without one nothing can be written, and reads that need the newest data fail.",
        _primary,
        glance=True,
    ),
    Check(
        "members-unreachable",
        "replication",
        "Members that do not answer or do not work",
        "Each missing member is one failure less that the set survives.",
        _members,
        lambda facts: (facts.server.replication,),
        glance=True,
    ),
    Check(
        "replication-lag",
        "replication",
        "Replication lag",
        "Majority writes wait for slow members, reads from them are old, and a failover may have to undo writes.",
        _lag,
        lambda facts: (facts.server.replication,),
        glance=True,
    ),
    Check(
        "transactions-missing",
        "replication",
        "A server without transactions",
        "Effect and record of a migration cannot commit together there.",
        _transactions,
        glance=True,
    ),
    Check(
        "oplog-window",
        "replication",
        "The oplog against the longest backup",
        "A consistent backup replays the oplog of its own time; when it outlives the oplog it cannot.",
        _oplog,
        lambda facts: (facts.server.oplog,),
    ),
    Check(
        "write-concern",
        "replication",
        "Writes that wait for less than the majority",
        "They can be lost in a failover after they were acknowledged.",
        _write_concern,
        lambda facts: (facts.server.write_concern,),
    ),
)
