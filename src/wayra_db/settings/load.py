"""Merging the sources into `Settings`: flag > environment variable > file, for this environment first > default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wayra_db.environment import Environment
from wayra_db.errors import ConfigError
from wayra_db.settings.file import Layer, ProjectFile, find_project_file, read_project_file
from wayra_db.settings.model import KeepRules, Origin, OriginKind, Settings
from wayra_db.settings.options import OPTIONS, Kind, Option, nearest_name
from wayra_db.settings.uri import database_in_uri, database_name_problem

KEEP = "backups.retention.keep_"
_DEFAULT = Origin(OriginKind.DEFAULT)


def load_settings(
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> Settings:
    """Merge and check all sources.

    `flags` maps keys of `OPTIONS` to values; None means not given, while false and 0 are values and win. `environ` is
    what the program was started with; an empty variable counts as unset. `start` is where the search for the project's
    `wayra-db.toml` begins, upwards; without it there is no project. Reads that file and looks at folders; writes
    nothing. Raises ConfigError, which names the source and the key.
    """
    environ = environ or {}
    file = None if start is None else find_project_file(start)
    content = ProjectFile() if file is None else read_project_file(file)
    project_dir = None if file is None else file.parent
    outside = [_from_flags(flags or {}), _from_variables(environ)]
    defaults = {key: (option.default, _DEFAULT) for key, option in OPTIONS.items()}

    environment = Environment(_first("environment", [*outside, defaults])[0])
    layers = [*outside, content.environments.get(environment, {}), content.base]
    found = {key: _first(key, [*layers, defaults]) for key in OPTIONS}
    if found["project.name"][0] is None:
        found["project.name"] = (project_dir.name if project_dir and project_dir.name else "app", _DEFAULT)
    found["database.name"] = _database_name(layers, found["project.name"][0], environment)

    value = {key: chosen for key, (chosen, _) in found.items()}
    return Settings(
        environment=environment,
        debug=value["debug"],
        log_format=value["log.format"],
        project_name=value["project.name"],
        project_dir=project_dir,
        database_name=value["database.name"],
        uri=value["database.uri"],
        server_selection_timeout_seconds=value["database.server_selection_timeout_seconds"],
        mongod=_mongod(*found["server.mongod"]),
        embedded_tcp=value["server.tcp"],
        embedded_idle_seconds=value["server.idle_seconds"],
        lock_lease_seconds=value["lock.lease_seconds"],
        lock_timeout_seconds=value["lock.timeout_seconds"],
        undeclared_indexes=value["indexes.undeclared"],
        allow_production_backups=value["backups.allow_production"],
        s3_endpoint_url=value["backups.s3_endpoint_url"],
        keep_rules=KeepRules(
            **{
                key.removeprefix(KEEP): chosen
                for key, chosen in value.items()
                if key.startswith(KEEP) and chosen is not None
            }
        ),
        max_backup_age=value["backups.max_age"],
        backup_codec=value["backups.codec"],
        backup_recipients=_recipients(value["backups.recipients"], project_dir),
        _directories={
            key.partition(".")[2]: folder
            for key, option in OPTIONS.items()
            if option.kind is Kind.FOLDER and (folder := _folder(key, *found[key], project_dir)) is not None
        },
        _origins={key: origin for key, (_, origin) in found.items()},
    )


def _from_flags(flags: Mapping[str, object]) -> Layer:
    layer: dict[str, tuple[Any, Origin]] = {}
    for key, given in flags.items():
        option = OPTIONS.get(key)
        if option is None:
            nearest = nearest_name(key, list(OPTIONS))
            raise ConfigError(f"{key} is no setting", key=key, hint=f"Did you mean {nearest}?" if nearest else "")
        if given is not None:
            origin = Origin(OriginKind.FLAG, option.flag or key)
            layer[key] = (_accepted(option, given, origin), origin)
    return layer


def _from_variables(environ: Mapping[str, str]) -> Layer:
    layer: dict[str, tuple[Any, Origin]] = {}
    for key, option in OPTIONS.items():
        text = environ.get(option.variable, "").strip()
        if text:
            origin = Origin(OriginKind.VARIABLE, option.variable)
            try:
                parsed = option.parse(text)
            except ValueError as error:
                raise _mistake(option, origin, str(error)) from None
            if parsed is not None:
                layer[key] = (parsed, origin)
    return layer


def _accepted(option: Option, given: object, origin: Origin) -> Any:
    try:
        return option.accept(given)
    except ValueError as error:
        raise _mistake(option, origin, str(error)) from None


def _mistake(option: Option, origin: Origin, problem: str) -> ConfigError:
    what = origin.name if origin.name == option.key else f"{origin.name} ({option.key})"
    return ConfigError(f"{what} {problem}", key=option.key, source=str(origin))


def _first(key: str, layers: Sequence[Layer]) -> tuple[Any, Origin]:
    return next(layer[key] for layer in layers if key in layer)


def _database_name(layers: Sequence[Layer], project_name: str, environment: Environment) -> tuple[str, Origin]:
    """The strongest source that names a database wins, be it by the name itself or by the path of its URI."""
    for layer in layers:
        if "database.name" in layer:
            return layer["database.name"]
        if "database.uri" in layer:
            uri, origin = layer["database.uri"]
            if name := database_in_uri(uri):
                if database_name_problem(name):
                    # The name stays unsaid: in a malformed URI it may be a piece of the password.
                    raise ConfigError(
                        f"{origin}: the URI's path names no valid database",
                        key="database.uri",
                        source=str(origin),
                        hint="Write mongodb://host:27017/database, with / ? @ : % in a password percent-encoded.",
                    )
                return name, origin
    return _default_database_name(project_name, environment), _DEFAULT


def _default_database_name(project_name: str, environment: Environment) -> str:
    suffix = "_test" if environment is Environment.TEST else ""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", project_name).strip("_")[: 63 - len(suffix)] or "app"
    return name + (suffix or ("_db" if database_name_problem(name) else ""))


def _mongod(mongod: str | None, origin: Origin) -> str | None:
    """A path that the file gives is seen from the file, not from where the command happens to run."""
    if mongod is not None and origin.path is not None and Path(mongod).name != mongod:
        return str(origin.path.parent / mongod)
    return mongod


def _recipients(text: str | None, project_dir: Path | None) -> tuple[str, ...]:
    """The recipients one by one; a file among them is seen from the project."""
    found = []
    for one in (part.strip() for part in (text or "").split(",")):
        is_file = one and not one.startswith(("age1", "ssh-")) and not Path(one).is_absolute()
        found.append(str(project_dir / one) if is_file and project_dir is not None else one)
    return tuple(one for one in found if one)


def _folder(key: str, text: str, origin: Origin, project_dir: Path | None) -> Path | None:
    """An absolute path as it is given, a relative one inside the project; None for one that has no project.

    A relative path that leaves the project, by `..` or through a link, is refused: whoever wants a folder elsewhere
    says so in full.
    """
    if Path(text).is_absolute():
        return Path(os.path.normpath(text))
    if project_dir is None:
        return None
    folder = project_dir / text
    if ".." in Path(text).parts or not folder.resolve().is_relative_to(project_dir.resolve()):
        raise ConfigError(
            f"{origin}: {key} leaves the project",
            key=key,
            source=str(origin),
            hint="A folder outside the project must be given as an absolute path.",
        )
    return folder
