"""One large file to S3 in parts, several at a time; parts that an upload before has brought are not sent again."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from wayra_db.backups.frames import read_exactly
from wayra_db.backups.manifest import FileEntry
from wayra_db.backups.stores.base import Moved, not_as_stated

if TYPE_CHECKING:
    from wayra_db.backups.stores.s3 import S3Store

PART = 8 * 1024 * 1024
MOST_PARTS = 10_000
IN_MEMORY = 4 * PART


@dataclass(frozen=True, slots=True)
class _Part:
    """What the store has under a number."""

    etag: str
    checksum: str | None
    size: int

    def holds(self, data: bytes) -> bool:
        """Whether it is this: by SHA-256, or by the tag of a store that tells no checksums of parts.

        That tag is the MD5 where nothing is encrypted by the store; elsewhere the part is sent again.
        """
        if self.size != len(data):
            return False
        if self.checksum is not None:
            return self.checksum == _checksum(data)
        return self.etag.strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest()


class MultipartUpload:
    """The upload of one key; goes on with one that was begun for it and cut off."""

    def __init__(self, store: S3Store, key: str, metadata: Mapping[str, str]) -> None:
        self._store = store
        self._place = {"Bucket": store.bucket, "Key": key}
        self._metadata = dict(metadata)

    def send(self, path: str, file: IO[bytes], entry: FileEntry, moved: Moved) -> str:
        """Send what is missing and put the parts together; returns what the store takes as the checksum of the whole:
        that of the parts' checksums.

        Keeps few parts in memory, 40 MB of them for a file of less than 80 GB. Raises BackupCorruptError when the file
        is not what `entry` says; nothing is put together then.
        """
        size = part_size(entry.size)
        at_once = max(1, IN_MEMORY // size)
        digest, read = hashlib.sha256(), 0
        data = read_exactly(file, size)
        upload_id, present = self._begin(data)
        parts: list[dict[str, Any]] = []
        checksums: list[bytes] = []
        under_way: deque[Future[dict[str, Any]]] = deque()
        with ThreadPoolExecutor(at_once, thread_name_prefix="wayra-s3") as pool:
            while data:
                digest.update(data)
                read += len(data)
                checksums.append(hashlib.sha256(data).digest())
                number = len(checksums)
                there = present.get(number)
                if there is not None and there.holds(data):
                    moved(len(data))
                    under_way.append(_ended(_named(number, there.etag, _checksum(data))))
                else:
                    under_way.append(pool.submit(self._send, upload_id, number, data, moved))
                while len(under_way) > at_once:
                    parts.append(under_way.popleft().result())
                data = read_exactly(file, size)
            parts += [one.result() for one in under_way]
        if FileEntry(read, digest.hexdigest()) != entry:
            self._abort(upload_id)
            raise not_as_stated(path)
        with self._store.translated():
            self._store.client.complete_multipart_upload(
                **self._place, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        return _checksum(b"".join(checksums))

    def _begin(self, first: bytes) -> tuple[str, dict[int, _Part]]:
        """An upload of this file that was cut off, with its parts, or a new one. `first` is its first part: another
        file was once on its way to the same key if the one that is there differs.
        """
        for one in _uploads(self._store, self._place["Key"]):
            if one["Key"] == self._place["Key"]:
                present = self._parts(one["UploadId"])
                if 1 in present and present[1].holds(first):
                    return one["UploadId"], present
                self._abort(one["UploadId"])
        with self._store.translated():
            made = self._store.client.create_multipart_upload(
                **self._place, ChecksumAlgorithm="SHA256", Metadata=self._metadata
            )
        return made["UploadId"], {}

    def _parts(self, upload_id: str) -> dict[int, _Part]:
        with self._store.translated():
            pages = self._store.client.get_paginator("list_parts").paginate(**self._place, UploadId=upload_id)
            return {
                one["PartNumber"]: _Part(one["ETag"], one.get("ChecksumSHA256"), one["Size"])
                for page in pages
                for one in page.get("Parts", ())
            }

    def _send(self, upload_id: str, number: int, data: bytes, moved: Moved) -> dict[str, Any]:
        checksum = _checksum(data)
        with self._store.translated():
            answer = self._store.client.upload_part(
                **self._place, UploadId=upload_id, PartNumber=number, Body=data, ChecksumSHA256=checksum
            )
        moved(len(data))
        return _named(number, answer["ETag"], checksum)

    def _abort(self, upload_id: str) -> None:
        with self._store.translated():
            self._store.client.abort_multipart_upload(**self._place, UploadId=upload_id)

    @staticmethod
    def abort_all(store: S3Store, prefix: str) -> None:
        """Give up all uploads under a prefix, with the parts that they have brought."""
        for one in _uploads(store, prefix):
            with store.translated():
                store.client.abort_multipart_upload(Bucket=store.bucket, Key=one["Key"], UploadId=one["UploadId"])


def part_size(size: int) -> int:
    """How large the parts of a file are: the same at every attempt, and never too many."""
    smallest = -(-size // MOST_PARTS)
    return max(PART, -(-smallest // PART) * PART)


def _checksum(data: bytes) -> str:
    return b64encode(hashlib.sha256(data).digest()).decode()


def _named(number: int, etag: str, checksum: str) -> dict[str, Any]:
    return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}


def _ended(part: dict[str, Any]) -> Future[dict[str, Any]]:
    future: Future[dict[str, Any]] = Future()
    future.set_result(part)
    return future


def _uploads(store: S3Store, prefix: str) -> list[dict[str, Any]]:
    with store.translated():
        pages = store.client.get_paginator("list_multipart_uploads").paginate(Bucket=store.bucket, Prefix=prefix)
        return [one for page in pages for one in page.get("Uploads", ())]
