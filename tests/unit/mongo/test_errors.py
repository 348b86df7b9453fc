from __future__ import annotations

import pytest
from pymongo import errors as driver

from wayra_db.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DatabaseOperationError,
    UnsupportedDeploymentError,
    WayraError,
)
from wayra_db.mongo.errors import translate, translated

ADDRESS = "mongodb://user:***@host/db"


@pytest.mark.parametrize(
    ("error", "kind", "code", "says"),
    [
        (driver.OperationFailure("Authentication failed.", 18), AuthenticationError, 10, "user name or password"),
        (driver.OperationFailure("bad auth", 8000), AuthenticationError, 10, "user name or password"),
        (driver.OperationFailure("not authorized on db", 13), AuthenticationError, 10, "may not do this"),
        (driver.OperationFailure("no index in transaction", 263), UnsupportedDeploymentError, 1, "transaction"),
        (driver.OperationFailure("boom", 8), DatabaseOperationError, 1, "code 8"),
        (
            driver.ServerSelectionTimeoutError("h:1: [Errno 111] Connection refused"),
            ConnectionFailedError,
            10,
            "no MongoDB",
        ),
        (driver.ServerSelectionTimeoutError("SSL handshake failed: h:1"), ConnectionFailedError, 10, "no TLS"),
        (
            driver.ServerSelectionTimeoutError("h: [Errno -2] Name or service not known"),
            ConnectionFailedError,
            10,
            "cannot be resolved",
        ),
        (
            driver.ServerSelectionTimeoutError('No replica set members match selector "Primary()"'),
            ConnectionFailedError,
            10,
            "accepts writes",
        ),
        (driver.InvalidURI("Invalid URI scheme"), ConnectionFailedError, 10, "cannot be used"),
        (driver.ConfigurationError("Unknown option foo"), ConnectionFailedError, 10, "Unknown option foo"),
        (driver.NetworkTimeout("timed out"), ConnectionFailedError, 10, "in time"),
        (driver.AutoReconnect("connection closed"), ConnectionFailedError, 10, "was lost"),
        (driver.PyMongoError("odd"), DatabaseOperationError, 1, "odd"),
    ],
)
def test_each_driver_error_has_its_own_words(
    error: driver.PyMongoError, kind: type[WayraError], code: int, says: str
) -> None:
    """Told apart by class and code; each says what happened and what to do."""
    found = translate(error, ADDRESS)
    assert type(found) is kind
    assert found.exit_code == code
    assert says in found.message


def test_no_password_gets_through() -> None:
    """A URI that the driver quotes in its message comes out without its password."""
    quoted = driver.ServerSelectionTimeoutError("mongodb://user:hunter2@host:1: Connection refused")
    assert "hunter2" not in translate(quoted, ADDRESS).message
    assert "hunter2" not in translate(driver.PyMongoError("cannot use mongodb://u:hunter2@h/"), ADDRESS).message


def test_the_cause_stays() -> None:
    """Within the block the driver's error becomes ours, and stays reachable."""
    with pytest.raises(ConnectionFailedError) as caught, translated(ADDRESS):
        raise driver.AutoReconnect("gone")
    assert isinstance(caught.value.__cause__, driver.AutoReconnect)
