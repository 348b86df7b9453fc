"""The server of the dashboard over HTTP, on a real database; what a browser makes of it stands with the long tests."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient
from pymongo.database import Database

from tests.integration.dashboard_client import ask, events, parts
from tests.support import Sandbox
from wayra_db import Project, locking
from wayra_db.dashboard import Dashboard
from wayra_db.dashboard.server import _ASSETS
from wayra_db.errors import WayraError
from wayra_db.mongo.client import Deployment
from wayra_db.testing import CommandCounter, RecordingObserver

Documents = Database[dict[str, Any]]
READING = {"aggregate", "buildInfo", "collStats", "connectionStatus", "count", "dbStats", "endSessions", "find"}
READING |= {"getMore", "getParameter", "hello", "killCursors", "listCollections", "listIndexes", "ping", "profile"}
READING |= {"replSetGetConfig", "replSetGetStatus", "serverStatus", "usersInfo"}
ALL = ("live", "work", "status", "migrations", "backups", "indexes", "queries", "history")


@pytest.fixture
def dashboard(sandbox: Sandbox) -> Iterator[Dashboard]:
    """A dashboard on an initialised project with a migration to come."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
    sandbox.migration(3, "pass")
    with sandbox.open() as project, Dashboard(project) as server:
        yield server


def test_without_the_token_nothing(dashboard: Dashboard) -> None:
    """No page, no data, no metrics, not even what there is: 401 for each path, and the body tells nothing."""
    for path in (*_ASSETS, "/events", "/metrics", "/healthz", "/nothing", "/?token=wrong"):
        answer = ask(dashboard, path, token=False)
        assert (answer.code, "set-cookie" in answer.headers) == (401, False), path
        assert answer.body == "Unauthorized: open the address that `wayra-db dashboard` has printed.\n"
    assert dashboard.feed.watched == 0
    assert dashboard.feed._readings == {}
    # The token in the address opens the page only: it is not to stand in a scraper's log.
    assert ask(dashboard, f"/healthz?token={dashboard.access.token}", token=False).code == 401


def test_another_sites_name_for_this_machine(dashboard: Dashboard) -> None:
    """DNS rebinding: the right token does not help a page that believes to speak with another host."""
    for path in ("/", "/events", "/metrics"):
        assert ask(dashboard, path, Host=f"evil.example:{dashboard.access.port}").code == 421
    assert ask(dashboard, "/", Host=f"localhost:{dashboard.access.port}").code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_there_is_nothing_to_change(dashboard: Dashboard, method: str) -> None:
    """Only GET and HEAD are known."""
    assert ask(dashboard, "/", method=method).code == 501


def test_the_way_in(dashboard: Dashboard) -> None:
    """The printed address gives a cookie and leads on; the cookie opens the rest, and each answer forbids the rest."""
    assert dashboard.url.startswith(f"http://127.0.0.1:{dashboard.access.port}/?token=")
    first = ask(dashboard, dashboard.url.partition(str(dashboard.access.port))[2], token=False)
    assert first.code == 200
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert dashboard.access.token not in first.body
    for path, (_, kind) in _ASSETS.items():
        answer = ask(dashboard, path, token=False, Cookie=cookie)
        assert (answer.code, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert "access-control-allow-origin" not in answer.headers
    assert ask(dashboard, "/", method="HEAD").body == ""
    assert ask(dashboard, "/nothing").code == 404
    assert ask(dashboard, "/../server.py").code == 404


def test_every_part_comes(dashboard: Dashboard, wayra_database: Documents) -> None:
    """Each with what is known of the database, and nothing that failed."""
    found = parts(dashboard, *ALL)
    assert [one["error"] for one in found.values()] == [None] * len(ALL)
    data = {name: one["data"] for name, one in found.items()}
    assert data["status"]["database"] == wayra_database.name
    assert [one["message"] for one in data["status"]["findings"]][:1] == ["1 migration pending: step"]
    assert {one["name"] for one in data["status"]["collections"]} == {"trips", "users"}
    assert [(one["version"], one["state"]) for one in data["migrations"]["migrations"]] == [
        (1, "applied"),
        (2, "applied"),
        (3, "pending"),
    ]
    assert data["work"]["lock"]["held"] is False
    assert (data["work"]["builds"], data["work"]["batches"], data["work"]["backups"]) == ([], [], [])
    assert {(one["collection"], one["name"]) for one in data["indexes"]["indexes"]} >= {("users", "email_1")}
    assert data["queries"]["shapes"] == data["backups"]["backups"] == []
    assert data["history"]["entries"][0]["event"]
    assert data["live"]["connections"]["current"] > 0


def test_what_happens_is_sent(dashboard: Dashboard, sandbox: Sandbox, wayra_database: Documents) -> None:
    """The lock, a batch that goes on, a backup that grows, and rates: each shows on its own, without asking."""
    partial = sandbox.folder / "backups" / ".weekly.partial-0123456789abcdef"
    point = {"_id": "3", "version": 3, "direction": "up", "number": 1, "collection": "users", "done": False}
    point |= {"documents": 10, "batches": 1, "total": 40, "last": ["hunter2"]}
    deployment = Deployment(wayra_database.client, wayra_database.name)
    with events(dashboard) as stream:

        def until(part: str, *path: Any, value: Any) -> None:
            for one in stream:
                found: Any = one["data"] if one["part"] == part else {}
                assert "hunter2" not in str(one)
                for step in path:
                    found = found[step] if found and (not isinstance(found, list) or len(found) > step) else None
                if found == value:
                    return

        until("work", "lock", "held", value=False)
        with locking.acquire(deployment, "migrate", lease_seconds=30, timeout_seconds=5, observer=RecordingObserver()):
            until("work", "lock", "what", value="migrate")
        wayra_database["_wayra_checkpoints"].insert_one(point)
        until("work", "batches", 0, "documents", value=10)
        wayra_database["_wayra_checkpoints"].update_one({}, {"$set": {"documents": 30}})
        until("work", "batches", 0, "documents", value=30)
        partial.mkdir(parents=True)
        (partial / "users.bson").write_bytes(b"x" * 1000)
        until("work", "backups", 0, "bytes", value=1000)
        (partial / "users.bson").write_bytes(b"x" * 3000)
        until("work", "backups", 0, "bytes", value=3000)
        until("live", "rates", "operations", "delete", value=0)


def test_an_index_build_is_seen(dashboard: Dashboard, wayra_database: Documents) -> None:
    """While it runs, with its collection and name; when it has ended it is gone."""
    client = wayra_database.client
    wayra_database.users.insert_many([{"email": f"{number}@example.com", "n": number} for number in range(2000)])
    client.admin.command({"configureFailPoint": "hangAfterStartingIndexBuild", "mode": "alwaysOn"})
    builder = threading.Thread(target=wayra_database.users.create_index, args=([("n", 1)],), kwargs={"name": "by_n"})
    try:
        builder.start()
        with events(dashboard) as stream:
            builds = next(one["data"]["builds"] for one in stream if one["part"] == "work" and one["data"]["builds"])
            client.admin.command({"configureFailPoint": "hangAfterStartingIndexBuild", "mode": "off"})
            assert [(one["collection"], one["indexes"]) for one in builds] == [("users", ["by_n"])]
            assert next(one for one in stream if one["part"] == "work" and one["data"]["builds"] == [])
    finally:
        client.admin.command({"configureFailPoint": "hangAfterStartingIndexBuild", "mode": "off"})
        builder.join()


def test_metrics(dashboard: Dashboard) -> None:
    """What Prometheus parses, with the numbers of this database."""
    answer = ask(dashboard, "/metrics")
    assert (answer.code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.body)
        for sample in family.samples
    }
    assert samples["wayra_db_healthy",] == 0
    assert samples["wayra_db_migrations", "applied"] == 2
    assert samples["wayra_db_migrations", "pending"] == 1
    assert samples["wayra_db_collection_documents", "users"] == 2
    assert samples["wayra_db_lock_held",] == samples["wayra_db_backups",] == 0
    assert samples["wayra_db_server_operations_total", "insert"] > 0
    assert {value for (name, *_), value in samples.items() if name == "wayra_db_part_up"} == {1}
    assert not any(name.startswith("wayra_db_backup_newest") for name, *_ in samples)


