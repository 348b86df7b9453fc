from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from tests.backup_writer import write_backup
from tests.support import Sandbox
from wayra_db import Project, locking
from wayra_db.environment import Action
from wayra_db.errors import CancelledError, LockHeldError, RefusedError, WayraError
from wayra_db.events import Event, StepFinished
from wayra_db.indexes import history
from wayra_db.maintenance import Maintenance, Request, Task
from wayra_db.maintenance.assemble import assemble
from wayra_db.maintenance.operation import run_on
from wayra_db.maintenance.space import Limits
from wayra_db.migrations.rehearsal import scratch as rehearsals
from wayra_db.testing import TemporaryServer

Documents = Database[dict[str, Any]]
EVERYTHING = Limits(0, 1)


@pytest.fixture
def project(sandbox: Sandbox) -> Iterator[Project]:
    """An initialised project."""
    sandbox.complete()
    with sandbox.open() as opened:
        opened.initializer.run()
        yield opened


def maintenance_of(project: Project, limits: Limits = EVERYTHING) -> Maintenance:
    """The project's maintenance, for which the least empty space is worth the work."""
    return assemble(
        project.guard,
        indexes=project.indexes,
        keeper=project.backup_keeper,
        sizes=project.collection_stats,
        diagnose=project.doctor,
        limits=limits,
    )


def outcomes(report: Any) -> dict[str, str]:
    """How each task ended."""
    return {one.task.value: one.outcome for one in report.tasks}


def indexes_of(database: Documents, name: str) -> list[dict[str, Any]]:
    """The indexes of a collection, in the order of their names."""
    return sorted((dict(one) for one in database[name].list_indexes()), key=lambda one: str(one["name"]))


