"""What a copy of the database consists of, found out before anything is written, and how its documents are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from wayra_db.backups import definitions as catalog
from wayra_db.backups import oplog
from wayra_db.backups.definitions import Definition
from wayra_db.backups.manifest import LeftOut
from wayra_db.backups.moment import MOVED, Moment, Reached, choose_moment
from wayra_db.backups.policy import masks_of, select
from wayra_db.backups.redact import Masker
from wayra_db.backups.streaming import MovedError, Sink, Source, Streaming, make_sources
from wayra_db.errors import BackupError
from wayra_db.events import Notice, Progress, notify
from wayra_db.guard import Guard
from wayra_db.mongo.client import Deployment
from wayra_db.schema.collection import Collection

HISTORY = "_wayra_migrations"
APPLIED = "applied"
ATTEMPTS = 3
# One's bytes are packed while the server works for the other. Each may hold a reply of 16 MB, and the driver a copy of
# it while it is received, so by default there are not more.
READERS = 2
_SETTLING_ATTEMPTS = 10
_BUCKETS_REASON = "a time series with sensitive fields: its buckets can only be copied whole"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which collections are meant, whether sensitive fields are left out, and how many cursors read side by side."""

    only: Sequence[str] | None
    exclude: Sequence[str]
    redact: bool
    readers: int
    declared: Sequence[Collection]


@dataclass(frozen=True, slots=True)
class Survey:
    """The database as it is at the moment of the copy; `size` in bytes, as the server believes.

    `everything` is also what is not copied.
    """

    everything: tuple[Definition, ...]
    definitions: tuple[Definition, ...]
    left_out: tuple[LeftOut, ...]
    sources: tuple[Source, ...]
    moment: Moment
    beginning: oplog.Beginning
    redacted: bool
    redactions: Mapping[str, Mapping[str, str]]
    size: int


def survey(deployment: Deployment, wish: Wish, masker: Masker) -> Survey:
    """Look at the database. Reads only: two lists of collections, and three or four commands for each.

    Raises BackupError for a name that is not there and ConfigError for a sensitive path that cannot be masked.
    """
    definitions, moment, beginning = _settled(deployment)
    selection = select((one.name for one in definitions), only=wish.only, exclude=wish.exclude)
    chosen = tuple(one for one in definitions if one.name in selection.names)
    masks = masks_of(wish.declared, selection.names) if wish.redact else {}
    # Buckets hold the values in columns, compressed: no pipeline can leave some of them out.
    unmaskable = {one.name for one in chosen if one.kind == "timeseries" and one.name in masks}
    chosen = tuple(one for one in chosen if one.name not in unmaskable)
    masked = {name: paths for name, paths in masks.items() if name not in unmaskable}
    literal = deployment.capabilities.server_version >= (5, 0)
    redactions = {name: masker.redaction(paths, literal_names=literal) for name, paths in masked.items()}
    stats = catalog.read_stats(deployment, chosen)
    return Survey(
        everything=definitions,
        definitions=chosen,
        left_out=(*selection.left_out, *(LeftOut(name, _BUCKETS_REASON) for name in sorted(unmaskable))),
        sources=make_sources(deployment, chosen, stats, moment, redactions, readers=wish.readers),
        moment=moment,
        beginning=beginning,
        redacted=bool(masks),
        redactions={name: {path: mask.value for path, mask in paths.items()} for name, paths in masked.items()},
        size=sum(one.size for one in stats.values()),
    )


def _settled(deployment: Deployment) -> tuple[tuple[Definition, ...], Moment, oplog.Beginning]:
    """The definitions and the moment, with nothing created, dropped or changed between the two.

    Lists of collections and indexes cannot be read at a snapshot: what was the same before and after it, was so at it.
    """
    from pymongo.errors import OperationFailure

    before = catalog.read_definitions(deployment)
    for _ in range(_SETTLING_ATTEMPTS):
        try:
            moment = choose_moment(deployment, before)
        except OperationFailure as error:
            if error.code not in MOVED:
                raise
            before = catalog.read_definitions(deployment)
            continue
        beginning = oplog.find_beginning(deployment, moment)
        after = catalog.read_definitions(deployment)
        if catalog.same(before, after):
            return before, moment, beginning
        before = after
    raise BackupError(
        "collections are being created, changed or dropped all the time; nothing was written",
        hint="Run it again when no migration or restore is under way.",
    )


