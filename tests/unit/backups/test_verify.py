from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import bson
import pytest

from tests.backup_writer import write_backup
from wayra_db.backups.catalog import find_backup
from wayra_db.backups.manifest import FILE, Codec, Manifest, from_json, to_json
from wayra_db.backups.report import VerifyReport
from wayra_db.backups.stores.local import LocalStore
from wayra_db.backups.verify import verify_backup
from wayra_db.errors import BackupNotFoundError, CancelledError, ConfigError
from wayra_db.stopping import Stop


def verify(parent: Path, name: str = "nightly", identities: list[str] | None = None) -> VerifyReport:
    """Verify a backup of a folder."""
    return verify_backup(LocalStore(parent), name, identities=identities)


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
def test_a_sound_backup(tmp_path: Path, codec: Codec) -> None:
    """Nothing is found, and everything was counted."""
    manifest = write_backup(tmp_path, "nightly", codec=codec)
    report = verify(tmp_path)
    assert (report.findings, report.ok, report.kind) == ((), True, "structure")
    assert (report.documents, report.files) == (49, len(manifest.files) + 1)
    assert report.size == find_backup(tmp_path, "nightly").size
    report.require_ok()


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
def test_any_changed_byte_is_found_in_its_file(tmp_path: Path, codec: Codec) -> None:
    """A thousand random changes of a byte over all files, the manifest among them; each names the file it is in."""
    write_backup(tmp_path, "nightly", codec=codec)
    places = [(path, offset) for path in files(tmp_path / "nightly") for offset in range(path.stat().st_size)]
    chance = random.Random(codec)
    for path, offset in chance.sample(places, 1000 if codec == "zstd" else 150):
        sound = path.read_bytes()
        changed = bytearray(sound)
        changed[offset] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        report = verify(tmp_path)
        name = path.relative_to(tmp_path / "nightly").as_posix()
        assert not report.ok, (name, offset)
        assert name in {finding.file for finding in report.findings}, (name, offset)
        path.write_bytes(sound)
    assert verify(tmp_path).ok


def test_a_change_says_where_it_is(tmp_path: Path) -> None:
    """The offset of the damaged frame, one finding, and the error of the library with all of it."""
    manifest = write_backup(tmp_path, "nightly")
    path = tmp_path / "nightly" / "wayra" / "users.bson.zst"
    frames = json.loads((tmp_path / "nightly" / "frames" / "users.bson.zst.json").read_text())["frames"]
    content = bytearray(path.read_bytes())
    content[frames[2][0] + 20] ^= 1
    path.write_bytes(content)
    report = verify(tmp_path)
    (finding,) = report.findings
    assert (finding.file, finding.offset) == ("wayra/users.bson.zst", frames[2][0])
    assert report.documents == manifest.documents - frames[2][3]
    with pytest.raises(Exception, match=r"nightly is damaged: wayra/users.bson.zst, byte \d+: a frame is damaged"):
        report.require_ok()


Damage = Callable[[Path], None]


