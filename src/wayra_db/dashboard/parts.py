"""The parts of the page: what each is read from, and how often. Everything comes through the project."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db import audit, locking
from wayra_db.dashboard import live
from wayra_db.dashboard.findings import for_page
from wayra_db.dashboard.growth import Growth
from wayra_db.dashboard.rates import Rates
from wayra_db.errors import CancelledError, ConnectionFailedError, WayraError
from wayra_db.mongo.errors import translated

if TYPE_CHECKING:
    from wayra_db.health import Status
    from wayra_db.mongo.client import Deployment
    from wayra_db.project import Project

SHAPES = 20
ENTRIES = 15
AWAY_SECONDS = 5.0

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: `read` gives its data, no more often than every `every_seconds`."""

    name: str
    every_seconds: float
    read: Callable[[], Data]


class Parts:
    """The readers of one project; what they remember between two reads is here."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._rates = Rates()
        self._growth = Growth()
        self._away: WayraError | None = None
        self._away_until = 0.0

    def all(self) -> tuple[Part, ...]:
        """In the order of their first appearance on the page."""
        return (
            Part("live", 1, self.live),
            Part("work", 1, self.work),
            Part("status", 10, self.status),
            Part("migrations", 2, self.migrations),
            Part("backups", 10, self.backups),
            Part("indexes", 30, self.indexes),
            Part("queries", 30, self.queries),
            Part("history", 5, self.history),
        )

    def _deployment(self) -> Deployment:
        """The database, if it answers. One that does not is asked again after a while only: each part would wait for
        it, one after the other.
        """
        if self._away is not None and time.monotonic() < self._away_until:
            raise self._away
        try:
            deployment = self._project.deployment
            with translated(deployment.address):
                deployment.client.admin.command("ping")
        except ConnectionFailedError as error:
            self._away, self._away_until = error, time.monotonic() + AWAY_SECONDS
            raise
        self._away = None
        return deployment

    def live(self) -> Data:
        """Rates, connections and memory of the server."""
        return self._rates.add(live.read_server(self._deployment()))

    def work(self) -> Data:
        """Who is at work, and how far: the lock, index builds, batches, backups being written."""
        project = self._project
        return _each(
            lock=lambda: _plain(locking.read_state(self._deployment())),
            builds=lambda: live.read_builds(self._deployment()),
            batches=lambda: live.read_batches(self._deployment()),
            backups=lambda: live.read_unfinished(project.settings.backups_dir, project.backup_keeper.leftovers()),
        )

    def status(self) -> Data:
        """The verdict with its reasons, drift, seeds, and the collections with their growth."""
        self._deployment()
        found: Status = self._project.status()
        plain = found.to_dict()
        plain["findings"] = for_page(plain["findings"])
        if plain["collections"] is not None:
            plain["collections"] = self._growth.add(time.monotonic(), plain["collections"])
        for shown_elsewhere in ("migrations", "backups", "lock"):
            plain.pop(shown_elsewhere, None)
        return plain

    def migrations(self) -> Data:
        """Each version with its state and time."""
        self._deployment()
        return {"migrations": [one.to_dict() for one in self._project.migrations.status()]}

    def backups(self) -> Data:
        """The backups in the folder, the newest first, with what is known of their verification."""
        return {"backups": [one.to_dict() for one in self._project.backup_keeper.list()]}

    def indexes(self) -> Data:
        """Use and size of each live index, and what speaks against some."""
        self._deployment()
        return self._project.indexes.usage().to_dict()

    def queries(self) -> Data:
        """The costliest shapes that the profiler has recorded, without values."""
        self._deployment()
        advisor = self._project.indexes.advisor
        recorded = advisor.recorded()
        state = self._project.indexes.profiler.state()
        shapes = advisor.shapes(recorded) if recorded.operations else ()
        return {
            "recorded": recorded.to_dict(),
            "profiler": state.to_dict(),
            "shapes": [one.to_dict() for one in shapes[:SHAPES]],
        }

    def history(self) -> Data:
        """The newest entries of the audit log, the newest first."""
        entries = audit.read_entries(self._deployment(), audit.Selection(), newest=ENTRIES)
        return {"entries": [_entry(one) for one in reversed(list(entries))]}


def _each(**readers: Callable[[], Any]) -> Data:
    """What each reader gives; of one that fails, why, and the others stand."""
    found: Data = {"unreadable": {}}
    for name, read in readers.items():
        try:
            found[name] = read()
        except CancelledError:
            raise
        except (WayraError, OSError) as error:
            found[name] = None
            found["unreadable"][name] = error.message if isinstance(error, WayraError) else str(error)
    return found


def _plain(state: locking.LockState | None) -> Data | None:
    return None if state is None else {**state.to_dict(), "held": state.held, "died": state.died}


_SHOWN = ("event", "name", "version", "direction", "seconds", "seed", "backup", "environment", "index", "collection")


def _entry(entry: Mapping[str, Any]) -> Data:
    """What an entry of the log tells of itself in one line."""
    shown = {key: entry[key] for key in _SHOWN if isinstance(entry.get(key), str | int | float)}
    who = entry.get("who") or {}
    return {**shown, "user": who.get("user"), "host": who.get("host"), "at": entry["at"].isoformat()}
