from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.backup_writer import write_backup
from wayra_db.backups import BackupKeeper, list_backups
from wayra_db.backups import removal as removal_module
from wayra_db.backups.manifest import FILE
from wayra_db.backups.records import FOLDER, Records
from wayra_db.environment import Action, Environment
from wayra_db.errors import BackupError, BackupNotFoundError, CancelledError, RefusedError
from wayra_db.events import Progress, SecurityEvent
from wayra_db.settings.model import KeepRules
from wayra_db.testing import RecordingObserver

DATA = Path(__file__).parents[2] / "data" / "mongodump"
NIGHT = datetime(2026, 11, 25, 2, tzinfo=UTC)


def keeper(
    folder: Path,
    environment: Environment = Environment.DEVELOPMENT,
    *,
    permitted: tuple[Action, ...] = (),
    rules: KeepRules | None = None,
) -> BackupKeeper:
    """The keeper of a folder, with an observer that records."""
    return BackupKeeper(
        folder, environment, observer=RecordingObserver(), permitted=permitted, rules=rules or KeepRules()
    )


def nights(folder: Path, count: int, environment: str = "development") -> list[str]:
    """Write a backup a night; their names, the newest first."""
    for number in range(count):
        write_backup(folder, f"night{number}", created_at=NIGHT - timedelta(days=number), environment=environment)
    return [f"night{number}" for number in range(count)]


def test_the_list_tells_what_the_manifests_say(tmp_path: Path) -> None:
    """Time, size, documents and the rest, the newest first, beside what mongodump has made."""
    manifest = write_backup(tmp_path, "nightly", created_at=NIGHT, applied=[1, 2])
    write_backup(tmp_path, "safe", created_at=NIGHT + timedelta(days=1), reason="safety", redacted=True)
    shutil.copytree(DATA / "dump", tmp_path / "dump")
    os.utime(tmp_path / "dump" / "legacy" / "types.bson", (1, 1))
    safe, dump, nightly = sorted(keeper(tmp_path).list(), key=lambda one: ("safe", "dump", "nightly").index(one.name))
    assert (nightly.kind, safe.kind, dump.kind) == ("backup", "backup", "dump directory")
    assert nightly.size == sum(path.stat().st_size for path in (tmp_path / "nightly").rglob("*") if path.is_file())
    assert nightly.to_dict() | {"size": 0} == {
        "name": "nightly",
        "kind": "backup",
        "size": 0,
        "modifiedAt": "2026-11-25T02:00:00+00:00",
        "damaged": False,
        "pinned": False,
        "verified": None,
        "wellVerified": False,
        "problem": None,
        "id": manifest.id,
        "createdAt": "2026-11-25T02:00:00+00:00",
        "reason": "manual",
        "database": "wayra",
        "environment": "development",
        "collections": 3,
        "documents": 49,
        "consistency": "snapshot",
        "apart": [],
        "encrypted": False,
        "redacted": False,
        "newestMigration": 2,
    }
    assert (safe.to_dict()["reason"], safe.to_dict()["redacted"]) == ("safety", True)


def test_the_list_reads_no_data(tmp_path: Path) -> None:
    """Data files may be gone: that is for verify to find, and the list stays cheap."""
    write_backup(tmp_path, "nightly")
    for path in (tmp_path / "nightly" / "wayra").iterdir():
        path.unlink()
    (entry,) = list_backups(tmp_path)
    assert entry.to_dict()["documents"] == 49


def test_a_backup_with_a_broken_manifest_is_listed_as_damaged(tmp_path: Path) -> None:
    """With what is wrong; nobody should believe it is gone."""
    write_backup(tmp_path, "nightly")
    (tmp_path / "nightly" / FILE).write_text("{}")
    (entry,) = keeper(tmp_path).list()
    assert entry.damaged
    assert entry.problem.startswith("manifest.json: its format is None")


def test_hidden_folders_and_leftovers_are_no_backups(tmp_path: Path) -> None:
    """They are told beside the list."""
    write_backup(tmp_path, "nightly")
    for name in (".nightly.partial-0123456789abcdef", ".old.deleted-0123456789abcdef", ".other"):
        shutil.copytree(tmp_path / "nightly", tmp_path / name)
    assert [entry.name for entry in keeper(tmp_path).list()] == ["nightly"]
    assert keeper(tmp_path).leftovers() == (
        ".nightly.partial-0123456789abcdef",
        ".old.deleted-0123456789abcdef",
    )


def test_a_verification_is_remembered_until_the_manifest_changes(tmp_path: Path) -> None:
    """Beside the backup, which itself stays as it is."""
    write_backup(tmp_path, "nightly")
    found = keeper(tmp_path)
    assert found.show("nightly").verified is None
    assert found.verify("nightly").ok
    record = found.show("nightly").verified
    assert record is not None
    assert (record.ok, record.kind) == (True, "structure")
    assert found.verify("nightly").findings == ()
    write_backup(tmp_path / "other", "nightly", {"users": [{"_id": 9}]})
    shutil.rmtree(tmp_path / "nightly")
    (tmp_path / "other" / "nightly").rename(tmp_path / "nightly")
    assert found.show("nightly").verified is None