class TestPlanAndRun:
    """A plan first, then the same plan; a report of all of it."""

    def test_a_plan_writes_nothing(self, project: Project, wayra_database: Documents) -> None:
        """Of every task there is."""
        wayra_database["_wayra_restore_aa_1"].insert_one({})
        before = wayra_database.command("dbHash")["md5"]
        plan = project.maintenance.plan(Request(compact=True, validate="full", rebuild="all"))
        assert wayra_database.command("dbHash")["md5"] == before
        assert [one.task for one in plan.tasks] == list(Task)
        assert all(one.failure is None for one in plan.tasks)

    def test_a_whole_run(self, project: Project, wayra_database: Documents) -> None:
        """Samples are kept, and the report stands in the audit log."""
        report = project.maintenance.run()
        assert outcomes(report) == {
            "sample": "done",
            "index-usage": "done",
            "suggestions": "done",
            "leftovers": "nothing to do",
            "verify-backups": "nothing to do",
            "prune-backups": "nothing to do",
            "health": "done",
        }
        assert report.exit_code == 0
        samples = list(wayra_database["_wayra_samples"].find({}, {"_id": 0, "at": 0}, sort=[("collection", 1)]))
        assert [(one["collection"], one["documents"]) for one in samples] == [("trips", 1), ("users", 2)]
        assert all(set(one) >= {"data_bytes", "storage_bytes", "index_bytes"} for one in samples)
        assert wayra_database["_wayra_index_samples"].count_documents({}) == 1
        entry = wayra_database["_wayra_log"].find_one({"event": "maintenance ended"})
        assert entry is not None
        assert entry["done"] == ["sample", "index-usage", "suggestions", "health"]
        assert (entry["failed"], entry["left"]) == ([], [])

    def test_samples_past_their_time_go(self, project: Project, wayra_database: Documents) -> None:
        """As new ones come."""
        now = wayra_database.client.admin.command("hello")["localTime"]
        samples = wayra_database["_wayra_samples"]
        for days in (399, 401):
            at = now - timedelta(days=days)
            sizes = dict.fromkeys(["documents", "data_bytes", "storage_bytes", "index_bytes"], 1)
            id = ObjectId.from_datetime(at)
            samples.insert_one({"_id": id, "at": at, "collection": f"old{days}", **sizes})
        report = project.maintenance.run(project.maintenance.plan(Request(only=[Task.SAMPLE])))
        assert outcomes(report) == {"sample": "done"}
        assert samples.distinct("collection") == ["old399", "trips", "users"]

    def test_a_task_that_fails_stops_no_other(self, sandbox: Sandbox, wayra_database: Documents) -> None:
        """Its error is in the report with its exit code, and its message not in the log."""
        sandbox.complete()
        write_backup(sandbox.folder / "backups", "nightly")
        file = next((sandbox.folder / "backups" / "nightly").rglob("users*"))
        file.write_bytes(file.read_bytes()[:-1])
        with sandbox.open() as project:
            project.initializer.run()
            report = project.maintenance.run()
        assert outcomes(report)["verify-backups"] == "failed"
        assert outcomes(report)["health"] == "done"
        assert report.exit_code == 20
        entry = wayra_database["_wayra_log"].find_one({"event": "maintenance ended"})
        assert entry is not None
        assert entry["failed"] == ["verify-backups"]

    def test_a_plan_that_cannot_be_made_fails_its_task_only(self, project: Project, sandbox: Sandbox) -> None:
        """What the backup folder cannot tell is no reason to keep no samples."""
        sandbox.write("backups", "a file in the place of the folder")
        project.backup_keeper.list = _raising(OSError(5, "Input/output error", "backups"))  # type: ignore[method-assign]
        report = project.maintenance.run()
        assert outcomes(report)["sample"] == "done"
        assert outcomes(report)["prune-backups"] == outcomes(report)["verify-backups"] == "failed"
        assert report.exit_code == 1
        assert "Input/output error: backups" in report.of("failed")[0].summary

    def test_a_fault_of_ours_fails_its_task_only(self, project: Project) -> None:
        """With the place of the fault, and without its text, which may hold a value of a document."""
        project.doctor = _raising(KeyError("ada@example.com"))  # type: ignore[method-assign]
        failed = project.maintenance.run().of("failed")
        assert [one.task for one in failed] == [Task.HEALTH]
        assert failed[0].summary.startswith("unexpected KeyError in ")
        assert "ada" not in failed[0].summary + failed[0].hint

    def test_a_stop_ends_it_between_tasks(self, sandbox: Sandbox, wayra_database: Documents) -> None:
        """With a report of what is done, which is kept; the lock is free."""
        sandbox.complete()

        def stop_after_the_first(event: Event) -> None:
            if isinstance(event, StepFinished) and event.step == "sample":
                opened.guard.stop.request("SIGTERM")

        with sandbox.open() as opened:
            opened.initializer.run()
        with Project.open(sandbox.folder, environ=sandbox.environ(), observer=stop_after_the_first) as opened:
            report = opened.maintenance.run()
            state = locking.read_state(opened.deployment)
        assert report.ended_by == "SIGTERM"
        assert set(outcomes(report).values()) == {"done", "not run", "nothing to do"}
        assert outcomes(report)["health"] == "not run"
        assert state is not None
        assert not state.held
        entry = wayra_database["_wayra_log"].find_one({"event": "maintenance ended"})
        assert entry is not None
        assert entry["left"] == ["index-usage", "suggestions", "health"]

    def test_no_task_begins_after_its_time(self, project: Project) -> None:
        """Which is no failure; the next run has its own time."""
        report = project.maintenance.run(project.maintenance.plan(Request(max_seconds=1e-9)))
        assert report.ended_by == "the end of its time"
        assert outcomes(report)["sample"] == "not run"
        assert report.exit_code == 0
        assert outcomes(project.maintenance.run())["sample"] == "done"

    def test_an_operation_on_the_server_is_killed_by_a_stop(self, project: Project, wayra_database: Documents) -> None:
        """Within moments, and it is gone from the server."""
        stop = project.guard.stop
        command = {"count": "users", "query": {"$where": "sleep(600000) || true"}}
        threading.Timer(0.3, stop.request, ["SIGTERM"]).start()
        with project.guard.changing(Action.MAINTAIN, "test") as lease, stop.protected(), pytest.raises(CancelledError):
            run_on(project.guard, lease, "", command)
        running = wayra_database.client.admin.aggregate([{"$currentOp": {}}, {"$match": {"command.count": "users"}}])
        assert [one for one in running if one["command"].get("$db") == wayra_database.name] == []


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise error

    return fail


