"""The profiler of each member: switched on for a while, and always set back to what it was.

What it was is written into `_wayra_meta` before anything is switched, with the moment by which it must be set back. A
process that is killed leaves that record, and the next `wayra-db indexes profile ...` or `suggest` after that moment
sets it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from wayra_db import meta
from wayra_db.environment import Action, Environment
from wayra_db.errors import IndexManagementError, RefusedError, UnsupportedDeploymentError
from wayra_db.events import Notice, Progress, notify
from wayra_db.guard import Guard
from wayra_db.locking import Lease
from wayra_db.mongo import commands
from wayra_db.mongo.errors import translated
from wayra_db.mongo.members import Members, ask_each, find_members

KEY = "profiler"
PROFILE = "system.profile"
# 1 MB, which the server makes by itself, holds some hundred operations.
PROFILE_BYTES = 16_000_000
# A threshold below this records nearly everything.
SLOW_ENOUGH_MILLISECONDS = 10
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """How a member's profiler is set. `filter` is the server's own way to choose what is recorded."""

    level: int
    slow_milliseconds: int
    sample_rate: float = 1.0
    filter: Mapping[str, Any] | None = None

    def command(self) -> dict[str, Any]:
        """The command that sets it so."""
        return {
            "profile": self.level,
            "slowms": self.slow_milliseconds,
            "sampleRate": self.sample_rate,
            "filter": dict(self.filter) if self.filter else "unset",
        }


@dataclass(frozen=True, slots=True)
class ProfilerState:
    """The level of each member now, and by when who switched it on has promised to set it back; None for no promise."""

    levels: Mapping[str, int]
    unreachable: tuple[str, ...]
    switched_on: bool
    until: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "levels": [{"member": address, "level": level} for address, level in self.levels.items()],
            "unreachable": list(self.unreachable),
            "switchedOn": self.switched_on,
            "until": self.until.isoformat() if self.until else None,
        }


class Profiler:
    """Switches the profiler of a database on every member."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._deployment = guard.deployment

    def state(self) -> ProfilerState:
        """How it is set now. Two reads, and one a member; writes nothing."""
        settings, members = self._read()
        record = self._record()
        return ProfilerState(
            {address: one.level for address, one in settings.items()},
            members.unreachable,
            record is not None,
            record["until"] if record else None,
        )

    def on(self, *, level: int = 1, slow_milliseconds: int = 100, seconds: float | None = None) -> ProfilerState:
        """Switch it on for every member, for so long or until `off`; returns at once.

        Level 1 records what takes `slow_milliseconds` or more, which then is also the threshold of the servers' logs;
        level 2 records everything. Locks, and remembers first what it was. Raises RefusedError in production for
        everything, or nearly, and without a time; IndexManagementError when it was switched on already;
        UnsupportedDeploymentError on a sharded cluster.
        """
        everything = level == 2 or slow_milliseconds < SLOW_ENOUGH_MILLISECONDS
        action = Action.PROFILE_EVERYTHING if everything else Action.PROFILE
        if self._guard.environment is Environment.PRODUCTION and seconds is None and not everything:
            raise RefusedError(
                "the profiler without an end is refused in production: nothing was changed",
                rule=action.value,
                environment=self._guard.environment.value,
                allowed_by="Say for how long: --for 10m.",
            )
        if self._deployment.capabilities.sharded:
            raise UnsupportedDeploymentError(
                "a sharded cluster has no profiler that this connection reaches",
                needs="a replica set or a standalone server",
                found="a mongos",
                hint="Connect to each shard, or read a log: wayra-db indexes suggest --log FILE.",
            )
        with self._guard.changing(action, "indexes profile on") as lease:
            if self._record() is not None:
                raise IndexManagementError(
                    "the profiler is switched on already", hint="Switch it off first: wayra-db indexes profile off"
                )
            before, _ = self._read()
            until = None if seconds is None else self._now() + timedelta(seconds=seconds)
            lease.write(
                {"event": "profiler switched on", "level": level, "slowMilliseconds": slow_milliseconds},
                commands.replace(meta.COLLECTION, KEY, _remembered(before, until)),
            )
            self._make_room(before)
            for address in before:
                self._set(address, Setting(level, slow_milliseconds))
        return self.state()

    def off(self, *, forget: bool = False) -> ProfilerState:
        """Set every member back to what it was, or to off where nobody remembers; with `forget` drop what was recorded.

        Locks. A member that cannot be reached keeps its record, and the next call tries again.
        """
        with self._guard.changing(Action.PROFILE, "indexes profile off") as lease:
            record = self._record()
            if record is not None:
                self._restore(lease, record)
            else:
                settings, _ = self._read()
                for address, one in settings.items():
                    if one.level:
                        self._set(address, Setting(0, one.slow_milliseconds, one.sample_rate, one.filter))
            if forget:
                with translated(self._deployment.address):
                    self._deployment.metadata.drop_collection(PROFILE)
        return self.state()

    def record(
        self,
        *,
        seconds: float,
        level: int = 1,
        slow_milliseconds: int = 100,
        started: Callable[[ProfilerState], object] = lambda state: None,
    ) -> ProfilerState:
        """Switch it on, wait, and set it back: when the time is over, somebody else switches it off, or a stop is asked
        for. `started` is called once it records. Raises as `on`.
        """
        stop, switched = self._guard.stop, False
        try:
            # A stop that comes while it is being switched, or waited for, ends the wait and is no failure.
            with stop.protected():
                state = self.on(level=level, slow_milliseconds=slow_milliseconds, seconds=seconds)
                switched = True
                started(state)
                self._wait(seconds)
        finally:
            if switched:
                with stop.protected():
                    self._restore_if_recorded()
        return self.state()

    def _wait(self, seconds: float) -> None:
        end = self._now() + timedelta(seconds=seconds)
        while (left := (end - self._now()).total_seconds()) > 0 and self._record() is not None:
            done = int(seconds - left)
            notify(self._guard.observer, Progress("recording operations", done, int(seconds), "seconds"))
            if self._guard.stop.wait(min(POLL_SECONDS, left)):
                return

    def restore_if_overdue(self) -> bool:
        """Set it back when the time that was promised is over, as after a kill; tells whether it did. One read else."""
        record = self._record()
        if record is None or record["until"] is None or record["until"] > self._now():
            return False
        notify(self._guard.observer, Notice("the profiler was left on past its time; setting it back"))
        self._restore_if_recorded()
        return True

    def _restore_if_recorded(self) -> None:
        if self._record() is None:
            return
        with self._guard.changing(Action.PROFILE, "indexes profile off") as lease:
            record = self._record()
            if record is not None:
                self._restore(lease, record)

    def _restore(self, lease: Lease, record: Mapping[str, Any]) -> None:
        """Set back the members that can be reached, then forget the record, or what of it is done."""
        left: dict[str, Setting] = {}
        for one in record["members"]:
            setting = Setting(one["level"], one["slowMilliseconds"], one["sampleRate"], _parsed(one["filter"]))
            if not self._set(one["address"], setting):
                left[one["address"]] = setting
        if left:
            lease.write(
                {"event": "profiler set back", "unreachable": sorted(left)},
                commands.replace(meta.COLLECTION, KEY, _remembered(left, record["until"])),
            )
            notify(
                self._guard.observer,
                Notice(f"not reached, and so left as they are: {', '.join(sorted(left))}. Try again later", "warning"),
            )
        else:
            lease.write(
                {"event": "profiler set back"},
                {"delete": meta.COLLECTION, "deletes": [{"q": {"_id": KEY}, "limit": 1}]},
            )

    def _set(self, address: str, setting: Setting) -> bool:
        """Set one member; False when it cannot be reached."""
        database, command = self._deployment.database, setting.command()
        members = Members((address,) if address else ())
        answers, _ = ask_each(
            self._deployment,
            members,
            lambda preference: database.command(command, read_preference=preference),
        )
        return bool(answers)

    def _read(self) -> tuple[dict[str, Setting], Members]:
        database = self._deployment.database
        answers, members = ask_each(
            self._deployment,
            find_members(self._deployment),
            lambda preference: database.command({"profile": -1}, read_preference=preference),
        )
        return {address: _setting(reply) for address, reply in answers.items()}, members

    def _record(self) -> Mapping[str, Any] | None:
        with translated(self._deployment.address):
            return self._deployment.metadata[meta.COLLECTION].find_one({"_id": KEY})

    def _now(self) -> datetime:
        with translated(self._deployment.address):
            found: datetime = self._deployment.client.admin.command("hello")["localTime"]
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def _make_room(self, before: Mapping[str, Setting]) -> None:
        """Make the primary's `system.profile` before the server makes a small one; one that is there stays."""
        from pymongo.errors import OperationFailure

        if any(setting.level for setting in before.values()):
            return
        with translated(self._deployment.address):
            if self._deployment.metadata.list_collection_names(filter={"name": PROFILE}):
                return
            try:
                self._deployment.metadata.create_collection(PROFILE, capped=True, size=PROFILE_BYTES)
            except OperationFailure:
                notify(self._guard.observer, Notice("the profiler will keep 1 MB: a larger one was refused", "warning"))


def _setting(reply: Mapping[str, Any]) -> Setting:
    return Setting(int(reply["was"]), int(reply["slowms"]), float(reply.get("sampleRate", 1.0)), reply.get("filter"))


def _remembered(settings: Mapping[str, Setting], until: datetime | None) -> dict[str, Any]:
    return {
        "until": until,
        "members": [
            {
                "address": address,
                "level": one.level,
                "slowMilliseconds": one.slow_milliseconds,
                "sampleRate": one.sample_rate,
                "filter": _written(one.filter),
            }
            for address, one in settings.items()
        ],
    }


def _written(query: Mapping[str, Any] | None) -> str | None:
    """A filter as text: servers before 5.0 keep no field that begins with a dollar."""
    from bson.json_util import CANONICAL_JSON_OPTIONS, dumps

    return None if query is None else dumps(query, json_options=CANONICAL_JSON_OPTIONS)


def _parsed(text: str | None) -> Mapping[str, Any] | None:
    from bson.json_util import loads

    return None if text is None else loads(text)