def test_damage_is_remembered_too(tmp_path: Path) -> None:
    """The list shows it as damaged until it is verified as whole again."""
    write_backup(tmp_path, "nightly")
    path = tmp_path / "nightly" / "wayra" / "users.bson.zst"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1])
    assert not keeper(tmp_path).verify("nightly").ok
    assert keeper(tmp_path).show("nightly").damaged
    path.write_bytes(sound)
    assert keeper(tmp_path).verify("nightly").ok
    assert not keeper(tmp_path).show("nightly").damaged


def test_a_shallow_verification_does_not_take_back_a_deep_one(tmp_path: Path) -> None:
    """The hashes are the same, so what was inside is the same."""
    from tests.unit.backups.test_verify import key_pair

    identity, recipient = key_pair()
    write_backup(tmp_path, "nightly", recipients=[recipient])
    found = keeper(tmp_path)
    found.verify("nightly", identities=[identity])
    assert found.verify("nightly").kind == "hashes"
    record = found.show("nightly").verified
    assert record is not None
    assert record.kind == "structure"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"at": "x"}', b"[" * 100_000])
def test_a_broken_record_is_no_record(tmp_path: Path, content: bytes) -> None:
    """It is as if it had never been verified."""
    manifest = write_backup(tmp_path, "nightly")
    keeper(tmp_path).verify("nightly")
    (tmp_path / FOLDER / "verified" / f"{manifest.id}.json").write_bytes(content)
    assert keeper(tmp_path).show("nightly").verified is None


def test_pins(tmp_path: Path) -> None:
    """A pinned backup is neither pruned nor deleted, and keeps its pin under another name."""
    names = nights(tmp_path, 3)
    found = keeper(tmp_path, rules=KeepRules(last=1))
    assert found.pin("night2").pinned
    assert found.pin("night2").pinned
    (tmp_path / "night2").rename(tmp_path / "renamed")
    assert found.show("renamed").pinned
    assert [entry.name for entry in found.plan_prune().remove] == ["night1"]
    with pytest.raises(BackupError, match="renamed is pinned: nothing was deleted"):
        found.delete(["night1", "renamed"])
    assert (tmp_path / "night1").exists()
    assert not found.pin("renamed", pinned=False).pinned
    assert found.delete(["night1", "renamed"]).removed == ("night1", "renamed")
    assert [entry.name for entry in found.list()] == names[:1]


def test_what_mongodump_has_made_cannot_be_pinned(tmp_path: Path) -> None:
    """It says why."""
    shutil.copytree(DATA / "dump", tmp_path / "dump")
    with pytest.raises(BackupError, match="wayra-db has not made it"):
        keeper(tmp_path).pin("dump")


def test_prune_removes_what_the_plan_says(tmp_path: Path) -> None:
    """And what is known of it; the plan is data that was shown before."""
    nights(tmp_path, 5)
    found = keeper(tmp_path, rules=KeepRules(last=2))
    gone = found.show("night4").manifest
    found.verify("night4")
    found.verify("night3")
    plan = found.plan_prune()
    assert [entry.name for entry in plan.remove] == ["night2", "night4"]
    done = found.prune(plan)
    assert (done.removed, done.freed) == (("night2", "night4"), plan.freed)
    assert [entry.name for entry in found.list()] == ["night0", "night1", "night3"]
    assert gone is not None
    assert not (tmp_path / FOLDER / "verified" / f"{gone.id}.json").exists()


def test_a_backup_that_was_pinned_after_the_plan_stays(tmp_path: Path) -> None:
    """The plan speaks of backups as they were."""
    nights(tmp_path, 3)
    found = keeper(tmp_path, rules=KeepRules(last=1))
    plan = found.plan_prune()
    found.pin("night1")
    assert found.prune(plan).removed == ("night2",)


