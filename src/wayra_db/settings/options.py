"""Every setting, declared once: its key in the file, its environment variable, its flag, its help, its default.

The command line builds its flags from this table, `config show` and the reference page list it, and the tests hold
them equal.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Any

from wayra_db.environment import Environment
from wayra_db.settings.uri import database_name_problem

_MOST = 1_000_000
_PERIOD = re.compile(r"([1-9]\d{0,4})([hdwmy])")
_DAYS = {"d": 1, "w": 7, "m": 31, "y": 366}
_CODECS = ("zstd", "gzip", "none")
_LONGEST_SECONDS = 1e9  # some thirty years, and within what the driver and the system accept


class Kind(Enum):
    """The kind of a setting's value; the value of each member says what is expected, for messages."""

    TEXT = "text"
    DATABASE_NAME = "the name of a database"
    ENVIRONMENT = "one of development, test, production"
    FOLDER = "a folder"
    SECONDS = "a number of seconds"
    COUNT = "a whole number of 0 or more"
    PERIOD = "a time like 12h, 30d, 8w, 6m or 1y"
    SWITCH = "true or false"
    UNDECLARED = "one of report, hide, drop"
    CODEC = "one of zstd, gzip, none"
    LOG_FORMAT = "one of auto, text, json"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    `key` is its place in the file; `zero` says what 0 seconds mean, and 0 is refused where it is empty; `default` None
    means that it is worked out. `parse_variable` reads the environment variable where the usual way does not fit.
    """

    key: str
    kind: Kind
    variable: str
    help: str
    default: str | float | bool | None = None
    flag: str = ""
    zero: str = ""
    secret: bool = False
    in_file: bool = True
    parse_variable: Callable[[str], object] | None = None

    def parse(self, text: str) -> Any:
        """The value that an environment variable's text stands for. Raises ValueError with what is expected."""
        if self.parse_variable is not None:
            return self.parse_variable(text)
        if self.kind is Kind.SWITCH:
            return _switch(text)
        if self.kind is Kind.COUNT:
            return self.accept(int(text) if re.fullmatch(r"\d{1,9}", text.strip()) else text)
        if self.kind is Kind.SECONDS:
            try:
                return self.accept(float(text))
            except ValueError:
                raise ValueError(self._expected()) from None
        return self.accept(text)

    def accept(self, value: object) -> Any:
        """`value` as this setting keeps it. Raises ValueError with what is expected; never repeats the value."""
        match self.kind, value:
            case Kind.SWITCH, bool():
                return value
            case Kind.SECONDS, (int() | float()) if not isinstance(value, bool):
                if 0 < value <= _LONGEST_SECONDS or (value == 0 and self.zero):
                    return float(value)
            case Kind.COUNT, int() if not isinstance(value, bool) and 0 <= value <= _MOST:
                return value
            case Kind.PERIOD, str() if _PERIOD.fullmatch(value.strip()):
                return value.strip()
            case Kind.ENVIRONMENT, str():
                return _environment(value)
            case Kind.UNDECLARED, str() if value.strip().lower() in ("report", "hide", "drop"):
                return value.strip().lower()
            case Kind.CODEC, str():
                if (name := value.strip().lower()) in _CODECS:
                    return name
            case Kind.LOG_FORMAT, str() if value.strip().lower() in ("auto", "text", "json"):
                return value.strip().lower()
            case Kind.DATABASE_NAME, str():
                if problem := database_name_problem(value):
                    raise ValueError(problem)
                return value
            case ((Kind.TEXT | Kind.FOLDER), (str() | PurePath())):
                text = str(value)
                if text.strip() and min(text) >= " ":
                    return text
        raise ValueError(self._expected())

    def _expected(self) -> str:
        if self.kind is Kind.SECONDS:
            return f"must be {self.kind.value} above 0" + (f", or 0: {self.zero}" if self.zero else "")
        return f"must be {self.kind.value}"


def period(text: str) -> timedelta:
    """The time that a PERIOD stands for; a month is 31 days and a year 366. Raises ValueError."""
    found = _PERIOD.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"must be {Kind.PERIOD.value}")
    number, unit = int(found[1]), found[2]
    return timedelta(hours=number) if unit == "h" else timedelta(days=number * _DAYS[unit])


def _switch(text: str) -> bool:
    match text.strip().lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
    raise ValueError("must be true or false")


def _environment(text: str) -> Environment:
    name = text.strip().lower()
    if name in tuple(Environment):
        return Environment(name)
    nearest = nearest_name(name, list(Environment))
    raise ValueError(f"must be {Kind.ENVIRONMENT.value}" + (f"; did you mean {nearest}?" if nearest else ""))


def _debug(text: str) -> bool | None:
    """DEBUG as in Node's `debug` package, where other programs are named too: None when it doesn't speak of us."""
    patterns = text.replace(",", " ").split()
    wanted = any(fnmatchcase("wayra:database", pattern) for pattern in patterns)
    excluded = any(fnmatchcase("wayra:database", pattern[1:]) for pattern in patterns if pattern.startswith("-"))
    return True if wanted and not excluded else None


def nearest_name(name: str, candidates: list[str]) -> str | None:
    """The candidate that `name` is most likely a slip for: it begins so, or is spelled nearly so."""
    beginning = [candidate for candidate in candidates if name and candidate.startswith(name)]
    close = beginning or difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    return close[0] if close else None


