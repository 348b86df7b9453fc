"""Packs runs of documents into the frames of a data file, several at a time, in the order they came."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from wayra_db.backups.batches import Run
from wayra_db.backups.budget import Budget
from wayra_db.backups.codecs import CODECS, FrameCodec, checksum
from wayra_db.backups.encryption import encrypting
from wayra_db.backups.folder import HashedFile, NewFolder
from wayra_db.backups.manifest import FORMAT, Codec

BYTES_IN_FLIGHT = 8 * 1024 * 1024
LARGE = 4 * 1024 * 1024


class Writable(Protocol):
    """Where frames go."""

    def write(self, data: bytes | memoryview) -> int:
        """All of it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame, and what is in it."""

    frame: bytes | memoryview
    run: Run
    checksum: str


class Packer:
    """The threads that compress and hash, with one bound on memory for all files. A context manager."""

    def __init__(self, codec: Codec, level: int | None, *, threads: int) -> None:
        self.codec: FrameCodec = CODECS[codec]
        self.level = level
        self.budget = Budget(BYTES_IN_FLIGHT)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="wayra-pack")

    def __enter__(self) -> Packer:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def pack(self, run: Run) -> Future[Packed]:
        """Begin to pack a run; waits while too much is under way. The taker gives the bytes back to the budget.

        A large one is packed here and now: the next is then not even read while this one takes up memory, and each
        thread that meets large ones keeps some.
        """
        self.budget.take(len(run.data))
        if len(run.data) > LARGE:
            packed: Future[Packed] = Future()
            try:
                packed.set_result(self._pack(run))
            except BaseException as error:
                packed.set_exception(error)
            return packed
        return self._pool.submit(self._pack, run)

    def _pack(self, run: Run) -> Packed:
        return Packed(self.codec.pack(run.data, self.level), run, checksum(run.data))


@dataclass(frozen=True, slots=True)
class Written:
    """A data file that is whole: its documents, their size, and the SHA-256 of the uncompressed file."""

    documents: int
    bytes: int
    sha256: str


class FrameFile:
    """A data file that is being written, from any number of threads; `path` and `frames` are its places in the backup.

    An error of the disk is raised to whoever calls next.
    """

    def __init__(
        self, folder: NewFolder, path: str, frames: str, packer: Packer, *, recipients: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.frames = frames
        self._folder = folder
        self._packer = packer
        self._file: HashedFile = folder.create(path)
        self._closing = ExitStack()
        self._sink: Writable = (
            self._closing.enter_context(encrypting(self._file, recipients)) if recipients else self._file
        )
        # The file's own hash is that of its content where nothing is done to it.
        self._hash = None if self._packer.codec.name == "none" and not recipients else hashlib.sha256()
        self._queue: deque[tuple[Future[Packed], int]] = deque()
        self._queueing = threading.Lock()
        self._writing = threading.Lock()
        self._list: list[list[Any]] = []
        self._offset = self._documents = self._bytes = 0
        self._failure: BaseException | None = None

    def put(self, run: Run) -> None:
        """Append whole documents; they are written later, and in this order."""
        if self._failure is not None:
            raise self._failure
        with self._queueing:
            future = self._packer.pack(run)
            self._queue.append((future, len(run.data)))
        future.add_done_callback(lambda _: self._write_ready())

    def close(self) -> Written:
        """Write what is left and the list of frames, and flush the file to the disk."""
        for future, _ in tuple(self._queue):
            future.exception()  # waits
        self._write_ready()
        if self._failure is not None:
            raise self._failure
        self._closing.close()
        entry = self._file.close()
        self._folder.finished(self.path, entry)
        listed = json.dumps({"format": FORMAT, "frames": self._list}, separators=(",", ":"))
        self._folder.write(self.frames, listed.encode())
        digest = entry.sha256 if self._hash is None else self._hash.hexdigest()
        return Written(self._documents, self._bytes, digest)

    def abandon(self) -> None:
        """Give it up: nothing of it stays."""
        self._failure = self._failure or RuntimeError("the file was given up")
        for future, _ in tuple(self._queue):
            future.cancel()
        self._write_ready()
        with suppress(Exception):  # an encryption that is cut off complains, and nobody needs its result
            self._closing.close()
        self._file.abandon()
        (self._folder.path / self.path).unlink(missing_ok=True)

    def _write_ready(self) -> None:
        with self._writing:
            while self._queue and self._queue[0][0].done():
                future, size = self._queue.popleft()
                try:
                    if self._failure is None:
                        self._write(future.result())
                except BaseException as error:
                    self._failure = self._failure or error
                finally:
                    self._packer.budget.give_back(size)

    def _write(self, packed: Packed) -> None:
        run = packed.run
        if self._hash is not None:
            self._hash.update(run.data)
        self._sink.write(packed.frame)
        self._list.append([self._offset, len(packed.frame), len(run.data), run.documents, packed.checksum])
        self._offset += len(packed.frame)
        self._documents += run.documents
        self._bytes += len(run.data)