def cut(path: Path) -> None:
    """Leave half of it."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def grow(path: Path) -> None:
    """Put something behind it."""
    path.write_bytes(path.read_bytes() + b"\0")


def link(path: Path) -> None:
    """Put a link to a copy in its place."""
    away = path.parents[2] / "elsewhere"
    path.rename(away)
    path.symlink_to(away)


@pytest.mark.parametrize("damage", [cut, grow, link, Path.unlink])
def test_cut_grown_linked_and_missing_files(tmp_path: Path, damage: Damage) -> None:
    """Each file of a backup in turn is damaged, and named."""
    write_backup(tmp_path / "sound", "nightly", {"users": [{"_id": 1}], "trips": [{"_id": 2}, {"_id": 3}]})
    for path in files(tmp_path / "sound" / "nightly"):
        folder = tmp_path / "damaged"
        shutil.copytree(tmp_path / "sound", folder)
        name = path.relative_to(tmp_path / "sound" / "nightly").as_posix()
        damage(folder / "nightly" / name)
        report = verify(folder)
        assert not report.ok
        assert name in {finding.file for finding in report.findings}, name
        shutil.rmtree(folder)


def test_an_extra_file_is_named(tmp_path: Path) -> None:
    """Also a hidden one, a link to a file or a folder, one in a folder of its own, and an empty folder."""
    write_backup(tmp_path, "nightly")
    folder = tmp_path / "nightly"
    (folder / "wayra" / "more.bson.zst").touch(mode=0o600)
    (folder / ".hidden").touch(mode=0o600)
    (folder / "deep").mkdir(mode=0o700)
    (folder / "deep" / "file").touch(mode=0o600)
    (folder / "link").symlink_to(tmp_path)
    (folder / "wayra" / "empty").mkdir(mode=0o700)
    found = {finding.file: finding.what for finding in verify(tmp_path).findings}
    assert found == dict.fromkeys(
        (".hidden", "deep/file", "link", "wayra/empty/", "wayra/more.bson.zst"), "does not belong to the backup"
    )


def test_swapped_files_are_found(tmp_path: Path) -> None:
    """Files of one size among them."""
    write_backup(tmp_path, "nightly", {"a": [{"_id": 1}], "b": [{"_id": 2}]}, codec="none")
    one, two = (tmp_path / "nightly" / "wayra" / f"{name}.bson" for name in "ab")
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    assert [finding.file for finding in verify(tmp_path).findings] == ["wayra/a.bson", "wayra/b.bson"]


def test_a_linked_folder_within_is_not_followed(tmp_path: Path) -> None:
    """Everything below it counts as missing."""
    write_backup(tmp_path, "nightly")
    (tmp_path / "nightly" / "wayra").rename(tmp_path / "away")
    (tmp_path / "nightly" / "wayra").symlink_to(tmp_path / "away")
    found = {finding.file: finding.what for finding in verify(tmp_path).findings}
    assert found["wayra"] == "does not belong to the backup"
    assert found["wayra/users.bson.zst"] == "is missing"


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_loose_permissions_are_a_warning(tmp_path: Path) -> None:
    """The backup is sound all the same."""
    write_backup(tmp_path, "nightly")
    (tmp_path / "nightly" / "wayra" / "users.bson.zst").chmod(0o644)
    (tmp_path / "nightly").chmod(0o750)
    report = verify(tmp_path)
    assert report.ok
    assert [(finding.file, finding.severity) for finding in report.findings] == [
        (".", "warning"),
        ("wayra/users.bson.zst", "warning"),
    ]


def rewritten(folder: Path, change: Callable[[dict[str, object]], None], data: bytes | None = None) -> None:
    """Change a manifest and all hashes with it, as somebody would who wants to deceive."""
    import hashlib

    if data is not None:
        (folder / "wayra" / "users.bson").write_bytes(data)
    document = from_json((folder / FILE).read_bytes()).to_dict()
    for path in document["files"]:
        content = (folder / path).read_bytes()
        document["files"][path] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change(document)
    from wayra_db.backups import manifest as module

    digest = module._digest(document)
    (folder / FILE).write_text(json.dumps({**document, "digest": digest}, indent=1, ensure_ascii=False) + "\n")


def test_totals_are_compared_even_where_every_hash_fits(tmp_path: Path) -> None:
    """Documents, bytes and hash of a collection against its frames."""
    for field, wrong in (("documents", 41), ("bytes", 1), ("sha256", "0" * 64)):
        write_backup(tmp_path, field, codec="none")

        def change(document: dict[str, object], field: str = field, wrong: object = wrong) -> None:
            document["collections"][0][field] = wrong  # type: ignore[index]

        rewritten(tmp_path / field, change)
        (finding,) = verify(tmp_path, field).findings
        assert finding.file == "wayra/users.bson"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[1, 10, 10, 1, ""]], "begins at 1"),
        ([[0, 10, 10, 1, ""], [11, 10, 10, 1, ""]], "ends at 10"),
        ([[0, 10, 10, 1, ""], [9, 10, 10, 1, ""]], "ends at 10"),
        ([[0, -1, 10, 1, ""]], "frame 0 is not"),
        ([[0, 10, 10, True, ""]], "frame 0 is not"),
        ([[0, 1 << 40, 10, 1, ""]], "larger than a frame"),
        ([{}], "frame 0 is not"),
        ("x", "lists no frames"),
        (None, "lists no frames"),
    ],
)
def test_an_index_of_frames_that_makes_no_sense(tmp_path: Path, rows: object, says: str) -> None:
    """With hashes that fit, so that nothing else can find it."""
    write_backup(tmp_path, "nightly", codec="none")
    folder = tmp_path / "nightly"
    (folder / "frames" / "users.bson.json").write_text(json.dumps({"format": 1, "frames": rows}))
    rewritten(folder, lambda document: None)
    (finding,) = verify(tmp_path).findings
    assert finding.file == "frames/users.bson.json"
    assert says in finding.what


def test_a_broken_document_is_found_where_every_hash_fits(tmp_path: Path) -> None:
    """A document whose structure is damaged deep inside."""
    import hashlib

    from wayra_db.backups.codecs import checksum

    write_backup(tmp_path, "nightly", {"users": [{"_id": 1, "a": {"b": ["text"]}}]}, codec="none")
    folder = tmp_path / "nightly"
    broken = bson.encode({"_id": 1, "a": {"b": ["text"]}}).replace(b"text\0", b"text\1")
    frame = [0, len(broken), len(broken), 1, checksum(broken)]
    (folder / "frames" / "users.bson.json").write_text(json.dumps({"format": 1, "frames": [frame]}))

    def change(document: dict[str, object]) -> None:
        document["collections"][0]["sha256"] = hashlib.sha256(broken).hexdigest()  # type: ignore[index]

    rewritten(folder, change, broken)
    (finding,) = verify(tmp_path).findings
    assert (finding.file, finding.offset) == ("wayra/users.bson", 0)
    assert "text of 5 bytes" in finding.what


@pytest.mark.parametrize(
    ("part", "path"), [("data", None), ("frames", None), ("metadata", "wayra/trips.metadata.json")]
)
def test_a_manifest_whose_parts_do_not_fit_together(tmp_path: Path, part: str, path: str | None) -> None:
    """A collection without a file, or with another one's."""
    write_backup(tmp_path, "nightly")

    def change(document: dict[str, object]) -> None:
        document["collections"][0][part] = path  # type: ignore[index]

    rewritten(tmp_path / "nightly", change)
    assert FILE in {finding.file for finding in verify(tmp_path).findings}