class TestTwiceAtOnce:
    """It is done once."""

    def test_the_second_does_nothing_while_the_first_is_at_it(self, sandbox: Sandbox, project: Project) -> None:
        """And says who is; another set of tasks waits for the lock."""
        with sandbox.open(environ={"WAYRA_LOCK_TIMEOUT": "0.1"}) as second:
            with project.guard.changing(Action.MAINTAIN, "maintenance"):
                report = second.maintenance.run()
                with pytest.raises(LockHeldError):
                    second.maintenance.run(second.maintenance.plan(Request(only=[Task.SAMPLE])))
            assert "(pid " in report.elsewhere
            assert set(outcomes(report).values()) == {"skipped"}
            with project.guard.changing(Action.MIGRATE, "migrate"), pytest.raises(LockHeldError):
                second.maintenance.run()

    def test_what_was_done_since_the_plan_is_not_done_again(
        self, sandbox: Sandbox, project: Project, wayra_database: Documents
    ) -> None:
        """The one that waited for the lock finds the other's report in the log."""
        with sandbox.open() as second:
            plan = second.maintenance.plan()
            project.maintenance.run(project.maintenance.plan(Request(only=[Task.SAMPLE])))
            report = second.maintenance.run(plan)
        assert outcomes(report)["sample"] == "skipped"
        assert outcomes(report)["health"] == "done"
        assert wayra_database["_wayra_index_samples"].count_documents({}) == 1


class TestBackups:
    """Verified before anything goes; what goes is what no rule keeps."""

    def test_verified_and_pruned(self, sandbox: Sandbox, project: Project) -> None:
        """The newest unverified is verified, then the rules apply."""
        for day in range(1, 5):
            write_backup(sandbox.folder / "backups", f"day{day}", created_at=datetime(2026, 11, day, tzinfo=UTC))
        with sandbox.open(flags={"backups.retention.keep_last": 2}) as opened:
            plan = opened.maintenance.plan()
            assert plan.removes == ("day2", "day1")
            report = opened.maintenance.run(plan)
            left = [one.name for one in opened.backup_keeper.list()]
        assert report.exit_code == 0
        assert left == ["day4", "day3"]
        newest = project.backup_keeper.show("day4")
        assert newest.verified is not None

    def test_a_backup_that_became_precious_meanwhile_stays(self, sandbox: Sandbox) -> None:
        """It was pinned after the plan was made."""
        sandbox.complete()

        for day in range(1, 4):
            write_backup(sandbox.folder / "backups", f"day{day}", created_at=datetime(2026, 11, day, tzinfo=UTC))
        with sandbox.open(flags={"backups.retention.keep_last": 1}) as opened:
            opened.initializer.run()
            plan = opened.maintenance.plan(Request(only=[Task.PRUNE_BACKUPS]))
            opened.backup_keeper.pin("day1")
            opened.maintenance.run(plan)
            assert [one.name for one in opened.backup_keeper.list()] == ["day3", "day1"]

    def test_production_wants_a_word(self, sandbox: Sandbox) -> None:
        """Passed over by itself, refused when it was asked for, done with permission."""
        sandbox.complete()

        for day in (1, 2):
            write_backup(sandbox.folder / "backups", f"day{day}", created_at=datetime(2026, 11, day, tzinfo=UTC))
        options: dict[str, Any] = {
            "flags": {"backups.retention.keep_last": 1},
            "environ": {"WAYRA_ENV": "production"},
        }
        only = Request(only=[Task.PRUNE_BACKUPS])
        with sandbox.open(**options) as opened:
            opened.initializer.run()
            plan = opened.maintenance.plan()
            planned = next(one for one in plan.tasks if one.task is Task.PRUNE_BACKUPS)
            assert "--allow-production" in planned.skipped
            assert plan.removes == ()
            assert outcomes(opened.maintenance.run(plan))["prune-backups"] == "skipped"
            with pytest.raises(RefusedError):
                opened.maintenance.plan(only)
        with sandbox.open(**options, permitted=[Action.BACKUP_DELETE]) as opened:
            assert outcomes(opened.maintenance.run(opened.maintenance.plan(only)))["prune-backups"] == "done"
            assert [one.name for one in opened.backup_keeper.list()] == ["day2"]


