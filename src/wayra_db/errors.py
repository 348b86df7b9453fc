"""Every failure that wayra-db reports on purpose, as one tree.

WayraError
├── ConfigError(key, source)
│   └── DeclarationError(path, line)
├── ConnectionFailedError(uri)
│   └── AuthenticationError
├── UnsupportedDeploymentError(needs, found)
├── RefusedError(rule, environment, allowed_by)
├── CancelledError(signal_name)
├── LockError
│   ├── LockHeldError(owner, host, expires_at)
│   └── LockLostError(epoch)
├── MigrationError
│   ├── MigrationLoadError(path, line)
│   ├── HistoryMismatchError(versions)
│   │   ├── MissingFileError
│   │   ├── EditedFileError
│   │   ├── OutOfOrderError
│   │   └── DuplicateVersionError
│   ├── InterruptedMigrationError(version)
│   ├── GroupError(versions)
│   ├── VersionNotFoundError(version)
│   ├── IrreversibleMigrationError(version)
│   ├── MigrationFailedError(applied, failed, path, line, traceback)
│   └── HookFailedError(path, line)
├── SeedError
│   ├── SeedLoadError(path, line)
│   ├── SeedNotFoundError(name)
│   ├── SeedFailedError(path, line)
│   └── GenerateError(collection, field, path, line)
├── BackupError
│   ├── BackupNotFoundError(name)
│   ├── BackupCorruptError(file, offset)
│   ├── BackupIncompleteError(file)
│   ├── RestoreConflictError(collections)
│   ├── BackupStoreError(store)
│   ├── RedactedBackupError
│   └── ImportFailedError(file, line, column, rejected, errors_file)
├── SchemaError(collection)
├── IndexManagementError
│   ├── DuplicateKeysError(index, samples)
│   └── IndexValidationError(problems)
├── DatabaseOperationError(code)
├── StepFailedError(step, done, not_done)
└── ServerError
    ├── MongodNotFoundError(tried)
    └── ServerStartError(log_tail)

An error's message says what happened, its `hint` says what to do next, its typed fields carry the facts for a
program, and the driver's own exception stays reachable as `__cause__`. No message ever holds a password.
`exit_code` is what the command line ends with; the meaning of each number is in `wayra_db.cli._exit_codes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar


class WayraError(Exception):
    """A failure that wayra-db reports on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_dict(self) -> dict[str, Any]:
        """The error as plain JSON values: its class, message, hint and typed fields, and its name in the reference."""
        fields = {json_key(name): _plain(value) for name, value in vars(self).items() if not name.startswith("_")}
        return {"error": type(self).__name__, **fields, "see": link_name(type(self)), "exitCode": self.exit_code}


def link_name(kind: type[WayraError]) -> str:
    """The name of an error in the reference page and for `wayra-db explain`: `lock-held` for LockHeldError.

    A class that is not of this module goes by the nearest of its parents that is.
    """
    known = next(one for one in kind.__mro__ if one.__module__ == __name__)
    words = re.findall("[A-Z][a-z]*", known.__name__.removesuffix("Error"))
    return "-".join(words).lower()


