"""The settings as they came out, each with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from wayra_db.environment import Action, Allowed, Environment, check
from wayra_db.errors import ConfigError
from wayra_db.settings.options import OPTIONS, period
from wayra_db.settings.uri import redact_uri


class OriginKind(StrEnum):
    """The four places a value comes from, the strongest first."""

    FLAG = "flag"
    VARIABLE = "environment variable"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: the flag, variable or key by `name`, and in a file also its `path` and `line`."""

    kind: OriginKind
    name: str = ""
    path: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"{self.path}:{self.line}" if self.line else str(self.path)
        return self.name or str(self.kind)


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One line of `config show`. `value` has no secrets in it."""

    key: str
    value: str | float | bool | None
    origin: Origin

    def to_dict(self) -> dict[str, Any]:
        """The setting as plain JSON values."""
        return {"key": self.key, "value": self.value, "origin": str(self.origin), "kind": str(self.origin.kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRules:
    """Which backups `prune` keeps: so many of the newest, and the newest of so many days, weeks, months and years.

    `within` is a time like `30d` before the newest. `automatic` is the only rule for backups that the tool makes
    before something risky; those made by hand all stay when there is no rule for them.
    """

    last: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None
    within: str | None = None
    automatic: int = 5

    @property
    def any(self) -> bool:
        """Whether there is a rule for backups made by hand."""
        return any((self.last, self.daily, self.weekly, self.monthly, self.yearly, self.within))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that was configured, checked and typed. Made by `load_settings`.

    `uri` holds the password and is therefore left out of `repr`; show `address`. `project_dir` is None outside a
    project, and the folders are then an error to ask for.
    """

    environment: Environment
    debug: bool
    log_format: Literal["auto", "text", "json"]
    project_name: str
    project_dir: Path | None
    database_name: str
    uri: str | None = field(repr=False)
    server_selection_timeout_seconds: float
    mongod: str | None
    embedded_tcp: bool
    embedded_idle_seconds: float
    lock_lease_seconds: float
    lock_timeout_seconds: float
    undeclared_indexes: str
    allow_production_backups: bool
    s3_endpoint_url: str | None
    keep_rules: KeepRules
    max_backup_age: str
    backup_codec: Literal["zstd", "gzip", "none"]
    backup_recipients: tuple[str, ...]
    _directories: Mapping[str, Path] = field(default_factory=dict, repr=False)
    _origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)

    @property
    def backup_max_age(self) -> timedelta:
        """How old the newest backup may be before somebody is told."""
        return period(self.max_backup_age)

    @property
    def address(self) -> str:
        """The deployment's URI without its password, or a word for the embedded server."""
        return "the embedded server" if self.uri is None else redact_uri(self.uri)

    @property
    def uses_embedded_server(self) -> bool:
        """Whether no URI is set and the environment allows to start a server instead."""
        return self.uri is None and isinstance(check(Action.EMBEDDED_SERVER, self.environment), Allowed)

    def require_uri(self) -> str:
        """The URI. Raises ConfigError when none is set."""
        if self.uri is None:
            raise ConfigError(
                f"no MongoDB URI is set, and {self.environment} needs one",
                key="database.uri",
                source=OPTIONS["database.uri"].variable,
                hint="Set MONGODB_URI=mongodb://host:27017/database. The embedded server serves development and test.",
            )
        return self.uri

    def require_project(self) -> Path:
        """The project's folder. Raises ConfigError outside a project."""
        if self.project_dir is None:
            raise ConfigError(
                "this is not a wayra-db project: no wayra-db.toml here or in a folder above",
                hint="Go into a project, name one with --project PATH, or make one: wayra-db new PATH.",
            )
        return self.project_dir

    @property
    def state_dir(self) -> Path:
        """The project's local state, never in git. Raises ConfigError outside a project."""
        return self.require_project() / ".wayra"

    @property
    def collections_dir(self) -> Path:
        """Where the collection declarations are. Raises ConfigError outside a project."""
        return self._directory("collections")

    @property
    def migrations_dir(self) -> Path:
        """Where the migrations are. Raises ConfigError outside a project."""
        return self._directory("migrations")

    @property
    def seeds_dir(self) -> Path:
        """Where the seeds are. Raises ConfigError outside a project."""
        return self._directory("seeds")

    @property
    def backups_dir(self) -> Path:
        """Where backups go. Raises ConfigError outside a project."""
        return self._directory("backups")

    def origin(self, key: str) -> Origin:
        """Where the value of `key`, as in `database.name`, came from."""
        return self._origins[key]

    def describe(self) -> list[SettingValue]:
        """Every setting with its value, without secrets, and its origin, in the order of the table of options."""
        shown = {
            "environment": str(self.environment),
            "debug": self.debug,
            "log.format": self.log_format,
            "project.name": self.project_name,
            "database.uri": None if self.uri is None else redact_uri(self.uri),
            "database.name": self.database_name,
            "database.server_selection_timeout_seconds": self.server_selection_timeout_seconds,
            "server.mongod": self.mongod,
            "server.tcp": self.embedded_tcp,
            "server.idle_seconds": self.embedded_idle_seconds,
            "lock.lease_seconds": self.lock_lease_seconds,
            "lock.timeout_seconds": self.lock_timeout_seconds,
            "indexes.undeclared": self.undeclared_indexes,
            "backups.allow_production": self.allow_production_backups,
            "backups.s3_endpoint_url": self.s3_endpoint_url,
            **{f"backups.retention.keep_{name}": value for name, value in asdict(self.keep_rules).items()},
            "backups.max_age": self.max_backup_age,
            "backups.codec": self.backup_codec,
            "backups.recipients": ", ".join(self.backup_recipients) or None,
            **{f"directories.{name}": str(path) for name, path in self._directories.items()},
        }
        return [SettingValue(key, shown.get(key), self._origins[key]) for key in OPTIONS]

    def _directory(self, name: str) -> Path:
        if name not in self._directories:
            self.require_project()
        return self._directories[name]
