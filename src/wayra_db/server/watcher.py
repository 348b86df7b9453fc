"""The process beside a running server that ends it: `python -m wayra_db.server.watcher STATE_DIR`.

It stops the server when nobody used it for its idle time: no lease, and no client connected. It kills the server when
its state folder was deleted or moved away, for then nobody could ever reach it again. It ends when the server does.
There is one per project; a killed one is started again by the next command. It imports the driver only to see whether
clients are connected.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wayra_db.server.locks import FileLock, is_in_use
from wayra_db.server.mongod import kill, read_pid, terminate
from wayra_db.server.paths import ServerPaths
from wayra_db.server.record import load_record

_LONGEST_TICK_SECONDS = 1.0
_SINGLE_SECONDS = 1.0
_STOP_SECONDS = 20.0
_APP_NAME = "wayra-db watcher"


def main(arguments: Sequence[str]) -> int:
    """Watch the server of the state folder `arguments[0]` until it ends."""
    paths = ServerPaths.of(Path(arguments[0]))
    try:
        alive = FileLock(paths.alive_lock)
    except FileNotFoundError:
        return 0
    with alive:
        while alive.is_held_alone_elsewhere():
            with FileLock(paths.watcher_lock) as single:
                if not single.acquire(timeout_seconds=_SINGLE_SECONDS):
                    return 0
                _watch(paths, alive)
            # A server that was started before we let go found us here and started no watcher: look once more.
    return 0


def _watch(paths: ServerPaths, alive: FileLock) -> None:
    """Return when the server has ended, by itself or by us."""
    pid = None
    seen_in_use = time.monotonic()
    while alive.is_held_alone_elsewhere():
        tick = _LONGEST_TICK_SECONDS
        here = _is_at(alive, paths.alive_lock)
        if here:  # else the files may be those of a later server
            pid = read_pid(paths) or pid
        record = load_record(paths)
        if not here or (record is not None and not record.data_dir.is_dir()):
            if pid is not None:
                kill(pid)
        elif record is not None and record.idle_seconds > 0:
            tick = min(tick, record.idle_seconds / 5)
            if is_in_use(paths.lease_lock):
                seen_in_use = time.monotonic()
            if _idle_seconds(paths, seen_in_use) >= record.idle_seconds and not stop_if_unused(paths, record.uri):
                seen_in_use = time.monotonic()
        time.sleep(tick)


def _is_at(lock: FileLock, path: Path) -> bool:
    """Whether the open file of `lock` is the one at `path`, and not one that was deleted or moved away."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _idle_seconds(paths: ServerPaths, seen_in_use: float) -> float:
    """How long nobody held a lease; the file's time knows of those that came and went between two looks."""
    try:
        since_touched = time.time() - paths.lease_lock.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # the folder is being deleted
    return min(time.monotonic() - seen_in_use, since_touched)


def stop_if_unused(paths: ServerPaths, uri: str) -> bool:
    """Stop the server unless somebody came or is connected; False when it was left running."""
    try:
        with FileLock(paths.start_lock) as start, FileLock(paths.lease_lock) as lease:
            if not (start.acquire() and lease.acquire()) or _has_clients(uri):
                return False
            terminate(paths, _STOP_SECONDS)
            return True
    except FileNotFoundError:
        return False  # the folder is being deleted: the next look will see it


def _has_clients(uri: str) -> bool:
    """Whether anyone else is connected; a server that cannot be asked has nobody to lose."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    # serverStatus counts connections, but only here can ours be told from theirs.
    others: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": True, "idleConnections": True}},
        {"$match": {"client": {"$exists": True}, "appName": {"$ne": _APP_NAME}}},
        {"$limit": 1},
    ]
    client: MongoClient[dict[str, Any]] = MongoClient(uri, appname=_APP_NAME, serverSelectionTimeoutMS=5000)
    try:
        with client:
            return bool(list(client.admin.aggregate(others)))
    except PyMongoError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
