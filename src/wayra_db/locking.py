"""One runner at a time: a lease in `_wayra_lock` with an owner, a heartbeat and an epoch.

The lease ends by the server's clock (`$$NOW`), so clients' clocks don't matter. A heartbeat thread extends it; a runner
that dies stops extending, and the next one gets in after `lease_seconds`, or at once when the dead process was on this
very machine. Each holder gets a higher epoch, and its first act is an entry with that epoch in the audit log: from then
on a former holder that wakes up cannot append, and so cannot record anything (see `wayra_db.audit`).

The holder's session ids stand in the lock. A transaction whose client was killed keeps its write locks on the server
for a minute or more; the successor ends it first by `killSessions` and goes on at once.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from wayra_db import audit
from wayra_db.errors import LockHeldError, LockLostError
from wayra_db.events import LockAcquired, LockWaiting, Observer, log_observer, notify
from wayra_db.mongo import commands
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.stopping import Stop

if TYPE_CHECKING:
    from pymongo.client_session import ClientSession

COLLECTION = "_wayra_lock"
KEY = "lock"
RELEASE = "lock release"  # what somebody is at who takes the lock away from its holder

logger = logging.getLogger("wayra_db")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds or wants the lock. `machine` tells processes apart that share a host name but not a process table."""

    id: str
    user: str
    host: str
    pid: int
    machine: str

    @classmethod
    def of_this_process(cls) -> Owner:
        """This process, with a random id of its own."""
        return cls(secrets.token_hex(8), _user_name(), socket.gethostname(), os.getpid(), _machine_id())

    def to_document(self) -> dict[str, Any]:
        """The owner as it stands in the lock."""
        return {"id": self.id, "user": self.user, "host": self.host, "pid": self.pid, "machine": self.machine}

    def who(self) -> dict[str, Any]:
        """The owner as it stands in the audit log."""
        return {"user": self.user, "host": self.host, "pid": self.pid}


@dataclass(frozen=True, slots=True)
class LockState:
    """The lock as somebody who only looks sees it; `holder` is None when it is free.

    `died` says that the holder was a process of this machine and is no more: the next runner gets in at once.
    """

    epoch: int
    holder: str | None
    host: str
    what: str
    expires_at: datetime | None
    expired: bool
    died: bool = False

    @property
    def held(self) -> bool:
        """Whether somebody is at work."""
        return self.holder is not None and not self.expired and not self.died

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "epoch": self.epoch,
            "holder": self.holder,
            "host": self.host,
            "what": self.what,
            "expiresAt": self.expires_at.isoformat() if self.expires_at else None,
            "expired": self.expired,
            "died": self.died,
        }


def read_state(deployment: Deployment) -> LockState | None:
    """The lock as it is now, None when it was never taken. One read; writes nothing."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"_id": KEY}},
        {"$set": {"expired": {"$lte": ["$expiresAt", "$$NOW"]}}},
    ]
    with translated(deployment.address):
        found = next(iter(deployment.metadata[COLLECTION].aggregate(pipeline)), None)
    return _state(found) if found else None


def _state(document: Mapping[str, Any]) -> LockState:
    holder = document.get("holder")
    died = holder is not None and _is_dead_here(holder, Owner.of_this_process())
    return LockState(
        epoch=document["epoch"],
        holder=f"{holder['user']} (pid {holder['pid']})" if holder else None,
        host=holder["host"] if holder else "",
        what=document.get("what", ""),
        expires_at=document.get("expiresAt"),
        expired=bool(document.get("expired")),
        died=died,
    )


def acquire(
    deployment: Deployment,
    what: str,
    *,
    lease_seconds: float,
    timeout_seconds: float,
    observer: Observer = log_observer,
    stop: Stop | None = None,
    force: bool = False,
) -> Lease:
    """Take the lock for `what`, waiting up to `timeout_seconds` while another runner holds it.

    With `force` nobody is waited for: the holder loses the lock, its transaction is ended, and it can record nothing
    more. Writes the lock document and one audit log entry. Raises LockHeldError when the wait was in vain,
    CancelledError when `stop` was requested meanwhile.
    """
    owner = Owner.of_this_process()
    started = time.monotonic()
    with translated(deployment.address):
        session = deployment.client.start_session() if deployment.capabilities.transactions else None
        try:
            wanted = _Wanted(owner, what, lease_seconds, [dict(session.session_id)] if session else [])
            document, asked = _wait(deployment, wanted, timeout_seconds, observer, stop or Stop(), force=force)
        except BaseException:
            if session:
                session.end_session()
            raise
        lease = Lease(deployment, owner, session, document["epoch"], lease_seconds, asked)
        try:
            lease.begin(document.get("orphans", []), what)
        except BaseException:
            lease.release()
            raise
    notify(observer, LockAcquired(lease.epoch, time.monotonic() - started))
    return lease


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What stands in the lock once it is taken."""

    owner: Owner
    what: str
    lease_seconds: float
    sessions: list[dict[str, Any]]


