"""The settings as they came out, each with where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from wayra_db.environment import Action, Allowed, Environment, check
from wayra_db.errors import ConfigError
from wayra_db.settings.options import OPTIONS
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


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that was configured, checked and typed. Made by `load_settings`.

    `uri` holds the password and is therefore left out of `repr`; show `address`. `project_dir` is None outside a
    project, and the folders are then an error to ask for.
    """

    environment: Environment
    debug: bool
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
    _directories: Mapping[str, Path] = field(default_factory=dict, repr=False)
    _origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)

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
            **{f"directories.{name}": str(path) for name, path in self._directories.items()},
        }
        return [SettingValue(key, shown.get(key), self._origins[key]) for key in OPTIONS]

    def _directory(self, name: str) -> Path:
        if name not in self._directories:
            self.require_project()
        return self._directories[name]
