"""The one gate in front of every change: is it allowed here, is this the right database, is nobody else at it?

Every manager changes the database inside `Guard.changing(...)`, so a library caller gets the same protection as the
command line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from wayra_db import audit, environment, locking, meta
from wayra_db.environment import Action, Environment
from wayra_db.errors import RefusedError, WayraError
from wayra_db.events import Notice, Observer, SecurityEvent, log_observer, notify
from wayra_db.locking import Lease
from wayra_db.meta import Marker
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.stopping import Stop


@dataclass
class Guard:
    """A deployment, the environment that this process believes in, and the rules between the two.

    `permitted` holds the actions that the caller has explicitly allowed, where the environment asks for that. `adopt`
    allows taking over a database that holds data and was never initialised.
    """

    deployment: Deployment
    environment: Environment
    observer: Observer = log_observer
    stop: Stop = field(default_factory=Stop)
    lease_seconds: float = 10.0
    lock_timeout_seconds: float = 60.0
    permitted: Collection[Action] = ()
    adopt: bool = False
    _lease: Lease | None = field(default=None, init=False, repr=False)

    def require(self, action: Action) -> None:
        """Raise RefusedError unless `action` is allowed in this environment and on this database; writes nothing."""
        try:
            environment.require(action, self.environment, permitted=self.permitted)
            if self._lease is None:
                marker = meta.read_marker(self.deployment)
                has_data = marker is None and meta.has_user_data(self.deployment)
                if has_data:
                    # A runner that starts at the same moment writes the marker before it makes its first collection.
                    marker = meta.read_marker(self.deployment)
                environment.require_marker(
                    action,
                    environment=self.environment,
                    stored=marker.environment if marker else None,
                    has_data=has_data,
                    adopt=self.adopt,
                )
                self._require_settled(marker, action)
        except RefusedError as error:
            notify(self.observer, SecurityEvent(action.value, "refused", self.environment.value, error.message))
            self._keep_refusal(action, error)
            raise

    def _keep_refusal(self, action: Action, error: RefusedError) -> None:
        """Keep what was refused on a production database, where an auditor finds it. Whoever may not write there is
        refused all the same.
        """
        production = Environment.PRODUCTION.value
        event = {"action": action.value, "rule": error.rule, "environment": self.environment.value}
        try:
            marker = meta.read_marker(self.deployment)
            if marker is not None and marker.environment == production:
                kept = audit.refusal({**event, "detail": error.message}, locking.Owner.of_this_process().who())
                with translated(self.deployment.address):
                    self.deployment.metadata[audit.REFUSALS].insert_one(kept)
        except WayraError as failure:
            notify(self.observer, Notice(f"the refusal could not be kept: {failure.message}", "warning"))

    def _permits(self, action: Action) -> bool:
        """Whether the environment allows the action only because this caller has permitted it."""
        return not isinstance(environment.check(action, self.environment), environment.Allowed)

    def require_settled(self, action: Action) -> None:
        """Raise RefusedError while a reset or restore that was cut off is unfinished; one read, and writes nothing.

        For a command that finds nothing to do, so that it does not say that all is well.
        """
        if self._lease is None:
            self._require_settled(meta.read_marker(self.deployment), action)

    def _require_settled(self, marker: Marker | None, action: Action) -> None:
        if marker and marker.resetting and action is not Action.RESET:
            raise _unfinished_reset(self.environment)
        if marker and marker.restoring is not None and action is not Action.FINISH_RESTORE:
            raise _unfinished_restore(self.environment, str(marker.restoring.get("backup", "")))

    def beside(self, database_name: str) -> Guard:
        """The gate of another database on the same deployment, with its own lock and its own environment."""
        return replace(self, deployment=self.deployment.beside(database_name), adopt=False)

    @contextmanager
    def changing(self, action: Action, what: str) -> Iterator[Lease]:
        """Within the block the caller may change the database as `action`; `what` names the command for others.

        Checks the environment and the database's own, takes the lock (waiting for another holder) and marks a database
        that has no environment yet. Nested use shares the lock. Raises RefusedError and LockHeldError before anything
        is changed.
        """
        self.require(action)
        if self._lease is not None:
            self._lease.check()
            yield self._lease
            return
        lease = locking.acquire(
            self.deployment,
            what,
            lease_seconds=self.lease_seconds,
            timeout_seconds=self.lock_timeout_seconds,
            observer=self.observer,
            stop=self.stop,
        )
        destructive = action in environment.DESTRUCTIVE or action is Action.SET_ENVIRONMENT
        if destructive or self._permits(action):
            notify(self.observer, SecurityEvent(action.value, "allowed", self.environment.value, what))
        with lease:
            # Another runner may have marked the database while this one waited for the lock.
            self.require(action)
            if self.environment is Environment.PRODUCTION and (destructive or self._permits(action)):
                lease.write({"event": "security", "action": action.value, "permitted": self._permits(action)})
            if meta.read_marker(self.deployment) is None:
                lease.write(
                    {"event": "environment set", "environment": self.environment.value},
                    meta.store_marker(Marker(self.environment.value)),
                )
            self._lease = lease
            try:
                yield lease
            finally:
                self._lease = None


def _unfinished_reset(name: Environment) -> RefusedError:
    return RefusedError(
        "a reset of this database was cut off: nothing else is done before it is finished",
        rule="unfinished_reset",
        environment=name.value,
        allowed_by="Finish it: wayra-db reset",
    )


def _unfinished_restore(name: Environment, backup: str) -> RefusedError:
    return RefusedError(
        f"a restore of the backup {backup} was cut off while it was swapped in: nothing else is done before it is "
        "finished",
        rule="unfinished_restore",
        environment=name.value,
        allowed_by="Finish it: wayra-db backup restore --continue",
    )
