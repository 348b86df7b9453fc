"""Where recorded operations come from: the profiler, the server's log, `$queryStats`. Reads only."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, cast

from wayra_db.errors import IndexManagementError, UnsupportedDeploymentError
from wayra_db.indexes.advice.operations import (
    OWN_APPLICATION,
    Operation,
    from_log,
    from_profile,
    from_query_stats,
)
from wayra_db.meta import is_user_collection
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated
from wayra_db.mongo.members import Members, ask_each, find_members

PROFILE = "system.profile"
# The first versions of each line with `$queryStats` (manual; 40324 and its like say that a server has none).
QUERY_STATS_SINCE = ((6, 0, 7), (7, 0, 12))
READ_AT_MOST = 200_000
NOBODY = Members(())


@dataclass(frozen=True, slots=True)
class Recorded:
    """Operations on the user's collections of one database, and where they came from.

    `unreadable` counts entries that could not be made out, such as lines that the server has cut short.
    """

    operations: tuple[Operation, ...]
    source: str
    members: Members = NOBODY
    unreadable: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the operations."""
        return {
            "source": self.source,
            "operations": len(self.operations),
            "unreadable": self.unreadable,
            "members": list(self.members.addresses),
            "unreachable": list(self.members.unreachable),
            "earliest": self.earliest.isoformat() if self.earliest else None,
            "latest": self.latest.isoformat() if self.latest else None,
        }


def read_profile(deployment: Deployment, since: datetime | None = None) -> Recorded:
    """What the profiler of each member has recorded. One read, and one a member."""
    query: dict[str, Any] = {"ns": {"$not": {"$regex": r"^[^.]*\.system\."}}, "appName": {"$ne": OWN_APPLICATION}}
    if since is not None:
        query["ts"] = {"$gte": since}
    # What a plan did in detail is large, and its bounds hold values.
    projection = {"execStats": False, "locks": False, "flowControl": False, "readConcern": False, "storage": False}

    def ask(preference: Any) -> list[dict[str, Any]]:
        collection = deployment.database.get_collection(PROFILE, read_preference=preference)
        return list(collection.find(query, projection, sort=[("$natural", -1)], limit=READ_AT_MOST))

    answers, members = ask_each(deployment, find_members(deployment), ask)
    entries = [entry for answer in answers.values() for entry in answer]
    cut_short = sum("$truncated" in (entry.get("command") or ()) for entry in entries)
    return _recorded(deployment, map(from_profile, entries), "the profiler", members, cut_short)


def read_query_stats(deployment: Deployment) -> Recorded:
    """What `$queryStats` counts on the server that is asked: shapes without values, which cannot be proved.

    Raises UnsupportedDeploymentError where the server has none.
    """
    from pymongo.errors import OperationFailure

    version = deployment.capabilities.server_version
    if not has_query_stats(version):
        raise _without_query_stats(deployment.capabilities.version)
    pipeline: list[dict[str, Any]] = [
        {"$queryStats": {}},
        {"$match": {"key.queryShape.cmdNs.db": deployment.database_name}},
    ]
    with translated(deployment.address):
        try:
            entries = list(deployment.client.admin.aggregate(pipeline))
        except OperationFailure as error:
            if error.code in (40324, 115, 224, 238):
                raise _without_query_stats(deployment.capabilities.version) from error
            raise
    return _recorded(deployment, map(from_query_stats, entries), "$queryStats", NOBODY)


def has_query_stats(version: tuple[int, ...]) -> bool:
    """Whether servers of this version know `$queryStats`; it may still be switched off."""
    line = next((since for since in QUERY_STATS_SINCE if since[:2] == version[:2]), None)
    return version >= line if line else version >= (8, 0)


def _without_query_stats(version: str) -> UnsupportedDeploymentError:
    return UnsupportedDeploymentError(
        f"MongoDB {version} has no $queryStats here",
        needs="$queryStats: MongoDB 7.0.12, 8.0 or newer, with query stats switched on (Atlas from M10 on)",
        found=version,
        hint="Record with the profiler: wayra-db indexes profile on --for 10m. Or read a log: --log FILE.",
    )


def read_log(deployment: Deployment, path: Path) -> Recorded:
    """The slow queries in a mongod's log file, which may be gzipped; only this database's are taken.

    Raises IndexManagementError for a file that is no such log.
    """
    from bson.json_util import loads

    found: list[Iterator[Operation]] = []
    lines = unreadable = 0
    with _opened(path) as file:
        for line in file:
            lines += 1
            if '"Slow query"' not in line:
                continue
            try:
                entry = loads(line)
            except (ValueError, TypeError):  # a line that was cut short, or a value that no BSON type has
                unreadable += 1
                continue
            found.append(from_log(entry))
    if lines and not found and not unreadable and not _looks_like_a_log(path):
        raise IndexManagementError(
            f"{path} is no log of a mongod from 4.4 on: its lines are not JSON",
            hint="Name the file that mongod writes (systemLog.path), as it is or gzipped.",
        )
    return _recorded(deployment, iter(found), f"the log {path.name}", NOBODY, unreadable)


def _looks_like_a_log(path: Path) -> bool:
    with _opened(path) as file:
        return file.readline().startswith('{"t":')


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "rt", encoding="utf-8", errors="replace"))
    return path.open(encoding="utf-8", errors="replace")


def _recorded(
    deployment: Deployment,
    parsed: Iterator[Iterator[Operation]],
    source: str,
    members: Members,
    unreadable: int = 0,
) -> Recorded:
    operations: list[Operation] = []
    for found in parsed:
        operations += [
            one for one in found if one.database == deployment.database_name and is_user_collection(one.collection)
        ]
    moments = [one.at for one in operations if one.at is not None]
    return Recorded(
        tuple(operations),
        source,
        members,
        unreadable,
        min(moments, default=None),
        max(moments, default=None),
    )
