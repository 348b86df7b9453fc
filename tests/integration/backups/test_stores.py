"""The contract of stores, held against each of them; then what is particular to S3."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.backup_writer import write_backup
from wayra_db.backups.copying import copy_backup
from wayra_db.backups.keeper import BackupKeeper
from wayra_db.backups.manifest import FILE, FileEntry
from wayra_db.backups.stores import Store, multipart, open_store, split_address
from wayra_db.backups.stores import s3 as s3_module
from wayra_db.backups.stores.local import LocalStore
from wayra_db.backups.stores.s3 import S3Store
from wayra_db.backups.verify import verify_backup
from wayra_db.environment import Environment
from wayra_db.errors import (
    BackupCorruptError,
    BackupError,
    BackupNotFoundError,
    BackupStoreError,
    CancelledError,
    ConfigError,
)
from wayra_db.events import Progress
from wayra_db.stopping import Stop

KEY = "0123456789abcdef"
Bucket = tuple[str, Any]
SMALLEST_PART = 5 * 1024 * 1024  # what S3 allows


@pytest.fixture(params=["local", "s3", "s3 with a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "local":
        yield LocalStore(tmp_path / "store")
        return
    name, _ = request.getfixturevalue("s3_bucket")
    endpoint = request.getfixturevalue("s3_endpoint")
    prefix = "/deep/er" if "prefix" in request.param else ""
    with open_store(f"s3://{name}{prefix}", endpoint_url=endpoint) as made:
        yield made


def entry(content: bytes) -> FileEntry:
    """Size and hash."""
    return FileEntry(len(content), hashlib.sha256(content).hexdigest())


def opener(content: bytes) -> Callable[[int], IO[bytes]]:
    """Opens some bytes as a file."""
    return lambda offset: io.BytesIO(content[offset:])


def upload(store: Store, name: str, files: dict[str, bytes], *, publish: bool = True) -> None:
    """Upload a backup of some files."""
    with store.upload(name, KEY) as begun:
        for path, content in files.items():
            begun.put(path, entry(content), opener(content), lambda size: None)
        if publish:
            begun.publish(b"the manifest", files)


FILES = {"db/users.bson.zst": b"users" * 1000, "db/empty.bson": b"", "frames/a%2Fb ü.json": b"{}"}


def test_an_empty_store(store: Store) -> None:
    """It has no backups, and asking for one says so."""
    assert store.names() == ()
    with pytest.raises(BackupNotFoundError):
        store.files("nightly")
    with pytest.raises(BackupNotFoundError):
        store.delete("nightly")


def test_a_backup_comes_whole(store: Store) -> None:
    """Every file with its size, readable from any offset; listed once it was published, and not before."""
    with store.upload("nightly", KEY) as begun:
        for path, content in FILES.items():
            begun.put(path, entry(content), opener(content), lambda size: None)
            assert begun.holds(path, entry(content))
            assert store.names() == ()
        begun.publish(b"the manifest", FILES)
    assert store.names() == ("nightly",)
    assert store.files("nightly") == {FILE: 12, **{path: len(content) for path, content in FILES.items()}}
    for path, content in FILES.items():
        for offset in (0, 1, len(content), len(content) + 1):
            with store.open("nightly", path, offset) as file:
                assert file.read() == content[offset:]
    with store.open("nightly", "db/users.bson.zst") as file:
        assert file.read(7) == b"usersus"
    assert list(store.exposed("nightly")) == []


def test_what_was_moved_is_told(store: Store) -> None:
    """Every byte once."""
    told: list[int] = []
    content = os.urandom(3_000_000)
    with store.upload("nightly", KEY) as begun:
        begun.put("db/a.bson", entry(content), opener(content), told.append)
    assert sum(told) == len(content)


def test_an_upload_that_was_cut_off_is_gone_on_with(store: Store) -> None:
    """What is there is known by its checksum; files that do not belong any more go at the end."""
    upload(store, "nightly", {"db/a.bson": b"a" * 100, "db/b.bson": b"b" * 100, "db/old.bson": b"x"}, publish=False)
    assert store.names() == ()
    with store.upload("nightly", KEY) as begun:
        assert begun.holds("db/a.bson", entry(b"a" * 100))
        assert not begun.holds("db/b.bson", entry(b"c" * 100))
        assert not begun.holds("db/absent.bson", entry(b""))
        begun.put("db/b.bson", entry(b"c" * 100), opener(b"c" * 100), lambda size: None)
        begun.publish(b"the manifest", ["db/a.bson", "db/b.bson"])
    assert store.files("nightly") == {"db/a.bson": 100, "db/b.bson": 100, FILE: 12}
    with store.open("nightly", "db/b.bson") as file:
        assert file.read() == b"c" * 100


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_a_file_that_is_not_as_stated_is_not_kept(store: Store, size: int) -> None:
    """A changed byte, one too few, one too many."""
    content = os.urandom(size)
    changed = bytes([content[0] ^ 1]) + content[1:]
    for wrong in (changed, content[:-1], content + b"x"):
        with store.upload("nightly", KEY) as begun:
            with pytest.raises(BackupCorruptError) as caught:
                begun.put("db/a.bson", entry(content), opener(wrong), lambda moved: None)
            assert caught.value.file == "db/a.bson"
            assert not begun.holds("db/a.bson", entry(content))


def test_a_put_that_breaks_off_keeps_no_file(store: Store) -> None:
    """The next put of it brings it whole."""
    content = os.urandom(3_000_000)

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1_000_000:
                raise OSError("the cable")
            return super().read(min(size or 0, 500_000) if size and size > 0 else size)

    with store.upload("nightly", KEY) as begun:
        with pytest.raises(OSError, match="the cable"):
            begun.put("db/a.bson", entry(content), lambda offset: Breaking(content[offset:]), lambda size: None)
        assert not begun.holds("db/a.bson", entry(content))
        begun.put("db/a.bson", entry(content), opener(content), lambda size: None)
        assert begun.holds("db/a.bson", entry(content))


def test_a_name_that_is_taken_is_refused(store: Store) -> None:
    """Nothing of the one that is there is touched."""
    upload(store, "nightly", FILES)
    with pytest.raises(BackupError, match="there is a backup named nightly"), store.upload("nightly", KEY):
        pass
    assert len(store.files("nightly")) == len(FILES) + 1


def test_a_delete_takes_all_of_one_and_nothing_of_another(store: Store) -> None:
    """Also of one whose name begins like it."""
    upload(store, "nightly", FILES)
    upload(store, "nightly2", FILES)
    store.delete("nightly")
    assert store.names() == ("nightly2",)
    assert len(store.files("nightly2")) == len(FILES) + 1
    with pytest.raises(BackupNotFoundError):
        store.files("nightly")


def test_a_file_that_is_not_there(store: Store) -> None:
    """As of any file."""
    upload(store, "nightly", FILES)
    with pytest.raises(FileNotFoundError):
        store.open("nightly", "db/absent.bson")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/x", "-x", ".hidden", "x" * 200, "a\0"])
def test_names_that_lead_elsewhere_are_refused(store: Store, name: str) -> None:
    """By every verb."""
    for look in (store.files, store.delete):
        with pytest.raises(BackupNotFoundError):
            look(name)
    with pytest.raises(ConfigError), store.upload(name, KEY):
        pass


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a\\b"])
def test_paths_that_lead_elsewhere_are_refused(store: Store, path: str) -> None:
    """Nothing is written, nothing is read."""
    upload(store, "nightly", FILES)
    with pytest.raises(ValueError, match="outside"):
        store.open("nightly", path)
    with store.upload("other", KEY) as begun, pytest.raises(ValueError, match="outside"):
        begun.put(path, entry(b"x"), opener(b"x"), lambda size: None)


# --- S3 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def keeper(tmp_path: Path, s3_endpoint: str) -> BackupKeeper:
    """The keeper of a folder with one backup, who knows the S3 server."""
    write_backup(tmp_path / "backups", "nightly")
    return BackupKeeper(tmp_path / "backups", Environment.DEVELOPMENT, endpoint_url=s3_endpoint)


def test_there_and_back(keeper: BackupKeeper, s3_bucket: Bucket, tmp_path: Path) -> None:
    """Copied to S3, listed, shown, verified and deleted there, and copied back byte for byte."""
    place = f"s3://{s3_bucket[0]}/wayra"
    done = keeper.copy("nightly", place)
    assert (done.files, done.skipped, done.target) == (10, 0, place)
    (listed,) = keeper.list(place)
    assert listed.to_dict() | {"modifiedAt": ""} == keeper.show("nightly").to_dict() | {"modifiedAt": ""}
    assert keeper.verify(f"{place}/nightly").ok
    other = BackupKeeper(tmp_path / "other", Environment.DEVELOPMENT, endpoint_url=keeper.endpoint_url)
    other.copy(f"{place}/nightly")
    for path in (keeper.folder / "nightly").rglob("*"):
        if path.is_file():
            assert (other.folder / path.relative_to(keeper.folder)).read_bytes() == path.read_bytes()
    assert keeper.delete([f"{place}/nightly"]).removed == ("nightly",)
    assert keeper.list(place) == ()
    assert "Contents" not in s3_bucket[1].list_objects_v2(Bucket=s3_bucket[0])


def test_a_changed_object_is_found(keeper: BackupKeeper, s3_bucket: Bucket) -> None:
    """By verify, and by a copy back, which leaves nothing that is listed."""
    bucket, client = s3_bucket
    keeper.copy("nightly", f"s3://{bucket}")
    key = "nightly/wayra/users.bson.zst"
    content = bytearray(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    content[100] ^= 1
    client.put_object(Bucket=bucket, Key=key, Body=bytes(content))
    assert [finding.file for finding in keeper.verify(f"s3://{bucket}/nightly").findings] == ["wayra/users.bson.zst"]
    keeper.delete(["nightly"])
    with pytest.raises(BackupCorruptError) as caught:
        keeper.copy(f"s3://{bucket}/nightly")
    assert caught.value.file == "wayra/users.bson.zst"
    assert keeper.list() == ()


def test_an_object_that_is_missing_is_found_before_anything_is_copied(keeper: BackupKeeper, s3_bucket: Bucket) -> None:
    """By its name."""
    bucket, client = s3_bucket
    keeper.copy("nightly", f"s3://{bucket}")
    client.delete_object(Bucket=bucket, Key="nightly/wayra/users.bson.zst")
    keeper.delete(["nightly"])
    with pytest.raises(BackupError, match=r"wayra/users.bson.zst is missing: nothing was copied"):
        keeper.copy(f"s3://{bucket}/nightly")


def test_a_damaged_backup_does_not_get_there(keeper: BackupKeeper, s3_bucket: Bucket) -> None:
    """What is read is compared with the manifest before the store takes it."""
    path = keeper.folder / "nightly" / "wayra" / "trips.bson.zst"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupCorruptError):
        keeper.copy("nightly", f"s3://{s3_bucket[0]}")
    assert keeper.list(f"s3://{s3_bucket[0]}") == ()


class Killed(BaseException):
    """The process ends here."""


def large_backup(folder: Path, name: str = "large") -> None:
    """A backup with a file of a few parts."""
    documents = [{"_id": number, "x": os.urandom(100_000)} for number in range(180)]
    write_backup(folder, name, {"users": documents, "trips": [{"_id": 1}]}, codec="none", documents_in_frame=10)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts as small as S3 allows."""
    for module in (multipart, s3_module):
        monkeypatch.setattr(module, "PART", SMALLEST_PART)