def test_metrics_take_a_package(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the page stands, and the answer says what to install."""
    monkeypatch.delitem(sys.modules, "wayra_db.dashboard.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    answer = ask(dashboard, "/metrics")
    assert (answer.code, "pip install 'wayra-db[dashboard]'" in answer.body) == (501, True)
    assert ask(dashboard, "/").code == 200


def test_health(dashboard: Dashboard, wayra_database: Documents) -> None:
    """Pending work is no illness; a failed migration is one, and is named."""
    assert ask(dashboard, "/healthz").code == 200
    wayra_database["_wayra_migrations"].update_one({"_id": 2}, {"$set": {"state": "failed"}})
    dashboard.feed.latest("status", at_most_seconds=0)
    ill = ask(dashboard, "/healthz")
    assert ill.code == 503
    assert "migration failed" in ill.body


def test_it_only_reads(sandbox: Sandbox, wayra_database: Documents) -> None:
    """All parts are read, metrics and health asked: no command that writes is sent, and an empty database is empty."""
    sandbox.complete()
    counter = CommandCounter()
    with (
        MongoClient[dict[str, Any]](sandbox.uri, event_listeners=[counter]) as client,
        Project(sandbox.open().settings, client=client) as project,
        Dashboard(project) as server,
    ):
        parts(server, *ALL)
        assert ask(server, "/metrics").code == 200
        ask(server, "/healthz")
    assert set(counter.names) <= READING
    assert wayra_database.list_collection_names() == []
    assert not sandbox.folder.joinpath("backups").exists()


def test_a_database_that_is_away(tmp_path: Any) -> None:
    """The page stands and says so in each part that needs the database; the backups are shown all the same."""
    sandbox = Sandbox(tmp_path, "mongodb://user:hunter2@127.0.0.1:1", "nothing")
    sandbox.complete()
    with (
        sandbox.open(environ={"WAYRA_SERVER_SELECTION_TIMEOUT": "0.05"}) as project,
        Dashboard(project) as server,
    ):
        found = parts(server, *ALL)
        assert {name for name, one in found.items() if one["error"] is None} == {"backups", "work"}
        assert found["work"]["data"]["unreadable"].keys() == {"lock", "builds", "batches"}
        assert "hunter2" not in str(found)
        assert ask(server, "/").code == 200
        assert ask(server, "/healthz").code == 503
        metrics = ask(server, "/metrics")
        assert 'wayra_db_part_up{part="status"} 0.0' in metrics.body
        assert 'wayra_db_part_up{part="backups"} 1.0' in metrics.body


def test_a_port_that_is_taken(dashboard: Dashboard, sandbox: Sandbox) -> None:
    """An error with the way out, and no half server."""
    with sandbox.open() as project, pytest.raises(WayraError) as caught:
        Dashboard(project, port=dashboard.access.port)
    assert "--port" in caught.value.hint
