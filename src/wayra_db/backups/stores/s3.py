"""Backups on S3, and on what speaks like it, by boto3.

A backup is listed once its manifest is there, which is uploaded last and deleted first. Keys and regions come from
where every AWS program has them: the environment, `~/.aws`, the machine's role.
"""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, Self

from wayra_db.backups.frames import read_exactly
from wayra_db.backups.manifest import FILE, FileEntry, safe_path
from wayra_db.backups.names import BACKUP_NAME, require_backup_name
from wayra_db.backups.stores.base import Moved, Opener, not_as_stated
from wayra_db.backups.stores.multipart import PART, MultipartUpload
from wayra_db.errors import BackupError, BackupNotFoundError, BackupStoreError, ConfigError

if TYPE_CHECKING:
    from types import TracebackType

BLOCK = 1 << 20
DELETED_AT_ONCE = 1000  # the most that one request takes
HASH = "sha256"  # the name of the metadata that holds a file's hash


class S3Store:
    """A bucket, and a prefix in it under which the backups lie."""

    def __init__(self, bucket: str, prefix: str = "", *, endpoint_url: str | None = None) -> None:
        self.bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint_url = endpoint_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self._prefix}".rstrip("/")

    @cached_property
    def client(self) -> Any:
        """boto3's client."""
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise ConfigError(
                "backups on S3 need the package boto3", key="s3", hint="pip install 'wayra-db[s3]'"
            ) from error
        # A session of its own: boto3's default one is not to be shared between threads.
        config = Config(retries={"mode": "standard", "max_attempts": 5}, s3={"addressing_style": "auto"})
        with self.translated():
            return boto3.session.Session().client("s3", endpoint_url=self._endpoint_url, config=config)

    def names(self) -> tuple[str, ...]:
        """One request for a thousand backups, and one for each."""
        with self.translated():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._prefix, Delimiter="/"
            )
            found = [one["Prefix"][len(self._prefix) : -1] for page in pages for one in page.get("CommonPrefixes", ())]
        return tuple(sorted(name for name in found if BACKUP_NAME.fullmatch(name) and self.head(name, FILE)))

    def files(self, name: str) -> Mapping[str, int]:
        """One request for a thousand files."""
        found = self.everything(name)
        if FILE not in found:
            raise _not_found(self, name)
        return found

    def everything(self, name: str) -> dict[str, int]:
        """Every file that lies under a backup's name, whole backup or not."""
        if not BACKUP_NAME.fullmatch(name):
            raise _not_found(self, name)
        place = self.key(name, "")
        with self.translated():
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=place)
            return {one["Key"][len(place) :]: one["Size"] for page in pages for one in page.get("Contents", ())}

    def open(self, name: str, path: str, offset: int = 0) -> IO[bytes]:
        """Streamed: nothing of it is kept."""
        key = self.key(name, safe_path(path))
        head = self.head(name, path)
        if head is None:
            raise FileNotFoundError(2, "there is no such file", f"{self.address}/{name}/{path}")
        if offset >= head["ContentLength"]:
            return io.BytesIO()
        with self.translated():
            # The object that was looked at, and no other that has taken its place meanwhile.
            asked = {"Bucket": self.bucket, "Key": key, "IfMatch": head["ETag"]}
            answer = self.client.get_object(**asked, **({"Range": f"bytes={offset}-"} if offset else {}))
        return io.BufferedReader(_Streamed(self, answer["Body"]), BLOCK)

    def exposed(self, name: str) -> Iterable[str]:
        """Who may read a bucket is not ours to tell."""
        return ()

    @contextmanager
    def upload(self, name: str, key: str) -> Iterator[S3Upload]:
        """Uploads under the name itself: without a manifest it is not listed."""
        if self.head(require_backup_name(name), FILE):
            raise BackupError(
                f"there is a backup named {name} in {self.address} already; nothing was copied",
                hint=f"Delete that one first: wayra-db backup delete {self.address}/{name}.",
            )
        yield S3Upload(self, name)

    def delete(self, name: str) -> None:
        """The manifest first, then the files."""
        self.files(name)
        with self.translated():
            self.client.delete_object(Bucket=self.bucket, Key=self.key(name, FILE))
        self.remove(name, self.everything(name))
        MultipartUpload.abort_all(self, self.key(name, ""))

    def remove(self, name: str, paths: Iterable[str]) -> None:
        """Delete files."""
        keys = [{"Key": self.key(name, path)} for path in paths]
        for first in range(0, len(keys), DELETED_AT_ONCE):
            some = keys[first : first + DELETED_AT_ONCE]
            with self.translated():
                answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
            if errors := answer.get("Errors"):
                raise BackupStoreError(f"{self.address}: not deleted: {errors[0].get('Code')}", store=self.address)

    def close(self) -> None:
        """Close the connections."""
        if "client" in self.__dict__:
            self.client.close()

    def key(self, name: str, path: str) -> str:
        """The object's key."""
        return f"{self._prefix}{name}/{path}"

    def head(self, name: str, path: str) -> dict[str, Any] | None:
        """What the store knows of a file, with its checksum; None when it is not there."""
        from botocore.exceptions import ClientError

        with self.translated():
            try:
                answer: dict[str, Any] = self.client.head_object(
                    Bucket=self.bucket, Key=self.key(name, path), ChecksumMode="ENABLED"
                )
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404 and self._bucket_exists():
                    return None
                raise
        return answer

    def _bucket_exists(self) -> bool:
        """A bucket that is not there is answered with 404 as well, and that is a mistake in the address."""
        self.client.head_bucket(Bucket=self.bucket)
        return True

    def translated(self) -> _Translated:
        """Within the block, errors of boto3 become BackupStoreError."""
        return _Translated(self.address)


