"""What each task makes of what it has read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from wayra_db.backups.catalog import BackupEntry
from wayra_db.backups.manifest import Consistency, Manifest, Source
from wayra_db.backups.records import Verified, VerifyKind
from wayra_db.health import Finding
from wayra_db.maintenance.members import Member
from wayra_db.maintenance.model import PlannedTask, Task
from wayra_db.maintenance.space import CollectionSpace, Limits, Space, from_stats
from wayra_db.maintenance.tasks import compact, rebuild
from wayra_db.maintenance.tasks.backups import newest_unverified
from wayra_db.maintenance.tasks.leftovers import rubbish
from wayra_db.maintenance.tasks.looks import Health
from wayra_db.maintenance.tasks.sample import KEPT_DAYS, before
from wayra_db.maintenance.tasks.validate import judge

MB = 1_000_000
EMPTY, FULL = Space(10 * MB, 6 * MB), Space(10 * MB, MB // 2)
FIRST, SECOND, PRIMARY = Member("a:1", False), Member("b:1", False), Member("c:1", True)


@pytest.mark.parametrize(
    ("size", "free", "worth"),
    [(10 * MB, 2 * MB, True), (10 * MB, 2 * MB - 1, False), (2 * MB, MB - 1, False), (0, 0, False)],
)
def test_when_empty_space_is_worth_the_work(size: int, free: int, worth: bool) -> None:
    """A fifth of the file, and a megabyte."""
    assert Space(size, free).is_worth() is worth


def test_the_servers_statistics_of_a_collection() -> None:
    """Its own file and those of its indexes; a server that tells nothing of an index's file has nothing free there."""
    found = from_stats(
        "trips",
        {
            "storageSize": 100,
            "freeStorageSize": 40,
            "indexSizes": {"a_1": 9, "b_1": 8},
            "indexDetails": {
                "a_1": {"block-manager": {"file size in bytes": 9, "file bytes available for reuse": 5}},
                "b_1": {},
            },
        },
    )
    assert found == CollectionSpace("trips", Space(100, 40), {"a_1": Space(9, 5), "b_1": Space(8, 0)})


class TestCompact:
    """Which collections are compacted on which members."""

    def test_secondaries_only(self) -> None:
        """The primary is told of, and left alone."""
        spaces = [CollectionSpace("trips", EMPTY, {}), CollectionSpace("users", FULL, {})]
        plan = compact.decide([(FIRST, spaces), (SECOND, spaces), (PRIMARY, spaces)], force=False)
        assert [(one.member, one.collection) for one in plan.compactions] == [(FIRST, "trips"), (SECOND, "trips")]
        assert plan.work == (
            "compact trips on a:1: about 6.0 MB of 10.0 MB",
            "compact trips on b:1: about 6.0 MB of 10.0 MB",
        )
        assert plan.notes == ("c:1, the primary: 6.0 MB could be given back, by --force-primary only",)

    def test_the_primary_last_and_only_by_force(self) -> None:
        """After all others."""
        spaces = [CollectionSpace("trips", FULL, {"a_1": Space(30 * MB, 20 * MB)})]
        plan = compact.decide([(FIRST, spaces), (PRIMARY, spaces)], force=True)
        assert [one.member for one in plan.compactions] == [FIRST, PRIMARY]

    def test_nothing_to_give_back(self) -> None:
        """Each member says so."""
        plan = compact.decide([(FIRST, [CollectionSpace("trips", FULL, {})])], force=False)
        assert not plan.due
        assert plan.notes == ("a:1: no file is empty enough",)


class TestRebuild:
    """Which indexes are built anew."""

    LIVE: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "trips": [
            {"key": {"_id": 1}, "name": "_id_"},
            {"key": {"a": 1}, "name": "a_1"},
            {"key": {"b": 1}, "name": "b_1", "sparse": True},
            {"key": {"c": 1}, "name": "c_1"},
        ]
    }

    def spaces(self, **files: Space) -> list[CollectionSpace]:
        """Files of the indexes."""
        return [CollectionSpace("trips", FULL, files)]

    def test_those_with_empty_files(self) -> None:
        """What cannot be is told with its reason; the server's own goes without saying."""
        plan = rebuild.decide(
            self.spaces(_id_=EMPTY, a_1=EMPTY, b_1=EMPTY, c_1=FULL, gone=EMPTY), self.LIVE, which="bloated"
        )
        assert plan.indexes == (("trips", ("a_1",)),)
        assert plan.work == ("build trips.a_1 anew: 6.0 MB of 10.0 MB are empty",)
        assert plan.notes == ("trips.b_1 is left alone: sparse",)

    def test_all(self) -> None:
        """However full they are."""
        plan = rebuild.decide(self.spaces(a_1=FULL, c_1=Space(1, 0)), self.LIVE, which="all")
        assert plan.indexes == (("trips", ("a_1", "c_1")),)

    def test_none_is_empty_enough(self) -> None:
        """The way to all of them is told."""
        plan = rebuild.decide(self.spaces(a_1=FULL), self.LIVE, which="bloated")
        assert not plan.due
        assert "--rebuild-indexes all" in plan.notes[0]

    @pytest.mark.parametrize(("number", "chosen"), [(63, 1), (50, 14), (20, 20)])
    def test_no_more_than_have_room_for_their_twins(self, number: int, chosen: int) -> None:
        """The rest is left for the next time, and is not in the work either."""
        live = [{"key": {f"f{one}": 1}, "name": f"f{one}"} for one in range(number)]
        files = {f"f{one}": EMPTY for one in range(number)}
        plan = rebuild.decide([CollectionSpace("trips", FULL, files)], {"trips": live}, which="all")
        assert len(plan.indexes[0][1]) == len(plan.work) == chosen
        assert len(plan.notes) == number - chosen

    @pytest.mark.parametrize(
        ("free_disk", "chosen"), [(None, ("a_1", "c_1")), (40 * MB, ("a_1", "c_1")), (39 * MB, ("a_1",)), (MB, ())]
    )
    def test_no_more_than_half_of_the_free_disk(self, free_disk: int | None, chosen: tuple[str, ...]) -> None:
        """The twins of a collection stand beside at once."""
        plan = rebuild.decide(self.spaces(a_1=EMPTY, c_1=EMPTY), self.LIVE, which="bloated", free_disk=free_disk)
        assert [name for _, names in plan.indexes for name in names] == list(chosen)
        assert len(plan.notes) == 2 - len(chosen)


