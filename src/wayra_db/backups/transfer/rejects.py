"""The documents that could not be imported: counted, the first kept, all of them listed in a file."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import bson

from wayra_db.backups.transfer.split import Place
from wayra_db.errors import BackupError

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Reject:
    """One document of a file that could not be imported, and why; `line` and `column` are None in a binary file."""

    file: str
    record: int
    line: int | None
    column: int | None
    offset: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "file": self.file,
            "record": self.record,
            "line": self.line,
            "column": self.column,
            "offset": self.offset,
            "reason": self.reason,
        }

    @property
    def where(self) -> str:
        """As compilers name a place; in a binary file by its offset."""
        if self.line is None:
            return f"{self.file}: document {self.record} at byte {self.offset}"
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class Rejects:
    """Use as a context manager. The file, of mode 0600, comes into being with the first one, in place of an older."""

    def __init__(self, file: str, path: Path | None) -> None:
        self._file = file
        self._path = path
        self._out: IO[str] | None = None
        self.count = 0
        self.first: list[Reject] = []
        self.last: Reject | None = None
        self.reasons: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._out is not None:
            self._out.close()

    @property
    def path(self) -> Path | None:
        """The file, None while there is none."""
        return self._path if self._out is not None else None

    def add(self, place: Place, reason: str) -> None:
        """Note one. Raises BackupError when the file cannot be written."""
        binary = not place.line
        reject = Reject(
            self._file,
            place.record,
            None if binary else place.line,
            None if binary else place.column,
            place.offset,
            reason,
        )
        self.count += 1
        self.last = reject
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if len(self.first) < SHOWN:
            self.first.append(reject)
        if self._path is None:
            return
        try:
            if self._out is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._path.unlink(missing_ok=True)  # an older one, or a link that nobody follows
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                self._out = os.fdopen(descriptor, "w", encoding="utf-8")
            self._out.write(json.dumps(reject.to_dict(), ensure_ascii=False) + "\n")
            self._out.flush()
        except OSError as error:
            raise BackupError(
                f"the errors file {self._path} cannot be written: {error.strerror}",
                hint="Choose another --errors-file.",
            ) from error


_ENTRY = struct.Struct("<8sQQQQ")


class Places:
    """Where each document of the file stood, found by its _id; on the disk, so that memory stays flat.

    Ids are kept as short hashes. Use as a context manager.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=1 << 16)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, key: Any, place: Place) -> None:
        """Remember one."""
        self._file.write(_ENTRY.pack(_short(key), place.record, place.line, place.column, place.offset))

    def find(self, keys: Iterable[Any]) -> list[Place]:
        """The places of documents by their _ids, in the order of the file. One pass over all of them."""
        wanted = {_short(key) for key in keys}
        found = []
        self._file.seek(0)
        while block := self._file.read(_ENTRY.size * 10_000):
            for short, *numbers in _ENTRY.iter_unpack(block):
                if short in wanted:
                    found.append(Place(*numbers))
        self._file.seek(0, os.SEEK_END)
        return found


def _short(key: Any) -> bytes:
    return hashlib.blake2b(bson.encode({"": key}), digest_size=8).digest()


def summary(reasons: Mapping[str, int], most: int = 5) -> str:
    """The reasons with how often each was met, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    said = [f"{number:,} × {reason}" for reason, number in ordered[:most]]
    return "; ".join([*said, *(["..."] if len(ordered) > most else [])])