class S3Upload:
    """Files go to their final keys. Each carries its SHA-256 in its metadata, and the store checks it on arrival."""

    def __init__(self, store: S3Store, name: str) -> None:
        self._store = store
        self._name = name

    def holds(self, path: str, entry: FileEntry) -> bool:
        """By size and hash as they were when the store took it; reads nothing of the file."""
        head = self._store.head(self._name, safe_path(path))
        return head is not None and head["ContentLength"] == entry.size and head["Metadata"].get(HASH) == entry.sha256

    def put(self, path: str, entry: FileEntry, open_at: Opener, moved: Moved) -> None:
        """Small files in one request, large ones in parts, of which those that are there already stay."""
        key = self._store.key(self._name, safe_path(path))
        if entry.size > PART:
            upload = MultipartUpload(self._store, key, {HASH: entry.sha256})
            with open_at(0) as file:
                composite = upload.send(path, file, entry, moved)
            self._require(path, entry, composite)
            return
        with open_at(0) as file:
            content = read_exactly(file, entry.size + 1)
        if FileEntry(len(content), hashlib.sha256(content).hexdigest()) != entry:
            raise not_as_stated(path)
        checksum = b64encode(bytes.fromhex(entry.sha256)).decode()
        with self._store.translated():
            self._store.client.put_object(
                Bucket=self._store.bucket,
                Key=key,
                Body=content,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
                Metadata={HASH: entry.sha256},
            )
        moved(len(content))
        self._require(path, entry, checksum)

    def publish(self, manifest: bytes, paths: Iterable[str]) -> None:
        """Remove what does not belong, then upload the manifest."""
        wanted = set(paths)
        self._store.remove(self._name, [one for one in self._store.everything(self._name) if one not in wanted])
        MultipartUpload.abort_all(self._store, self._store.key(self._name, ""))
        entry = FileEntry(len(manifest), hashlib.sha256(manifest).hexdigest())
        self.put(FILE, entry, lambda offset: io.BytesIO(manifest[offset:]), lambda size: None)

    def _require(self, path: str, entry: FileEntry, checksum: str) -> None:
        """Raise unless the store has what was sent: by its own checksum, or read back from one that keeps none."""
        head = self._store.head(self._name, path) or {}
        kept = head.get("ChecksumSHA256")
        if head.get("Metadata", {}).get(HASH) != entry.sha256 or head.get("ContentLength") != entry.size:
            arrived = False
        elif kept is not None:
            arrived = kept.partition("-")[0] == checksum  # some put the number of parts behind it
        else:
            digest, size = hashlib.sha256(), 0
            with self._store.open(self._name, path) as file:
                while block := file.read(BLOCK):
                    digest.update(block)
                    size += len(block)
            arrived = FileEntry(size, digest.hexdigest()) == entry
        if not arrived:
            self._store.remove(self._name, [path])
            raise BackupStoreError(
                f"{self._store.address} holds something else than what was sent of {path}; it was deleted there",
                store=self._store.address,
                hint="Copy it again.",
            )


class _Streamed(io.RawIOBase):
    """The body of an answer as a file; a connection that breaks is an error of the store."""

    def __init__(self, store: S3Store, body: Any) -> None:
        self._store = store
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._store.translated():
            data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()


class _Translated:
    """Turns what boto3 raises into one of our errors."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

        hint = ""
        if isinstance(error, ClientError):
            answer = error.response.get("Error", {})
            problem = f"{answer.get('Code', 'unknown')}: {answer.get('Message', '')}".rstrip(": ")
            hint = "Look at the bucket's name, its region, and what the keys may do there."
        elif isinstance(error, NoCredentialsError):
            problem, hint = (
                "there are no keys for it",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            )
        elif isinstance(error, (BotoCoreError, HTTPClientError, Boto3Error, ValueError)):
            problem, hint = str(error), "Look at the endpoint's URL and at the network, then run it again: it goes on."
        else:
            return
        raise BackupStoreError(f"{self._address}: {problem}", store=self._address, hint=hint) from error


def _not_found(store: S3Store, name: str) -> BackupNotFoundError:
    return BackupNotFoundError(
        f"there is no backup {name!r} in {store.address}",
        name=name,
        hint=f"See them: wayra-db backup list {store.address}.",
    )
