"""Collections, their documents and indexes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from wayra_db.health.checks.model import Check, Context
from wayra_db.health.facts import Facts, known
from wayra_db.health.findings import Finding, found
from wayra_db.health.words import size, span


def _validators(facts: Facts, context: Context) -> Iterator[Finding]:
    bare = [one.name for one in known(facts.collections) or () if one.declared and not one.has_validator]
    if bare:
        yield found(
            "info",
            f"no validator on {', '.join(bare)}: any document is let in",
            evidence={"collections": bare},
            advice="Declare one in collections/, with validation_action='warn' at first where data is there.",
        )


def _invalid(facts: Facts, context: Context) -> Iterator[Finding]:
    for one in known(facts.deep.invalid) or ():
        if one.sampled and one.invalid / one.sampled > context.limits.invalid_share:
            yield found(
                "warning",
                f"{one.invalid:,} of {one.sampled:,} sampled documents of {one.collection} violate its validator",
                evidence={"collection": one.collection, "sampled": one.sampled, "invalid": one.invalid},
                advice="Each is refused when it is next changed. Correct them in a migration: its filter is "
                '{"$nor": [validator]}.',
                command="wayra-db migrate create --name correct-documents",
            )


def _ttl(facts: Facts, context: Context) -> Iterator[Finding]:
    monitor, load, indexes = known(facts.server.ttl_monitor), known(facts.server.load), known(facts.ttl_indexes)
    if not indexes:
        return
    if monitor is not None and not monitor.enabled:
        yield found(
            "error",
            f"nothing expires: the server's TTL monitor is switched off, and {indexes} indexes rely on it",
            evidence={"ttlIndexes": indexes},
            advice="Switch it on: db.adminCommand({setParameter: 1, ttlMonitorEnabled: true}).",
        )
    elif (
        monitor is not None
        and load is not None
        and not load.ttl_passes
        and load.uptime_seconds > 3 * monitor.every_seconds
        and facts.status.deployment is not None
        and facts.status.deployment.writable_primary
    ):
        yield found(
            "warning",
            f"nothing expires: the TTL monitor has not run once in {span(load.uptime_seconds)}",
            evidence={"uptimeSeconds": load.uptime_seconds, "everySeconds": monitor.every_seconds},
            advice="Look for what blocks it in the server's log.",
        )


def _overdue(facts: Facts, context: Context) -> Iterator[Finding]:
    for one in known(facts.deep.overdue) or ():
        if one.seconds > context.limits.ttl_overdue:
            yield found(
                "warning",
                f"a document of {one.collection} should have expired {span(one.seconds)} ago ({one.index})",
                evidence={"collection": one.collection, "index": one.index, "overdueSeconds": one.seconds},
                advice="The TTL monitor does not keep up, or does not run: see the check ttl-stopped and the load.",
            )


def _fragmentation(facts: Facts, context: Context) -> Iterator[Finding]:
    limits = context.limits
    for one in facts.status.collections or ():
        if one.free_size >= limits.fragmented_least and one.fragmentation >= limits.fragmented:
            yield found(
                "info",
                f"{size(one.free_size)} of {size(one.storage_size)} of {one.name} hold nothing "
                f"({one.fragmentation:.0%})",
                evidence={"collection": one.name, "freeSize": one.free_size, "storageSize": one.storage_size},
                advice="New documents fill it first. To give it back to the disk, compact the collection.",
            )


def _index_notes(*kinds: str) -> Callable[[Facts, Context], Iterator[Finding]]:
    def find(facts: Facts, context: Context) -> Iterator[Finding]:
        for note in known(facts.deep.indexes) or ():
            if note.kind in kinds:
                yield found(
                    "info",
                    f"index {note.collection}.{note.index} is {note.kind}: {note.evidence}",
                    evidence={"collection": note.collection, "index": note.index, "kind": note.kind},
                    advice=note.advice,
                    command="wayra-db indexes usage" if "wayra-db" not in note.advice else "",
                )

    return find


CHECKS: Sequence[Check] = (
    Check(
        "validators-missing",
        "data",
        "Collections without validator",
        "What no validator refuses, some client writes one day.",
        _validators,
        lambda facts: (facts.collections,),
    ),
    Check(
        "documents-invalid",
        "data",
        "Documents that violate their validator",
        "They were there before it, or came while it was off. The first update of each fails.",
        _invalid,
        lambda facts: (facts.deep.invalid,),
    ),
    Check(
        "ttl-stopped",
        "data",
        "Documents do not expire",
        "Collections that should stay small grow, and data stays that should be gone.",
        _ttl,
        lambda facts: (facts.server.ttl_monitor, facts.server.load, facts.ttl_indexes),
    ),
    Check(
        "ttl-overdue",
        "data",
        "Documents that should have expired",
        "The server deletes in the background once a minute; under load it falls behind.",
        _overdue,
        lambda facts: (facts.deep.overdue,),
    ),
    Check(
        "fragmentation",
        "data",
        "Collections that hold much empty space",
        "Deleted documents leave room in the file that only new ones of the same collection use.",
        _fragmentation,
        glance=True,
    ),
    Check(
        "indexes-unused",
        "data",
        "Indexes that nobody uses",
        "Each is written with every document and takes memory.",
        _index_notes("unused"),
        lambda facts: (facts.deep.indexes,),
    ),
    Check(
        "indexes-redundant",
        "data",
        "Indexes that another one covers",
        "The longer index answers all that the shorter one does.",
        _index_notes("redundant", "duplicate"),
        lambda facts: (facts.deep.indexes,),
    ),
)