@pytest.mark.parametrize(
    "request_",
    [Request(compact=True), Request(validate="full"), Request(rebuild="bloated")],
    ids=["compact", "validate", "rebuild"],
)
def test_production_wants_a_word_for_what_loads_it(sandbox: Sandbox, request_: Request) -> None:
    """Refused before anything is done."""
    sandbox.complete()
    with sandbox.open(environ={"WAYRA_ENV": "production"}) as opened:
        opened.initializer.run()
        with pytest.raises(RefusedError):
            opened.maintenance.plan(request_)
        assert opened.maintenance.plan(Request(validate="online")).tasks[-1].due


class TestLeftovers:
    """What killed runs have left goes, and nothing that somebody needs."""

    def test_collections_and_checkpoints(self, project: Project, wayra_database: Documents) -> None:
        """An import whose documents were going over is told of and left alone."""
        database = wayra_database
        for name in ("_wayra_restore_aa_1", "_wayra_import_aa", "_wayra_import_bb", "_wayra_scratch_1000_cc"):
            database[name].insert_one({})
        database["_wayra_meta"].insert_one(
            {"_id": "_wayra_import_bb", "target": "users", "mode": "insert", "key": ["_id"], "undo": False}
        )
        point = {"direction": "up", "number": 1, "collection": "users", "done": False, "documents": 1, "batches": 1}
        for version in (1, 9):
            document = {"_id": f"{version} up 1", "version": version, "last": [], "epoch": 1, **point}
            database["_wayra_checkpoints"].insert_one(document)
        plan = project.maintenance.plan(Request(only=[Task.LEFTOVERS]))
        assert "users was cut off" in plan.tasks[0].notes[0]
        report = project.maintenance.run(plan)
        assert report.tasks[0].summary == "gone: 3 collections, 1 migration's checkpoints"
        left = [name for name in database.list_collection_names() if "import" in name or "restore" in name]
        assert left == ["_wayra_import_bb"]
        assert database["_wayra_checkpoints"].distinct("version") == [9]

    def test_databases(self, project: Project, wayra_database: Documents) -> None:
        """Those in which nobody works, of this database."""
        client = wayra_database.client
        mine, kept, busy = (rehearsals.KIND.new_name(wayra_database.name) for _ in range(3))
        others = rehearsals.KIND.new_name("somebody_elses")
        for name in (mine, kept, others):
            client[name].trips.insert_one({})
        client[kept]["_wayra_meta"].insert_one({"_id": rehearsals.KEPT})
        with project.guard.beside(busy).changing(Action.MIGRATE, "migrate rehearse"):
            plan = project.maintenance.plan(Request(only=[Task.LEFTOVERS]))
            assert plan.tasks[0].work == (f"drop the temporary database {mine}",)
            project.maintenance.run(plan)
        names = set(client.list_database_names())
        for name in (kept, busy, others):
            client.drop_database(name)
        assert mine not in names
        assert {kept, busy, others} <= names