_ALL = (
    Option(
        "environment",
        Kind.ENVIRONMENT,
        "WAYRA_ENV",
        "The environment: development, test or production. It decides what is allowed.",
        default="development",
        flag="--env",
        in_file=False,
    ),
    Option(
        "debug",
        Kind.SWITCH,
        "DEBUG",
        "Show every server command and full tracebacks. The variable names programs: DEBUG=wayra:database.",
        default=False,
        flag="--debug",
        in_file=False,
        parse_variable=_debug,
    ),
    Option(
        "log.format",
        Kind.LOG_FORMAT,
        "WAYRA_LOG_FORMAT",
        "How the command line logs on stderr: text, json, or auto: JSON in production, unless that is a terminal.",
        default="auto",
        flag="--log-format",
        in_file=False,
    ),
    Option("project.name", Kind.TEXT, "WAYRA_PROJECT_NAME", "The project's name; otherwise that of its folder."),
    Option(
        "database.uri",
        Kind.TEXT,
        "MONGODB_URI",
        "Where MongoDB is. Without it, development and test use the embedded server.",
        flag="--uri",
        secret=True,
    ),
    Option(
        "database.name",
        Kind.DATABASE_NAME,
        "WAYRA_DATABASE",
        "The database; otherwise the one in the URI, otherwise the project's name (with _test in test).",
        flag="--database",
    ),
    Option(
        "database.server_selection_timeout_seconds",
        Kind.SECONDS,
        "WAYRA_SERVER_SELECTION_TIMEOUT",
        "How long to look for a server that answers.",
        default=3.0,
        flag="--server-selection-timeout",
    ),
    Option(
        "server.mongod",
        Kind.TEXT,
        "WAYRA_MONGOD",
        "The mongod binary of the embedded server; otherwise it is searched for.",
        flag="--mongod",
    ),
    Option(
        "server.tcp",
        Kind.SWITCH,
        "WAYRA_SERVER_TCP",
        "Let the embedded server listen on a loopback port too, for graphical clients.",
        default=False,
    ),
    Option(
        "server.idle_seconds",
        Kind.SECONDS,
        "WAYRA_SERVER_IDLE",
        "Stop the embedded server when nobody has used it for so long.",
        default=1800.0,
        zero="never stop it",
    ),
    Option(
        "lock.lease_seconds",
        Kind.SECONDS,
        "WAYRA_LOCK_LEASE",
        "How long the lock outlives a runner that died.",
        default=10.0,
    ),
    Option(
        "lock.timeout_seconds",
        Kind.SECONDS,
        "WAYRA_LOCK_TIMEOUT",
        "How long to wait for another runner to finish.",
        default=60.0,
        flag="--lock-timeout",
        zero="do not wait",
    ),
    Option(
        "indexes.undeclared",
        Kind.UNDECLARED,
        "WAYRA_INDEXES_UNDECLARED",
        "What `indexes apply` does with live indexes that nobody declares: report, hide or drop them.",
        default="report",
    ),
    Option(
        "backups.allow_production",
        Kind.SWITCH,
        "WAYRA_BACKUPS_ALLOW_PRODUCTION",
        "Whether production may be backed up at all; each backup then still asks for --allow-production.",
        default=False,
    ),
    Option(
        "backups.max_age",
        Kind.PERIOD,
        "WAYRA_BACKUPS_MAX_AGE",
        "How old the newest backup may be before `status` and `doctor` warn. Like 12h, 1d or 1w.",
        default="1d",
    ),
    Option(
        "backups.codec",
        Kind.CODEC,
        "WAYRA_BACKUPS_CODEC",
        "How backups are compressed; mongorestore reads those made with gzip or none.",
        default="zstd",
    ),
    Option(
        "backups.recipients",
        Kind.TEXT,
        "WAYRA_BACKUPS_RECIPIENTS",
        "Whom backups are encrypted to: age recipients (age1...) or files of them, separated by commas.",
    ),
    Option(
        "backups.s3_endpoint_url",
        Kind.TEXT,
        "WAYRA_S3_ENDPOINT_URL",
        "Where another S3 than Amazon's answers, for backups in s3://; keys come from the usual AWS variables.",
    ),
    *(
        Option(f"backups.retention.keep_{name}", Kind.COUNT, f"WAYRA_KEEP_{name.upper()}", f"`backup prune`: {help}")
        for name, help in (
            ("last", "how many of the newest backups stay."),
            ("daily", "for how many days with a backup the newest of each stays."),
            ("weekly", "for how many weeks with a backup the newest of each stays."),
            ("monthly", "for how many months with a backup the newest of each stays."),
            ("yearly", "for how many years with a backup the newest of each stays."),
        )
    ),
    Option(
        "backups.retention.keep_within",
        Kind.PERIOD,
        "WAYRA_KEEP_WITHIN",
        "`backup prune`: backups that are younger than the newest by no more stay. Like 12h, 30d, 8w, 6m or 1y.",
    ),
    Option(
        "backups.retention.keep_automatic",
        Kind.COUNT,
        "WAYRA_KEEP_AUTOMATIC",
        "`backup prune`: how many stay of the backups that are made before a reset, restore or migration.",
        default=5,
    ),
    Option(
        "directories.collections",
        Kind.FOLDER,
        "WAYRA_COLLECTIONS_DIR",
        "Where the collection declarations are.",
        default="collections",
    ),
    Option(
        "directories.migrations",
        Kind.FOLDER,
        "WAYRA_MIGRATIONS_DIR",
        "Where the migrations are.",
        default="migrations",
    ),
    Option(
        "directories.seeds",
        Kind.FOLDER,
        "WAYRA_SEEDS_DIR",
        "Where the seeds are.",
        default="scripts/seeds",
    ),
    Option(
        "directories.backups",
        Kind.FOLDER,
        "WAYRA_BACKUPS_DIR",
        "Where backups go.",
        default="backups",
    ),
)

OPTIONS: Mapping[str, Option] = {option.key: option for option in _ALL}
