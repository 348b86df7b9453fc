"""A backup in our own format, opened for reading: every frame and every file is checked while it is read."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wayra_db.backups import folder as folders
from wayra_db.backups import manifest as manifests
from wayra_db.backups.codecs import CODECS, LARGEST_FRAME, FrameError
from wayra_db.backups.manifest import CollectionEntry, FileEntry, Manifest, ManifestError
from wayra_db.backups.runs import AGAIN, Readable, corrupt
from wayra_db.backups.source import Chunk, Watch
from wayra_db.errors import BackupCorruptError, BackupError, BackupIncompleteError, ConfigError

UNPACKERS = 2
AHEAD = 4
BYTES_AHEAD = 8 * 1024 * 1024
OPLOG = re.compile(r"oplog(\.bson(\.zst|\.gz)?)(\.age)?")  # beside the database's folder, as mongodump has it


@dataclass(frozen=True, slots=True)
class _Frame:
    offset: int
    size: int
    bytes: int
    documents: int
    crc32: str


class _Hashing:
    """A file that is read from its beginning to its end, and its SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Of all that was read, in hexadecimal."""
        return self._hash.hexdigest()


class WayraBackup:
    """One backup folder. Reads follow no link; frames are unpacked side by side, a few ahead of whoever takes them."""

    def __init__(self, folder: Path, identities: Sequence[str] | Path = ()) -> None:
        self.folder = folder
        self._identities = identities
        self.manifest: Manifest = _read_manifest(folder)
        self.name = self.manifest.name
        self.database = self.manifest.source.database
        self.collections: Sequence[CollectionEntry] = self.manifest.collections
        if self.manifest.encrypted and not identities:
            raise BackupError(
                f"the backup {self.name} is encrypted",
                hint="Name the file with the identity that opens it: --identity FILE.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is kept open between reads."""

    def require_readable(self) -> None:
        """Read the tables of frames, and the beginning of one encrypted file. See BackupSource."""
        for one in self.collections:
            if one.data is not None and one.frames is not None:
                self._read_frames(one.frames)
        sealed = next((path for path in self.manifest.files if path.endswith(".age")), None)
        if sealed is not None:
            self._require_identity(sealed)

    def check(self, watch: Watch | None = None) -> None:
        """Compare every file with the manifest: which there are, how long they are, and their SHA-256.

        Frames are not unpacked: what a whole file's hash has confirmed is what was written.
        """
        stated = self.manifest.files
        there = set(folders.list_files(self.folder)) - {manifests.FILE}
        if extra := sorted(there - set(stated)):
            raise BackupIncompleteError(
                f"{extra[0]} lies in the backup and is not of it",
                file=extra[0],
                hint="Take it away, or see where it is from.",
            )
        done, total = 0, self.manifest.size
        for path, entry in stated.items():
            self._check_file(path, entry)
            done += entry.size
            if watch:
                watch(done, total)
        for one in self.collections:
            for name in (one.metadata, one.data, one.frames):
                if name is not None and name not in stated:
                    raise corrupt(manifests.FILE, 0, f"it names {name} and states no hash of it")

    def chunks(self, collection: CollectionEntry) -> Iterator[Chunk]:
        """A collection's documents, frame by frame. See BackupSource."""
        if collection.data is not None and collection.frames is not None:
            yield from self._frames_of(collection.data, collection.frames)

    def stream(self, collections: Sequence[CollectionEntry]) -> Iterator[tuple[CollectionEntry, Chunk]]:
        """One collection after the other."""
        for collection in collections:
            for chunk in self.chunks(collection):
                yield collection, chunk
                del chunk  # or it would be held while the next is read

    def oplog(self) -> Iterator[Chunk]:
        """The slice of the oplog, if it has one."""
        for path in self.manifest.files:
            if found := OPLOG.fullmatch(path):
                yield from self._frames_of(path, f"frames/$oplog{found[1]}.json")

    def _require_identity(self, path: str) -> None:
        try:
            with self._open(path) as (file, _):
                file.read(1)
        except (BackupCorruptError, BackupIncompleteError, ConfigError):
            raise
        except BackupError as error:
            raise ConfigError(
                f"the identity does not open the backup {self.name}",
                key="identity",
                hint="Give the one that belongs to a recipient of it with --identity FILE; "
                f"`wayra-db backup verify {self.name}` tells whether it is damaged.",
            ) from error

    def _check_file(self, path: str, stated: FileEntry) -> None:
        try:
            found = folders.hash_file(self.folder, path)
        except FileNotFoundError as error:
            raise _missing(path) from error
        if found.size != stated.size:
            raise corrupt(
                path, min(found.size, stated.size), f"it has {found.size:,} bytes and should have {stated.size:,}"
            )
        if found.sha256 != stated.sha256:
            raise corrupt(path, self._first_damage(path), "its content is not what was written")

    def _first_damage(self, path: str) -> int:
        """Where a data file is damaged, by its frames; 0 where that cannot be known."""
        for one in self.collections:
            if one.data == path and one.frames is not None:
                try:
                    for _ in self._frames_of(path, one.frames):
                        pass
                except BackupCorruptError as error:
                    return (error.offset or 0) if error.file == path else 0
                except (BackupError, OSError):
                    return 0
        return 0

    def _frames_of(self, data: str, frames_path: str) -> Iterator[Chunk]:
        frames = self._read_frames(frames_path)
        unpack = CODECS[self.manifest.codec].unpack

        def open_frame(packed: bytes, frame: _Frame) -> Chunk:
            try:
                unpacked = unpack(packed)
            except FrameError as error:
                raise corrupt(data, frame.offset, str(error)) from error
            if len(unpacked) != frame.bytes or f"{zlib.crc32(unpacked):08x}" != frame.crc32:
                raise corrupt(data, frame.offset, "the frame's content is not what was written")
            return Chunk(unpacked, frame.documents, data, frame.offset)

        waiting: deque[tuple[Future[Chunk], int]] = deque()
        ahead = 0
        with self._open(data) as (file, raw), ThreadPoolExecutor(UNPACKERS, "wayra-unpack") as pool:
            try:
                position = 0
                for frame in frames:
                    if frame.offset != position or not 0 < frame.size <= LARGEST_FRAME:
                        raise corrupt(frames_path, 0, "its frames leave a gap")
                    size = frame.size + frame.bytes
                    # A large one is not even read before all others are taken.
                    while waiting and (len(waiting) > AHEAD or ahead + size > BYTES_AHEAD):
                        future, taken = waiting.popleft()
                        ahead -= taken
                        yield future.result()
                        del future
                    packed = _read_exactly(file, frame.size)
                    if len(packed) < frame.size:
                        raise corrupt(data, position + len(packed), "it is cut")
                    position += frame.size
                    if size > BYTES_AHEAD:  # here, since each thread that meets large ones keeps some memory
                        yield open_frame(packed, frame)
                    else:
                        waiting.append((pool.submit(open_frame, packed, frame), size))
                        ahead += size
                    del packed
                if file.read(1):
                    raise corrupt(data, position, "something follows its last frame")
                while waiting:
                    yield waiting.popleft()[0].result()
                if raw.digest() != self.manifest.files[data].sha256:
                    raise corrupt(data, 0, "its content is not what was written")
            finally:
                for future, _ in waiting:
                    future.cancel()

    @contextmanager
    def _open(self, path: str) -> Iterator[tuple[Readable, _Hashing]]:
        """A data file, decrypted while it is read where it is encrypted, and the file as it lies there."""
        try:
            file = folders.open_file(self.folder, path)
        except FileNotFoundError as error:
            raise _missing(path) from error
        with file:
            raw = _Hashing(file)
            if not path.endswith(".age"):
                yield raw, raw
                return
            from wayra_db.backups.encryption import decrypting

            with decrypting(raw, self._identities) as opened:
                yield opened, raw

    def _read_frames(self, path: str) -> list[_Frame]:
        """A table of frames, checked against the manifest again: the file may have changed since `check`."""
        stated = self.manifest.files.get(path)
        try:
            with folders.open_file(self.folder, path) as file:
                text = file.read()
        except FileNotFoundError as error:
            raise _missing(path) from error
        if stated is None or hashlib.sha256(text).hexdigest() != stated.sha256:
            raise corrupt(path, 0, "its content is not what was written")
        try:
            document = json.loads(text)
            if document["format"] != manifests.FORMAT:
                raise ValueError(f"its format is {document['format']!r}")
            return [_Frame(*frame) for frame in document["frames"]]
        except (ValueError, TypeError, KeyError) as error:
            raise corrupt(path, 0, f"it is no table of frames: {error}") from error


def _read_manifest(folder: Path) -> Manifest:
    try:
        with folders.open_file(folder, manifests.FILE) as file:
            text = file.read().decode("utf-8")
        return manifests.from_json(text)
    except FileNotFoundError as error:
        raise _missing(manifests.FILE) from error
    except (ManifestError, UnicodeDecodeError) as error:
        raise corrupt(manifests.FILE, 0, str(error)) from error


def _missing(path: str) -> BackupIncompleteError:
    return BackupIncompleteError(f"the backup is incomplete: {path} is missing", file=path, hint=AGAIN)


def _read_exactly(file: Readable, size: int) -> bytes:
    data = file.read(size)
    while data and len(data) < size:
        more = file.read(size - len(data))
        if not more:
            break
        data += more
    return data
