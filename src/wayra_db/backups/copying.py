"""Copying a whole backup from one store to another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

from wayra_db.backups import manifest as manifests
from wayra_db.backups.manifest import FILE, FileEntry, Manifest, ManifestError
from wayra_db.backups.meter import Meter
from wayra_db.backups.stores.base import Store, Upload
from wayra_db.errors import BackupCorruptError, BackupIncompleteError
from wayra_db.events import Observer, log_observer
from wayra_db.stopping import Stop

FILES_AT_ONCE = 2
LARGEST_MANIFEST = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy has done: `skipped` files had arrived before. `size` is that of all files, in bytes."""

    name: str
    source: str
    target: str
    files: int
    skipped: int
    size: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "source": self.source,
            "target": self.target,
            "files": self.files,
            "skipped": self.skipped,
            "size": self.size,
        }


def copy_backup(
    source: Store, name: str, target: Store, *, observer: Observer = log_observer, stop: Stop | None = None
) -> Copied:
    """Copy a backup under its name, each file checked on the way against its SHA-256 in the manifest.

    The backup is listed in `target` once it is whole there. A copy that was cut off is gone on with by calling this
    again: files that are there are not sent again. Raises BackupNotFoundError, BackupCorruptError,
    BackupIncompleteError and BackupStoreError; CancelledError when asked to stop.
    """
    stop = stop or Stop()
    content = read_manifest(source, name)
    manifest = parse_manifest(content)
    _require_whole(source, name, manifest)
    meter = Meter(f"copy {name}", manifest.size, observer, stop)
    with target.upload(name, manifests.digest(manifest)[:16]) as upload:

        def bring(path: str, entry: FileEntry) -> bool:
            return _bring(source, name, upload, path, entry, meter)

        with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="wayra-copy") as pool:
            # The largest first, so that no single one is left for the end.
            ordered = sorted(manifest.files.items(), key=lambda item: -item[1].size)
            running = [pool.submit(bring, path, entry) for path, entry in ordered]
            try:
                sent = [one.result() for one in running]
            except BaseException:
                meter.give_up()
                pool.shutdown(cancel_futures=True)
                raise
        stop.check()
        upload.publish(content, manifest.files)
    size = manifest.size + len(content)
    return Copied(name, source.address, target.address, len(sent) + 1, sent.count(False), size)


def _bring(source: Store, name: str, upload: Upload, path: str, entry: FileEntry, meter: Meter) -> bool:
    """Whether the file had to be sent."""
    meter.check()
    if upload.holds(path, entry):
        meter.moved(entry.size)
        return False

    def open_at(offset: int) -> IO[bytes]:
        return source.open(name, path, offset)

    upload.put(path, entry, open_at, meter.moved)
    return True


def read_manifest(store: Store, name: str) -> bytes:
    """The manifest's file. Raises BackupIncompleteError when there is none: mongodump makes such backups."""
    store.files(name)
    try:
        with store.open(name, FILE) as file:
            return file.read(LARGEST_MANIFEST)
    except FileNotFoundError:
        raise BackupIncompleteError(
            f"{name} in {store.address} has no {FILE}: it is not whole, or not one of wayra-db",
            file=FILE,
            hint="What mongodump has made is copied by other means; it has no checksums.",
        ) from None


def parse_manifest(content: bytes) -> Manifest:
    """The manifest. Raises BackupCorruptError."""
    try:
        return manifests.from_json(content)
    except ManifestError as error:
        raise BackupCorruptError(
            f"{FILE}: {error}", file=FILE, hint="Nothing in this backup can be relied on; use another one."
        ) from error


def _require_whole(source: Store, name: str, manifest: Manifest) -> None:
    found = source.files(name)
    for path, entry in manifest.files.items():
        if path not in found:
            raise BackupIncompleteError(
                f"{path} is missing: nothing was copied", file=path, hint=f"Look closer: wayra-db backup verify {name}."
            )
        if found[path] != entry.size:
            raise BackupCorruptError(
                f"{path} has {found[path]} bytes instead of {entry.size}: nothing was copied",
                file=path,
                hint=f"Look closer: wayra-db backup verify {name}.",
            )
