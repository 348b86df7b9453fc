"""The pytest plugin: each fixture starts its server when a test first asks for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from wayra_db import testing

if TYPE_CHECKING:
    from pathlib import Path

    from pymongo.database import Database

    from wayra_db._testing.deployment import ServerUnderTest
    from wayra_db._testing.seeded import SeededDatabase
    from wayra_db._testing.temporary import TemporaryServer


@pytest.fixture(scope="session")
def wayra_server() -> Iterator[ServerUnderTest]:
    """A one-node replica set with failpoints, or the deployment that WAYRA_TEST_MONGODB_URI names."""
    uri = os.environ.get("WAYRA_TEST_MONGODB_URI")
    if uri:
        yield testing.ExternalServer(uri)
        return
    with testing.temporary_server() as server:
        yield server


@pytest.fixture
def wayra_database(wayra_server: ServerUnderTest) -> Iterator[Database[dict[str, Any]]]:
    """An empty database under a name of its own, dropped afterwards."""
    name = f"wayra_test_{secrets.token_hex(6)}"
    with wayra_server.client() as client:
        yield client[name]
        client.drop_database(name)


@pytest.fixture(scope="session")
def wayra_project_folder(pytestconfig: pytest.Config) -> Path:
    """The project whose seeds `wayra_seeded` has: --wayra-project, else the ini setting, else pytest's root folder."""
    given = pytestconfig.getoption("--wayra-project")
    if given:
        return (pytestconfig.invocation_params.dir / str(given)).resolve()
    return (pytestconfig.rootpath / str(pytestconfig.getini("wayra_project") or ".")).resolve()


@pytest.fixture(scope="session")
def wayra_seeded_session(wayra_server: ServerUnderTest, wayra_project_folder: Path) -> Iterator[SeededDatabase]:
    """The one seeded database behind `wayra_seeded`, for fixtures that live as long and put it back by themselves."""
    with testing.seeded_database(wayra_project_folder, wayra_server.uri) as seeded:
        yield seeded


@pytest.fixture
def wayra_seeded(wayra_seeded_session: SeededDatabase) -> Iterator[Database[dict[str, Any]]]:
    """A database with the project's collections, indexes and test seeds, the same for all tests and put back after
    each.
    """
    yield wayra_seeded_session.database
    wayra_seeded_session.put_back()


@pytest.fixture(scope="session")
def wayra_standalone() -> Iterator[TemporaryServer]:
    """A server that is no replica set: no transactions, no majority."""
    with testing.temporary_server(replica_set=False) as server:
        yield server


@pytest.fixture
def wayra_three_nodes() -> Iterator[TemporaryServer]:
    """A replica set of three that elects a new primary within a second, for one test to break."""
    with testing.temporary_server(nodes=3) as server:
        yield server


@pytest.fixture(scope="session")
def wayra_auth_server() -> Iterator[TemporaryServer]:
    """A one-node replica set that asks for a password."""
    with testing.temporary_server(auth=True) as server:
        yield server
