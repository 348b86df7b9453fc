"""Bringing what was loaded to one moment: the slice of the oplog that came with a backup is applied to it.

The server applies the operations itself, by `applyOps`, so that they mean exactly what they meant when they were
written. Applied again they change nothing. What this supports: inserts, updates and deletes, alone and in transactions.
A slice in which a collection was dropped, renamed or emptied brings nothing to one moment, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wayra_db.backups.documents import split
from wayra_db.backups.source import Chunk
from wayra_db.errors import BackupError
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import UNAUTHORIZED, translated

if TYPE_CHECKING:
    from bson.raw_bson import RawBSONDocument

MOST_OPERATIONS = 500
MOST_BYTES = 4 * 1024 * 1024

Operation = Mapping[str, Any]

# Commands that leave the documents of a collection as they are.
HARMLESS = frozenset(
    {"create", "createIndexes", "startIndexBuild", "commitIndexBuild", "abortIndexBuild", "dropIndexes", "collMod"}
)


def replay(
    deployment: Deployment, chunks: Iterator[Chunk], database: str, names: Mapping[str, str], step: Callable[[], None]
) -> int:
    """Apply the operations on the collections of `database` that `names` maps to others; returns how many.

    `names` has the raw name of each collection, `system.buckets.x` for a time series. `step` is called between batches
    and may raise. Raises BackupError for what cannot be applied.
    """
    renamed = {f"{database}.{old}": f"{deployment.database_name}.{new}" for old, new in names.items()}
    batch: list[Operation] = []
    done = size = 0
    for operation, length in operations(_documents(chunks), database, set(names)):
        if (namespace := renamed.get(operation["ns"])) is None:
            continue
        kept = {key: operation[key] for key in ("op", "o", "o2") if key in operation}
        batch.append({"op": kept.pop("op"), "ns": namespace, **kept})
        size += length
        if len(batch) >= MOST_OPERATIONS or size >= MOST_BYTES:
            step()
            _apply(deployment, batch)
            done, size, batch = done + len(batch), 0, []
    if batch:
        step()
        _apply(deployment, batch)
    return done + len(batch)


def operations(
    entries: Iterator[tuple[Mapping[str, Any], int]], database: str, collections: set[str]
) -> Iterator[tuple[Operation, int]]:
    """The single operations of a slice with their size; those of a transaction come when it commits. Pure.

    Raises BackupError for a command that changes which documents one of `collections` has.
    """
    open_transactions: dict[tuple[Any, Any], list[Operation]] = {}
    for entry, size in entries:
        kind = entry["op"]
        if kind in ("i", "u", "d"):
            yield entry, size
        elif kind == "c":
            command = entry["o"]
            name = next(iter(command))
            whose = (_key(entry.get("lsid")), entry.get("txnNumber"))
            if name == "applyOps":
                inner = [*open_transactions.pop(whose, []), *command["applyOps"]]
                if command.get("partialTxn") or command.get("prepare"):
                    open_transactions[whose] = inner
                    continue
                for one in inner:
                    yield one, max(1, size // max(1, len(inner)))
            elif name == "commitTransaction":
                for one in open_transactions.pop(whose, []):
                    yield one, size
            elif name == "abortTransaction":
                open_transactions.pop(whose, None)
            elif name not in HARMLESS and _concerns(entry, name, database, collections):
                raise BackupError(
                    f"{name} ran on {database} while the backup was taken, so it cannot be brought to one moment; "
                    "nothing was replaced",
                    hint="Take another backup, or use an older one.",
                )


def _concerns(entry: Mapping[str, Any], name: str, database: str, collections: set[str]) -> bool:
    if entry["ns"].partition(".")[0] != database and name != "renameCollection":
        return False
    if name == "dropDatabase":
        return True
    value = str(entry["o"][name])
    touched = {value.removeprefix(f"{database}."), str(entry["o"].get("to", "")).removeprefix(f"{database}.")}
    return bool(touched & collections)


def _key(value: Any) -> Any:
    return repr(value) if isinstance(value, Mapping) else value


def _documents(chunks: Iterator[Chunk]) -> Iterator[tuple[RawBSONDocument, int]]:
    from bson.raw_bson import RawBSONDocument

    for chunk in chunks:
        data = bytes(chunk.data)
        for start, end in split(data):
            yield RawBSONDocument(data[start:end]), end - start


def _apply(deployment: Deployment, batch: Sequence[Operation]) -> None:
    from pymongo.errors import OperationFailure

    with translated(deployment.address):
        try:
            deployment.client.admin.command({"applyOps": list(batch)})
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                raise BackupError(
                    "the user may not apply the operations that bring the backup to one moment (applyOps); nothing was "
                    "replaced",
                    hint="Restore as a user whose role has `anyAction` on `anyResource`.",
                ) from error
            raise
