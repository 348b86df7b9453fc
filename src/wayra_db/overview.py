"""The whole project at a glance and in depth: joins what every part says of itself. Reads only.

A part that cannot be read says why, and the rest stands; a deployment that cannot be reached leaves what lies in the
project's own folder.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from wayra_db import locking, meta
from wayra_db.environment import Allowed, NeedsPermission, describe
from wayra_db.errors import CancelledError, ConnectionFailedError, ServerError, WayraError
from wayra_db.health.collections import CollectionStats, read_samples, read_stats, with_growth
from wayra_db.health.facts import BackupFact, ServerFacts
from wayra_db.health.facts_server import read_at_a_glance
from wayra_db.health.status import Diagnosis, FileUnit, IndexSummary, SchemaSummary, Status
from wayra_db.mongo.catalog import read_index_documents
from wayra_db.schema.live import LiveCollection, read_collections

if TYPE_CHECKING:
    from wayra_db.backups.catalog import BackupEntry
    from wayra_db.health.facts import Facts, IndexNote
    from wayra_db.indexes import IndexManager
    from wayra_db.indexes.plan import PlannedIndex
    from wayra_db.migrations import MigrationManager
    from wayra_db.mongo.client import Deployment
    from wayra_db.schema.manager import SchemaManager
    from wayra_db.seeds import SeedManager
    from wayra_db.settings import Settings

T = TypeVar("T")


class Joined(Protocol):
    """What a project joins; nothing of it is made before it is asked for, and each may raise by itself."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def embedded(self) -> bool: ...  # noqa: D102
    @property
    def deployment(self) -> Deployment: ...  # noqa: D102
    @property
    def schema(self) -> SchemaManager: ...  # noqa: D102
    @property
    def migrations(self) -> MigrationManager: ...  # noqa: D102
    @property
    def indexes(self) -> IndexManager: ...  # noqa: D102
    @property
    def seeds(self) -> SeedManager: ...  # noqa: D102


class _Reader:
    """Reads part after part, keeps the reasons of those that could not be read, and asks a server that has gone away
    no more: each further question would wait for it once again. What then was not asked is None without a reason.
    """

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}
        self.lost: ConnectionFailedError | None = None

    def __call__(self, part: str, read: Callable[[], T], *, local: bool = False) -> T | None:
        if self.lost is not None and not local:
            return None
        try:
            return read()
        except CancelledError:
            raise
        except ConnectionFailedError as error:
            if _is_lost(error):
                self.lost = error
                self.unreadable["connection"] = error.message
            else:
                self.unreadable[part] = error.message
        except WayraError as error:
            self.unreadable[part] = error.message
        except OSError as error:
            self.unreadable[part] = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        return None


def _is_lost(error: ConnectionFailedError) -> bool:
    """Whether nothing answers; a right that is missing is not that."""
    from wayra_db.errors import AuthenticationError

    return not isinstance(error, AuthenticationError)


def read_status(project: Joined) -> Status:
    """Everything at a glance; see `Project.status`."""
    from wayra_db.backups.leftovers import temporary

    project.settings.require_project()
    read = _Reader()
    try:
        deployment = project.deployment
        capabilities = deployment.capabilities
    except (ConnectionFailedError, ServerError) as error:
        return _offline(project, read, error)
    settings = project.settings
    everything = cache(lambda: read_collections(deployment, everything=True))

    def live() -> dict[str, LiveCollection]:
        return {name: one for name, one in everything().items() if meta.is_user_collection(name)}

    started = time.monotonic()
    marker = read("environment", lambda: meta.read_marker(deployment))
    latency = (time.monotonic() - started) * 1000
    unclaimed = (
        marker is None
        and not read.unreadable
        and read("environment", lambda: any(meta.is_user_collection(name) for name in live()))
    )
    backups = read("backups", lambda: _backups(settings), local=True)
    return Status(
        address=deployment.address,
        database=deployment.database_name,
        environment=settings.environment.value,
        embedded=project.embedded,
        at=datetime.now(UTC),
        allowed=_allowed(settings),
        stored_environment=marker.environment if marker else None,
        unclaimed_data=bool(unclaimed),
        resetting=bool(marker and marker.resetting),
        restoring=str(marker.restoring.get("backup", "a backup")) if marker and marker.restoring else "",
        latency_milliseconds=round(latency, 2),
        deployment=capabilities,
        server=read("server", lambda: read_at_a_glance(deployment)) or ServerFacts(),
        lock=read("lock", lambda: locking.read_state(deployment)),
        migrations=read("migrations", lambda: project.migrations.status()),
        schema=read("schema", lambda: schema_summary(project, live())),
        indexes=read("indexes", lambda: index_summary(project, live())),
        collections=read("collections", lambda: collection_stats(deployment, live())),
        seeds=read("seeds", lambda: project.seeds.status()),
        backups=backups,
        leftovers=read("leftovers", lambda: temporary(everything())) or (),
        backup_facts=_facts_of(backups or (), settings.database_name),
        backup_max_age=settings.backup_max_age,
        unreadable=read.unreadable,
        failure=read.lost,
    )


