"""What a user's unit wrote, counted from the server's replies, and the first of its commands that was refused.

A seed's writes are also watched: which collections it wrote to, and the `_id`s of what it made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pymongo import monitoring

_WRITES = frozenset({"insert", "update", "delete", "findAndModify", "bulkWrite"})
_OWN = "_wayra_"

# The comment of inserts whose documents their writer notes by itself.
NOTED = "noted by wayra-db"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command and the code with which the server refused it; never its text, which may quote a document."""

    command: str
    code: int


@dataclass(slots=True)
class Counts:
    """Documents found and changed; `refused` is the first command of a transaction that was refused for good."""

    matched: int = 0
    modified: int = 0
    inserted: int = 0
    deleted: int = 0
    refused: Refusal | None = None

    def mark(self) -> Counts:
        """The counts as they are now, to come back to when a transaction is given up."""
        return replace(self)

    def back_to(self, mark: Counts) -> None:
        """Forget what was counted since `mark`, but not what was refused."""
        for name in ("matched", "modified", "inserted", "deleted"):
            setattr(self, name, getattr(mark, name))

    def since(self, mark: Counts) -> dict[str, int]:
        """What was counted since `mark`, where that is not zero."""
        before = mark.to_dict()
        changed = {name: number - before.get(name, 0) for name, number in self.to_dict().items()}
        return {name: number for name, number in changed.items() if number}

    def to_dict(self) -> dict[str, int]:
        """The counts that are not zero."""
        found = {
            "matched": self.matched,
            "modified": self.modified,
            "inserted": self.inserted,
            "deleted": self.deleted,
        }
        return {name: number for name, number in found.items() if number}


@dataclass(slots=True)
class Watched:
    """The collections of one database that were written to, and the `_id`s of the documents that were made in each.

    What aggregations write by `$out` and `$merge` is not seen, nor what a client's own `bulk_write` makes.
    """

    database: str
    collections: set[str] = field(default_factory=set)
    made: dict[str, list[Any]] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget it: a transaction is tried once more."""
        self.collections.clear()
        self.made.clear()


class WriteTally(monitoring.CommandListener):
    """A listener that counts only inside `counting()`, and never the tool's own writes."""

    def __init__(self) -> None:
        self._counts: Counts | None = None
        self._pending: set[int] = set()
        self._in_transaction: set[int] = set()
        self._watched: Watched | None = None
        self._inserting: dict[int, list[Any]] = {}
        self._target: dict[int, str] = {}

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Count what is written within the block, on whichever thread."""
        self._counts = counts = Counts()
        try:
            yield counts
        finally:
            self._counts = None
            self._pending.clear()
            self._in_transaction.clear()

    def so_far(self) -> dict[str, int]:
        """What was counted until now within `counting`."""
        return self._counts.to_dict() if self._counts else {}

    @contextmanager
    def watching(self, database: str) -> Iterator[Watched]:
        """Watch what is written to a database within the block, on whichever thread; also counts only in `counting`."""
        self._watched = watched = Watched(database)
        try:
            yield watched
        finally:
            self._watched = None
            self._inserting.clear()
            self._target.clear()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Remember the writes that are the user's."""
        target = str(event.command.get(event.command_name, ""))
        if self._counts is not None and not target.startswith(_OWN):
            self._pending.add(event.request_id)
            if event.command.get("autocommit") is False:
                self._in_transaction.add(event.request_id)
            self._watch(event, target)

    def _watch(self, event: monitoring.CommandStartedEvent, target: str) -> None:
        watched = self._watched
        if watched is None or event.command_name not in _WRITES or event.database_name != watched.database:
            return
        self._target[event.request_id] = target
        if event.command_name == "insert" and event.command.get("comment") != NOTED:
            self._inserting[event.request_id] = [one["_id"] for one in event.command["documents"]]

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Add what a write's reply says."""
        if event.request_id not in self._pending:
            return
        inside = self._ended(event.request_id)
        counts, reply = self._counts, event.reply
        if counts is None or event.command_name not in _WRITES:
            return
        self._note(event.request_id, event.command_name, reply)
        if inside and (errors := reply.get("writeErrors")):
            counts.refused = counts.refused or Refusal(event.command_name, errors[0]["code"])
        _add(counts, event.command_name, reply)

    def _note(self, request: int, command: str, reply: Mapping[str, Any]) -> None:
        target, inserting = self._target.pop(request, None), self._inserting.pop(request, [])
        if self._watched is None or target is None:
            return
        self._watched.collections.add(target)
        if made := _made(inserting, command, reply):
            self._watched.made.setdefault(target, []).extend(made)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Remember the first failure that trying again cannot help."""
        if event.request_id not in self._pending:
            return
        inside = self._ended(event.request_id)
        self._inserting.pop(event.request_id, None)
        self._target.pop(event.request_id, None)
        code, labels = event.failure.get("code"), event.failure.get("errorLabels", ())
        if self._counts is not None and inside and code is not None and "TransientTransactionError" not in labels:
            self._counts.refused = self._counts.refused or Refusal(event.command_name, code)

    def _ended(self, request_id: int) -> bool:
        """A command is answered; whether it was one of a transaction."""
        inside = request_id in self._in_transaction
        self._pending.discard(request_id)
        self._in_transaction.discard(request_id)
        return inside


def _made(inserting: list[Any], command: str, reply: Mapping[str, Any]) -> list[Any]:
    """The `_id`s of what a write has made."""
    if command == "insert":
        refused = {one["index"] for one in reply.get("writeErrors", ())}
        return [identifier for number, identifier in enumerate(inserting) if number not in refused]
    if command == "update":
        return [one["_id"] for one in reply.get("upserted", ())]
    if command == "findAndModify":
        outcome = reply.get("lastErrorObject") or {}
        return [outcome["upserted"]] if "upserted" in outcome else []
    return []


def _add(counts: Counts, command: str, reply: Mapping[str, Any]) -> None:
    number = int(reply.get("n", 0))
    match command:
        case "insert":
            counts.inserted += number
        case "delete":
            counts.deleted += number
        case "update":
            upserted = len(reply.get("upserted", ()))
            counts.matched += number - upserted
            counts.modified += int(reply.get("nModified", 0))
            counts.inserted += upserted
        case "findAndModify":
            _add_one(counts, reply.get("lastErrorObject") or {})
        case "bulkWrite":
            counts.inserted += int(reply.get("nInserted", 0)) + int(reply.get("nUpserted", 0))
            counts.matched += int(reply.get("nMatched", 0))
            counts.modified += int(reply.get("nModified", 0))
            counts.deleted += int(reply.get("nDeleted", 0))


def _add_one(counts: Counts, outcome: Mapping[str, Any]) -> None:
    if "updatedExisting" not in outcome:
        counts.deleted += int(outcome.get("n", 0))
    elif outcome["updatedExisting"]:
        counts.matched += 1
        counts.modified += 1
    elif "upserted" in outcome:
        counts.inserted += 1
