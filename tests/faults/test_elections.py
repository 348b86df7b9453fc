"""Batched migrations on a replica set that changes its primary, or whose secondaries fall behind."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.faults.nursery import Nursery
from tests.faults.test_runners import wait_until
from tests.support import Sandbox
from wayra_db.environment import Environment
from wayra_db.errors import WayraError
from wayra_db.events import Notice
from wayra_db.migrations import pressure
from wayra_db.testing import TemporaryServer

COUNT = (
    "import time\n\n\ndef up(db, ctx):\n    for batch in ctx.batches('counted', size=10):\n"
    "        batch.update_many({'$inc': {'n': 1}})\n        time.sleep(0.02)\n"
)


@pytest.mark.parametrize("how", ["kill", "step down"])
def test_the_primary_changes_during_a_batched_run(
    tmp_path: Path, wayra_three_nodes: TemporaryServer, nursery: Nursery, how: str
) -> None:
    """It goes on with the next primary or is resumed by the next run: no document is lost, none is met twice."""
    sandbox = Sandbox(tmp_path, wayra_three_nodes.uri, "failover")
    sandbox.write("migrations/0001_count.py", COUNT)
    with wayra_three_nodes.client() as client:
        with sandbox.open() as project:
            project.set_environment(Environment.DEVELOPMENT)
        database = client["failover"]
        database.counted.insert_many([{"_id": number, "n": 0} for number in range(1000)])
        runner = nursery.start(sandbox, "migrate", "--server-selection-timeout", "10")

        def done() -> int:
            with suppress(PyMongoError):
                return sum(one["documents"] for one in database["_wayra_checkpoints"].find())
            return 0

        wait_until(lambda: done() >= 200, "twenty batches are done")
        if how == "kill":
            wayra_three_nodes.primary().kill()
        else:
            with suppress(PyMongoError):
                client.admin.command({"replSetStepDown": 10, "force": True})
        ended = runner.wait()
        assert ended.code in (0, 1, 10), ended.said
        assert "Traceback" not in ended.said
        again = nursery.run(sandbox, "migrate", "--server-selection-timeout", "10")
        assert again.code == 0, again.said
        assert database.counted.distinct("n") == [1]
        log = [entry["_id"] for entry in database["_wayra_log"].find(sort=[("_id", 1)])]
        assert log == list(range(1, len(log) + 1))
        assert database["_wayra_checkpoints"].count_documents({}) == 0


def test_batches_wait_for_a_secondary_that_falls_behind(
    tmp_path: Path, wayra_three_nodes: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stops applying holds the walk up, with a word about why; when it has caught up, the walk goes on."""
    monkeypatch.setattr(pressure, "LAG_SECONDS", (1.0, 2.0))
    sandbox = Sandbox(tmp_path, wayra_three_nodes.uri, "lagging")
    sandbox.write("migrations/0001_count.py", COUNT.replace("0.02", "0.1"))
    primary = wayra_three_nodes.primary()
    behind = next(node for node in wayra_three_nodes.nodes if node is not primary)
    failed: list[WayraError] = []

    def migrate() -> None:
        try:
            with sandbox.open(adopt=True) as project:
                project.migrations.up()
        except WayraError as error:
            failed.append(error)

    directly: MongoClient[dict[str, Any]] = MongoClient(behind.host, directConnection=True)

    def pauses() -> list[Notice]:
        return [one for one in sandbox.observer.of(Notice) if "pauses until" in one.message]

    with (
        wayra_three_nodes.client() as client,
        directly as there,
    ):
        database = client["lagging"]
        database.counted.insert_many([{"_id": number, "n": 0} for number in range(200)])
        there.admin.command({"configureFailPoint": "rsSyncApplyStop", "mode": "alwaysOn"})
        runner = threading.Thread(target=migrate)
        runner.start()
        try:
            wait_until(pauses, "the walk pauses")
            stands = database["_wayra_checkpoints"].find_one()
            time.sleep(1.5)
            assert database["_wayra_checkpoints"].find_one() == stands, "no batch while it pauses"
            assert "secondaries are" in pauses()[0].message
        finally:
            there.admin.command({"configureFailPoint": "rsSyncApplyStop", "mode": "off"})
        runner.join(60)
        assert not failed, failed[0].message
        assert database.counted.distinct("n") == [1]


def test_a_user_who_may_not_ask_for_the_load_can_go_in_batches(
    tmp_path: Path, wayra_auth_server: TemporaryServer
) -> None:
    """`readWrite` on the one database is enough: what may not be asked is left out."""
    with wayra_auth_server.client() as client:
        client.drop_database("modest")
        with suppress(PyMongoError):
            client["modest"].command("dropUser", "modest")
        client["modest"].command("createUser", "modest", pwd="modest", roles=["readWrite"])
        client["modest"].counted.insert_many([{"_id": number, "n": 0} for number in range(50)])
        node = wayra_auth_server.nodes[0].host
        uri = f"mongodb://modest:modest@{node}/?replicaSet=wayra&authSource=modest"
        for version, define, loop, wait in ((1, "def", "for", ""), (2, "async def", "async for", "await ")):
            sandbox = Sandbox(tmp_path, uri, "modest")
            sandbox.write(
                f"migrations/{version:04d}_step.py",
                f"{define} up(db, ctx):\n    {loop} batch in ctx.batches('counted', size=10):\n"
                f"        {wait}batch.update_many({{'$inc': {{'n': 1}}}})\n",
            )
        with sandbox.open(adopt=True) as project:
            assert project.migrations.up().versions == (1, 2)
        assert client["modest"].counted.distinct("n") == [2]
