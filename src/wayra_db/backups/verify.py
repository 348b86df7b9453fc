"""Verifying a backup without a database: every byte of every file, every frame, every document's structure.

Each file is read once, and files are read side by side. What is found is gathered, not raised, so that one look tells
all of it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wayra_db.backups import manifest as manifests
from wayra_db.backups import structure
from wayra_db.backups.codecs import CODECS
from wayra_db.backups.contents import ContentCheck, FramesCheck, MetadataCheck, Totals, is_metadata
from wayra_db.backups.documents import DocumentError
from wayra_db.backups.frames import FramesError, parse_frames
from wayra_db.backups.manifest import FILE, FileEntry, Manifest, ManifestError
from wayra_db.backups.memory import give_back_large_blocks
from wayra_db.backups.meter import Meter
from wayra_db.backups.report import Finding, VerifyReport
from wayra_db.backups.source import BackupSource
from wayra_db.backups.stores.base import Store
from wayra_db.errors import BackupCorruptError, BackupError, BackupIncompleteError, BackupStoreError, ConfigError
from wayra_db.events import Observer, log_observer
from wayra_db.stopping import Stop

BLOCK = 1 << 20
FILES_AT_ONCE = 4
LARGEST_INDEX = 256 * 1024 * 1024


def verify_backup(
    store: Store,
    name: str,
    *,
    identities: Sequence[str] | Path | None = None,
    observer: Observer = log_observer,
    stop: Stop | None = None,
) -> VerifyReport:
    """Verify a backup that wayra-db has made, wherever it lies.

    Of an encrypted one the hashes, and with `identities` (as for age) everything. Changes nothing. Raises
    BackupNotFoundError, BackupStoreError, and CancelledError when asked to stop.
    """
    give_back_large_blocks()
    found = store.files(name)
    findings = [Finding(path, "others than its owner may use it", severity="warning") for path in store.exposed(name)]
    try:
        with store.open(name, FILE) as file:
            manifest = manifests.from_json(file.read())
    except BackupStoreError:
        raise
    except (ManifestError, OSError, BackupError) as error:
        findings.append(Finding(FILE, _words(error)))
        return VerifyReport(name, store.address, "hashes", tuple(_sorted(findings)))
    readable = not manifest.encrypted or identities is not None
    work = _Verification(store, name, manifest, identities, Meter(f"verify {name}", manifest.size, observer, stop))
    findings += _listing(manifest, found)
    findings += work.run([path for path in manifest.files if path in found])
    return VerifyReport(
        name,
        store.address,
        "structure" if readable else "hashes",
        tuple(_sorted(findings)),
        files=len(manifest.files) + 1,
        size=manifest.size + found.get(FILE, 0),
        documents=work.documents,
        digest=manifests.digest(manifest),
        identifier=manifest.id,
    )


def verify_source(source: BackupSource, place: str, *, stop: Stop | None = None) -> VerifyReport:
    """Verify an opened backup of mongodump: it holds no hashes, so the structure and what the format itself checks."""
    stop = stop or Stop()
    findings: list[Finding] = []
    documents = size = 0
    try:
        source.check(lambda done, total: stop.check())
        stored = [one for one in source.collections if one.kind != "view"]
        for _, chunk in source.stream(stored):
            stop.check()
            size += len(chunk.data)
            try:
                documents += structure.check(chunk.data)
            except DocumentError as error:
                findings.append(Finding(chunk.file, str(error), chunk.offset + error.offset))
    except BackupCorruptError as error:
        findings.append(Finding(error.file, error.message, error.offset))
    except BackupIncompleteError as error:
        findings.append(Finding(error.file, error.message))
    return VerifyReport(
        source.name, place, "structure", tuple(_sorted(findings)), len(source.collections), size, documents
    )


@dataclass
class _Verification:
    """The work on one backup; what it finds is added up from several threads."""

    store: Store
    name: str
    manifest: Manifest
    identities: Sequence[str] | Path | None
    meter: Meter
    documents: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, paths: Sequence[str]) -> list[Finding]:
        totals: dict[str | None, Totals] = {one.data: one for one in self.manifest.collections if one.kind != "view"}
        if self.manifest.oplog is not None:
            totals[self.manifest.oplog.data] = self.manifest.oplog
        # The largest first, so that no single one is left for the end.
        ordered = sorted(paths, key=lambda path: -self.manifest.files[path].size)
        findings: list[Finding] = []
        with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="wayra-verify") as pool:
            running = {path: pool.submit(self._file, path, totals.get(path)) for path in ordered}
            try:
                for path, one in running.items():
                    found = one.result()
                    # Each thread that meets large documents keeps some memory, so those have only this one.
                    findings += self._file(path, totals.get(path), large=True) or [] if found is None else found
            except BaseException:
                self.meter.give_up()
                pool.shutdown(cancel_futures=True)
                raise
        return findings

    def _file(self, path: str, totals: Totals | None, *, large: bool = False) -> list[Finding] | None:
        """What is wrong with one file: where it is damaged, or else that its hash is another.

        None, and nothing was read, for one with `large` frames where those are not wanted.
        """
        try:
            file = self.store.open(self.name, path)
        except FileNotFoundError:
            return [Finding(path, "is missing")]
        except BackupStoreError:
            raise
        except (OSError, BackupError) as error:
            return [Finding(path, _words(error))]
        entry = self.manifest.files[path]
        with file:
            hashed = _Hashed(file, self.meter.moved)
            check = self._check_of(path, totals)
            if check is not None and not isinstance(check, Finding) and check.is_large and not large:
                return None
            try:
                findings = list(self._content(path, check, hashed))
                hashed.drain()
            except OSError as error:
                return [Finding(path, f"cannot be read: {_words(error)}", hashed.size)]
        actual = hashed.entry()
        if actual.size != entry.size:
            findings.insert(0, Finding(path, f"has {actual.size:,} bytes instead of {entry.size:,}"))
        elif actual.sha256 != entry.sha256 and not any(finding.file == path for finding in findings):
            findings.append(Finding(path, "was changed: its hash is another"))
        return findings

    def _is_sealed(self, path: str) -> bool:
        return self.manifest.encrypted and path.endswith(".age")

    def _check_of(self, path: str, totals: Totals | None) -> ContentCheck | Finding | None:
        """How to look into a file, as far as that can be done."""
        return None if self._is_sealed(path) and self.identities is None else self._check(path, totals)

    def _content(self, path: str, check: ContentCheck | Finding | None, hashed: _Hashed) -> Iterator[Finding]:
        if isinstance(check, Finding):
            yield check
        elif check is not None:
            if self._is_sealed(path) and self.identities is not None:
                yield from self._decrypted(path, hashed, check, self.identities)
            else:
                yield from check.run(hashed)
            with self._lock:
                self.documents += check.documents

    def _decrypted(
        self, path: str, hashed: _Hashed, check: ContentCheck, identities: Sequence[str] | Path
    ) -> Iterator[Finding]:
        from wayra_db.backups.encryption import decrypting

        try:
            with closing(decrypting(hashed, identities)) as plain:
                yield from check.run(plain)
        except BackupStoreError:
            raise
        except BackupError as error:
            hashed.drain()
            if hashed.entry() == self.manifest.files[path]:  # so it is whole, and it is the identity that does not fit
                raise ConfigError(f"the identity does not open {path}", key="identity", hint=error.hint) from error
            yield Finding(path, error.message)

    def _check(self, path: str, totals: Totals | None) -> ContentCheck | Finding | None:
        """How to look into a file; None for one that there is no more to say of than its hash."""
        if is_metadata(path):
            return MetadataCheck(path)
        if totals is None:
            return None
        index = totals.frames
        if index is None or index not in self.manifest.files:
            return Finding(FILE, f"names no index of the frames of {path}")
        try:
            with self.store.open(self.name, index) as file:
                frames = parse_frames(file.read(LARGEST_INDEX))
        except FramesError as error:
            return Finding(index, str(error))
        except BackupStoreError:
            raise
        except (OSError, BackupError):
            return None  # what is wrong is found where that file itself is looked at
        return FramesCheck(path, frames, CODECS[self.manifest.codec], totals, self.meter.check)


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes], moved: Callable[[int], None]) -> None:
        self._file = file
        self._moved = moved
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self.size += len(data)
        self._moved(len(data))
        return data

    def drain(self) -> None:
        """Read to the end."""
        while self.read(BLOCK):
            pass

    def entry(self) -> FileEntry:
        """What was read."""
        return FileEntry(self.size, self._digest.hexdigest())


def _listing(manifest: Manifest, found: Mapping[str, int]) -> Iterator[Finding]:
    """The files that are there against those that should be."""
    for path in manifest.files:
        if path not in found:
            yield Finding(path, "is missing")
    for path in found:
        if path != FILE and path not in manifest.files:
            yield Finding(path, "does not belong to the backup")
    named: set[str] = set()
    parts: list[tuple[str, str | None]] = []
    for one in manifest.collections:
        parts += [(f"collection {one.name}", one.metadata)]
        if one.kind != "view":
            parts += [(f"collection {one.name}", one.data), (f"collection {one.name}", one.frames)]
    if manifest.oplog is not None:
        parts += [("the oplog slice", manifest.oplog.data), ("the oplog slice", manifest.oplog.frames)]
    for what, part in parts:
        if part is None or part not in manifest.files:
            yield Finding(FILE, f"names no file for a part of {what}")
        elif part in named:
            yield Finding(FILE, f"names {part} twice")
        else:
            named.add(part)


def _words(error: Exception) -> str:
    if isinstance(error, BackupError):
        return error.message
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (one.severity, one.file, -1 if one.offset is None else one.offset))