class TestRebuild:
    """Indexes are built anew, and are there all the time."""

    def prepared(self, database: Documents) -> list[dict[str, Any]]:
        """Documents with indexes of every kind that there can be a twin of; returns them."""
        users = database.people
        users.insert_many({"_id": n, "a": n % 50, "u": n, "at": None, "pad": "x" * 200} for n in range(3000))
        users.create_index("a")
        users.create_index("u", unique=True)
        users.create_index([("a", 1), ("u", -1)], name="mine", collation={"locale": "de"})
        users.create_index("at", expireAfterSeconds=1000)
        users.create_index([("h", "hashed")])
        users.create_index([("w.$**", 1)])
        users.create_index("hid", hidden=True)
        users.create_index("s", sparse=True)
        return indexes_of(database, "people")

    def test_they_are_afterwards_what_they_were(self, project: Project, wayra_database: Documents) -> None:
        """Every option of them, and nothing is left or to be undone."""
        before = self.prepared(wayra_database)
        plan = project.maintenance.plan(Request(only=[Task.REBUILD_INDEXES], rebuild="all"))
        assert plan.tasks[0].notes == ("people.s_1 is left alone: sparse",)
        report = project.maintenance.run(plan)
        assert outcomes(report) == {"rebuild-indexes": "done"}, report
        assert indexes_of(wayra_database, "people") == before
        assert history.read_unfinished(project.deployment) == []
        assert all(one.command != "rebuild" or not one.changes for one in history.read_all(project.deployment))
        assert project.indexes.plan().empty

    def test_there_is_no_gap(self, project: Project, wayra_database: Documents) -> None:
        """While they are built anew every query has an index and no duplicate comes in."""
        self.prepared(wayra_database)
        seen: list[str] = []
        ended = threading.Event()

        def look() -> None:
            while not ended.is_set():
                for query in ({"a": 3}, {"u": 5}):
                    winning = wayra_database.people.find(query).explain()["queryPlanner"]["winningPlan"]
                    seen.append(str(winning.get("inputStage", winning)["stage"]))
                try:
                    wayra_database.people.insert_one({"_id": "twice", "u": 7})
                    seen.append("a duplicate")
                except DuplicateKeyError:
                    seen.append("refused")

        looking = threading.Thread(target=look)
        looking.start()
        try:
            project.maintenance.run(project.maintenance.plan(Request(only=[Task.REBUILD_INDEXES], rebuild="all")))
        finally:
            ended.set()
            looking.join()
        assert set(seen) == {"IXSCAN", "refused"}

    def test_empty_files_become_small(self, project: Project, wayra_database: Documents) -> None:
        """Only those that are worth it are in the plan."""
        self.prepared(wayra_database)
        wayra_database.people.insert_many({"a": n, "u": n} for n in range(3000, 30_000))
        wayra_database.client.admin.command("fsync")
        wayra_database.people.delete_many({"u": {"$gte": 3000}})
        wayra_database.client.admin.command("fsync")
        manager = maintenance_of(project, Limits(0.2, 200_000))
        plan = manager.plan(Request(only=[Task.REBUILD_INDEXES]))
        assert any(line.startswith("build people.u_1 anew") for line in plan.tasks[0].work), plan
        before = wayra_database.command("collStats", "people")["indexSizes"]
        manager.run(plan)
        after = wayra_database.command("collStats", "people")["indexSizes"]
        assert after["u_1"] < before["u_1"]
        assert not manager.plan(Request(only=[Task.REBUILD_INDEXES])).tasks[0].due

    def test_an_index_that_has_gone_meanwhile_is_left_alone(self, project: Project, wayra_database: Documents) -> None:
        """The plan is older than the drop."""
        self.prepared(wayra_database)
        plan = project.maintenance.plan(Request(only=[Task.REBUILD_INDEXES], rebuild="all"))
        wayra_database.people.drop_index("a_1")
        project.maintenance.run(plan)
        assert "a_1" not in wayra_database.people.index_information()

    def test_a_twin_that_stands_alone_is_replaced_by_its_index(
        self, project: Project, wayra_database: Documents
    ) -> None:
        """As a run leaves it that is killed once the old index is gone: by maintenance, or by `indexes apply`."""
        users = wayra_database.users
        before = indexes_of(wayra_database, "users")
        for heal in (lambda: project.maintenance.run(), lambda: project.indexes.apply()):
            users.create_index("email", name="email_1__v2", unique=True, partialFilterExpression={})
            users.drop_index("email_1")
            heal()
            assert indexes_of(wayra_database, "users") == before


