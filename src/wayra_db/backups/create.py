"""Makes a backup: all collections as of one moment, as raw BSON, in a folder that is whole or is not there."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayra_db.backups import manifest as manifests
from wayra_db.backups import oplog
from wayra_db.backups.definitions import Definition
from wayra_db.backups.encryption import require_recipients
from wayra_db.backups.folder import NewFolder, new_folder, remove_partials, require_free
from wayra_db.backups.layout import Layout, extended, metadata_text, prelude_text
from wayra_db.backups.manifest import (
    Codec,
    CollectionEntry,
    CollectionMoment,
    Consistency,
    ConsistencyKind,
    Manifest,
    OplogEntry,
    Reason,
)
from wayra_db.backups.memory import give_back_large_blocks
from wayra_db.backups.moment import Reached, describe
from wayra_db.backups.named_values import naming_values
from wayra_db.backups.names import default_name, require_backup_name
from wayra_db.backups.packing import FrameFile, Packer, Written
from wayra_db.backups.policy import decide_protection, require_codec, require_space
from wayra_db.backups.redact import Masker
from wayra_db.backups.survey import READERS, Survey, Wish, applied_versions, read_all, survey, with_attempts
from wayra_db.environment import Action
from wayra_db.errors import BackupError, ConfigError
from wayra_db.events import Notice, SecurityEvent, notify
from wayra_db.guard import Guard
from wayra_db.mongo.errors import translated
from wayra_db.schema.collection import Collection

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
TASK = "backup"


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that was made: its manifest, its folder, how long it took, and the size of all its files in bytes."""

    manifest: Manifest
    path: Path
    seconds: float
    size: int

    @property
    def bytes(self) -> int:
        """The size of the documents as BSON."""
        return sum(one.bytes for one in self.manifest.collections)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.manifest.name,
            "path": str(self.path),
            "seconds": round(self.seconds, 3),
            "documents": self.manifest.documents,
            "bytes": self.bytes,
            "size": self.size,
            "manifest": self.manifest.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for, checked."""

    guard: Guard
    folder: Path
    name: str | None
    reason: Reason
    wish: Wish
    recipients: tuple[str, ...]
    codec: Codec
    level: int | None


def create_backup(
    guard: Guard,
    folder: Path,
    *,
    name: str | None = None,
    reason: Reason = "manual",
    collections: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    include_sensitive: bool = False,
    plaintext: bool = False,
    recipients: Sequence[str] = (),
    codec: Codec = "zstd",
    level: int | None = None,
    jobs: int | None = None,
    declared: Sequence[Collection] = (),
) -> BackupResult:
    """Back up the database into a new folder in `folder`. Takes no lock and writes nothing to the database.

    `collections` are the only ones, `exclude` those left out; `declared` says which fields are sensitive. They are
    left out unless `include_sensitive`, which needs `recipients`, or outside production `plaintext`; a backup for the
    reasons `safety` and `migration` is always whole. `jobs` is how many cursors read side by side.

    Everything that can be refused is refused before anything is written: RefusedError, ConfigError, BackupError for an
    unknown collection, a name that is taken, or too little space. What fails later leaves nothing behind; a
    CancelledError comes at the edge of a chunk.
    """
    guard.require(Action.BACKUP_CREATE)
    level = require_codec(codec, level)
    if jobs is not None and jobs < 1:
        raise ConfigError("jobs must be at least 1", key="jobs")
    protection = decide_protection(
        environment=guard.environment,
        reason=reason,
        include_sensitive=include_sensitive,
        plaintext=plaintext,
        recipients=recipients,
    )
    encrypted_to = require_recipients(protection.recipients)
    if name is not None:
        require_free(folder / require_backup_name(name))
    wish = Wish(collections, exclude, protection.redact, jobs or READERS, tuple(declared))
    order = _Order(guard, folder, name, reason, wish, encrypted_to, codec, level)
    give_back_large_blocks()
    with translated(guard.deployment.address), _disk_errors(folder):
        return with_attempts(guard, lambda: _attempt(order), nothing_left="nothing is left of the backup")


def _attempt(order: _Order) -> BackupResult:
    guard, started, created_at = order.guard, time.monotonic(), datetime.now(UTC)
    name = order.name or default_name(guard.deployment.database_name, created_at)
    masker = Masker()
    known = survey(guard.deployment, order.wish, masker)
    if named := list(naming_values(known.definitions, known.redactions)):
        text = f"{', '.join(named)}: values of sensitive fields stand in it, and definitions are kept as they are"
        notify(guard.observer, Notice(text, "warning"))
    require_space(known.size, order.codec, _free_space(order.folder), str(order.folder))
    notify(guard.observer, SecurityEvent(Action.BACKUP_CREATE.value, "allowed", guard.environment.value, name))
    remove_partials(order.folder, older_than_seconds=0, now=time.time())
    with ExitStack() as ending, new_folder(order.folder, name, numbered=order.name is None) as folder:
        name = folder.name
        manifest = _write(order, known, folder, masker, created_at)
        folder.write(manifests.FILE, manifests.to_json(manifest).encode())
        size = sum(one.size for one in folder.files.values())
        # From here on it only has to be put in its place, and a signal would come too late to undo it.
        guard.stop.check()
        ending.enter_context(guard.stop.protected())
    notify(guard.observer, SecurityEvent(Action.BACKUP_CREATE.value, "done", guard.environment.value, name))
    return BackupResult(manifest, order.folder / name, time.monotonic() - started, size)


def _write(order: _Order, known: Survey, folder: NewFolder, masker: Masker, created_at: datetime) -> Manifest:
    from wayra_db import __version__

    deployment, recipients = order.guard.deployment, order.recipients
    layout = Layout(deployment.database_name, order.codec, bool(recipients))
    with Packer(order.codec, order.level, threads=os.cpu_count() or 1) as packer:

        def open_file(one: Definition) -> FrameFile:
            source = one.source or one.name
            return FrameFile(folder, layout.data(source), layout.frames(source), packer, recipients=recipients)

        written, reached = read_all(order.guard, known, open_file, masker, readers=order.wish.readers, task=TASK)
        slice_, reached = _slice(order, known, folder, layout, packer, reached)
    capabilities = deployment.capabilities
    for one in known.definitions:
        folder.write(layout.metadata(one.name), layout.small(metadata_text(one)))
    folder.write(layout.prelude, layout.small(prelude_text(capabilities.version, __version__)))
    kind, at, note = describe(reached, topology=capabilities.topology)
    if note:
        bad = kind == "none" or bool(reached.apart)
        notify(order.guard.observer, Notice(f"consistency: {note}", "warning" if bad else "info"))
    return Manifest(
        id=secrets.token_hex(16),
        name=folder.name,
        reason=order.reason,
        created_at=created_at,
        finished_at=datetime.now(UTC),
        tool_version=__version__,
        source=manifests.Source(
            database=deployment.database_name,
            environment=order.guard.environment.value,
            address=deployment.address,
            server_version=capabilities.version,
            feature_compatibility_version=capabilities.feature_compatibility_version,
            topology=capabilities.topology,
        ),
        consistency=Consistency(kind, at, note),
        codec=order.codec,
        level=order.level,
        recipients=recipients,
        redacted=known.redacted,
        redactions=known.redactions,
        applied=applied_versions(deployment, known, reached.moment),
        collections=tuple(
            replace(_entry(one, layout, written.get(one.name)), moment=_moment_of(one, kind, reached))
            for one in known.definitions
        ),
        oplog=slice_,
        files=dict(folder.files),
        left_out=known.left_out,
    )


def _slice(
    order: _Order, known: Survey, folder: NewFolder, layout: Layout, packer: Packer, reached: Reached
) -> tuple[OplogEntry | None, Reached]:
    """The oplog slice, where it is needed and can be had.

    Where what no snapshot reads was read before the moment, its own entries up to there are enough. Otherwise the
    entries of all collections bring them to the moment of now.
    """
    deployment = order.guard.deployment
    if not reached.outside or deployment.capabilities.topology == "standalone":
        return None, reached
    begin = known.beginning.at
    if begin is None:
        return None, replace(reached, no_slice=known.beginning.why_not)
    names, alone, no_slice = _wanted_of_the_oplog(known, reached)
    reached = replace(reached, no_slice=no_slice)
    if not names:
        return None, reached
    # No transaction writes to what is told of alone, so the first moment, before it was read, is early enough.
    begin = known.moment.at or begin if alone else begin
    end = reached.moment.at if alone else None
    end = end or oplog.last_majority(deployment)
    file = FrameFile(folder, layout.oplog_data, layout.oplog_frames, packer, recipients=order.recipients)
    told_of = [one for one in known.definitions if not alone or one.name in names]
    try:
        oplog.capture(deployment, begin, end, told_of, file, alone=alone)
    except oplog.NoSliceError as error:
        file.abandon()
        return None, replace(reached, no_slice=str(error))
    done = file.close()
    entry = OplogEntry(layout.oplog_data, layout.oplog_frames, done.documents, done.bytes, done.sha256, begin, end)
    return entry, replace(reached, sliced=names, slice_end=end)


def _wanted_of_the_oplog(known: Survey, reached: Reached) -> tuple[tuple[str, ...], bool, str]:
    """Which collections a slice is to bring to a moment, whether by their entries alone, and why no others. Pure."""
    sensitive = "the oplog would hold the sensitive fields that are left out"
    if reached.moment.at is None or reached.late:
        if not known.redacted:
            return reached.outside, False, ""
        if reached.moment.at is None:
            return (), False, sensitive
    if not reached.before:
        return (), True, "collections were made or changed while they were read"
    names = tuple(name for name in reached.outside if name not in reached.late and name not in known.redactions)
    return names, True, sensitive if len(names) < len(reached.outside) else ""


def _moment_of(one: Definition, kind: ConsistencyKind, reached: Reached) -> CollectionMoment | None:
    if one.source is None:
        return None
    if kind == "none" or one.name in reached.apart:
        return "own"
    by_slice = reached.slice_end is not None and (reached.slice_end != reached.moment.at or one.name in reached.sliced)
    return "oplog" if by_slice else "snapshot"


def _entry(one: Definition, layout: Layout, written: Written | None) -> CollectionEntry:
    source = one.source
    return CollectionEntry(
        name=one.name,
        kind=one.kind,
        options=extended(one.options),
        indexes=[extended(index) for index in one.indexes],
        metadata=layout.metadata(one.name),
        uuid=None if one.uuid is None else one.uuid.hex(),
        documents=written.documents if written else 0,
        bytes=written.bytes if written else 0,
        sha256=written.sha256 if written else "",
        data=layout.data(source) if source and written else None,
        frames=layout.frames(source) if source and written else None,
    )


def _free_space(folder: Path) -> int:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Errors of the disk within the block, in our words."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise BackupError(
                f"the disk of {folder} is full; nothing is left of the backup",
                hint="Make room, or set another directories.backups, and run it again.",
            ) from error
        raise BackupError(
            f"the backup cannot be written: {error.strerror or error}{f': {error.filename}' if error.filename else ''}",
            hint="Nothing is left of it. Check the folder of the backups and its rights.",
        ) from error