def json_key(name: str) -> str:
    """The key under which a field stands in JSON: `expires_at` is `expiresAt`."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


# --- configuration -------------------------------------------------------------------------------------------------


class ConfigError(WayraError):
    """A setting is missing, unknown or of the wrong kind; `source` says where it was read."""

    exit_code = 12

    def __init__(self, message: str, *, key: str = "", source: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key
        self.source = source


class DeclarationError(ConfigError):
    """A collection declaration is wrong; `path` and `line` point at it."""

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None, hint: str = "") -> None:
        where = "" if path is None else f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: {message}" if where else message, source=where, hint=hint)
        self.path = path
        self.line = line


# --- the deployment ------------------------------------------------------------------------------------------------


class ConnectionFailedError(WayraError):
    """The deployment could not be reached; `uri` is shown without its password."""

    exit_code = 10

    def __init__(self, message: str, *, uri: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.uri = uri


class AuthenticationError(ConnectionFailedError):
    """The deployment answered and refused the credentials."""


class UnsupportedDeploymentError(WayraError):
    """The deployment lacks something that the operation needs."""

    def __init__(self, message: str, *, needs: str, found: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.needs = needs
        self.found = found


class DatabaseOperationError(WayraError):
    """The server refused or failed a command; `code` is the server's error code."""

    def __init__(self, message: str, *, code: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


# --- what is allowed -----------------------------------------------------------------------------------------------


class RefusedError(WayraError):
    """The environment does not allow the operation; nothing was touched."""

    exit_code = 14

    def __init__(self, message: str, *, rule: str, environment: str, allowed_by: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint or allowed_by)
        self.rule = rule
        self.environment = environment
        self.allowed_by = allowed_by


class CancelledError(WayraError):
    """The work was asked to stop and did so at a safe point."""

    exit_code = 130

    def __init__(self, message: str, *, signal_name: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.signal_name = signal_name


# --- the lock ------------------------------------------------------------------------------------------------------


class LockError(WayraError):
    """The lock that lets one runner at a time change the database."""

    exit_code = 11


class LockHeldError(LockError):
    """Another runner holds the lock and did not let go in time."""

    def __init__(self, message: str, *, owner: str, host: str, expires_at: datetime | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.owner = owner
        self.host = host
        self.expires_at = expires_at


class LockLostError(LockError):
    """This runner's lease ended or was taken over; it stops before its next operation."""

    def __init__(self, message: str, *, epoch: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.epoch = epoch


# --- migrations ----------------------------------------------------------------------------------------------------


class MigrationError(WayraError):
    """Something is wrong with a migration."""


class MigrationLoadError(MigrationError):
    """A migration file cannot be read as one; nothing has run."""

    exit_code = 12

    def __init__(self, message: str, *, path: Path, line: int | None = None, hint: str = "") -> None:
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}", hint=hint)
        self.path = path
        self.line = line


class HistoryMismatchError(MigrationError):
    """The migration files and the database's history do not agree."""

    exit_code = 13

    def __init__(self, message: str, *, versions: Sequence[int] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.versions = tuple(versions)


class MissingFileError(HistoryMismatchError):
    """A migration was applied and its file is gone."""


class EditedFileError(HistoryMismatchError):
    """A migration was applied and its file has changed since."""


class OutOfOrderError(HistoryMismatchError):
    """A pending migration is older than one that was already applied."""


class DuplicateVersionError(HistoryMismatchError):
    """Two files carry the same version."""


class InterruptedMigrationError(MigrationError):
    """A migration that is not atomic was started and never finished."""

    exit_code = 13

    def __init__(self, message: str, *, version: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.version = version


class GroupError(MigrationError):
    """The pending migrations cannot all run in one transaction; nothing has run."""

    def __init__(self, message: str, *, versions: Sequence[int], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.versions = tuple(versions)


class VersionNotFoundError(MigrationError):
    """No migration has this version, or it was not applied."""

    exit_code = 2

    def __init__(self, message: str, *, version: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.version = version


class IrreversibleMigrationError(MigrationError):
    """A migration without `down` cannot be rolled back; nothing was touched."""

    def __init__(self, message: str, *, version: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.version = version


class MigrationFailedError(MigrationError):
    """The user's migration raised; `applied` are the versions before it, `traceback` the way through its own files."""

    def __init__(
        self,
        message: str,
        *,
        applied: Sequence[int],
        failed: int,
        path: Path,
        line: int | None = None,
        traceback: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.applied = tuple(applied)
        self.failed = failed
        self.path = path
        self.line = line
        self.traceback = traceback


class HookFailedError(MigrationError):
    """A project's own code around a run of migrations raised; `path` and `line` point at the failing line."""

    def __init__(self, message: str, *, path: Path, line: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line


# --- seeds ---------------------------------------------------------------------------------------------------------


class SeedError(WayraError):
    """Something is wrong with a seed."""


class SeedLoadError(SeedError):
    """A seed file cannot be read as one; nothing has run."""

    exit_code = 12

    def __init__(self, message: str, *, path: Path, line: int | None = None, hint: str = "") -> None:
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}", hint=hint)
        self.path = path
        self.line = line


class SeedNotFoundError(SeedError):
    """No seed of this environment has this name."""

    exit_code = 2

    def __init__(self, message: str, *, name: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.name = name


class SeedFailedError(SeedError):
    """The user's seed raised; `path` and `line` point at the failing line."""

    def __init__(self, message: str, *, path: Path, line: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line


class GenerateError(SeedError):
    """Documents cannot be made as asked; nothing of this call was written. `collection` and `field` say of which.

    `path` and `line` point into the project's file, where that is at fault.
    """

    exit_code = 12

    def __init__(
        self,
        message: str,
        *,
        collection: str = "",
        field: str = "",
        path: Path | None = None,
        line: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.collection = collection
        self.field = field
        self.path = path
        self.line = line


# --- backups -------------------------------------------------------------------------------------------------------


class BackupError(WayraError):
    """A backup cannot be made, read or kept as asked; the data is as it was."""


class BackupNotFoundError(BackupError):
    """There is no backup of this name."""

    exit_code = 2

    def __init__(self, message: str, *, name: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.name = name


class BackupCorruptError(BackupError):
    """A backup's file is not what was written; `offset` is the byte in it, where known. Nothing of it is restored."""

    exit_code = 20

    def __init__(self, message: str, *, file: str, offset: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.offset = offset


class BackupIncompleteError(BackupError):
    """A file of a backup is missing, or one is there that does not belong to it."""

    exit_code = 20

    def __init__(self, message: str, *, file: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.file = file


class RestoreConflictError(BackupError):
    """A restore would meet data that is there; nothing was changed."""

    def __init__(self, message: str, *, collections: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.collections = tuple(collections)


class BackupStoreError(BackupError):
    """A store of backups cannot be reached or did not do as asked; `store` is its address, without keys."""

    def __init__(self, message: str, *, store: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.store = store


class RedactedBackupError(BackupError):
    """A backup without its sensitive fields would replace data that has them; nothing was changed."""


class ImportFailedError(BackupError):
    """Documents of a file could not be imported; `file`, `line` and `column` name the first, `rejected` says how many.

    The message says what that means for the collection. `errors_file` lists each of them, None when none was written.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str,
        line: int | None = None,
        column: int | None = None,
        rejected: int = 1,
        errors_file: Path | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line
        self.column = column
        self.rejected = rejected
        self.errors_file = errors_file


# --- collections and indexes ---------------------------------------------------------------------------------------


class SchemaError(WayraError):
    """A live collection cannot be brought to its declaration without rewriting it."""

    def __init__(self, message: str, *, collection: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.collection = collection


class IndexManagementError(WayraError):
    """An index cannot be created or changed."""


class DuplicateKeysError(IndexManagementError):
    """A unique index is declared over data that holds duplicates."""

    def __init__(self, message: str, *, index: str, samples: Sequence[Mapping[str, Any]] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.index = index
        self.samples = tuple(samples)


class IndexValidationError(IndexManagementError):
    """An index plan breaks a rule of the server or of the project; `problems` lists each. Nothing was changed."""

    def __init__(self, message: str, *, problems: Sequence[Mapping[str, Any]] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


# --- the initializer -----------------------------------------------------------------------------------------------


class StepFailedError(WayraError):
    """A step of the initializer failed; `done` and `not_done` name the other steps. The reason is `__cause__`."""

    def __init__(
        self, message: str, *, step: str, done: Sequence[str], not_done: Sequence[str], exit_code: int, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.done = tuple(done)
        self.not_done = tuple(not_done)
        self.exit_code = exit_code  # type: ignore[misc]  # the reason's own code, so scripts see it


# --- the embedded server -------------------------------------------------------------------------------------------


class ServerError(WayraError):
    """The embedded server could not be found, started or stopped."""

    exit_code = 10


class MongodNotFoundError(ServerError):
    """No usable mongod binary; `tried` says where it was looked for and why each was passed over."""

    def __init__(self, message: str, *, tried: Sequence[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.tried = tuple(tried)


class ServerStartError(ServerError):
    """mongod was started and did not become ready; `log_tail` holds its last words."""

    def __init__(self, message: str, *, log_tail: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log_tail = log_tail
