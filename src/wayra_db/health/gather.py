"""Gathers the facts for `run_checks`: what `status` has read, and as much more as is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from wayra_db.health.facts import DeepFacts, Facts, IndexNote, Unreadable, Validated, known
from wayra_db.health.facts_deep import read_invalid, read_overdue, ttl_indexes
from wayra_db.health.facts_machine import read_machine
from wayra_db.health.facts_server import attempt, read_more
from wayra_db.health.status import Status
from wayra_db.mongo.catalog import read_index_documents
from wayra_db.mongo.client import Deployment
from wayra_db.schema.live import LiveCollection, read_collections
from wayra_db.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What a project knows besides its status: the names of its declared collections, and how to judge its indexes."""

    settings: Settings
    declared: Sequence[str] = ()
    judge_indexes: Callable[[], Sequence[IndexNote]] | None = None


def gather(deployment: Deployment | None, status: Status, parts: Parts, *, deep: bool = False) -> Facts:
    """The facts for all checks; without a deployment only those of this machine. Reads only, and no documents.

    With `deep` also samples of documents, with a limit in number and time, and the use of each index.
    """
    machine = read_machine(parts.settings, *(_way(deployment) if deployment else ()))
    if deployment is None:
        return Facts(status.at, status, machine=machine)
    server = attempt(lambda: read_more(deployment, status.server))
    if not isinstance(server, Unreadable):
        status = replace(status, server=server)
    live = attempt(lambda: read_collections(deployment))
    indexes = live if isinstance(live, Unreadable) else attempt(lambda: _indexes(deployment, live))
    return Facts(
        status.at,
        status,
        collections=live if isinstance(live, Unreadable) else _validated(live, parts.declared),
        ttl_indexes=indexes if isinstance(indexes, Unreadable) else len(ttl_indexes(indexes)),
        machine=machine,
        deep=_deep(deployment, status, parts, live, indexes) if deep else DeepFacts(),
    )


def _way(deployment: Deployment) -> tuple[tuple[str, ...], bool]:
    """The hosts that the connection goes to, and whether it is encrypted."""
    client = deployment.client
    hosts = tuple(sorted({str(host) for host, _ in client.nodes}))
    return hosts, client.options.pool_options._ssl_context is not None


def _validated(live: Mapping[str, LiveCollection], declared: Sequence[str]) -> tuple[Validated, ...]:
    return tuple(
        Validated(one.name, bool(one.options.get("validator")), one.name in declared)
        for one in live.values()
        if one.kind == "collection"
    )


def _indexes(deployment: Deployment, live: Mapping[str, LiveCollection]) -> dict[str, list[dict[str, Any]]]:
    return read_index_documents(deployment, [one.name for one in live.values() if one.kind == "collection"])


def _deep(
    deployment: Deployment,
    status: Status,
    parts: Parts,
    live: Mapping[str, LiveCollection] | Unreadable,
    indexes: Mapping[str, Sequence[Mapping[str, Any]]] | Unreadable,
) -> DeepFacts:
    judge = parts.judge_indexes
    notes = attempt(lambda: tuple(judge())) if judge else None
    if isinstance(live, Unreadable):
        return DeepFacts(live, live, notes)
    validators = {
        one.name: one.options["validator"]
        for one in live.values()
        if one.kind == "collection" and one.options.get("validator") and one.options.get("validationLevel") != "off"
    }
    return DeepFacts(
        attempt(lambda: read_invalid(deployment, validators)),
        indexes
        if isinstance(indexes, Unreadable)
        else attempt(lambda: read_overdue(deployment, indexes, _server_now(status))),
        notes,
    )


def _server_now(status: Status) -> datetime:
    clock = known(status.server.clock)
    here = datetime.now(UTC)
    return here + timedelta(seconds=clock.ahead_seconds) if clock else here
