"""Names that become paths: of backups, which people choose, and of collections, which the server allows almost any."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from urllib.parse import quote, unquote

from wayra_db.errors import ConfigError

BACKUP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
# What mongodump leaves as it is (Go's url.PathEscape) beside letters and digits.
PLAIN = "-_.~$&+:=@"
LONGEST = 238
TRUNCATED = 208


def require_backup_name(name: str) -> str:
    """The name, if it can be one of a folder and of nothing else. Raises ConfigError."""
    if not BACKUP_NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a backup",
            key="name",
            hint="Use letters, digits, `_`, `-` and `.`, at most 128, the first a letter, a digit or `_`.",
        )
    return name


def default_name(database: str, now: datetime) -> str:
    """`wayra_20261125T021500Z`: sorts by time."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", database).lstrip("-") or "backup"
    return f"{stem[:100]}_{now:%Y%m%dT%H%M%SZ}"


def file_stem(collection: str) -> str:
    """The name of a collection's files without their endings, as mongodump has it."""
    escaped = quote(collection, safe=PLAIN)
    if len(escaped) <= LONGEST:
        return escaped
    digest = hashlib.sha1(collection.encode(), usedforsecurity=False).digest()
    return f"{escaped[:TRUNCATED]}%24{base64.urlsafe_b64encode(digest).decode()}"


def collection_of(stem: str) -> str | None:
    """The collection whose files have this stem; None for one whose name was cut, which only its metadata tells."""
    cut = len(stem) > TRUNCATED and stem[TRUNCATED : TRUNCATED + 3] == "%24"
    return None if cut else unquote(stem)
