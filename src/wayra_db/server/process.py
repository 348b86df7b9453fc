"""The embedded server of a project: shared by its commands, started by the first, stopped when nobody needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from wayra_db.errors import ServerError
from wayra_db.events import Observer, log_observer
from wayra_db.server.fate import Fate, Wanted, fate_of
from wayra_db.server.locks import FileLock, is_held, require_file_locks
from wayra_db.server.mongod import last_lines, spawn_watcher, terminate
from wayra_db.server.paths import ServerPaths
from wayra_db.server.record import ServerRecord, load_record
from wayra_db.server.starting import START_SECONDS, STOP_SECONDS, cannot_write, make_ready, start
from wayra_db.server.status import ServerStatus, read_status

_LOCK_SECONDS = START_SECONDS + 2 * STOP_SECONDS  # long enough for whoever is at it to finish


class ServerLease:
    """The right to use the server, which is not stopped for idleness while a lease is open.

    `uri` is how to reach it, `started` whether acquiring it started it, `version` mongod's version. The lease of a
    process that dies ends with it.
    """

    def __init__(self, lock: FileLock, *, uri: str, version: str, started: bool) -> None:
        self._lock = lock
        self.uri = uri
        self.version = version
        self.started = started

    def close(self) -> None:
        """Give the lease back; the idle time begins now. May be called twice."""
        if not self._lock.closed:
            self._lock.touch()
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class EmbeddedServer:
    """The mongod that belongs to one project, kept in the folder `server` below `state_dir` (`<project>/.wayra`).

    `mongod` names the binary; without it the search path `search_path` and the embedded extra are searched. `tcp` also
    listens on a free port of the loopback address, for graphical clients, and leases then carry that address; without
    it nobody but this user can reach the server. The server is stopped when it had no lease for `idle_seconds` and no
    client is connected; 0 means never. The `idle_seconds` of whoever starts it count.

    Objects are cheap and hold nothing: any number of them, in any number of processes, share the one server.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        mongod: str | None = None,
        search_path: str | None = None,
        tcp: bool = False,
        idle_seconds: float = 1800.0,
        observer: Observer = log_observer,
    ) -> None:
        self._paths = ServerPaths.of(state_dir)
        self._wanted = Wanted(mongod=mongod, search_path=search_path, tcp=tcp, idle_seconds=idle_seconds)
        self._observer = observer

    @property
    def log_path(self) -> Path:
        """Where mongod's log is, or will be."""
        return self._paths.log

    def acquire(self) -> ServerLease:
        """A lease on the running server, which is started first if need be; it accepts writes when this returns.

        Callers at the same moment, in any process, get the same server. Whatever a killed server or a killed starter
        left behind is taken up: the data is recovered, a half-made replica set completed, a moved folder noticed. With
        a server that runs, this costs a few file operations: no process is started, nothing is sent.

        Writes below the state folder only, or a socket in a private folder below the temporary one. Locks the lease
        until it is closed, shared, and the start lock while it starts. Raises MongodNotFoundError, ServerStartError,
        ServerError.
        """
        require_file_locks()
        try:
            self._paths.create()
            lease = FileLock(self._paths.lease_lock)
        except OSError as error:
            raise cannot_write(self._paths.root, error) from error
        try:
            if not lease.acquire(shared=True, timeout_seconds=_LOCK_SECONDS):
                raise ServerError("the server is being stopped and does not end", hint=f"See {self._paths.log}")
            lease.touch()
            record, started = self._running(), False
            if record is None:
                record, started = self._start(lease)
            if not is_held(self._paths.watcher_lock):
                spawn_watcher(self._paths)
            uri = (record.tcp_uri if self._wanted.tcp else None) or record.uri
            return ServerLease(lease, uri=uri, version=record.version, started=started)
        except BaseException:
            lease.close()
            raise

    def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Stop the server, whoever uses it: cleanly, or by force after `timeout_seconds`. False when none ran.

        Locks the start lock. Raises ServerError when it does not end.
        """
        require_file_locks()
        if not self._paths.root.is_dir():
            return False
        with self._start_lock():
            if not is_held(self._paths.alive_lock):
                return False
            terminate(self._paths, timeout_seconds)
            return True

    def status(self) -> ServerStatus:
        """What can be told without starting, writing or creating anything."""
        require_file_locks()
        return read_status(self._paths)

    def log_tail(self, lines: int) -> str:
        """The last `lines` lines of mongod's log; empty when there is none yet."""
        return last_lines(self._paths.log, lines)

    def _running(self) -> ServerRecord | None:
        """The server that runs and can be used as it is."""
        record = load_record(self._paths)
        usable = is_held(self._paths.alive_lock) and self._fate(record) is Fate.USE
        return record if usable else None

    def _fate(self, record: ServerRecord | None) -> Fate:
        return fate_of(
            record,
            self._wanted,
            root=self._paths.root,
            socket_exists=record is not None and record.socket.exists(),
            data_exists=record is not None and record.data_dir.is_dir(),
        )

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        with FileLock(self._paths.start_lock) as lock:
            if not lock.acquire(timeout_seconds=_LOCK_SECONDS):
                raise ServerError(
                    "another command has been starting or stopping the server for too long", hint=f"See {self.log_path}"
                )
            yield

    def _start(self, lease: FileLock) -> tuple[ServerRecord, bool]:
        """The server as wanted, and whether it was started here: another command may have done it meanwhile."""
        with self._start_lock():
            record = load_record(self._paths)
            if is_held(self._paths.alive_lock):
                fate = self._fate(record)
                completed = fate is Fate.FINISH
                if record is not None and completed:
                    record = make_ready(record, self._paths, self._observer)
                    fate = self._fate(record)
                if record is not None and fate is Fate.USE:
                    return record, completed
                if fate is Fate.RESTART:
                    self._require_alone(lease)
                terminate(self._paths, 0.0 if fate is Fate.KILL else STOP_SECONDS)
            return start(self._paths, self._wanted, self._observer), True

    def _require_alone(self, lease: FileLock) -> None:
        """Raise ServerError when somebody else uses the server."""
        alone = lease.acquire()
        lease.acquire(shared=True)
        if not alone:
            raise ServerError(
                "the server runs with other settings and is in use by another command",
                hint="Wait for that command to end, or stop the server: wayra-db server stop",
            )
