"""The recipes for monitoring run as they stand on the page, and the reference names what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from pymongo import MongoClient

from tests.docs.test_recipes import recipe
from tests.integration.dashboard_client import ask
from tests.support import Sandbox
from wayra_db.dashboard import Dashboard
from wayra_db.monitoring import Monitor, MonitorCollector
from wayra_db.testing import ServerUnderTest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "monitor-an-application.md"
EXAMPLE = "mongodb://127.0.0.1:27017"


def run(code: str, uri: str) -> str:
    """What a program prints."""
    assert EXAMPLE in code
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.replace(EXAMPLE, uri).replace("9100", "0")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_client_and_prometheus(wayra_server: ServerUnderTest) -> None:
    """The three pieces, one after the other, are a program; Prometheus is told what the page's queries ask for."""
    pieces = [
        recipe(PAGE, one) for one in ("watch.listeners)\n\nclient.shop", "import Limits, monitor", "MonitorCollector(")
    ]
    told = run(
        "\n".join([*pieces, "client.shop.users.find_one()", "print(generate_latest(REGISTRY).decode())"]),
        wayra_server.uri,
    )
    page = (DOCS / "how-to" / PAGE).read_text(encoding="utf-8")
    for name in re.findall(r"mongodb_client_\w+", page):
        assert name in told
    assert "'command': 'find'" in told


def test_opentelemetry_and_a_monitor(wayra_server: ServerUnderTest) -> None:
    """Both listen to one client: a span for the command, without its values, and the monitor counts it."""
    code = recipe(PAGE, "PymongoInstrumentor")
    told = run(f"{code}\nprint([one.command for one in watch.snapshot().commands])", wayra_server.uri)
    assert "['find']" in told
    assert '"db.mongodb.collection": "users"' in told or '"db.collection.name": "users"' in told
    assert "ada@example.com" not in told


def test_every_metric_is_in_the_reference(wayra_server: ServerUnderTest, sandbox: Sandbox) -> None:
    """Each that a monitor or the dashboard tells, and none that they do not."""
    watch = Monitor()
    registry = CollectorRegistry()
    registry.register(MonitorCollector(watch))
    with MongoClient[dict[str, Any]](wayra_server.uri, event_listeners=watch.listeners) as client:
        client.admin.command("ping")
        told = generate_latest(registry).decode()
    sandbox.complete()
    with sandbox.open() as project, Dashboard(project) as server:
        project.initializer.run()
        project.backups.create(name="nightly")
        project.backup_keeper.verify("nightly")
        told += ask(server, "/metrics").body
    page = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE))
    assert named == set(re.findall(r"^# TYPE (\w+) (\w+)$", told, re.MULTILINE))