def read_all(
    guard: Guard, known: Survey, open_sink: Callable[[Definition], Sink[R]], masker: Masker, *, readers: int, task: str
) -> tuple[dict[str, R], Reached]:
    """Read everything into sinks; returns what each said when it was closed, and what consistency was reached.

    Reports progress in bytes and honours a request to stop. Raises MovedError when a collection is not what it was.
    """

    def look(done: int) -> None:
        # The size is the server's guess: it may be passed, and is not claimed to be reached before the end.
        notify(guard.observer, Progress(task, min(done, known.size), known.size, "bytes"))
        guard.stop.check()

    streaming = Streaming[R](guard.deployment, open_sink, readers=readers, masker=masker, on_look=look)
    capped = tuple(one for one in known.sources if one.moment.at is None and known.moment.at is not None)
    said, _ = streaming.run(capped)
    moment = _moment_after(guard.deployment, known) if capped else known.moment
    rest, late = streaming.run([replace(one, moment=moment) for one in known.sources if one not in capped])
    said |= rest
    if late:
        names = ", ".join(source.definition.name for source in late)
        text = f"the server's window for snapshots has ended; reading again as of now: {names}"
        notify(guard.observer, Notice(text, "warning"))
        rest, _ = streaming.run([source.outside_the_snapshot() for source in late])
        said |= rest
    came_late = tuple(source.definition.name for source in late)
    outside = tuple(one.definition.name for one in known.sources if one.moment.at is None) + came_late
    _require_unmoved(guard.deployment, known, outside)
    if capped:
        changed = _changed(guard.deployment, known, moment, [one.definition for one in capped])
        outside = tuple(name for name in outside if name in changed or name in came_late)
    return said, Reached(moment, outside, came_late, before=moment != known.moment)


def _moment_after(deployment: Deployment, known: Survey) -> Moment:
    """A new moment, after the reading of what no snapshot reads: from there on the oplog leads to it.

    The old one where collections were made, dropped or changed meanwhile: the copy is of those that were there then.
    """
    from pymongo.errors import OperationFailure

    try:
        later = choose_moment(deployment, known.everything)
    except OperationFailure as error:
        if error.code not in MOVED:
            raise
        return known.moment
    unchanged = catalog.same(known.everything, catalog.read_definitions(deployment))
    return later if unchanged and later.at is not None else known.moment


def _changed(deployment: Deployment, known: Survey, moment: Moment, capped: Sequence[Definition]) -> set[str]:
    """Which of what was read outside the snapshot may not be what it was at the moment. A read for each."""
    begin = known.moment.at
    if begin is None or known.beginning.at is None or moment.at is None:
        return {one.name for one in capped}
    end = moment.at if moment != known.moment else oplog.last_majority(deployment)
    return oplog.changed(deployment, begin, end, capped)


def _require_unmoved(deployment: Deployment, known: Survey, outside: Sequence[str]) -> None:
    """Raise MovedError for a collection that was read by its name alone and is another one now.

    A find by uuid at a snapshot has told so itself; a later drop or change is then none of the copy's business.
    """
    looked_at = [one for one in known.definitions if one.name in outside or not known.moment.with_uuid]
    if looked_at and (moved := catalog.gone(looked_at, catalog.read_uuids(deployment))):
        raise MovedError(moved[0])


def with_attempts(guard: Guard, attempt: Callable[[], R], *, nothing_left: str) -> R:
    """Run `attempt` again while it meets collections that are dropped or renamed under it, a few times."""
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except MovedError as moved:
            text = f"collection {moved.collection} was dropped, renamed or made anew while it was read"
            if number == ATTEMPTS:
                raise BackupError(
                    f"{text}, {ATTEMPTS} times in a row; {nothing_left}",
                    hint="Run it again when no migration or restore is under way; `--exclude` leaves a collection out.",
                ) from moved
            notify(guard.observer, Notice(f"{text}; beginning again", "warning"))
            guard.stop.check()
    raise AssertionError("unreachable")


def applied_versions(deployment: Deployment, known: Survey, moment: Moment) -> tuple[int, ...]:
    """The versions that the history in the copy calls applied. One read."""
    if not any(one.name == HISTORY for one in known.definitions):
        return ()
    reply = deployment.database.command(
        {
            "find": HISTORY,
            "filter": {"state": APPLIED},
            "projection": {"_id": 1},
            "sort": {"_id": 1},
            "batchSize": 1_000_000,
            "singleBatch": True,
            **moment.read_concern(),
        }
    )
    return tuple(one["_id"] for one in reply["cursor"]["firstBatch"])
