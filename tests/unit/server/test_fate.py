from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wayra_db.server.fate import Fate, Wanted, fate_of
from wayra_db.server.record import ServerRecord

ROOT = Path("/project/.wayra/server")
ANY = Wanted(mongod=None, search_path=None, tcp=False, idle_seconds=1.0)
READY = ServerRecord(
    root=ROOT,
    socket=ROOT / "mongod.sock",
    port=None,
    tcp=False,
    version="6.0.5",
    binary=Path("/usr/bin/mongod"),
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    idle_seconds=1.0,
    first=False,
    ready=True,
)


@pytest.mark.parametrize(
    ("record", "wanted", "socket_exists", "data_exists", "fate"),
    [
        (READY, ANY, True, True, Fate.USE),
        (READY, replace(ANY, mongod="/usr/bin/mongod"), True, True, Fate.USE),
        (replace(READY, tcp=True, port=1), ANY, True, True, Fate.USE),
        (replace(READY, tcp=True, port=1), replace(ANY, tcp=True), True, True, Fate.USE),
        (READY, replace(ANY, tcp=True), True, True, Fate.RESTART),
        (READY, replace(ANY, mongod="/opt/mongod"), True, True, Fate.RESTART),
        (replace(READY, ready=False), ANY, False, True, Fate.FINISH),
        (replace(READY, ready=False), replace(ANY, tcp=True), True, True, Fate.FINISH),
        (READY, ANY, False, True, Fate.REPLACE),
        (None, ANY, False, False, Fate.REPLACE),
        (READY, ANY, True, False, Fate.KILL),
        (replace(READY, ready=False), ANY, False, False, Fate.KILL),
        (replace(READY, root=Path("/elsewhere/.wayra/server")), ANY, True, True, Fate.KILL),
    ],
)
def test_what_becomes_of_a_living_server(
    record: ServerRecord | None, wanted: Wanted, socket_exists: bool, data_exists: bool, fate: Fate
) -> None:
    """Use, complete, restart, replace or kill: decided from its note and what is left of its files."""
    assert fate_of(record, wanted, root=ROOT, socket_exists=socket_exists, data_exists=data_exists) is fate


def test_a_bare_name_means_the_binary_on_the_search_path(tmp_path: Path) -> None:
    """`mongod-7.0` in the settings is met by a server that was started from that file on the path."""
    binary = tmp_path / "mongod-7.0"
    binary.touch(mode=0o755)
    wanted = replace(ANY, mongod="mongod-7.0", search_path=str(tmp_path))
    assert wanted.is_met_by(replace(READY, binary=binary))
    assert not wanted.is_met_by(READY)
