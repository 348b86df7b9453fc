"""What a user's unit wrote, counted from the server's replies, and the first of its commands that was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pymongo import monitoring

_WRITES = frozenset({"insert", "update", "delete", "findAndModify", "bulkWrite"})
_OWN = "_wayra_"


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

    def to_dict(self) -> dict[str, int]:
        """The counts that are not zero."""
        found = {
            "matched": self.matched,
            "modified": self.modified,
            "inserted": self.inserted,
            "deleted": self.deleted,
        }
        return {name: number for name, number in found.items() if number}


class WriteTally(monitoring.CommandListener):
    """A listener that counts only inside `counting()`, and never the tool's own writes."""

    def __init__(self) -> None:
        self._counts: Counts | None = None
        self._pending: set[int] = set()
        self._in_transaction: set[int] = set()

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

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Remember the writes that are the user's."""
        if self._counts is not None and not str(event.command.get(event.command_name, "")).startswith(_OWN):
            self._pending.add(event.request_id)
            if event.command.get("autocommit") is False:
                self._in_transaction.add(event.request_id)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Add what a write's reply says."""
        if event.request_id not in self._pending:
            return
        inside = self._ended(event.request_id)
        counts, reply = self._counts, event.reply
        if counts is None or event.command_name not in _WRITES:
            return
        if inside and (errors := reply.get("writeErrors")):
            counts.refused = counts.refused or Refusal(event.command_name, errors[0]["code"])
        _add(counts, event.command_name, reply)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Remember the first failure that trying again cannot help."""
        if event.request_id not in self._pending:
            return
        inside = self._ended(event.request_id)
        code, labels = event.failure.get("code"), event.failure.get("errorLabels", ())
        if self._counts is not None and inside and code is not None and "TransientTransactionError" not in labels:
            self._counts.refused = self._counts.refused or Refusal(event.command_name, code)

    def _ended(self, request_id: int) -> bool:
        """A command is answered; whether it was one of a transaction."""
        inside = request_id in self._in_transaction
        self._pending.discard(request_id)
        self._in_transaction.discard(request_id)
        return inside


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
