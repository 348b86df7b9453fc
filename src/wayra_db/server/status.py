"""What can be told about a project's embedded server without touching it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wayra_db.server.locks import is_held, is_in_use
from wayra_db.server.mongod import read_pid
from wayra_db.server.paths import ServerPaths
from wayra_db.server.record import load_record


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A project's embedded server at one moment.

    `running` is mongod's own life; `ready` that it accepts writes. `in_use` tells whether a command holds a lease,
    `watched` whether the watcher lives that stops it after `idle_seconds`. A server that does not run is described as
    it was last; where it never ran, the fields are None.
    """

    running: bool
    ready: bool
    in_use: bool
    watched: bool
    pid: int | None
    uri: str | None
    tcp_uri: str | None
    version: str | None
    binary: Path | None
    data_dir: Path | None
    data_bytes: int
    log_path: Path
    started_at: datetime | None
    idle_seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """The status as plain JSON values."""
        return {
            "running": self.running,
            "ready": self.ready,
            "inUse": self.in_use,
            "watched": self.watched,
            "pid": self.pid,
            "uri": self.uri,
            "tcpUri": self.tcp_uri,
            "version": self.version,
            "binary": None if self.binary is None else str(self.binary),
            "dataDir": None if self.data_dir is None else str(self.data_dir),
            "dataBytes": self.data_bytes,
            "logPath": str(self.log_path),
            "startedAt": None if self.started_at is None else self.started_at.isoformat(),
            "idleSeconds": self.idle_seconds,
        }


def read_status(paths: ServerPaths) -> ServerStatus:
    """Look at the server below `paths`. Starts, writes and creates nothing."""
    running = is_held(paths.alive_lock)
    record = load_record(paths)
    current = record if running else None
    data_dir = paths.data(record.major) if record else None
    return ServerStatus(
        running=running,
        ready=current is not None and current.ready,
        in_use=is_in_use(paths.lease_lock),
        watched=is_held(paths.watcher_lock),
        pid=read_pid(paths) if running else None,
        uri=current.uri if current else None,
        tcp_uri=current.tcp_uri if current else None,
        version=record.version if record else None,
        binary=record.binary if record else None,
        data_dir=data_dir,
        data_bytes=folder_bytes(data_dir) if data_dir else 0,
        log_path=paths.log,
        started_at=current.started_at if current else None,
        idle_seconds=record.idle_seconds if record else None,
    )


def folder_bytes(folder: Path) -> int:
    """The size of all files below `folder`; those that vanish meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total
