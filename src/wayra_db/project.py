"""Project: a folder with `wayra-db.toml` and the database that belongs to it; the root where all parts are joined."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from wayra_db import locking, meta
from wayra_db.environment import Action, require
from wayra_db.errors import CancelledError, RefusedError, WayraError
from wayra_db.events import Observer, SecurityEvent, log_observer, notify
from wayra_db.guard import Guard
from wayra_db.locking import LockState
from wayra_db.mongo.client import Deployment, Document, connect
from wayra_db.settings import Settings, load_settings
from wayra_db.stopping import Stop

if TYPE_CHECKING:
    from pymongo import MongoClient

    from wayra_db.backups import BackupKeeper, BackupManager
    from wayra_db.health import Status
    from wayra_db.health.collections import CollectionStats
    from wayra_db.health.status import IndexSummary, SchemaSummary
    from wayra_db.indexes import IndexManager
    from wayra_db.indexes.plan import PlannedIndex
    from wayra_db.initializer import DatabaseInitializer
    from wayra_db.migrations import MigrationManager
    from wayra_db.migrations.autogenerate import DeclaredChanges, IndexChange
    from wayra_db.schema.manager import SchemaManager
    from wayra_db.seeds import SeedManager
    from wayra_db.server import EmbeddedServer

T = TypeVar("T")


class Project:
    """The managers of one project on one database; a context manager that closes what it opened.

        with Project.open("wayra") as project:
            project.initializer.run()

    Nothing is connected or started before the first use. With a `client`, that one is used and stays the caller's.
    `permitted` and `adopt` are as in Guard. `search_path` is where `mongod` is looked for, as in PATH.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client: MongoClient[Document] | None = None,
        observer: Observer = log_observer,
        stop: Stop | None = None,
        permitted: Collection[Action] = (),
        adopt: bool = False,
        search_path: str | None = None,
    ) -> None:
        self.settings = settings
        self._client = client
        self._observer = observer
        self._stop = stop or Stop()
        # A backup of production takes the setting as well as the caller's word.
        denied = () if settings.allow_production_backups else (Action.BACKUP_CREATE,)
        self._permitted = frozenset(permitted) - frozenset(denied)
        self._adopt = adopt
        self._search_path = search_path
        self._resources = ExitStack()

    @classmethod
    def open(
        cls,
        path: str | Path = ".",
        *,
        flags: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        client: MongoClient[Document] | None = None,
        observer: Observer = log_observer,
        stop: Stop | None = None,
        permitted: Collection[Action] = (),
        adopt: bool = False,
    ) -> Project:
        """The project in the folder `path`, or in the nearest folder above it that holds a `wayra-db.toml`.

        Environment variables count only when given as `environ` (usually `os.environ`), flags as `flags`, by the keys
        of `wayra_db.settings.OPTIONS`. The rest is the constructor's. Raises ConfigError.
        """
        settings = load_settings(flags=flags, environ=environ, start=Path(path))
        return cls(
            settings,
            client=client,
            observer=observer,
            stop=stop,
            permitted=permitted,
            adopt=adopt,
            search_path=(environ or {}).get("PATH"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and give back the embedded server, which runs on for the next command."""
        self._resources.close()

    @cached_property
    def server(self) -> EmbeddedServer:
        """The project's embedded server, whether it is used or not; not started by this."""
        from wayra_db.server import EmbeddedServer

        return EmbeddedServer(
            self.settings.state_dir,
            mongod=self.settings.mongod,
            search_path=self._search_path,
            tcp=self.settings.embedded_tcp,
            idle_seconds=self.settings.embedded_idle_seconds,
            observer=self._observer,
        )

    @cached_property
    def deployment(self) -> Deployment:
        """The connection; the first use starts the embedded server if that is what the settings say."""
        settings = self.settings
        if self._client is not None:
            return Deployment(self._client, settings.database_name)
        embedded = settings.uses_embedded_server
        uri = self._resources.enter_context(self.server.acquire()).uri if embedded else settings.require_uri()
        deployment = connect(
            uri,
            settings.database_name,
            address=settings.address,
            server_selection_timeout_seconds=settings.server_selection_timeout_seconds,
            observer=self._observer,
            debug=settings.debug,
        )
        self._resources.callback(deployment.close)
        return deployment

    @cached_property
    def guard(self) -> Guard:
        """The gate in front of every change."""
        return Guard(
            self.deployment,
            self.settings.environment,
            observer=self._observer,
            stop=self._stop,
            lease_seconds=self.settings.lock_lease_seconds,
            lock_timeout_seconds=self.settings.lock_timeout_seconds,
            permitted=self._permitted,
            adopt=self._adopt,
        )

    @cached_property
    def schema(self) -> SchemaManager:
        """Declared collections against live ones."""
        from wayra_db.schema.loader import load_collections
        from wayra_db.schema.manager import SchemaManager

        return SchemaManager(self.guard, load_collections(self.settings.collections_dir))

    @cached_property
    def migrations(self) -> MigrationManager:
        """The migration manager."""
        from wayra_db.migrations import MigrationManager

        return MigrationManager(self.guard, self.settings.migrations_dir)

    @cached_property
    def seeds(self) -> SeedManager:
        """The seed manager."""
        from wayra_db.seeds import SeedManager

        return SeedManager(self.guard, self.settings.seeds_dir)

    @cached_property
    def indexes(self) -> IndexManager:
        """The index manager."""
        from wayra_db.indexes import IndexManager

        return IndexManager(self.guard, self.schema)

    @cached_property
    def backups(self) -> BackupManager:
        """The backup manager."""
        from wayra_db.backups import BackupManager

        return BackupManager(
            self.guard,
            self.settings.backups_dir,
            collections=self.schema.collections,
            codec=self.settings.backup_codec,
            recipients=self.settings.backup_recipients,
        )

    @cached_property
    def backup_keeper(self) -> BackupKeeper:
        """What looks after the backups that are there; connects to no database."""
        from wayra_db.backups import BackupKeeper

        settings = self.settings
        return BackupKeeper(
            settings.backups_dir,
            settings.environment,
            observer=self._observer,
            stop=self._stop,
            permitted=self._permitted,
            rules=settings.keep_rules,
            endpoint_url=settings.s3_endpoint_url,
        )

    @cached_property
    def initializer(self) -> DatabaseInitializer:
        """The initializer over all of them."""
        from wayra_db.initializer import DatabaseInitializer

        return DatabaseInitializer(
            self.guard,
            schema=self.schema,
            migrations=self.migrations,
            indexes=self.indexes,
            seeds=self.seeds,
            backups=self.backups,
        )

    def declared_changes(self) -> DeclaredChanges:
        """What a migration would have to do to make the database as declared. Reads only."""
        from wayra_db.indexes.live import read_indexes
        from wayra_db.indexes.plan import Step, plan_indexes
        from wayra_db.migrations.autogenerate import compare
        from wayra_db.schema.live import read_collections

        declared = self.schema.collections
        live = read_collections(self.deployment)
        # A view has no indexes to ask for; that it is one is a difference of its own.
        indexed = [one for one in declared if one.name not in live or live[one.name].kind != "view"]
        plan = plan_indexes(
            {one.name: one.index_documents() for one in indexed},
            read_indexes(self.deployment, [one.name for one in indexed]),
            {one.name: one.create_options().get("collation") for one in indexed},
        )
        return compare(
            declared,
            live,
            [_index_change(index) for index in plan.of(Step.CREATE, Step.MODIFY, Step.CONFLICT)],
            [f"index {index.collection}.{index.name}" for index in plan.of(Step.UNDECLARED)],
        )

    def create_migration_from_declarations(self, name: str | None = None) -> Path | None:
        """Write the next migration file from `declared_changes`; returns its path, None when nothing differs.

        Without a `name` it is called after what it does. Only reads the database. Raises HistoryMismatchError while
        migrations are pending, MigrationError for a value that cannot be written as Python.
        """
        changes = self.declared_changes()
        return None if changes.empty else self.migrations.create_from_declarations(changes, name)

    def beside(self, database_name: str) -> Project:
        """The same project on another database of the same deployment, whose connection stays this one's."""
        other = Project(
            replace(self.settings, database_name=database_name),
            observer=self._observer,
            stop=self._stop,
            permitted=self._permitted,
            search_path=self._search_path,
        )
        other.__dict__["deployment"] = self.deployment.beside(database_name)
        return other

    def set_environment(self, name: str) -> None:
        """Write another environment's name into the database, which then belongs to that one.

        Only a process that runs under the present name may do so. Locks and writes the audit log.
        """
        from wayra_db.environment import Environment

        environment = Environment(name)
        with self.guard.changing(Action.SET_ENVIRONMENT, "environment set") as lease:
            lease.write(
                {"event": "environment set", "environment": environment.value},
                meta.store_marker(meta.Marker(environment.value)),
            )

    def release_lock(self) -> LockState | None:
        """Take the lock away from whoever holds it, and give it back; returns who held it, None when nobody did.

        The holder's transaction is ended and it can record nothing more; an index build that it has asked the server
        for goes on. Writes the audit log.
        """
        self.guard.require(Action.RELEASE_LOCK)
        held = locking.read_state(self.deployment)
        if held is None or held.holder is None:
            return None
        notify(self._observer, SecurityEvent(Action.RELEASE_LOCK.value, "allowed", self.settings.environment.value, ""))
        with locking.acquire(
            self.deployment,
            "lock release",
            lease_seconds=self.settings.lock_lease_seconds,
            timeout_seconds=0,
            observer=self._observer,
            force=True,
        ) as lease:
            lease.write({"event": "lock released by force", "holder": held.holder, "host": held.host})
        return held

    def require_before_connecting(self, action: Action) -> None:
        """Raise RefusedError when the environment alone already forbids `action`, before anything is reached."""
        try:
            require(action, self.settings.environment, permitted=self._permitted)
        except RefusedError as error:
            notify(self._observer, SecurityEvent(action.value, "refused", error.environment, error.message))
            raise

    def collection_stats(self) -> tuple[CollectionStats, ...]:
        """Counts and sizes of the user's collections. Reads only."""
        from wayra_db.health.collections import read_stats
        from wayra_db.schema.live import read_collections

        live = read_collections(self.deployment)
        return read_stats(self.deployment, [found.name for found in live.values() if found.kind != "view"])

    def status(self) -> Status:
        """Everything at a glance. Reads only: an empty server is as empty afterwards.

        A part that cannot be read says why and the rest stands; only a deployment that cannot be reached raises.
        """
        from wayra_db.backups import list_backups
        from wayra_db.health.status import Status

        deployment = self.deployment
        capabilities = deployment.capabilities
        unreadable: dict[str, str] = {}

        def read(part: str, reader: Callable[[], T]) -> T | None:
            try:
                return reader()
            except CancelledError:
                raise
            except WayraError as error:
                unreadable[part] = error.message
                return None

        started = time.monotonic()
        marker = read("environment", lambda: meta.read_marker(deployment))
        latency = (time.monotonic() - started) * 1000
        return Status(
            address=deployment.address,
            database=deployment.database_name,
            environment=self.settings.environment.value,
            embedded=self._client is None and self.settings.uses_embedded_server,
            stored_environment=marker.environment if marker else None,
            latency_milliseconds=round(latency, 2),
            deployment=capabilities,
            lock=read("lock", lambda: locking.read_state(deployment)),
            migrations=read("migrations", self.migrations.status),
            schema=read("schema", self._schema_summary),
            indexes=read("indexes", self._index_summary),
            collections=read("collections", self.collection_stats),
            seeds=read("seeds", self.seeds.status),
            backups=read("backups", lambda: list_backups(self.settings.backups_dir)),
            unreadable=unreadable,
        )

    def _schema_summary(self) -> SchemaSummary:
        from wayra_db.health.status import SchemaSummary

        plan = self.schema.plan()
        drift = [f"collection {one.name} does not exist" for one in plan.create]
        drift += [f"collection {one.collection}: {', '.join(one.options)} not as declared" for one in plan.change]
        drift += [f"collection {one.collection}: {one.message}" for one in plan.conflicts]
        return SchemaSummary(len(self.schema.collections), tuple(drift), plan.undeclared)

    def _index_summary(self) -> IndexSummary:
        from wayra_db.health.status import IndexSummary
        from wayra_db.indexes.plan import Step

        plan = self.indexes.plan()
        words = {Step.CREATE: "is missing", Step.MODIFY: "differs:", Step.WAIT: "is", Step.CONFLICT: "is"}
        drift = [f"index {one.collection}.{one.name} {words[one.step]} {one.detail}".strip() for one in plan.of(*words)]
        undeclared = [f"{one.collection}.{one.name}" for one in plan.of(Step.UNDECLARED)]
        kept = plan.of(Step.KEEP)
        return IndexSummary(len(kept) + len(drift), len(kept), tuple(drift), tuple(undeclared))


def _index_change(index: PlannedIndex) -> IndexChange:
    """A planned index in the words of migrations, which know nothing of the index manager."""
    from wayra_db.indexes.plan import Step
    from wayra_db.migrations.autogenerate import IndexChange

    if index.step is not Step.MODIFY:
        return IndexChange(index.collection, index.live, index.document)
    after = {**(index.live or {}), **index.document}
    if not after.get("hidden"):
        after.pop("hidden", None)
    return IndexChange(index.collection, index.live, after, index.document)