def _offline(project: Joined, read: _Reader, error: WayraError) -> Status:
    from wayra_db.migrations.loader import load_migrations
    from wayra_db.seeds.loader import load_seeds

    settings = project.settings
    read.unreadable["connection"] = error.message
    migrations = read("migrations", lambda: load_migrations(settings.migrations_dir), local=True)
    seeds = read("seeds", lambda: load_seeds(settings.seeds_dir), local=True)
    backups = read("backups", lambda: _backups(settings), local=True)
    return Status(
        address=settings.address,
        database=settings.database_name,
        environment=settings.environment.value,
        embedded=project.embedded,
        at=datetime.now(UTC),
        allowed=_allowed(settings),
        migrations=None if migrations is None else [FileUnit(one.name, one.version) for one in migrations],
        seeds=None if seeds is None else [FileUnit(one.name) for one in seeds],
        backups=backups,
        backup_facts=_facts_of(backups or (), settings.database_name),
        backup_max_age=settings.backup_max_age,
        unreadable=read.unreadable,
        failure=error,
    )


def _allowed(settings: Settings) -> dict[str, str]:
    """What the environment says to each action, in a word."""
    words: dict[str, str] = {}
    for action, decision in describe(settings.environment):
        word = "refused" if not isinstance(decision, NeedsPermission) else "with permission"
        words[action.value] = "yes" if isinstance(decision, Allowed) else word
    return words


def _backups(settings: Settings) -> Sequence[BackupEntry]:
    from wayra_db.backups import list_backups

    folder = settings.backups_dir
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(20, "is no folder", str(folder))
    return list_backups(folder)


def _facts_of(entries: Sequence[BackupEntry], database: str) -> tuple[BackupFact, ...]:
    facts = []
    for one in entries:
        manifest = one.manifest
        if manifest is not None and manifest.source.database != database:
            continue
        taken = (manifest.finished_at - manifest.created_at).total_seconds() if manifest else 0.0
        whole = manifest is not None and manifest.reason == "manual" and not manifest.redacted
        created = manifest.created_at if manifest else one.modified_at
        facts.append(BackupFact(one.name, created, taken, whole, one.well_verified, one.damaged, one.problem))
    return tuple(facts)


def collection_stats(deployment: Deployment, live: Mapping[str, LiveCollection]) -> tuple[CollectionStats, ...]:
    """Counts, sizes and growth of the user's collections. Two reads, and one for each time series."""
    names = [found.name for found in live.values() if found.kind != "view"]
    stats = read_stats(deployment, names, apart=[found.name for found in live.values() if found.kind == "timeseries"])
    return with_growth(stats, read_samples(deployment, len(names)), datetime.now(UTC))