def test_a_frame_that_unpacks_to_too_much_is_stopped(tmp_path: Path) -> None:
    """A small file that would fill the memory is a damaged frame."""
    from wayra_db.backups.codecs import CODECS, LARGEST_FRAME

    write_backup(tmp_path, "nightly", {"users": [{"_id": 1}]})
    folder = tmp_path / "nightly"
    bomb = CODECS["zstd"].pack(bytes(LARGEST_FRAME + 1), 3)
    (folder / "wayra" / "users.bson.zst").write_bytes(bomb)
    row = [0, len(bomb), LARGEST_FRAME, 1, "0" * 64]
    (folder / "frames" / "users.bson.zst.json").write_text(json.dumps({"format": 1, "frames": [row]}))
    rewritten(folder, lambda document: None)
    (finding,) = verify(tmp_path).findings
    assert re.match("a frame is damaged", finding.what)


def key_pair() -> tuple[str, str]:
    """An identity and its recipient."""
    import pyrage  # type: ignore[import-untyped]  # it ships no types

    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def test_an_encrypted_backup(tmp_path: Path) -> None:
    """Its hashes without the identity, everything with it; a changed byte is found either way."""
    identity, recipient = key_pair()
    write_backup(tmp_path, "nightly", recipients=[recipient])
    assert (verify(tmp_path).kind, verify(tmp_path).documents, verify(tmp_path).ok) == ("hashes", 0, True)
    opened = verify(tmp_path, identities=[identity])
    assert (opened.kind, opened.documents, opened.ok) == ("structure", 49, True)
    path = tmp_path / "nightly" / "wayra" / "users.bson.zst.age"
    content = bytearray(path.read_bytes())
    content[-30] ^= 4
    path.write_bytes(content)
    for identities in (None, [identity]):
        assert {finding.file for finding in verify(tmp_path, identities=identities).findings} == {
            "wayra/users.bson.zst.age"
        }


def test_the_wrong_identity_is_no_damage(tmp_path: Path) -> None:
    """It is an error of whoever gave it, and the backup is not called damaged."""
    write_backup(tmp_path, "nightly", recipients=[key_pair()[1]])
    with pytest.raises(ConfigError, match="the identity does not open"):
        verify(tmp_path, identities=[key_pair()[0]])


def test_a_stop_ends_it(tmp_path: Path) -> None:
    """At the next piece of a file."""
    write_backup(tmp_path, "nightly")
    stop = Stop()
    stop.request("SIGTERM")
    with pytest.raises(CancelledError):
        verify_backup(LocalStore(tmp_path), "nightly", stop=stop)


@pytest.mark.parametrize("name", ["absent", "../nightly", "", ".", "a/b", "link"])
def test_names_of_no_backup(tmp_path: Path, name: str) -> None:
    """Also those that would lead elsewhere, and links."""
    write_backup(tmp_path / "backups", "real")
    write_backup(tmp_path, "nightly")
    (tmp_path / "backups" / "link").symlink_to(tmp_path / "nightly")
    with pytest.raises(BackupNotFoundError):
        verify(tmp_path / "backups", name)


def test_a_manifest_of_another_backup(tmp_path: Path) -> None:
    """A whole manifest with its own digest, in the wrong folder."""
    write_backup(tmp_path, "nightly")
    other: Manifest = write_backup(tmp_path, "other", {"users": [{"_id": 7}]})
    (tmp_path / "nightly" / FILE).write_text(to_json(other), encoding="utf-8")
    assert not verify(tmp_path).ok
