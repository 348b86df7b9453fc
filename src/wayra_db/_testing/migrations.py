"""Checks a project's own migrations by rehearsing them on prepared data, in a database that is made for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db.migrations.rehearsal import RehearsalReport

Prepare = Callable[["Database[dict[str, Any]]"], object]


def check_migrations(
    project_folder: str | Path,
    *,
    uri: str | None = None,
    prepare: Prepare | None = None,
    crash: bool = False,
) -> RehearsalReport:
    """Run every migration of a project up, down and up again, one after the other, and report what was found.

        report = check_migrations("wayra", prepare=fill)
        assert report.clean, report.problems

    `prepare` is called with an empty database and fills it with data as it was before the first migration; without data
    little can be found. With `crash` each migration is also killed at its server commands. Declared validators and
    unique indexes are held against the data in the end. The database is made on `uri`, or on the server that
    WAYRA_TEST_MONGODB_URI names, or on one that is started for it, and is dropped afterwards.
    """
    from wayra_db.project import Project

    with _server(uri or os.environ.get("WAYRA_TEST_MONGODB_URI")) as address:
        name = f"wayra_check_{secrets.token_hex(6)}"
        environ = {"MONGODB_URI": address, "WAYRA_DATABASE": name, "WAYRA_ENV": "test"}
        with Project.open(project_folder, environ=environ, observer=lambda event: None) as project:
            database = project.deployment.database
            try:
                if prepare is not None:
                    prepare(database)
                return project.migrations.rehearse(crash=crash)
            finally:
                database.client.drop_database(name)


@contextmanager
def _server(uri: str | None) -> Iterator[str]:
    if uri is not None:
        yield uri
        return
    from wayra_db._testing.temporary import temporary_server

    with temporary_server() as server:
        yield server.uri
