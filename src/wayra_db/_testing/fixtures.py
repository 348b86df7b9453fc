"""The pytest plugin: each fixture starts its server when a test first asks for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from wayra_db import testing

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db._testing.deployment import ServerUnderTest
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
