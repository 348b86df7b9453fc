"""Starting the server, or completing what a killed starter left; the caller holds the start lock throughout."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wayra_db.errors import ServerStartError
from wayra_db.events import Notice, Observer, ServerStarted, notify
from wayra_db.server import mongod
from wayra_db.server.diagnosis import Diagnosis, diagnose, last_words
from wayra_db.server.fate import Wanted
from wayra_db.server.locate import find_mongod
from wayra_db.server.locks import FileLock, is_held
from wayra_db.server.paths import ServerPaths, create_private_folder, runtime_folder, socket_path
from wayra_db.server.record import ServerRecord, load_record
from wayra_db.server.replica_set import ensure_primary

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_ALIVE_LOCK_SECONDS = 2.0  # others only look at it for an instant
_PORT_ATTEMPTS = 3
_LOG_LINES = 200


def start(paths: ServerPaths, wanted: Wanted, observer: Observer) -> ServerRecord:
    """Start a server where none lives, and wait until it accepts writes.

    Raises MongodNotFoundError, ServerStartError.
    """
    begun = time.monotonic()
    record = _plan(paths, wanted, observer)
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        if wanted.tcp:
            record = replace(record, port=mongod.choose_port(record.port if attempt == 1 else None))
        try:
            return make_ready(record, paths, observer, child=_spawn(record, paths), begun=begun)
        except _PortTakenError as error:
            failure = error.failure
    raise failure


def make_ready(
    record: ServerRecord,
    paths: ServerPaths,
    observer: Observer,
    *,
    child: mongod.Child | None = None,
    begun: float | None = None,
) -> ServerRecord:
    """Wait until the living server accepts writes, initiating its replica set if need be, and note that it is ready.

    `child` is the server if this process started it; `begun` is when its start began, as `time.monotonic()` has it.
    A server that does not get ready is ended. Raises ServerStartError.
    """
    begun = time.monotonic() if begun is None else begun
    deadline = time.monotonic() + START_SECONDS

    def is_alive() -> bool:
        return is_held(paths.alive_lock)

    try:
        import pymongo  # noqa: F401  # now, while mongod starts

        while not mongod.accepts_connections(record.socket):
            if not is_alive() or time.monotonic() > deadline:
                raise ServerStartError("the server does not listen")
            time.sleep(mongod.POLL_SECONDS)
        ensure_primary(
            record.uri, name=mongod.REPLICA_SET, hosts=[str(record.socket)], deadline=deadline, is_alive=is_alive
        )
    except ServerStartError as error:
        log = mongod.text_from(paths.log, child.log_offset) if child else mongod.last_lines(paths.log, _LOG_LINES)
        if is_alive():
            mongod.terminate(paths, STOP_SECONDS)
            diagnosis = Diagnosis(f"{error.message} within {START_SECONDS:.0f} seconds", f"See {paths.log}")
        else:
            diagnosis = diagnose(_exit_code(child), log, shlex.quote(str(record.data_dir)))
        failure = ServerStartError(
            f"mongod did not start: {diagnosis.reason}", log_tail=last_words(log), hint=diagnosis.hint
        )
        if diagnosis.port_taken and record.tcp:
            raise _PortTakenError(failure) from error
        raise failure from error
    paths.pid.chmod(0o600)  # mongod makes it readable for all
    ready = replace(record, ready=True)
    ready.save(paths)
    notify(observer, ServerStarted(version=ready.version, seconds=time.monotonic() - begun, first=ready.first))
    return ready


def cannot_write(path: Path, error: OSError) -> ServerStartError:
    """The error for a state folder that cannot be written to."""
    return ServerStartError(
        f"the server's files cannot be written: {error.strerror or error}: {error.filename or path}",
        hint="Make the project's .wayra folder yours and writable, and see that the disk is not full.",
    )


def _plan(paths: ServerPaths, wanted: Wanted, observer: Observer) -> ServerRecord:
    """Choose binary, data folder and address, and make the folders."""
    previous = load_record(paths)
    binary = find_mongod(setting=wanted.mongod, search_path=wanted.search_path, verdicts=paths.binaries)
    data = paths.data(binary.major)
    unfinished = previous is not None and previous.first and not previous.ready and previous.data_dir == data
    first = unfinished or not data.exists()
    others = sorted(path.parent.name for path in paths.root.glob("*/data") if path != data)
    if first and others:
        message = (
            f"MongoDB {binary.major} starts with an empty data folder; "
            f"the data of MongoDB {', '.join(others)} stays in {paths.root}"
        )
        notify(observer, Notice(message, level="warning"))
    private = runtime_folder(os.getuid())
    address = socket_path(paths.root, runtime_folder=private)
    try:
        for folder in (data.parent, data):
            folder.mkdir(mode=0o700, exist_ok=True)
        if address.parent == private:
            create_private_folder(private, os.getuid())
    except OSError as error:
        raise cannot_write(data, error) from error
    return ServerRecord(
        root=paths.root,
        socket=address,
        port=previous.port if previous else None,
        tcp=wanted.tcp,
        version=binary.version,
        binary=binary.path,
        started_at=datetime.now(UTC),
        idle_seconds=wanted.idle_seconds,
        first=first,
        ready=False,
    )


def _spawn(record: ServerRecord, paths: ServerPaths) -> mongod.Child:
    try:
        record.save(paths)
        with FileLock(paths.alive_lock) as alive:
            if not alive.acquire(timeout_seconds=_ALIVE_LOCK_SECONDS):
                raise ServerStartError("a server that was just found dead is alive", hint="Try again.")
            return mongod.spawn(record, paths, alive)
    except OSError as error:
        raise cannot_write(paths.root, error) from error


def _exit_code(child: mongod.Child | None) -> int | None:
    """How a server ended whose lock is gone already: the kernel tells its exit code an instant later."""
    if child is None:
        return None
    deadline = time.monotonic() + 1.0
    while (code := child.exit_code()) is None and time.monotonic() < deadline:
        time.sleep(mongod.POLL_SECONDS)
    return code


class _PortTakenError(Exception):
    """Somebody took the port between our choice and mongod's start."""

    def __init__(self, failure: ServerStartError) -> None:
        super().__init__(failure.message)
        self.failure = failure
