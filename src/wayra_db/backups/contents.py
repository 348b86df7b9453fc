"""Looking into one file of a backup, decrypted: are its frames, documents and totals what was written down?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from wayra_db.backups import structure
from wayra_db.backups.codecs import CODECS, FrameCodec, FrameError, checksum
from wayra_db.backups.documents import DocumentError
from wayra_db.backups.frames import Frame, Readable, read_exactly
from wayra_db.backups.manifest import CollectionEntry, OplogEntry
from wayra_db.backups.report import Finding

LARGEST_METADATA = 64 * 1024 * 1024
MOST_FINDINGS = 20
LARGE = 8 * 1024 * 1024  # packed and unpacked together

Totals = CollectionEntry | OplogEntry
"""What the manifest says of a data file."""


class ContentCheck(Protocol):
    """Looks into one file. `documents` is how many it has found."""

    documents: int

    @property
    def is_large(self) -> bool:
        """Whether that takes much memory at once."""

    def run(self, file: Readable) -> Iterator[Finding]:
        """What is wrong with it."""


class FramesCheck:
    """Unpacks the frames of a data file and compares all there is to compare."""

    def __init__(
        self,
        path: str,
        frames: Sequence[Frame],
        codec: FrameCodec,
        totals: Totals,
        check: Callable[[], None],
    ) -> None:
        self._path = path
        self._frames = frames
        self._codec = codec
        self._expected = totals
        self._check = check
        self._bytes = 0
        self._digest = hashlib.sha256()
        self.documents = 0

    @property
    def is_large(self) -> bool:
        """Whether a frame takes much memory."""
        return any(frame.size + frame.bytes > LARGE for frame in self._frames)

    def run(self, file: Readable) -> Iterator[Finding]:
        """Reads the file to its end, or to where it makes no more sense."""
        wrong = 0
        for frame in self._frames:
            self._check()
            packed = read_exactly(file, frame.size)
            if len(packed) < frame.size:
                yield Finding(self._path, "is cut", frame.offset + len(packed))
                return
            problem = self._frame(frame, packed)
            del packed
            if problem is not None:
                yield problem
                wrong += 1
            if wrong >= MOST_FINDINGS:
                yield Finding(self._path, "has more damaged frames; it was not looked at further", frame.offset)
                return
        if file.read(1):
            last = self._frames[-1] if self._frames else None
            yield Finding(self._path, "something follows the last frame", last.offset + last.size if last else 0)
        elif not wrong:
            yield from self._totals()

    def _frame(self, frame: Frame, packed: bytes) -> Finding | None:
        try:
            data = self._codec.unpack(packed)
        except FrameError as error:
            return Finding(self._path, f"a frame is damaged: {error}", frame.offset)
        self._digest.update(data)
        self._bytes += len(data)
        if len(data) != frame.bytes or checksum(data) != frame.crc32:
            return Finding(self._path, "a frame is not what its index says", frame.offset)
        try:
            documents = structure.check(data)
        except DocumentError as error:
            return Finding(self._path, f"{error}, at byte {error.offset:,} of a frame's documents", frame.offset)
        self.documents += documents
        if documents != frame.documents:
            return Finding(
                self._path, f"a frame has {documents:,} documents instead of {frame.documents:,}", frame.offset
            )
        return None

    def _totals(self) -> Iterator[Finding]:
        """The frames together against the manifest."""
        expected = self._expected
        if self.documents != expected.documents:
            yield Finding(self._path, f"has {self.documents:,} documents instead of {expected.documents:,}")
        elif self._bytes != expected.bytes or self._digest.hexdigest() != expected.sha256:
            yield Finding(self._path, "its documents are not those of the manifest")


class MetadataCheck:
    """The description of a collection, or of the dump: a JSON object."""

    documents = 0
    is_large = False

    def __init__(self, path: str) -> None:
        self._path = path

    def run(self, file: Readable) -> Iterator[Finding]:
        """Reads all of it."""
        content = read_exactly(file, LARGEST_METADATA)
        try:
            if self._path.removesuffix(".age").endswith(".gz"):
                content = CODECS["gzip"].unpack(content)
            fits = isinstance(json.loads(content), dict)
        except (FrameError, ValueError, RecursionError):
            fits = False
        if not fits:
            yield Finding(self._path, "is no JSON object")


def is_metadata(path: str) -> bool:
    """Whether a file holds a description."""
    return path.removesuffix(".age").removesuffix(".gz").endswith(("metadata.json", "prelude.json"))