@pytest.mark.usefixtures("small_parts")
def test_a_large_file_goes_in_parts_and_is_gone_on_with(
    tmp_path: Path, s3_bucket: Bucket, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after two parts: the next copy sends only the others, and the whole is what it was."""
    bucket, client = s3_bucket
    source = LocalStore(tmp_path)
    large_backup(tmp_path)
    sent: list[int] = []
    send = multipart.MultipartUpload._send

    def counting(self: Any, upload_id: str, number: int, data: bytes, moved: Any) -> Any:
        if number > 2 and not again:
            raise Killed
        sent.append(number)
        return send(self, upload_id, number, data, moved)

    monkeypatch.setattr(multipart.MultipartUpload, "_send", counting)
    again = False
    with S3Store(bucket, endpoint_url=s3_endpoint) as target:
        with pytest.raises(Killed):
            copy_backup(source, "large", target)
        assert sorted(sent) == [1, 2]
        assert target.names() == ()
        again = True
        sent.clear()
        copy_backup(source, "large", target)
        assert sorted(sent) == [3, 4]
        assert verify_backup(target, "large").ok
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.usefixtures("small_parts")
def test_parts_of_another_file_are_not_used(tmp_path: Path, s3_bucket: Bucket, s3_endpoint: str) -> None:
    """A backup of the same name was once on its way there."""
    bucket, client = s3_bucket
    made = client.create_multipart_upload(
        Bucket=bucket, Key="large/wayra/users.bson", ChecksumAlgorithm="SHA256", Metadata={"sha256": "other"}
    )
    client.upload_part(
        Bucket=bucket, Key="large/wayra/users.bson", UploadId=made["UploadId"], PartNumber=1, Body=b"x" * SMALLEST_PART
    )
    large_backup(tmp_path)
    with S3Store(bucket, endpoint_url=s3_endpoint) as target:
        copy_backup(LocalStore(tmp_path), "large", target)
        assert verify_backup(target, "large").ok
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.usefixtures("small_parts")
def test_a_stop_ends_an_upload_and_the_next_goes_on(tmp_path: Path, s3_bucket: Bucket, s3_endpoint: str) -> None:
    """At the next part, with nothing listed."""
    large_backup(tmp_path)
    stop = Stop()

    def stopping(event: object) -> None:
        if isinstance(event, Progress):
            stop.request("SIGTERM")

    with S3Store(s3_bucket[0], endpoint_url=s3_endpoint) as target:
        with pytest.raises(CancelledError):
            copy_backup(LocalStore(tmp_path), "large", target, observer=stopping, stop=stop)
        assert target.names() == ()
        done = copy_backup(LocalStore(tmp_path), "large", target)
        assert done.files == 7
        assert verify_backup(target, "large").ok


def test_files_that_are_there_are_not_sent_again(keeper: BackupKeeper, s3_bucket: Bucket, s3_endpoint: str) -> None:
    """A copy that was killed before its last step does only that."""
    bucket, client = s3_bucket
    keeper.copy("nightly", f"s3://{bucket}")
    client.delete_object(Bucket=bucket, Key=f"nightly/{FILE}")
    assert keeper.list(f"s3://{bucket}") == ()
    done = keeper.copy("nightly", f"s3://{bucket}")
    assert (done.files, done.skipped) == (10, 9)
    assert keeper.verify(f"s3://{bucket}/nightly").ok


def test_a_store_that_keeps_no_checksums_is_read_back(
    keeper: BackupKeeper, s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is not as it was sent is deleted there."""
    bucket, _ = s3_bucket
    head = S3Store.head

    def without(self: S3Store, name: str, path: str) -> Any:
        found = head(self, name, path)
        return found and {key: value for key, value in found.items() if not key.startswith("Checksum")}

    monkeypatch.setattr(S3Store, "head", without)
    keeper.copy("nightly", f"s3://{bucket}/sound")
    assert keeper.verify(f"s3://{bucket}/sound/nightly").ok

    monkeypatch.setattr(S3Store, "open", lambda *arguments: io.BytesIO(b"other"))
    with pytest.raises(BackupStoreError, match="something else than what was sent"):
        keeper.copy("nightly", f"s3://{bucket}/odd")


def test_errors_of_the_store_are_in_our_words(
    keeper: BackupKeeper, s3_bucket: Bucket, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket that is not there, an endpoint where nobody answers, no keys: with a hint and without a secret."""
    with pytest.raises(BackupStoreError) as caught:
        keeper.copy("nightly", "s3://no-such-bucket-anywhere/x")
    assert caught.value.store == "s3://no-such-bucket-anywhere/x"
    keeper.endpoint_url = "http://127.0.0.1:1"
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(BackupStoreError, match=r"127\.0\.0\.1:1"):
        keeper.list(f"s3://{s3_bucket[0]}")
    keeper.endpoint_url = s3_endpoint
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(BackupStoreError, match="no keys") as no_keys:
        keeper.list(f"s3://{s3_bucket[0]}")
    assert "AWS_ACCESS_KEY_ID" in no_keys.value.hint


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("nightly", (None, "nightly")),
        ("s3://bucket/nightly", ("s3://bucket", "nightly")),
        ("s3://bucket/a/b/nightly/", ("s3://bucket/a/b", "nightly")),
        ("file:///backups/nightly", ("file:///backups", "nightly")),
        ("/backups/nightly", ("/backups", "nightly")),
        ("/nightly", ("/", "nightly")),
        ("./nightly", (".", "nightly")),
    ],
)
def test_addresses_of_backups(address: str, parts: tuple[str | None, str]) -> None:
    """The store, and the name in it."""
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "/", ".", "..", "../..", "s3://bucket", "s3://", "a/.hidden", "file:///"])
def test_addresses_without_a_name(address: str) -> None:
    """They are refused."""
    with pytest.raises(ConfigError):
        split_address(address)


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///x", "s3://key:secret@bucket", "gs://bucket", "file://host/x", "s3://bucket/x?y=1"]
)
def test_addresses_of_no_store(address: str) -> None:
    """They are refused, and no secret in them is repeated."""
    with pytest.raises(ConfigError) as caught:
        open_store(address)
    assert "secret" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("size", "part"),
    [(0, 8), (80_000 << 20, 8), ((80_000 << 20) + 1, 16), (5 << 40, 528)],
)
def test_parts_are_never_too_many(size: int, part: int) -> None:
    """10,000 at the most; sizes in MiB."""
    assert multipart.part_size(size) == part << 20
    assert -(-size // multipart.part_size(size)) <= multipart.MOST_PARTS
