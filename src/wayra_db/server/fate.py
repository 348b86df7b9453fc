"""What becomes of a server that is found alive when one is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wayra_db.server.locate import named_binary
from wayra_db.server.record import ServerRecord


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the server should run. `mongod` None takes any binary, `tcp` False takes a server with or without it."""

    mongod: str | None
    search_path: str | None
    tcp: bool
    idle_seconds: float

    def is_met_by(self, record: ServerRecord) -> bool:
        """Whether a server that was started as `record` says can be used as it is."""
        if self.tcp and not record.tcp:
            return False
        return self.mongod is None or named_binary(self.mongod, self.search_path) == record.binary


class Fate(Enum):
    """What to do with a living server."""

    USE = "it is ready and as wanted"
    FINISH = "its starter was killed before it was done: complete the start"
    RESTART = "it runs with other settings: restart it if nobody uses it"
    REPLACE = "nobody can reach it any more: stop it, and start anew"
    KILL = "its files are gone from under it: it cannot even stop cleanly"


def fate_of(record: ServerRecord | None, wanted: Wanted, *, root: Path, socket_exists: bool, data_exists: bool) -> Fate:
    """The fate of the living server below `root` that `record`, its note, describes."""
    if record is None:
        return Fate.REPLACE
    if record.root != root or not data_exists:
        return Fate.KILL
    if not record.ready:
        # It may not listen yet. What it was told to be is corrected by the next to come, once it is whole.
        return Fate.FINISH
    if not socket_exists:
        return Fate.REPLACE
    return Fate.USE if wanted.is_met_by(record) else Fate.RESTART
