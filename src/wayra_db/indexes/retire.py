"""An index is dropped in three steps: hidden, watched for queries that miss it, and only then dropped."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from wayra_db.environment import Action
from wayra_db.errors import CancelledError, IndexManagementError
from wayra_db.events import Notice, Progress, notify
from wayra_db.guard import Guard
from wayra_db.indexes import history
from wayra_db.indexes.canary import Counters, Window, between, why_needed
from wayra_db.indexes.counters import read_counters, read_uses
from wayra_db.indexes.history import Change, Record
from wayra_db.indexes.live import read_indexes
from wayra_db.indexes.spec import IndexDocument, definition, is_building, is_on_id
from wayra_db.meta import is_user_collection
from wayra_db.mongo.errors import translated
from wayra_db.mongo.members import Members, find_members

EVERY_SECONDS = 0.5
BASELINE_PART = 0.1
LONGEST_BASELINE_SECONDS = 60.0

Outcome = Literal["dropped", "needed", "in use"]


@dataclass(frozen=True, slots=True)
class RetireResult:
    """What became of an index; `reason` says why it stays."""

    collection: str
    name: str
    outcome: Outcome
    reason: str = ""
    definition: IndexDocument | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "collection": self.collection,
            "name": self.name,
            "outcome": self.outcome,
            "reason": self.reason,
        }


class Retirement:
    """The retirement of one index. The lock is held while something is changed, not while it is watched."""

    def __init__(
        self, guard: Guard, collection: str, name: str, *, is_declared: Callable[[IndexDocument], bool]
    ) -> None:
        self._guard = guard
        self._collection = collection
        self._name = name
        self._is_declared = is_declared

    def run(self, watch_seconds: float) -> RetireResult:
        """Hide the index, watch for so long, then drop it; 0 drops at once.

        Before it is hidden a tenth of that time, a minute at most, is spent on what is usual: an index that is used
        meanwhile stays as it is. While it is hidden, collection scans and slower reads on any member unhide it. A stop
        leaves it hidden, and the next call goes on. Its definition is kept. Raises RefusedError, IndexManagementError.
        """
        self._guard.require(Action.DROP_INDEXES)
        live = self._require_live()
        resumed = history.read_watched(self._guard.deployment, self._collection, self._name)
        if not watch_seconds:
            return self._drop(resumed)
        members = find_members(self._guard.deployment)
        baseline: dict[str, Window] = {}
        if not live.get("hidden"):
            baseline, uses = self._usual(members, watch_seconds)
            if uses:
                return RetireResult(self._collection, self._name, "in use", uses)
        record = self._hide(live, resumed)
        if reason := self._watch(members, baseline, watch_seconds):
            self._unhide(record, reason)
            return RetireResult(self._collection, self._name, "needed", reason)
        return self._drop(record)

    def _require_live(self) -> IndexDocument:
        if not is_user_collection(self._collection):
            message = f"{self._collection} is the tool's or the server's own, and so are its indexes"
            raise IndexManagementError(message, hint="Name an index of a collection of yours.")
        found = read_indexes(self._guard.deployment, [self._collection])[self._collection]
        live = next((one for one in found if one["name"] == self._name), None)
        namespace = f"{self._collection}.{self._name}"
        if live is None:
            there = ", ".join(one["name"] for one in found if not is_on_id(one)) or "none"
            raise IndexManagementError(
                f"there is no index {namespace}", hint=f"Indexes of {self._collection}: {there}."
            )
        if is_on_id(live):
            raise IndexManagementError(f"{namespace} is the server's own and stays", hint="Name another one.")
        if is_building(live):
            raise IndexManagementError(
                f"{namespace} is still being built", hint="Wait for it: wayra-db indexes plan shows how far it is."
            )
        if self._is_declared(live):
            raise IndexManagementError(
                f"{namespace} is declared, and the next `indexes apply` would build it again",
                hint=f"Take it out of the declaration of {self._collection} first.",
            )
        return live

    def _usual(self, members: Members, watch_seconds: float) -> tuple[dict[str, Window], str]:
        """What is usual on this collection while the index is there, and whether it is in use now."""
        if members.unreachable:
            message = f"{', '.join(members.unreachable)} cannot be reached, so queries there are not watched"
            notify(self._guard.observer, Notice(message, "warning"))
        seconds = min(watch_seconds * BASELINE_PART, LONGEST_BASELINE_SECONDS)
        counted, uses = self._counters(members), self._uses(members)
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds:
            self._pause(min(EVERY_SECONDS, seconds - elapsed))
        now, uses_now = self._counters(members), self._uses(members)
        windows = _windows(counted, now, time.monotonic() - started)
        for member, times in uses_now.items():
            if times > uses.get(member, times):
                return windows, f"used {times - uses[member]:,} times in {elapsed:.0f} s on {member}"
        return windows, ""

    def _counters(self, members: Members) -> dict[str, Counters]:
        return read_counters(self._guard.deployment, members, self._collection)

    def _uses(self, members: Members) -> dict[str, int]:
        return read_uses(self._guard.deployment, members, self._collection, self._name)

    def _hide(self, live: IndexDocument, resumed: Record | None) -> Record:
        with self._guard.changing(Action.DROP_INDEXES, "indexes retire") as lease:
            hidden = Change(self._collection, "hide", definition(live), {**definition(live), "hidden": True})
            record = resumed or history.ended(history.new_record("retire", lease.epoch, []), "watching", [hidden])
            lease.write({"event": "index hidden", "changes": [hidden.to_dict()]}, history.store(record))
            self._set_hidden(True)
            return record

    def _watch(self, members: Members, baseline: dict[str, Window], watch_seconds: float) -> str:
        counted = self._counters(members)
        if not counted:
            message = "no member tells what it counts, so nothing can be watched; the index is not dropped"
            raise IndexManagementError(message, hint="Grant the user clusterMonitor, or drop with --watch 0.")
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < watch_seconds:
            self._pause(min(EVERY_SECONDS, watch_seconds - elapsed))
            now = time.monotonic() - started
            windows = _windows(counted, self._counters(members), now)
            if reason := why_needed(baseline, windows):
                return reason
            task = f"watching {self._collection} without {self._name}"
            notify(self._guard.observer, Progress(task, min(int(now), int(watch_seconds)), int(watch_seconds), "s"))
        return ""

    def _pause(self, seconds: float) -> None:
        if self._guard.stop.wait(max(0.0, seconds)):
            try:
                self._guard.stop.check()
            except CancelledError as error:
                raise CancelledError(
                    f"{error.message}: {self._collection}.{self._name} is as it was left, hidden if it was hidden",
                    signal_name=error.signal_name,
                    hint=f"`wayra-db indexes retire {self._collection}.{self._name}` goes on; `wayra-db indexes undo` "
                    "unhides it.",
                ) from None

    def _unhide(self, record: Record, reason: str) -> None:
        # At once, before the lock is asked for: queries are slow now, and unhiding can do no harm.
        self._set_hidden(False)
        with self._guard.changing(Action.DROP_INDEXES, "indexes retire") as lease:
            event = {"event": "index needed, unhidden", "index": f"{self._collection}.{self._name}", "reason": reason}
            lease.write(event, history.store(history.ended(record, "done", [])))

    def _drop(self, record: Record | None) -> RetireResult:
        with self._guard.changing(Action.DROP_INDEXES, "indexes retire") as lease:
            live = self._require_live()
            if record is not None and not live.get("hidden"):
                raise IndexManagementError(
                    f"{self._collection}.{self._name} was unhidden by somebody while it was watched; it stays",
                    hint="Retire it again if that was a mistake.",
                )
            # An index that this retirement has hidden comes back visible, one that was hidden before comes back hidden.
            before = record.changes[0].before if record is not None else definition(live)
            change = Change(self._collection, "drop", before, None)
            record = record or history.new_record("retire", lease.epoch, [change])
            with self._guard.stop.protected():
                lease.write(
                    {"event": "index drop started", "changes": [change.to_dict()]},
                    history.store(history.ended(record, "running", [change])),
                )
                with translated(self._guard.deployment.address):
                    self._guard.deployment.metadata.command({"dropIndexes": self._collection, "index": self._name})
                lease.write(
                    {"event": "index dropped", "changes": [change.to_dict()]},
                    history.store(history.ended(record, "done", [change])),
                )
        return RetireResult(self._collection, self._name, "dropped", definition=before)

    def _set_hidden(self, hidden: bool) -> None:
        with translated(self._guard.deployment.address):
            self._guard.deployment.metadata.command(
                {"collMod": self._collection, "index": {"name": self._name, "hidden": hidden}}
            )


def split_namespace(namespace: str, collections: Collection[str]) -> tuple[str, str]:
    """`users.email_1` as collection and index. Both may hold dots, so it is a known collection where there is one."""
    parts = namespace.split(".")
    splits = [(".".join(parts[:number]), ".".join(parts[number:])) for number in range(1, len(parts))]
    if not splits or not all(splits[0]):
        raise IndexManagementError(f"{namespace!r} names no index", hint="Write COLLECTION.INDEX, as in users.email_1.")
    return next((split for split in reversed(splits) if split[0] in collections), splits[0])


def _windows(before: dict[str, Counters], after: dict[str, Counters], seconds: float) -> dict[str, Window]:
    return {name: between(counted, after[name], seconds) for name, counted in before.items() if name in after}