def test_which_collections_are_rubbish() -> None:
    """Of restores all, of imports those that are not on their way, of questions the old; nothing of anybody else."""
    now = 10_000.0
    names = [
        "_wayra_restore_ab_1", "_wayra_import_1", "_wayra_import_2", "_wayra_scratch_6000_aa", "_wayra_scratch_9999_bb",
        "_wayra_scratch_odd", "_wayra_meta", "_wayra_log", "users", "restore",
    ]  # fmt: skip
    found = rubbish(names, {"_wayra_import_2": "users"}, now=now)
    assert found == ["_wayra_import_1", "_wayra_restore_ab_1", "_wayra_scratch_6000_aa"]


class TestValidation:
    """The server's verdict in our words."""

    def test_whole(self) -> None:
        """Documents that the validator refuses are no damage."""
        assert judge({"valid": True, "nNonCompliantDocuments": 3}).refused == 3
        assert judge({"valid": True}).damage == ""

    def test_damaged(self) -> None:
        """Counts and names; the server's sentences, which quote keys, are left out."""
        verdict = judge(
            {
                "valid": False,
                "nInvalidDocuments": 1,
                "corruptRecords": [7, 8],
                "missingIndexEntries": [{"indexKey": {"email": "ada@example.com"}}],
                "errors": ["key: ada@example.com"],
                "indexDetails": {"email_1": {"valid": False}, "_id_": {"valid": True}},
            }
        )
        assert verdict.damage == "1 invalid document, 2 corrupt records, 1 missing index entry, index email_1"

    def test_damaged_without_a_reason(self) -> None:
        """Then the log has to be asked."""
        assert judge({"valid": False, "errors": ["x"]}).damage == "the server's log says what"


@dataclass
class Diagnosed:
    """As much of a diagnosis as the task looks at."""

    findings: tuple[Finding, ...]
    made: int = 40
    not_made: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("diagnosis", "summary", "findings"),
    [
        (Diagnosed(()), "40 checks made: all is well", ()),
        (Diagnosed((Finding("a", "info", "a"),)), "40 checks made: all is well", ()),
        (
            Diagnosed((Finding("a", "error", "a", command="do it"), Finding("b", "warning", "b")), not_made=("c",)),
            "40 checks made, 1 not (wayra-db doctor says why): 2 findings",
            ("a → do it", "b"),
        ),
    ],
)
def test_what_is_told_of_health(diagnosis: Any, summary: str, findings: tuple[str, ...]) -> None:
    """What wants a person, and which checks could not be made."""
    done = Health(lambda: diagnosis).run(PlannedTask(Task.HEALTH), Any)  # type: ignore[arg-type]
    assert (done.summary, done.findings) == (summary, findings)


def test_samples_before_a_moment_are_found_by_their_ids() -> None:
    """The ids narrow it down generously; the time decides."""
    moment = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    query = before(moment)
    assert query["at"] == {"$lt": moment}
    assert query["_id"]["$lt"].generation_time > moment


def test_limits_can_be_lower() -> None:
    """For a small disk."""
    assert Space(100, 1).is_worth(Limits(0, 1))


def entry(
    name: str, *, day: int, ok: bool | None = None, kind: VerifyKind = "structure", to: tuple[str, ...] = ()
) -> BackupEntry:
    """A backup of a day, verified or not."""
    at = datetime(2026, 11, day, tzinfo=UTC)
    manifest = Manifest(
        id="0" * 32,
        name=name,
        created_at=at,
        finished_at=at,
        tool_version="1",
        source=Source("shop", "test"),
        consistency=Consistency("snapshot"),
        codec="zstd",
        recipients=to,
    )
    return BackupEntry(name, "backup", 10, at, manifest, None if ok is None else Verified(at, kind, ok, "", "1"))


def test_only_the_newest_backup_is_worth_verifying() -> None:
    """Once it is verified, nothing is; damaged ones and those of others do not count."""
    old, new = entry("old", day=1), entry("new", day=2)
    damaged = entry("damaged", day=3, ok=False)
    assert newest_unverified([old, new, damaged]) == new
    assert newest_unverified([old, entry("new", day=2, ok=True)]) is None
    assert newest_unverified([]) is None
    looked_at = entry("new", day=2, ok=True, kind="hashes")
    assert newest_unverified([looked_at]) == looked_at
    assert newest_unverified([entry("new", day=2, ok=True, kind="hashes", to=("age1x",))]) is None