class TestStandalone:
    """One server without a set."""

    def test_validation_and_compaction(self, wayra_standalone: TemporaryServer, sandbox: Sandbox) -> None:
        """It counts as a primary: compacted by force only."""
        sandbox.complete()
        sandbox.uri, sandbox.database = wayra_standalone.uri, "maintained"
        with sandbox.open() as project, wayra_standalone.client() as client:
            project.initializer.run()
            bloated(client["maintained"])
            manager = maintenance_of(project)
            plan = manager.plan(Request(only=[Task.VALIDATE, Task.COMPACT]))
            assert [one.due for one in plan.tasks] == [True, False]
            assert "--force-primary" in plan.tasks[1].notes[0]
            request = Request(only=[Task.VALIDATE, Task.COMPACT, Task.REBUILD_INDEXES, Task.SAMPLE], rebuild="all",
                              validate="full", force_primary=True)  # fmt: skip
            report = manager.run(manager.plan(request))
            assert set(outcomes(report).values()) == {"done"}, report


def bloated(database: Documents) -> None:
    """A collection whose files are mostly empty once a checkpoint has been made."""
    database.big.insert_many({"_id": n, "pad": f"{n * 7919 % 10007}" * 60} for n in range(20_000))
    database.client.admin.command("fsync")
    database.big.delete_many({"_id": {"$lt": 19_000}})
    database.client.admin.command("fsync")


class TestThreeNodes:
    """Secondaries one after another, the primary by force only."""

    def test_compaction(self, wayra_three_nodes: TemporaryServer, sandbox: Sandbox) -> None:
        """No `compact` reaches the primary; with force it comes last. A member that is down passes it over."""
        server = wayra_three_nodes
        sandbox.complete()
        sandbox.uri, sandbox.database = server.uri, "maintained"
        with sandbox.open() as project, server.client(w="majority") as client:
            project.initializer.run()
            bloated(client["maintained"])
            for node in server.nodes:
                with _direct(node.host) as member:
                    member.admin.command("fsync")
            manager = maintenance_of(project)
            plan = manager.plan(Request(only=[Task.COMPACT]))
            primary = server.primary().host
            assert plan.tasks[0].due, plan
            assert not any(primary in line for line in plan.tasks[0].work)
            report = manager.run(plan)
            assert outcomes(report) == {"compact": "done"}, report
            assert report.tasks[0].findings == ()
            compacted = {node.host: _compacted(node.host) for node in server.nodes}
            assert compacted.pop(primary) == 0
            assert all(number > 0 for number in compacted.values())
            forced = manager.run(manager.plan(Request(only=[Task.COMPACT], force_primary=True)))
            assert outcomes(forced)["compact"] == "done", forced
            assert _compacted(primary) > 0
            online = manager.plan(Request(validate="online", only=[Task.VALIDATE]))
            assert len(online.tasks[0].work) == 3
            assert outcomes(manager.run(online)) == {"validate": "done"}
            victim = next(node for node in server.nodes if node.host != primary)
            victim.kill()
            deadline = time.monotonic() + 60
            while (plan := manager.plan(Request(only=[Task.COMPACT]))).tasks[0].failure is None:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            failure = plan.tasks[0].failure
            assert isinstance(failure, WayraError)
            assert victim.host in failure.message
            assert manager.run(plan).exit_code == 1


def _direct(host: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(host, directConnection=True)


def _compacted(host: str) -> int:
    """How many `compact` commands a member has done without failure."""
    with _direct(host) as member:
        counters = member.admin.command("serverStatus")["metrics"]["commands"]["compact"]
    return int(counters["total"] - counters["failed"])
