"""The driver's errors in our words, decided in this one place.

Errors are told apart by class, code and label, never by text, but for TLS and DNS failures, which the driver reports
only in the text of a server selection timeout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wayra_db.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DatabaseOperationError,
    UnsupportedDeploymentError,
    WayraError,
)

if TYPE_CHECKING:
    from pymongo.errors import PyMongoError

AUTHENTICATION_FAILED = 18
UNAUTHORIZED = 13
ATLAS_AUTHENTICATION_FAILED = 8000
NAMESPACE_EXISTS = 48
NAMESPACE_NOT_FOUND = 26
MAX_TIME_EXPIRED = 50
NO_SUCH_TRANSACTION = 251
TRANSACTION_OUTLIVED = 290  # TransactionExceededLifetimeLimitSeconds: said to the command that was running
OPERATION_NOT_SUPPORTED_IN_TRANSACTION = 263
DUPLICATE_KEY = 11000


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Turn the driver's errors within the block into WayraErrors that name `address`, which carries no password."""
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as error:
        raise translate(error, address) from error


def translate(error: PyMongoError, address: str) -> WayraError:
    """The WayraError that says what a driver error means and what to do next."""
    from pymongo import errors as driver

    if isinstance(error, driver.OperationFailure):
        return _server_said(error, address)
    if isinstance(error, driver.ServerSelectionTimeoutError):
        return _unreachable(error, address)
    if isinstance(error, (driver.InvalidURI, driver.ConfigurationError)):
        return unusable_uri(without_credentials(str(error)), address)
    if isinstance(error, (driver.NetworkTimeout, driver.ExecutionTimeout, driver.WTimeoutError)):
        return ConnectionFailedError(
            f"{address} did not answer in time",
            uri=address,
            hint="Look at `wayra-db status`; run the command again to go on.",
        )
    if isinstance(error, driver.ConnectionFailure):
        return ConnectionFailedError(
            f"the connection to {address} was lost: {_reason(str(error))}",
            uri=address,
            hint="Nothing is half-recorded; run the command again to go on.",
        )
    return DatabaseOperationError(f"the database operation failed: {without_credentials(str(error))}")


def unusable_uri(reason: str, address: str) -> ConnectionFailedError:
    """The error for a URI that no connection can be made from."""
    return ConnectionFailedError(
        f"the MongoDB URI cannot be used: {reason}",
        uri=address,
        hint="A URI looks like mongodb://user:password@host:27017/database; escape @ : / % in the password as %40 "
        "%3A %2F %25, and check the option names after the question mark.",
    )


def _server_said(error: driver_errors.OperationFailure, address: str) -> WayraError:
    code = error.code
    said = (error.details or {}).get("errmsg") or str(error)
    if code in (AUTHENTICATION_FAILED, ATLAS_AUTHENTICATION_FAILED):
        return AuthenticationError(
            f"{address} refused the user name or password",
            uri=address,
            hint="Check the user, the password (escape @ : / % in it) and authSource in MONGODB_URI.",
        )
    if code == UNAUTHORIZED:
        return AuthenticationError(
            f"the user may not do this on {address}: {said}",
            uri=address,
            hint="Grant the user readWrite and dbAdmin on this database, or connect as a user who has them.",
        )
    if code == OPERATION_NOT_SUPPORTED_IN_TRANSACTION:
        return UnsupportedDeploymentError(
            f"the server does not allow this inside a transaction: {said}",
            needs="an operation that can join a transaction",
            found=said,
            hint="Set `transactional = False` in the file, or move the operation to one of its own.",
        )
    return DatabaseOperationError(f"the server refused the operation (code {code}): {said}", code=code)


def _unreachable(error: driver_errors.ServerSelectionTimeoutError, address: str) -> WayraError:
    text = str(error)
    lowered = text.lower()
    if "ssl" in lowered or "tls" in lowered or "certificate" in lowered:
        return ConnectionFailedError(
            f"no TLS connection to {address}: {_reason(text)}",
            uri=address,
            hint="Check tls=true, tlsCAFile and the host name in the certificate; a server without TLS needs "
            "tls=false.",
        )
    if "name or service not known" in lowered or "nodename nor servname" in lowered or "name resolution" in lowered:
        return ConnectionFailedError(
            f"the host name of {address} cannot be resolved",
            uri=address,
            hint="Check the host in MONGODB_URI and the DNS of this machine.",
        )
    if "replica set" in lowered and "refused" not in lowered:
        return ConnectionFailedError(
            f"{address} has no member that accepts writes: {_reason(text)}",
            uri=address,
            hint="Check replicaSet in MONGODB_URI and that the set has a primary (rs.status()).",
        )
    return ConnectionFailedError(
        f"no MongoDB answers at {address}: {_reason(text)}",
        uri=address,
        hint="Start the server or correct MONGODB_URI; with no URI, development and test use the embedded server.",
    )


def _reason(text: str) -> str:
    """The first cause in a driver's message, without its timings and topology dump."""
    first = text.split(" (configured timeouts", 1)[0].split(", Timeout:", 1)[0].split(",host:", 1)[0]
    return without_credentials(first.strip()) or "no answer"


def without_credentials(text: str) -> str:
    """`text` with the password hidden in everything that looks like a URI."""
    from wayra_db.settings import redact_uri

    return " ".join(redact_uri(word) if re.search(r"@|://\w", word) else word for word in text.split(" "))


if TYPE_CHECKING:
    from pymongo import errors as driver_errors
