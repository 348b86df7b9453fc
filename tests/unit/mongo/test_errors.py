from __future__ import annotations

import dns.resolver
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
            driver.ServerSelectionTimeoutError("tls-1.ssl.org:1: [Errno 111] Connection refused"),
            ConnectionFailedError,
            10,
            "no MongoDB",
        ),
        (
            driver.ServerSelectionTimeoutError("h:1: connection closed (configured timeouts: connectTimeoutMS: 5.0ms)"),
            ConnectionFailedError,
            10,
            "closed the connection",
        ),
        (
            driver.ConfigurationError("Private key doesn't match certificate: [SSL] PEM lib"),
            ConnectionFailedError,
            10,
            "a TLS file cannot be used",
        ),
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


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            'not authorized on shop to execute command { aggregate: "users", pipeline: [ { $match: { a: "secret" } } '
            '], lsid: { id: UUID("0") } }',
            "not authorized on shop to execute command aggregate",
        ),
        (
            'not authorized on shop to execute command { find: "_wayra_meta" }',
            "not authorized on shop to execute command find",
        ),
        ("command find requires authentication", "command find requires authentication"),
        ("user is not allowed to do action [find] on [shop.users]", "user is not allowed to do action [find]"),
        ("x" * 1000, "x" * 200),
    ],
)
def test_a_refusal_names_the_action_and_not_its_values(said: str, shown: str) -> None:
    """The server quotes the whole command."""
    found = translate(driver.OperationFailure(said, 13, {"errmsg": said}), ADDRESS)
    assert found.message.startswith(f"the user may not do this on {ADDRESS}: {shown}")
    assert "secret" not in found.message
    assert len(found.message) < 300
    assert "Grant the user" in found.hint


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("mongodb://host/db", "mongodb://user:password@host"),
        ("mongodb://host/db?replicaSet=rs", "mongodb://user:password@host"),
        ("mongodb://ada@host/db", "Grant the user"),
        ("mongodb://host/db?authMechanism=MONGODB-X509", "Grant the user"),
        ("the given client", "Grant the user"),
    ],
)
def test_a_server_that_wants_a_user(address: str, hint: str) -> None:
    """Nobody can be granted anything who has not said who they are."""
    error = driver.OperationFailure("command find requires authentication", 13)
    assert hint in translate(error, address).hint


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("NXDOMAIN", "there is no such name"),
        ("NoAnswer", "no SRV record"),
        ("LifetimeTimeout", "did not answer in time"),
        ("NoNameservers", "no DNS server could answer"),
    ],
)
def test_hosts_that_cannot_be_looked_up(kind: str, said: str) -> None:
    """As a matter of DNS, not of the URI's shape; what the resolver says is not repeated."""
    resolvers = getattr(dns.resolver, kind)
    error = driver.ConfigurationError("Server Do53:127.0.0.1@53 answered SECRET")
    error.__cause__ = resolvers.__new__(resolvers)
    found = translate(error, ADDRESS)
    assert isinstance(found, ConnectionFailedError)
    assert said in found.message
    assert "SECRET" not in found.message + found.hint
    assert "DNS of this machine" in found.hint