def _wait(
    deployment: Deployment, wanted: _Wanted, timeout_seconds: float, observer: Observer, stop: Stop, *, force: bool
) -> tuple[Mapping[str, Any], float]:
    """The lock's document once it is ours, and the local time at which it was asked for."""
    started = time.monotonic()
    announced = ""
    while True:
        asked = time.monotonic()
        if document := _try(deployment, wanted):
            return document, asked
        current = deployment.metadata[COLLECTION].find_one({"_id": KEY})
        if current is None:
            _create(deployment)
        elif holder := current.get("holder"):
            if force or _is_dead_here(holder, wanted.owner):
                if document := _try(deployment, wanted, instead_of=current):
                    return document, asked
                continue
            if time.monotonic() - started >= timeout_seconds:
                raise _held(current, timeout_seconds)
            if holder["id"] != announced:
                announced = holder["id"]
                state = _state(current)
                notify(observer, LockWaiting(str(state.holder), state.host, state.expires_at))
            if stop.wait(0.25):
                stop.check()


def _try(
    deployment: Deployment, wanted: _Wanted, instead_of: Mapping[str, Any] | None = None
) -> Mapping[str, Any] | None:
    """One attempt, by one conditional write; None when the lock is held or was never made."""
    from pymongo import ReturnDocument

    free: dict[str, Any] = {
        "_id": KEY,
        "$or": [{"holder": None}, {"$expr": {"$lte": ["$expiresAt", "$$NOW"]}}],
    }
    if instead_of is not None:
        free = {"_id": KEY, "epoch": instead_of["epoch"], "holder.id": instead_of["holder"]["id"]}
    taken = {
        "epoch": {"$add": ["$epoch", 1]},
        "holder": {"$literal": {**wanted.owner.to_document(), "sessions": wanted.sessions}},
        "what": {"$literal": wanted.what},
        "acquiredAt": "$$NOW",
        "expiresAt": {"$add": ["$$NOW", int(wanted.lease_seconds * 1000)]},
        "orphans": {"$concatArrays": ["$orphans", {"$ifNull": ["$holder.sessions", []]}]},
    }
    return deployment.metadata[COLLECTION].find_one_and_update(
        free, [{"$set": taken}], return_document=ReturnDocument.AFTER
    )


def _create(deployment: Deployment) -> None:
    """Make the lock, free. Taking it cannot do that: the server allows no `$expr` in an upsert."""
    from pymongo.errors import DuplicateKeyError

    with suppress(DuplicateKeyError):
        deployment.metadata[COLLECTION].insert_one({"_id": KEY, "epoch": 0, "holder": None, "orphans": []})


def _held(document: Mapping[str, Any], timeout_seconds: float) -> LockHeldError:
    state = _state(document)
    return LockHeldError(
        f"{state.holder} on {state.host} is running `{state.what}` on this database; waited {timeout_seconds:g} s",
        owner=str(state.holder),
        host=state.host,
        expires_at=state.expires_at,
        hint="Wait for it to end, or wait longer with --lock-timeout SECONDS. If it died, its lock frees itself within "
        "seconds.",
    )


