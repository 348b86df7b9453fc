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
# BadValue, FailedToParse, TypeMismatch, Overflow, CannotCreateIndex, InvalidOptions, InvalidNamespace,
# IndexOptionsConflict, IndexKeySpecsConflict, CommandNotSupported, InvalidIndexSpecificationOption,
# QueryFeatureNotAllowed, NotImplemented
_REFUSED_AS_WRITTEN = frozenset({2, 9, 14, 15, 67, 72, 73, 85, 86, 115, 197, 224, 238})
_FIRST_PLACE_IN_THE_SERVERS_CODE = 15_000


def is_refused_as_written(code: int | None) -> bool:
    """Whether a code says that the command itself is wrong, so that it would be refused again.

    The server also uses the numbers of places in its own code, which its parsers do, from about 15,000 on.
    """
    return code is not None and (code in _REFUSED_AS_WRITTEN or code >= _FIRST_PLACE_IN_THE_SERVERS_CODE)


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
    if type(error.__cause__).__module__.partition(".")[0] == "dns":
        return _no_srv_record(type(error.__cause__).__name__, address)
    if isinstance(error, driver.ConfigurationError) and "certificate" in str(error).lower():
        return unusable_tls_file(error, address)
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


def unusable_tls_file(error: Exception, address: str) -> ConnectionFailedError:
    """The error for a file that the URI names for TLS and that cannot be read, or holds something else."""
    named = getattr(error, "filename", None)
    reason = getattr(error, "strerror", None) or str(error)
    return ConnectionFailedError(
        f"the TLS file {named} cannot be read: {reason}" if named else f"a TLS file cannot be used: {reason}",
        uri=address,
        hint="Check tlsCAFile, tlsCertificateKeyFile and tlsCRLFile in MONGODB_URI: each names a PEM file that this "
        "user may read, best by its absolute path.",
    )


def _no_srv_record(kind: str, address: str) -> ConnectionFailedError:
    # The text of the DNS error quotes the host, which in a malformed URI may be a piece of the password.
    reason = {
        "NXDOMAIN": "there is no such name",
        "NoAnswer": "the name has no SRV record",
        "LifetimeTimeout": "the DNS did not answer in time",
        "Timeout": "the DNS did not answer in time",
        "NoNameservers": "no DNS server could answer",
    }.get(kind, kind)
    return ConnectionFailedError(
        f"the hosts of {address} cannot be looked up: {reason}",
        uri=address,
        hint="Check the host in MONGODB_URI and the DNS of this machine. Where SRV records cannot be read, a URI works "
        "that lists the hosts: mongodb://host1,host2/database?tls=true&replicaSet=...",
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
    if code == UNAUTHORIZED and _names_no_user(address):
        return AuthenticationError(
            f"{address} wants a user and a password: {_action(said)}",
            uri=address,
            hint="Name them in MONGODB_URI: mongodb://user:password@host/database?authSource=admin",
        )
    if code == UNAUTHORIZED:
        return AuthenticationError(
            f"the user may not do this on {address}: {_action(said)}",
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


def _names_no_user(address: str) -> bool:
    return "://" in address and "@" not in address and "authmechanism" not in address.lower()


def _action(said: str) -> str:
    """A refusal without the command that the server quotes in it, with all its values: only what it was."""
    found = re.match(r"(not authorized on \S+ to execute command) \{ ?\"?(\w+)", said)
    return f"{found[1]} {found[2]}" if found else said.partition(" {")[0][:200]


def _unreachable(error: driver_errors.ServerSelectionTimeoutError, address: str) -> WayraError:
    text = str(error)
    lowered = text.lower()
    # In capitals, as no host is written: its name may well hold these letters.
    if re.search(r"\bSSL\b|\bTLS\b|_ssl\.c|certificate verify", text):
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
    if "connection closed" in lowered:
        return ConnectionFailedError(
            f"{address} closed the connection without a word",
            uri=address,
            hint="A server that accepts only TLS does that: add tls=true to MONGODB_URI, and tlsCAFile=... where its "
            "certificate is your own. Else look into the server's log.",
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