def test_a_copy_of_a_backup_keeps_what_is_known(tmp_path: Path) -> None:
    """The records go with the last copy in the folder."""
    manifest = write_backup(tmp_path, "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    found = keeper(tmp_path)
    found.verify("one")
    found.delete(["one"])
    assert found.show("two").verified is not None
    found.delete(["two"])
    assert Records(tmp_path).verified(manifest.id, "") is None
    assert not list((tmp_path / FOLDER / "verified").iterdir())


@pytest.mark.parametrize("verb", ["delete", "prune"])
@pytest.mark.parametrize(
    ("environment", "source"),
    [
        (Environment.PRODUCTION, "development"),
        (Environment.DEVELOPMENT, "production"),
        (Environment.PRODUCTION, "production"),
    ],
)
def test_production_asks_for_permission(tmp_path: Path, verb: str, environment: Environment, source: str) -> None:
    """In production, and for production's backups anywhere; refused before anything goes, and told."""
    nights(tmp_path, 2, source)
    rules = KeepRules(last=1)

    def act(found: BackupKeeper) -> None:
        if verb == "delete":
            found.delete(["night1"])
        else:
            found.prune(found.plan_prune())

    refused = keeper(tmp_path, environment, rules=rules)
    with pytest.raises(RefusedError, match="deleting backups needs explicit permission in production"):
        act(refused)
    assert isinstance(refused.observer, RecordingObserver)
    assert [event.outcome for event in refused.observer.of(SecurityEvent)] == ["refused"]
    assert len(refused.list()) == 2
    act(keeper(tmp_path, environment, permitted=(Action.BACKUP_DELETE,), rules=rules))
    assert [entry.name for entry in refused.list()] == ["night0"]


@pytest.mark.parametrize("name", ["absent", "../outside", ".", "", ".wayra", "link", "a/../night0"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Nothing outside is deleted, pinned or shown."""
    folder = tmp_path / "backups"
    nights(folder, 1)
    write_backup(tmp_path, "outside")
    keeper(folder).verify("night0")
    (folder / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(BackupNotFoundError):
        keeper(folder).pin(name)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Exception, match=r"there is no backup|no address of backups"):
        keeper(folder).delete([name])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_delete_that_is_killed_leaves_nothing_that_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off after each file that it removes; the next prune removes the rest."""
    total = 0
    for step in range(100):
        write_backup(tmp_path, "nightly")
        left = step

        def killed(path: Path) -> None:
            nonlocal left
            for file in sorted(path.rglob("*"), key=lambda one: -len(one.parts)):
                if left == 0:
                    raise KeyboardInterrupt
                left -= 1
                file.rmdir() if file.is_dir() else file.unlink()
            path.rmdir()

        with monkeypatch.context() as patched:
            patched.setattr(removal_module, "_remove", killed)
            try:
                keeper(tmp_path).delete(["nightly"])
                break
            except KeyboardInterrupt:
                total += 1
        found = keeper(tmp_path)
        assert found.list() == ()
        assert len(found.leftovers()) == 1
        assert len(found.prune(found.plan_prune()).leftovers) == 1
        assert found.leftovers() == ()
    assert total > 10


def test_leftovers_of_runs_that_may_go_on_stay(tmp_path: Path) -> None:
    """A partial folder goes once nothing was written to it for a day."""
    write_backup(tmp_path, "nightly")
    partial = tmp_path / ".next.partial-0123456789abcdef"
    shutil.copytree(tmp_path / "nightly", partial)
    for path in (partial, *partial.rglob("*")):
        os.utime(path)
    found = keeper(tmp_path)
    assert found.prune(found.plan_prune()).leftovers == ()
    old = datetime.now(UTC).timestamp() - 25 * 3600
    for path in (partial, *partial.rglob("*")):
        os.utime(path, (old, old))
    assert found.prune(found.plan_prune()).leftovers == (partial.name,)


def test_copy_to_a_folder_and_back(tmp_path: Path) -> None:
    """Byte for byte, with progress to the last byte; what is in the folder already is refused."""
    manifest = write_backup(tmp_path / "here", "nightly")
    found = keeper(tmp_path / "here")
    done = found.copy("nightly", str(tmp_path / "there"))
    assert (done.files, done.skipped, done.size) == (len(manifest.files) + 1, 0, found.show("nightly").size)
    for path in (tmp_path / "here" / "nightly").rglob("*"):
        if path.is_file():
            copied = tmp_path / "there" / path.relative_to(tmp_path / "here")
            assert copied.read_bytes() == path.read_bytes()
            assert copied.stat().st_mode & 0o777 == 0o600
    assert isinstance(found.observer, RecordingObserver)
    last = found.observer.of(Progress)[-1]
    assert (last.done, last.total, last.unit) == (manifest.size, manifest.size, "bytes")
    with pytest.raises(BackupError, match="there is a backup named nightly"):
        found.copy("nightly", f"file://{tmp_path / 'there'}")
    found.delete(["nightly"])
    found.copy(f"{tmp_path / 'there'}/nightly")
    assert found.verify("nightly").ok
    assert [one.name for one in found.list(str(tmp_path / "there"))] == ["nightly"]


def test_a_stop_ends_a_copy_and_the_next_goes_on(tmp_path: Path) -> None:
    """Nothing is listed before it is whole."""
    write_backup(tmp_path / "here", "nightly", {"users": [{"_id": n, "x": os.urandom(500)} for n in range(9000)]})
    found = keeper(tmp_path / "here")

    def stopping(event: object) -> None:
        if isinstance(event, Progress) and event.done > 1 << 20:
            found.stop.request("SIGTERM")

    found.observer = stopping
    with pytest.raises(CancelledError):
        found.copy("nightly", str(tmp_path / "there"))
    assert found.list(str(tmp_path / "there")) == ()
    part = max((tmp_path / "there").rglob("*.part"), key=lambda path: path.stat().st_size)  # a small one goes beside it
    kept = part.read_bytes()
    assert kept
    assert (tmp_path / "here" / "nightly" / "wayra" / "users.bson.zst").read_bytes().startswith(kept)
    again = keeper(tmp_path / "here")
    again.copy("nightly", str(tmp_path / "there"))
    assert keeper(tmp_path / "there").verify("nightly").ok