class Lease:
    """The lock while it is held. Leave it by `release`, or use it as a context manager.

    `session` is the driver session in which atomic work runs; None on a deployment without transactions.
    """

    def __init__(
        self,
        deployment: Deployment,
        owner: Owner,
        session: ClientSession | None,
        epoch: int,
        lease_seconds: float,
        asked: float,
    ) -> None:
        self.session = session
        self.epoch = epoch
        self._deployment = deployment
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._deadline = asked + lease_seconds
        self._lost = False
        self._ended = threading.Event()
        self._head = audit.EMPTY
        self._heartbeat = threading.Thread(target=self._beat, name="wayra-db-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def register_session(self, session_id: Mapping[str, Any]) -> None:
        """Put one more session's id into the lock, so that a successor can end its transaction; one write."""
        updated = self._deployment.metadata[COLLECTION].update_one(
            self._mine, {"$push": {"holder.sessions": dict(session_id)}}
        )
        if not updated.matched_count:
            self._lost = True
        self.check()

    def begin(self, orphans: list[Mapping[str, Any]], what: str) -> None:
        """End the transactions of dead holders, then fence them out by the first log entry of this epoch."""
        from pymongo.errors import OperationFailure

        self._heartbeat.start()
        if orphans:
            try:
                self._deployment.client.admin.command("killSessions", [{"id": orphan["id"]} for orphan in orphans])
            except OperationFailure as error:
                logger.warning("the sessions of a dead runner could not be ended: %s", error)
            self._deployment.metadata[COLLECTION].update_one(self._mine, {"$set": {"orphans": []}})
        while True:
            self.check()
            head = audit.read_head(self._deployment)
            if head.epoch >= self.epoch:
                raise self._lost_error()
            self._head = head
            try:
                self._append_all({"event": "lock acquired", "what": what}, [])
            except LockLostError:
                # A former holder appended in between; its epoch is older, so try on top of what it wrote.
                continue
            return

    def check(self) -> None:
        """Raise unless the lease still holds; a safe point calls this before each operation, and each retry of one.

        LockLostError when another runner has it, ConnectionFailedError when the server was out of reach for so long
        that it cannot be known.
        """
        if not self._lost and time.monotonic() >= self._deadline:
            with translated(self._deployment.address):
                self._renew()
        if self._lost:
            raise self._lost_error()

    def entries(self, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The audit log entries for `events` on top of the current head; pure, so it may be asked again."""
        made: list[dict[str, Any]] = []
        head, who = self._head, self._owner.who()
        for event in events:
            made.append(audit.next_entry(head, event, epoch=self.epoch, who=who))
            head = audit.head_after(made[-1])
        return made

    def adopt(self, entry: Mapping[str, Any]) -> None:
        """Take `entry` as the head: its transaction has committed."""
        self._head = audit.head_after(entry)

    def committed(self, entry: Mapping[str, Any]) -> bool:
        """Whether `entry` did reach the log, asked after a commit whose outcome the driver does not know; one read."""
        return audit.read_head(self._deployment).digest == str(entry["digest"])

    def write(self, event: Mapping[str, Any], *metadata: commands.Command) -> None:
        """Append `event` to the audit log and execute metadata writes with it, in one transaction where there are any.

        On a standalone server the log entry is written first: it fails when the lock was lost, and then nothing else is
        written. Raises LockLostError.
        """
        self.check()
        with translated(self._deployment.address):
            self._append_all(event, list(metadata))

    def _append_all(self, event: Mapping[str, Any], metadata: list[commands.Command]) -> None:
        from pymongo import WriteConcern
        from pymongo.errors import DuplicateKeyError

        (entry,) = self.entries(event)
        everything = [audit.append(entry), *metadata]
        database = self._deployment.metadata

        def attempt(session: ClientSession) -> None:
            self.check()
            commands.execute(database, everything, session)

        try:
            if self.session is None:
                commands.execute(database, everything, None)
            else:
                self.session.with_transaction(attempt, write_concern=WriteConcern("majority"))
        except DuplicateKeyError as error:
            raise self._lost_error() from error
        self.adopt(entry)

    def release(self) -> None:
        """Give the lock back, if it is still this runner's. Never raises: the lease ends by itself anyway."""
        from pymongo.errors import PyMongoError

        if self._ended.is_set():
            return
        self._ended.set()
        try:
            if self.session:
                self.session.end_session()
            self._deployment.metadata[COLLECTION].update_one(
                self._mine, {"$set": {"holder": None, "expiresAt": None, "what": ""}}
            )
        except PyMongoError as error:
            logger.warning("the lock could not be given back and will end by itself: %s", type(error).__name__)
        if self._heartbeat.is_alive():
            self._heartbeat.join()

    @property
    def _mine(self) -> dict[str, Any]:
        return {"_id": KEY, "epoch": self.epoch, "holder.id": self._owner.id}

    def _beat(self) -> None:
        from pymongo.errors import PyMongoError

        failing = False
        while not self._lost and not self._ended.wait(self._lease_seconds / 3):
            try:
                self._renew()
                failing = False
            except PyMongoError as error:
                if not failing:
                    logger.warning("the lock's heartbeat fails, trying on: %s", type(error).__name__)
                failing = True

    def _renew(self) -> None:
        asked = time.monotonic()
        extended = {"$set": {"expiresAt": {"$add": ["$$NOW", int(self._lease_seconds * 1000)]}}}
        updated = self._deployment.metadata[COLLECTION].update_one(self._mine, [extended])
        if updated.matched_count:
            self._deadline = asked + self._lease_seconds
        elif not self._ended.is_set():
            self._lost = True

    def _lost_error(self) -> LockLostError:
        return self.why_lost(
            LockLostError(
                "the lock on this database was lost: this process was paused or cut off for longer than its lease",
                epoch=self.epoch,
                hint="Nothing was recorded after that. See `wayra-db status`, then run the command again.",
            )
        )

    def why_lost(self, error: LockLostError) -> LockLostError:
        """`error`, or one that says who took the lock away by force and when, where the log knows; one read."""
        from pymongo.errors import PyMongoError

        log = self._deployment.metadata[audit.COLLECTION]
        by_force = {"_id": {"$gt": self._head.sequence}, "epoch": self.epoch + 1, "what": RELEASE}
        try:
            entry = log.find_one(by_force, sort=[("_id", 1)])
        except PyMongoError:
            return error
        if entry is None:
            return error
        who = entry["who"]
        return LockLostError(
            f"the lock on this database was taken away by force: {who['user']} on {who['host']} released it at "
            f"{entry['at']:%Y-%m-%d %H:%M:%S} UTC",
            epoch=self.epoch,
            hint="Nothing was recorded after that. Ask why, see `wayra-db status`, then run the command again.",
        )


def _is_dead_here(holder: Mapping[str, Any], me: Owner) -> bool:
    """Whether the holder was a process of this machine that no longer exists."""
    if not me.machine or holder.get("machine") != me.machine:
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _machine_id() -> str:
    """This boot and process table, empty where it cannot be known: containers may share a host name but not pids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _user_name() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return "unknown"
