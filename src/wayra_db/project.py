"""Project: a folder with `wayra-db.toml` and the database that belongs to it; the root where all parts are joined."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from wayra_db import declared, locking, meta, sourcefile
from wayra_db.environment import Action, Allowed, require
from wayra_db.environment import check as decide
from wayra_db.errors import (
    ConnectionFailedError,
    RefusedError,
    WayraError,
)
from wayra_db.events import Observer, SecurityEvent, log_observer, notify
from wayra_db.guard import Guard
from wayra_db.locking import LockState
from wayra_db.mongo.client import Deployment, Document, connect
from wayra_db.settings import Settings, load_settings
from wayra_db.stopping import Stop

if TYPE_CHECKING:
    from pymongo import MongoClient

    from wayra_db.backups import BackupKeeper, BackupManager
    from wayra_db.backups.create import BackupResult
    from wayra_db.health import Diagnosis, Status
    from wayra_db.health.collections import CollectionStats
    from wayra_db.health.facts import Facts
    from wayra_db.indexes import IndexManager
    from wayra_db.initializer import DatabaseInitializer
    from wayra_db.maintenance import Maintenance
    from wayra_db.migrations import MigrationManager
    from wayra_db.migrations.autogenerate import DeclaredChanges
    from wayra_db.migrations.manager import MigrationResult
    from wayra_db.migrations.model import MigrationPlan
    from wayra_db.schema.collection import Collection as Declared
    from wayra_db.schema.live import LiveCollection
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
        try:
            deployment = connect(
                uri,
                settings.database_name,
                address=settings.address,
                server_selection_timeout_seconds=settings.server_selection_timeout_seconds,
                observer=self._observer,
                debug=settings.debug,
            )
        except ConnectionFailedError as error:
            raise (_embedded_is_silent(error) if embedded else error) from error.__cause__
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
        from wayra_db.schema.manager import SchemaManager

        return SchemaManager(self.guard, self._load_collections())

    @cached_property
    def migrations(self) -> MigrationManager:
        """The migration manager. What needs no database, such as `lint`, connects to none."""
        from wayra_db.migrations import MigrationManager
        from wayra_db.migrations.surroundings import Surroundings

        folder = self.settings.collections_dir
        surroundings = Surroundings(
            collections=lambda: self._load_collections() if folder.is_dir() else None,
            demands=lambda: declared.demands(self.schema, self.indexes) if folder.is_dir() else None,
            drift=self._drift,
            embedded=self._embedded_deployment,
        )
        return MigrationManager(lambda: self.guard, self.settings.migrations_dir, surroundings=surroundings)

    def _drift(self) -> tuple[str, ...]:
        """What of the live database is not as declared, a sentence each."""
        from wayra_db.overview import index_summary, schema_summary
        from wayra_db.schema.live import read_collections

        found = read_collections(self.deployment)
        schema, indexes = schema_summary(self, found), index_summary(self, found)
        return (*schema.drift, *schema.conflicts, *indexes.drift)

    def _load_collections(self) -> Sequence[Declared]:
        from wayra_db.schema.loader import load_collections

        return load_collections(self.settings.collections_dir)

    @cached_property
    def seeds(self) -> SeedManager:
        """The seed manager."""
        from wayra_db.seeds import SeedManager
        from wayra_db.seeds.generate.generator import Source

        folder = self.settings.seeds_dir
        source = Source(self.settings.collections_dir, folder.parent / "generate.py")
        return SeedManager(self.guard, folder, source=source)

    @cached_property
    def indexes(self) -> IndexManager:
        """The index manager. Without a folder of collections only `plan` and `apply` are refused."""
        from wayra_db.indexes import IndexManager
        from wayra_db.schema.loader import missing_folder
        from wayra_db.schema.manager import SchemaManager

        missing = missing_folder(self.settings.collections_dir)
        schema = self.schema if missing is None else SchemaManager(self.guard, ())
        return IndexManager(self.guard, schema, undeclared=self.settings.undeclared_indexes, missing=missing)

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

    @cached_property
    def maintenance(self) -> Maintenance:
        """What looks after a database that is in use: plan, show, run."""
        from wayra_db.maintenance.assemble import assemble

        return assemble(
            self.guard,
            indexes=self.indexes,
            keeper=self.backup_keeper,
            sizes=self.collection_stats,
            diagnose=self.doctor,
        )

    def _embedded_deployment(self) -> Deployment:
        """The project's embedded server, whatever database the settings name."""
        if self._client is None and self.settings.uses_embedded_server:
            return self.deployment
        decision = decide(Action.EMBEDDED_SERVER, self.settings.environment)
        if not isinstance(decision, Allowed):
            environment = self.settings.environment.value
            raise RefusedError(
                f"copying {environment} data to the embedded server is refused: nothing was copied",
                rule=Action.EMBEDDED_SERVER.value,
                environment=environment,
                allowed_by="Rehearse on the same deployment: --on same.",
            )
        deployment = connect(
            self._resources.enter_context(self.server.acquire()).uri,
            self.settings.database_name,
            address="the embedded server",
            server_selection_timeout_seconds=self.settings.server_selection_timeout_seconds,
            observer=self._observer,
            debug=self.settings.debug,
        )
        self._resources.callback(deployment.close)
        return deployment

    def declared_changes(self) -> DeclaredChanges:
        """What a migration would have to do to make the database as declared. Reads only."""
        return declared.changes(self.deployment, self.schema.collections)

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

    def migrate_with_backup(self, **options: Any) -> tuple[MigrationResult, BackupResult | None]:
        """As `migrations.up(**options)`, after a backup of what the plan will touch, made under the same lock.

        The collections are told from the files; where they cannot be, it is all of them. What the tool knows of the
        database is always in it. Without a pending migration nothing is backed up. An error names the command that
        puts everything back. Raises as both do, before anything is changed when the backup fails.
        """
        made: BackupResult | None = None

        def before(plan: MigrationPlan) -> None:
            nonlocal made
            made = self.backups.create(reason="migration", collections=self._touched_by(plan))

        try:
            return self.migrations.up(**options, before=before), made
        except WayraError as error:
            if made is not None:
                again = f"wayra-db backup restore {made.manifest.name} --drop-existing"
                error.hint = f"{error.hint}\nWhat it touches was backed up before: `{again}` puts it back.".strip()
            raise

    def _touched_by(self, plan: MigrationPlan) -> list[str] | None:
        """The names of the collections that a plan may touch and that exist, the tool's own with them; None for all."""
        from wayra_db.migrations.affected import affected
        from wayra_db.schema.live import read_collections

        seen = affected([sourcefile.parse(step.migration.path) for step in plan.steps])
        if seen.unclear:
            return None
        own = [name for name in self.deployment.metadata.list_collection_names() if name.startswith(meta.PREFIX)]
        kept = [name for name in own if name != locking.COLLECTION]
        return [*seen.chosen(sorted(read_collections(self.deployment))), *kept]

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
        from wayra_db.migrations import checkpoints

        self.guard.require(Action.RELEASE_LOCK)
        held = locking.read_state(self.deployment)
        if held is None or held.holder is None:
            return None
        notify(self._observer, SecurityEvent(Action.RELEASE_LOCK.value, "allowed", self.settings.environment.value, ""))
        with locking.acquire(
            self.deployment,
            locking.RELEASE,
            lease_seconds=self.settings.lock_lease_seconds,
            timeout_seconds=0,
            observer=self._observer,
            force=True,
        ) as lease:
            released = {"event": "lock released by force", "holder": held.holder, "host": held.host}
            lease.write(released, checkpoints.fence(lease.epoch))
        return held

    def require_before_connecting(self, action: Action) -> None:
        """Raise RefusedError when the environment alone already forbids `action`, before anything is reached."""
        try:
            require(action, self.settings.environment, permitted=self._permitted)
        except RefusedError as error:
            notify(self._observer, SecurityEvent(action.value, "refused", error.environment, error.message))
            raise

    def collection_stats(self, live: Mapping[str, LiveCollection] | None = None) -> tuple[CollectionStats, ...]:
        """Counts, sizes and growth of the user's collections, which are listed first unless `live` names them. Reads
        only.
        """
        from wayra_db.overview import collection_stats
        from wayra_db.schema.live import read_collections

        return collection_stats(self.deployment, read_collections(self.deployment) if live is None else live)

    @property
    def embedded(self) -> bool:
        """Whether the database is on the project's own embedded server."""
        return self._client is None and self.settings.uses_embedded_server

    def status(self) -> Status:
        """Everything at a glance. Reads only: an empty server is as empty afterwards.

        A part that cannot be read says why and the rest stands. When the deployment cannot be reached, the error
        is its `failure`, and what lies in the project's folder is told.
        The number of commands does not grow with that of the collections, but by one for each time series. Raises
        ConfigError.
        """
        from wayra_db.overview import read_status

        return read_status(self)

    def facts(self, *, deep: bool = False) -> Facts:
        """What `wayra_db.health.checks.run_checks` judges: the status, the server's settings and load, the machine.

        With `deep` also samples of documents against their validators (1000 a collection, five seconds at most), the
        oldest document of each TTL index, and how much indexes are used. Reads only.
        """
        from wayra_db.overview import gather_facts

        return gather_facts(self, deep=deep)

    def doctor(self, *, only: Collection[str] = (), deep: bool = True) -> Diagnosis:
        """All checks of `wayra_db.health.checks`, or those named by id, on the facts of now. Reads only.

        What a user may not read is no failure: the checks that need it are listed as not made. Raises WayraError for
        an id that does not exist.
        """
        from wayra_db.overview import diagnose

        return diagnose(self, only=only, deep=deep)


def _embedded_is_silent(error: ConnectionFailedError) -> ConnectionFailedError:
    """Its process lives, or it would have been started: no URI is to be corrected and no server to be started."""
    return ConnectionFailedError(
        f"the embedded server runs and does not answer: {error.message}",
        uri=error.uri,
        hint="See `wayra-db server logs`. `wayra-db server stop` ends it, by force if need be, and the next command "
        "starts it again with its data.",
    )