def schema_summary(project: Joined, live: Mapping[str, LiveCollection]) -> SchemaSummary:
    """Declared collections against live ones, in words."""
    plan = project.schema.plan(live)
    drift = [f"collection {one.name} does not exist" for one in plan.create]
    drift += [f"collection {one.collection}: {', '.join(one.options)} not as declared" for one in plan.change]
    conflicts = [f"collection {one.collection}: {one.message}" for one in plan.conflicts]
    return SchemaSummary(len(project.schema.collections), tuple(drift), plan.undeclared, tuple(conflicts))


def index_summary(project: Joined, live: Mapping[str, LiveCollection] | None = None) -> IndexSummary:
    """Declared indexes against live ones, in words. One read where the server can tell all collections at once."""
    from wayra_db.indexes.plan import ACTING, Step

    manager, declared = project.indexes, project.schema.collections
    found: dict[str, list[dict[str, Any]]] | None = None
    if live is not None:
        there = [one.name for one in declared if one.name in live and live[one.name].kind != "view"]
        apart = [name for name in there if live[name].kind == "timeseries"]
        found = {one.name: [] for one in declared} | read_index_documents(project.deployment, there, apart=apart)
    plan = manager.plan(live=found)
    drift = tuple(f"index {one.namespace} {_drift(one)}" for one in plan.of(*ACTING))
    undeclared = tuple(one.namespace for one in plan.of(Step.UNDECLARED))
    return IndexSummary(sum(len(one.indexes) for one in declared), len(plan.of(Step.KEEP)), drift, undeclared)


def _drift(index: PlannedIndex) -> str:
    """What is wrong with an index, behind its name."""
    from wayra_db.indexes.plan import Step

    words = {
        Step.CREATE: "is missing",
        Step.WAIT: "is still being built",
        Step.CONVERT: "is not unique",
        Step.HIDE: "is not declared, and is to be hidden",
        Step.DROP: "is not declared, and is to be dropped",
    }
    return words.get(index.step) or f"differs: {index.detail}"


def gather_facts(project: Joined, *, deep: bool) -> Facts:
    """The facts for all checks; see `Project.facts`."""
    from wayra_db.health.gather import Parts, gather

    status = read_status(project)
    declared: Sequence[str] = ()
    if "schema" not in (status.unreadable or {}) and status.reachable:
        declared = [one.name for one in project.schema.collections]
    parts = Parts(project.settings, declared, lambda: _index_notes(project))
    return gather(project.deployment if status.reachable else None, status, parts, deep=deep)


def _index_notes(project: Joined) -> list[IndexNote]:
    from wayra_db.health.facts import IndexNote

    report = project.indexes.usage()
    return [
        IndexNote(one.kind.value, one.collection, one.index, one.evidence, one.next.splitlines()[0])
        for one in report.findings
    ]


def diagnose(project: Joined, *, only: Collection[str] = (), deep: bool = True) -> Diagnosis:
    """All checks, or those named; see `Project.doctor`."""
    from wayra_db.health.checks import CHECKS, Context, check_named, not_made, run_checks

    unknown = [name for name in only if check_named(name) is None]
    if unknown:
        from wayra_db.settings.options import nearest_name

        nearest = nearest_name(unknown[0], [check.id for check in CHECKS])
        raise WayraError(
            f"there is no check {unknown[0]!r}",
            hint=f"Did you mean {nearest}?" if nearest else "See them: wayra-db doctor --list.",
        )
    facts = gather_facts(project, deep=deep)
    settings = project.settings
    context = Context(settings.environment.value, project.embedded, backup_max_age=settings.backup_max_age)
    made = [check for check in CHECKS if not only or check.id in only]
    skipped = not_made(facts, only=tuple(only))
    return Diagnosis(
        at=facts.at,
        status=replace(facts.status),
        findings=run_checks(facts, context, only=only),
        not_made=skipped,
        made=len(made) - len(skipped),
        versions=_versions(facts),
    )


def _versions(facts: Facts) -> dict[str, str]:
    import pymongo

    from wayra_db import __version__

    versions: dict[str, Any] = {
        "wayra-db": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "pymongo": pymongo.version,
    }
    if facts.status.deployment is not None:
        versions["mongodb"] = facts.status.deployment.version
    return versions
