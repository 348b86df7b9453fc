from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wayra_db.server.paths import ServerPaths
from wayra_db.server.record import ServerRecord, load_record


def record_below(paths: ServerPaths) -> ServerRecord:
    """A server that listens on a socket and a port."""
    return ServerRecord(
        root=paths.root,
        socket=paths.root / "mongod.sock",
        port=40000,
        tcp=True,
        version="6.0.5",
        binary=Path("/usr/bin/mongod"),
        started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        idle_seconds=1800.0,
        first=True,
        ready=False,
    )


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every field survives the file, which is private."""
    paths = ServerPaths(tmp_path)
    record_below(paths).save(paths)
    assert load_record(paths) == record_below(paths)
    assert paths.record.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", '{"root": "/x"}', '{"root": 1}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, content: str | None) -> None:
    """No file, half a file, another version's file: there is no note."""
    paths = ServerPaths(tmp_path)
    if content is not None:
        paths.record.write_text(content, encoding="utf-8")
    assert load_record(paths) is None


def test_the_addresses_follow_from_the_note() -> None:
    """The loopback address is there only while the server listens on it; the data folder is the major version's."""
    paths = ServerPaths(Path("/p"))
    record = record_below(paths)
    assert record.uri == "mongodb://%2Fp%2Fmongod.sock/?directConnection=true"
    assert record.tcp_uri == "mongodb://127.0.0.1:40000/?directConnection=true"
    assert replace(record, tcp=False).tcp_uri is None
    assert record.data_dir == Path("/p/6.0/data")
