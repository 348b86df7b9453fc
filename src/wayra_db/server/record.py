"""The note about the server that was started last: where it listens, what it is."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wayra_db.server.paths import ServerPaths, socket_uri, tcp_uri, write_private


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """What was started. It says nothing about being alive: `alive.lock` does."""

    root: Path
    socket: Path
    port: int | None  # chosen once and kept, also while the server does not listen on it
    tcp: bool
    version: str
    binary: Path
    started_at: datetime
    idle_seconds: float
    first: bool  # its data folder was made for this start
    ready: bool  # it was a writable primary once

    @property
    def uri(self) -> str:
        """How to reach it by its socket."""
        return socket_uri(self.socket)

    @property
    def tcp_uri(self) -> str | None:
        """How to reach it by loopback, when it listens there."""
        return tcp_uri(self.port) if self.tcp and self.port is not None else None

    @property
    def major(self) -> str:
        """The release series, such as "6.0"."""
        return ".".join(self.version.split(".")[:2])

    @property
    def data_dir(self) -> Path:
        """Where it keeps its data."""
        return ServerPaths(self.root).data(self.major)

    def save(self, paths: ServerPaths) -> None:
        """Write the note, whole or not at all. Raises OSError."""
        values = {key: _to_json(value) for key, value in dataclasses.asdict(self).items()}
        write_private(paths.record, json.dumps(values, indent=1))


def load_record(paths: ServerPaths) -> ServerRecord | None:
    """The note about the server that was started last; None when there is none, or none that this version can read."""
    try:
        values = json.loads(paths.record.read_bytes())
        return ServerRecord(
            root=Path(values["root"]),
            socket=Path(values["socket"]),
            port=values["port"],
            tcp=values["tcp"],
            version=values["version"],
            binary=Path(values["binary"]),
            started_at=datetime.fromisoformat(values["started_at"]),
            idle_seconds=values["idle_seconds"],
            first=values["first"],
            ready=values["ready"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
